"""Even grids of a period, or of a rectangle's, and what is known at their points."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pinn_ac.problem import Problem
from pinn_ac.reference.plane import grid_rows


def even_places(problem: Problem, points: int) -> np.ndarray:
    """Even places of one period, (n,), or in the plane `points` along each axis, (n², 2)."""
    if len(problem.axes) == 2:
        return problem.places(points**2)
    return problem.domain[0] + problem.period * np.arange(points) / points


def initial_shape(problem: Problem, points: int) -> tuple[int, ...]:
    """(n,) or (n, n)."""
    return (points,) * len(problem.axes)


def initial_values(problem: Problem, points: int) -> np.ndarray:
    """u₀ on the grid, in double precision, whatever the precision of the field is."""
    return grid_rows(problem, points) if len(problem.axes) == 2 else problem.initial_values(points)


def on_circle(
    problem: Problem, derivatives: Callable[[Any, Any], dict[str, np.ndarray]]
) -> Callable[[Any, Any], dict[str, np.ndarray]]:
    """(t, x) → u and f at even points of the circle, from those of the half that lies between the walls."""
    left, right = problem.domain
    is_odd = problem.circle.boundary == "periodic" and problem.boundary_values is not None

    def mirrored(t: Any, x: Any) -> dict[str, np.ndarray]:
        middle = x.shape[-1] // 2
        between = np.append(x[:, middle:], right).reshape(1, -1)
        found = derivatives(t, np.maximum(between, left))
        sign = -1.0 if is_odd else 1.0
        return {
            name: np.concatenate([sign * values[:, :0:-1], values[:, :-1]], axis=1)
            for name, values in found.items()
            if name in ("u", "residual")
        }

    return mirrored
