"""The march in two dimensions: its kernel, its windows, and the sizes that follow from the problem."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import RegularGridInterpolator

from pinn_ac.compilation import LITTLE, SOME, compiled
from pinn_ac.estimate import Window, from_values, points_needed, time_grids
from pinn_ac.evaluation import relative_error
from pinn_ac.marching.control import LADDER, Controller
from pinn_ac.marching.kernel import Kernel, Prepared
from pinn_ac.marching.lift import CHUNK, in_chunks
from pinn_ac.marching.march import March, rows_in
from pinn_ac.marching.pieces import Piece, on_its_rung
from pinn_ac.marching.plane_lift import (
    BLOCK,
    MODES_STEP,
    VALUE,
    end_on_grid,
    lift_on_grid,
    points_for,
    strong_modes,
    values_from_lift,
    with_modes,
)
from pinn_ac.marching.points import early_power
from pinn_ac.marching.window import WindowProblem
from pinn_ac.problem import LocalPlane, PlaneCondition, transfer_plane
from pinn_ac.problem.double_series import ORDERS
from pinn_ac.reference.grids import fastest_decay
from pinn_ac.residual import monomials
from pinn_ac.sampling import Box, Sobol, draw_points

POOL = 4
"""Candidates a point."""
FALL, REFERENCE_ERROR = 2.5, 1e-4
"""In the plane; see `pinn_ac.marching.control`."""
CELLS = 10
"""Steps of time in a window for the estimate of its error."""
TABLE = (9, 128)
"""Times, and places along each axis, at which the density of a window's points is tabulated."""
COLUMNS = 32
"""Points along each axis at which a window is compared with the reference, about."""


