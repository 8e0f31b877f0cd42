"""A trained field in two dimensions as a user handles it: a function of (t, x, y)."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.compute import under_own_settings
from pinn_ac.errors import require
from pinn_ac.experiment import Experiment
from pinn_ac.reference import solve_plane, usual_grid
from pinn_ac.solution import Solution

ORDERS = ("u", "u_t", "u_x", "u_y", "u_xx", "u_yy", "residual")
SAMPLED = ("u", "x", "y", "residual")
"""What a report asks for, wherever: the same names, so that one program is compiled for all."""


@dataclass(frozen=True)
class SampledPlane:
    """A field on a grid in t, x and y, float64.

    Args:
        t: (n_t,), ascending, in [0, T].
        x, y: (n,) each, ascending, evenly over one period without its right end.
        u: (n_t, n, n), as are all that follow; u[i, j, k] at (t_i, x_j, y_k).
        u_x, u_y: slopes in space.
        residual: f of the equation.

    Raises:
        InputError: a shape differs from (n_t, n, n).
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    u_x: np.ndarray
    u_y: np.ndarray
    residual: np.ndarray

    def __post_init__(self) -> None:
        for entry in fields(self):
            object.__setattr__(self, entry.name, np.asarray(getattr(self, entry.name), np.float64))
        shape = (self.t.size, self.x.size, self.y.size)
        for name in ("u", "u_x", "u_y", "residual"):
            given = getattr(self, name).shape
            require(given == shape, f"{name} has shape {given}, but the grid of t, x and y has shape {shape}.")

    @property
    def slopes(self) -> tuple[np.ndarray, ...]:
        """The slope along each axis."""
        return self.u_x, self.u_y


class PlaneSolution(Solution):
    """A trained field u(t, x, y); all else is as of a :class:`~pinn_ac.Solution`.

    >>> import jax, pinn_ac
    >>> problem = pinn_ac.AllenCahn2D(diffusivity=0.1)
    >>> solution = pinn_ac.fit(problem, steps=1, progress=False)
    >>> solution(0.5, [[0.1], [0.2]], [0.3, 0.4, 0.5]).shape
    (2, 3)
    >>> slope = jax.grad(solution, argnums=2)(0.5, 0.1, 0.2)
    """

    def __call__(self, t: Any, x: Any, y: Any = None) -> Any:
        """u at (t, x, y).

        Args:
            t: times in [0, T], in the units of the problem's horizon.
            x, y: positions, in the units of its domain; outside it the field is continued periodically. The shapes of
                all three broadcast.

        Returns:
            u, of the broadcast shape; see :meth:`Solution.__call__`.

        Raises:
            InputError: a time outside [0, T], a value that is not finite, or y is missing.
        """
        _require_y(y)
        return self._values(t, x, y)

    def derivatives(  # type: ignore[override]
        self, t: Any, x: Any, y: Any = None, orders: Iterable[str] = ORDERS
    ) -> dict[str, Any]:
        """Derivatives of u at (t, x, y), in the units of t, x and y.

        Args:
            t, x, y: as for calling the solution.
            orders: what is wanted: "u" itself, "residual", and derivatives of any order, named by the axes that they
                are taken along: "t", "x", "yy", "xy", "txx", …, or the same with "u_" before them.

        Returns:
            Name → values of the broadcast shape, for just these names.

        Raises:
            InputError: as for calling it, or a name that is none.
        """
        _require_y(y)
        return self._derivatives(orders, t, x, y)

    def predict(self, t: Any, x: Any, y: Any = None) -> Any:
        """u at (t, x, y): the same as calling the solution."""
        return self(t, x, y)

    @under_own_settings
    def sample(self, times: int | None = None, points: int | None = None) -> Any:
        """The field on `times` even times of [0, T] and `points` × `points` even points of the rectangle.

        By default on 51 × 128 × 128.
        """
        times, points = usual_grid(self.problem, times, points)
        t, (x, y) = np.linspace(0.0, self.problem.horizon, times), self.problem.grids(points)
        found = self._on_grid(t, points)
        return SampledPlane(t, x, y, found["u"], found["x"], found["y"], found["residual"])

    def _on_grid(self, t: np.ndarray, points: int) -> dict[str, np.ndarray]:
        """`SAMPLED` at times t and on an even grid of the rectangle, (m, points, points)."""
        if self.experiment.marches:
            window, from_start = self._window_of(t)
            return self._marched(window, from_start / self.problem.time_unit, points)
        x, y = self.problem.grids(points)
        return self.derivatives(t[:, None, None], x[:, None], y[None, :], SAMPLED)

    def _for_estimate(self, t: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        """`SAMPLED` at times t, (m, 1), and places x, (1, n, 2)."""
        return self._derivatives(SAMPLED, t, x[..., 0], x[..., 1])

    def _solved(self, t: np.ndarray, points: int) -> Any:
        return solve_plane(self.problem, t, points)

    def plot(self, path: str | Path | None = None, reference: bool | None = None) -> Any:
        """Draw maps of the solution at several times; with a reference, that one and the error beside it.

        Args, returns: as of :meth:`Solution.plot`.
        """
        from pinn_ac.reporting.plane import draw_maps  # only here, as matplotlib is slow to import
        from pinn_ac.reporting.style import place_of_picture, shown

        place = place_of_picture(path)
        wanted = "spectral" in self.problem.capabilities if reference is None else reference
        return shown(draw_maps(self.problem, self.sample(), self.reference() if wanted else None), place)


def solution_of(experiment: Experiment, *arguments: Any) -> Solution:
    """The solution of an experiment, of the class that its problem's axes ask for."""
    return (PlaneSolution if len(experiment.problem.axes) == 2 else Solution)(experiment, *arguments)


def _require_y(y: Any) -> None:
    require(y is not None, "A solution in the plane is a function of (t, x, y): give y too.")
