"""Which kernel, window and march the number of a problem's dimensions asks for, and what a march's field is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinn_ac.ansatz import Field
from pinn_ac.derivatives import Engine
from pinn_ac.gradients import Gradient
from pinn_ac.marching.kernel import Kernel
from pinn_ac.marching.march import March
from pinn_ac.marching.pieces import Piece, on_its_rung, used
from pinn_ac.marching.plane import PlaneKernel, PlaneMarch, PlaneWindow
from pinn_ac.problem import Problem


def kernel_for(field: Field, engine: Engine, gradient: Gradient) -> Kernel:
    """The kernel of a field in one or two dimensions."""
    return (PlaneKernel if len(field.problem.axes) == 2 else Kernel)(field, engine, gradient)


def march_for(problem: Problem) -> type[March]:
    """The kind of march that solves this problem."""
    return PlaneMarch if len(problem.axes) == 2 else March


def points_of(window: Any, piece: Piece) -> tuple[np.ndarray, np.ndarray | None]:
    """The collocation points that a window was solved on, and the residual at each, (n,); None for that in the plane.

    The points are (n, 2) with columns t, from the window's start, and x; and y.
    """
    asked = float(piece.length), float(piece.pace), round(window.settings.points * used(piece))
    if isinstance(window, PlaneWindow):
        return np.column_stack(window.drawn(*asked)), None
    points = window.prepared(*asked)
    _, residual = window.kernel.values_of(on_its_rung(piece), points, points.t.shape)
    return np.column_stack([np.asarray(points.t), np.asarray(points.x)]), residual


def sampled(
    windows: Sequence[Any], pieces: Sequence[Piece], window: np.ndarray, t: np.ndarray, places: Any
) -> dict[str, np.ndarray]:
    """The field of a march on a grid: "u", its slopes "x" and, in the plane, "y", and the "residual".

    All have natural units.

    Args:
        windows, pieces: of the march, in order.
        window: (m,), ascending, which of them each time lies in.
        t: (m,), from the start of that window.
        places: x, (n,), which gives values (m, n); in the plane n, the number of even points along each axis, which
            gives values (m, n, n).
    """
    found = []
    for index in np.unique(window):
        local = np.clip(t[window == index], 0.0, float(pieces[index].length))
        found.append(windows[index].evaluated(pieces[index], local, places))
    names = ("u", "x", "residual") if np.ndim(places) else ("u", "x", "y", "residual")
    return dict(zip(names, np.concatenate(found, axis=1), strict=True))