@dataclass(frozen=True, eq=False)
class PlaneKernel(Kernel):
    """The same of a field in the plane, at any points (t, (x, y)); their lift is prepared by its derivatives."""

    @cached_property
    def even(self) -> bool:
        """Symmetries are not made use of."""
        return False

    @cached_property
    def _heat(self) -> Any:
        def heat(condition, pace, t, x):
            paced = self.field.problem.at_pace(pace)
            return jax.vmap(lambda t, x: condition.heat_derivatives(*paced.heat_coordinates(t, x)))(t, x).T

        return jax.jit(heat)

    def heat(self, condition: Any, pace: float, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """`ORDERS` of the lift at points t, (n,), and x, (n, 2): (10, n)."""
        matrix = jnp.asarray(strong_modes(condition), float)
        series = PlaneCondition(matrix, jnp.ones(()))
        return in_chunks(lambda t, x: self._heat(series, jnp.asarray(pace, float), t, x.T), CHUNK, t, x.T)

    @cached_property
    def _background(self) -> Any:
        def background(pace, steepest, t, x, lift):
            paced = self.field.problem.at_pace(pace)
            start = PlaneCondition(jnp.zeros((2, 2)), steepest)

            def about(t, x, lift):
                local = LocalPlane(start, *paced.heat_coordinates(t, x), lift)
                here = self.field._replace(problem=paced.with_initial_condition(local))
                return self.engine(here.background, t, x, self.orders)

            return jax.vmap(about, in_axes=(0, 0, 1), out_axes=-1)(t, x, lift)

        return compiled(background, SOME)

    def at_points(self, condition: Any, pace: float, t: np.ndarray, x: np.ndarray, lift: np.ndarray) -> Prepared:
        """The points t, (n,), and x, (n, 2), with their lift's derivatives (10, n); n is a multiple of `CHUNK`."""
        steepest = jnp.asarray(condition.steepest_slope, float)
        jets = in_chunks(
            lambda t, x, lift: self._background(jnp.asarray(pace, float), steepest, t, x.T, lift), CHUNK, t, x.T, lift
        )
        g = {name: jnp.asarray(values[0]) for name, values in jets.items()}
        z = {name: jnp.asarray(values[1:].T) for name, values in jets.items()}
        return Prepared(jnp.asarray(t, float), jnp.asarray(x, float), g, z)

    @cached_property
    def _network_jet(self) -> Any:
        """(A, b, c, background) → the jet of N at n points, n a multiple of `BLOCK`.

        By the chain rule, with a = A z + b, T = tanh a, s = (1 − T²) c and products by components,

            N = c·T,   N_p = s·(A z_p),   N_pq = s·(A z_pq) − 2 (T s)·[(A z_p) (A z_q)],   p, q = t, x, y.

        These are the derivatives that any engine gives, of no more than (n, K) numbers at once, which a cache holds.
        """

        pairs = [name for name in self.orders if len(name) == 2]

        def network_jet(A, b, c, background):
            def of_block(z):
                T = jnp.tanh(z["u"] @ A.T + b)
                s = (1 - T * T) * c
                bent, slopes = -2 * T * s, s @ A
                along = {axis: z[axis] @ A.T for axis in sorted({*"".join(pairs)})}
                found = {"u": T @ c}
                for name in self.orders:
                    found[name] = jnp.sum(slopes * z[name], axis=1)
                    if name in pairs:
                        found[name] += jnp.sum(bent * along[name[0]] * along[name[1]], axis=1)
                return found

            blocks = {name: values[1:].T.reshape(-1, BLOCK, A.shape[1]) for name, values in background.items()}
            return jax.tree.map(jnp.ravel, jax.lax.map(of_block, blocks))

        return compiled(network_jet, SOME)

    def evaluated(self, piece: Any, condition: Any, t: np.ndarray, points: int) -> np.ndarray:
        """u, its slopes in x and y, and the residual at times t, (m,), from the window's start; (4, m, n, n)."""
        problem, piece = self.field.problem, on_its_rung(piece)
        pace, steepest = jnp.asarray(piece.pace, float), jnp.asarray(condition.steepest_slope, float)
        A, b, c = (jnp.asarray(part) for part in (piece.A, piece.b, piece.c))

        def at_chunk(t: jax.Array, x: jax.Array, lift: jax.Array) -> jax.Array:
            background = self._background(pace, steepest, t, x.T, lift)
            return self._all(pace, t, x.T, background, self._network_jet(A, b, c, background))

        places = problem.places(points**2).T
        found = np.empty((4, len(t), places.shape[1]))
        for row, time in enumerate(t):
            lift = lift_on_grid(problem, condition, float(piece.pace), np.array([time]), points)
            now = np.full(places.shape[1], time)
            found[:, row] = in_chunks(at_chunk, CHUNK, now, places, lift.reshape(len(ORDERS), -1))
        return found.reshape(4, len(t), points, points)

    @cached_property
    def _value(self) -> Any:
        return values_from_lift(self.field)

    def end(self, piece: Any, condition: Any, points: int) -> np.ndarray:
        """u at the end of a window, on a grid, (n, n)."""
        piece = on_its_rung(piece)._replace(cosine=(), sine=(), slope=())
        return end_on_grid(self._value, self.field.problem, piece, condition, piece.length, points, float(piece.pace))

    @cached_property
    def _all(self) -> Any:
        def all_of(pace, t, x, background, jet):
            problem, combine = self.field.problem.at_pace(pace), self.field.ansatz.combine
            g = {name: values[0] for name, values in background.items()}

            def at_point(t, x, g, jet):
                def u(s, y):
                    return combine(problem, s, *(monomials(one, s - t, y - x, self.orders) for one in (g, jet)))

                found = self.engine(u, t, x, (*problem.orders, "x", "y"))
                return jnp.stack([found["u"], found["x"], found["y"], problem.residual(found, problem.at(t, x))])

            return jax.vmap(at_point, out_axes=-1)(t, x, g, jet)

        return compiled(all_of, LITTLE)


@dataclass(frozen=True)
class PlaneWindow(WindowProblem):
    """A window to be solved in; `grid` is that on which its end is transferred to the next."""

    kernel: Any

    def fastest(self, pace: float) -> float:
        """The rate of the fastest decay of the lift that leaves something behind."""
        A = strong_modes(self.condition)
        k = np.arange(len(A)) % (len(A) // 2)  # cosines and sines
        return pace * fastest_decay(self.kernel.field.problem, 0.5 * A, (k, k))

    def drawn(self, length: float, pace: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """t, (n,), and x, (n, 2): about `count` collocation points, at least `CHUNK`.

        They are spread as `Settings.spacing` says, denser at both ends of the window.
        """
        problem = self.kernel.field.problem
        count = max(1, round(count / CHUNK)) * CHUNK
        density, power = self._density(length, pace), early_power(length, self.fastest(pace))

        def split(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return length * (0.5 * (1 - np.cos(np.pi * points[:, 0]))) ** power, points[:, 1:]

        box: Box = ((0.0, 1.0), *problem.domain)
        drawn = draw_points(
            Sobol(count, 1),
            box,
            self.seed,
            "points of a window",
            self.index,
            lambda points: density(*split(points)),
            count,
            POOL * count,
        )
        return split(drawn["residual"])

    def _density(self, length: float, pace: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """1 + a |∇Φ(t, g)|, a = `Spacing.arc_length`, of t, (n,), and x, (n, 2), interpolated in a table."""
        problem, weight = self.kernel.field.problem, self.settings.spacing.arc_length
        times, places = np.linspace(0.0, length, TABLE[0]), np.linspace(-1.0, 1.0, TABLE[1] + 1)
        g, *slopes = lift_on_grid(problem, self.condition, pace, times, TABLE[1], ORDERS[:VALUE])
        t = np.broadcast_to(pace * times[:, None, None], g.shape).ravel()
        stretch = np.asarray(_stretch(problem, jnp.asarray(t, float), jnp.asarray(g.ravel(), float)), np.float64)
        steepness = np.hypot(*(2 / side * slope for side, slope in zip(problem.sides, slopes, strict=True)))
        table = np.pad(1 + weight * steepness * stretch.reshape(g.shape), ((0, 0), (0, 1), (0, 1)), mode="wrap")
        interpolated = RegularGridInterpolator((times, places, places), table)

        def density(t: np.ndarray, x: np.ndarray) -> np.ndarray:
            xi = (x - problem.middle) * (2 / problem.sides)
            return interpolated(np.column_stack([np.clip(t, 0.0, length), np.clip(xi, -1.0, 1.0)]))

        return density

    def prepared(self, length: float, pace: float, count: int) -> Prepared:
        """About `count` collocation points."""
        t, x = self.drawn(length, pace, count)
        return self.kernel.at_points(self.condition, pace, t, x, self.kernel.heat(self.condition, pace, t, x))

    def prepared_roughly(self, length: float, pace: float) -> Prepared:
        """`CHUNK` points."""
        return self.prepared(length, pace, CHUNK)

    def sampled(self, piece: Any, points: int, steps: int) -> Window:
        """The field and its residual for the error estimate, on points × points and `steps` cells of time."""
        t = time_grids(float(piece.length), (), steps, self.fastest(float(piece.pace)))[0]
        u, _, _, f = self.evaluated(piece, t, points)
        return from_values(t, u, f)

    def evaluated(self, piece: Any, t: np.ndarray, points: Any) -> np.ndarray:
        """u, its slopes in x and y, and the residual at times t, (m,), from the window's start; (4, m, n, n).

        `points` is n, the number of even points along each axis.
        """
        return self.kernel.evaluated(piece, self.condition, t, points)

    def end(self, piece: Any) -> np.ndarray:
        """u on the whole grid at the end of the window."""
        return self.kernel.end(piece, self.condition, self.grid)

    def carried(self, piece: Any, modes: int) -> PlaneCondition:
        """The series of so many modes at the end of the window.

        It is found on a grid for `MODES_STEP` modes more than the window began with, which is enough where these are
        rounding errors; else on the whole grid.
        """
        fewer = len(strong_modes(self.condition)) // 2 + MODES_STEP
        if fewer < modes:
            found = transfer_plane(self.kernel.end(piece, self.condition, points_for(fewer)), fewer)
            if len(strong_modes(found)) // 2 < fewer:
                return with_modes(found, modes)
        return transfer_plane(self.end(piece), modes)


@jax.jit
def _stretch_of(problem: Any, t: jax.Array, w: jax.Array) -> jax.Array:
    return jax.vmap(jax.grad(problem.flow, argnums=1))(t, w)


def _stretch(problem: Any, t: jax.Array, w: jax.Array) -> jax.Array:
    """∂Φ(t, w)/∂w, or 1 without a flow."""
    if "flow" not in problem.capabilities:
        return jnp.ones_like(w)
    return _stretch_of(problem.with_initial_condition(None), t, w)


@dataclass
class PlaneMarch(March):
    """A march in the plane."""

    kernel: PlaneKernel

    @cached_property
    def grid(self) -> int:
        """Points along each axis at which the end of a window is evaluated."""
        return points_for(self.modes)

    @cached_property
    def points(self) -> int:
        """Of the estimate's grid along each axis."""
        return points_needed(self.problem)

    @cached_property
    def steps(self) -> int:
        """Of the estimate's grid in t, over the whole horizon."""
        return round(CELLS * self.problem.horizon / self.usual)

    def doubled_points(self, doublings: int) -> int:
        """Of the estimate's grid along each axis after so many doublings."""
        return self.points << doublings

    @property
    def cells(self) -> int:
        """Steps of time in a window, at least, for the estimate of its error."""
        return CELLS

    def controller(self, tolerance: float) -> Controller:
        """For a tolerance."""
        return replace(
            super().controller(tolerance),
            falls=(FALL,) * (len(LADDER) - 1),
            spare=FALL,
            reference_error=REFERENCE_ERROR,
            large=LADDER[-1],
        )

    def window(self, index: int, condition: Any) -> PlaneWindow:
        """The window of this number, which begins at the condition."""
        return PlaneWindow(self.kernel, condition, index, self.seed, self.grid, self.settings)

    def carried(self, window: WindowProblem, piece: Piece) -> PlaneCondition:
        """Where the next window begins: what the piece is at the end of this one."""
        assert isinstance(window, PlaneWindow)
        return window.carried(piece, self.modes)

    def error_in(self, window: WindowProblem, piece: Piece) -> dict[str, float]:
        """The relative L2 error in a window, at a few times of the reference; empty without one."""
        if self.reference is None:
            return {}
        reference: Any = self.reference
        n = len(reference.x)
        stride = max(1, n // COLUMNS)
        if n % stride:
            return {}
        rows, local = rows_in(np.asarray(reference.t) / self.user.time_unit, float(piece.start), float(piece.length))
        if not len(rows):
            return {}
        u = window.evaluated(piece, local, n // stride)[0]
        exact = reference.u[rows][:, ::stride, ::stride]
        return {"window_relative_l2": relative_error(u, exact)}
