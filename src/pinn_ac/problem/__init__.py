"""Problems: the interface of an equation, the equations themselves, initial conditions and their heat flows."""

from pinn_ac.problem.allen_cahn import AllenCahn
from pinn_ac.problem.allen_cahn_2d import AllenCahn2D
from pinn_ac.problem.arrays import read_arrays
from pinn_ac.problem.between_walls import HalfWaves, Tanh
from pinn_ac.problem.burgers import Burgers
from pinn_ac.problem.capabilities import CAPABILITIES
from pinn_ac.problem.double_series import DoubleSeries, LocalPlane, PlaneCondition, transfer_plane
from pinn_ac.problem.initial_conditions import (
    BandLimited,
    Cosine,
    Fourier,
    InitialCondition,
    Sine,
    XSquaredCosine,
)
from pinn_ac.problem.initial_conditions_2d import Disc, Fourier2D, Random2D, Star
from pinn_ac.problem.local_lift import LOCAL_ORDERS, with_local_lift
from pinn_ac.problem.problem import Problem
from pinn_ac.problem.tabulated import Tabulated
from pinn_ac.problem.tabulated_2d import Tabulated2D
from pinn_ac.problem.transfer import FourierCondition, modes_needed, transfer

__all__ = [
    "CAPABILITIES",
    "LOCAL_ORDERS",
    "AllenCahn",
    "AllenCahn2D",
    "BandLimited",
    "Burgers",
    "Cosine",
    "Disc",
    "DoubleSeries",
    "Fourier",
    "Fourier2D",
    "FourierCondition",
    "HalfWaves",
    "InitialCondition",
    "LocalPlane",
    "PlaneCondition",
    "Problem",
    "Random2D",
    "Sine",
    "Star",
    "Tabulated",
    "Tabulated2D",
    "Tanh",
    "XSquaredCosine",
    "modes_needed",
    "read_arrays",
    "transfer",
    "transfer_plane",
    "with_local_lift",
]
