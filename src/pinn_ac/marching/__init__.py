"""Time marching with error control: windows whose length and network an error estimate chooses."""

from pinn_ac.marching.control import MOST_UNITS, Choice, Controller
from pinn_ac.marching.dimension import kernel_for, march_for, points_of, sampled
from pinn_ac.marching.kernel import Kernel
from pinn_ac.marching.march import March
from pinn_ac.marching.pieces import Piece, blank, cut, network, pace, padded, used
from pinn_ac.marching.plane_lift import end_on_grid, points_for, values_from_lift
from pinn_ac.marching.points import Spacing
from pinn_ac.marching.progress import estimate_of, modes_of, pieces_of, plane_modes, require_modes, usual_length
from pinn_ac.marching.window import Settings

__all__ = [
    "MOST_UNITS",
    "Choice",
    "Controller",
    "Kernel",
    "March",
    "Piece",
    "Settings",
    "Spacing",
    "blank",
    "cut",
    "end_on_grid",
    "estimate_of",
    "kernel_for",
    "march_for",
    "modes_of",
    "network",
    "pace",
    "padded",
    "pieces_of",
    "plane_modes",
    "points_for",
    "points_of",
    "require_modes",
    "sampled",
    "used",
    "usual_length",
    "values_from_lift",
]
