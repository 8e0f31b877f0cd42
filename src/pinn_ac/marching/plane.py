"""The march in two dimensions: its kernel, its windows, and the sizes that follow from the problem."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.compilation import LITTLE, SOME, compiled
from pinn_ac.estimate import Window, from_values, points_needed, time_grids
from pinn_ac.marching.control import LADDER, Controller
from pinn_ac.marching.kernel import Kernel, Prepared
from pinn_ac.marching.lift import CHUNK, in_chunks
from pinn_ac.marching.march import March, rows_in
from pinn_ac.marching.pieces import Piece
from pinn_ac.marching.window import WindowProblem
from pinn_ac.problem import LocalPlane, PlaneCondition, transfer_plane
from pinn_ac.problem.double_series import ORDERS, trimmed
from pinn_ac.residual import monomials
from pinn_ac.sampling import Box, Sobol, draw_points

POOL = 4
"""Candidates a point."""
PER_RUNG, REFERENCE_ERROR = 2.5, 1e-4
"""In the plane; see `pinn_ac.marching.control`."""
CELLS = 10
"""Steps of time in a window for the estimate of its error."""
ROUNDING, MODES_STEP = 1e-13, 32
"""Relative size of the modes that are left out, and the step in which their number changes; programs depend on it."""
BLOCK = 256
"""Points at which N is differentiated at once; a divisor of `CHUNK`."""
COLUMNS = 32
"""Points along each axis at which a window is compared with the reference, about."""


def strong_modes(condition: Any) -> np.ndarray:
    """A of a condition without the modes that are rounding errors, a multiple of `MODES_STEP` along each axis."""
    return trimmed(np.asarray(condition.matrix, float), ROUNDING, MODES_STEP)


def lift_on_grid(problem: Any, condition: Any, pace: float, t: np.ndarray, points: int) -> np.ndarray:
    """`ORDERS` of the heat flow of a window's condition at times t, (m,), on an even grid of the unit square.

    The waves of x and y factor, so that these are products of matrices of the size of the series: (10, m, n, n).
    """
    A, xi = strong_modes(condition), -1 + 2 * np.arange(points) / points
    rates = 2 * float(problem.diffusion) * pace * (2 / problem.sides) ** 2
    found = np.empty((len(ORDERS), len(t), points, points))
    for row, time in enumerate(t):
        along_x, along_y = (_waves(len(A), rate * time, xi) for rate in rates)
        rows = [wave @ A for wave in along_x]
        for place, (i, j) in enumerate(ORDERS):
            found[place, row] = rows[i] @ along_y[j].T
    return found


def _waves(size: int, variance: float, xi: np.ndarray) -> list[np.ndarray]:
    """`double_series.waves` of places (n,), each (n, size), in NumPy."""
    k = np.pi * np.arange(size // 2)
    decay, angle = np.exp(-0.5 * k**2 * variance), k * xi[:, None]
    cosine, sine, found = decay * np.cos(angle), decay * np.sin(angle), []
    for _ in range(4):
        found.append(np.concatenate([cosine, sine], axis=1))
        cosine, sine = -k * sine, k * cosine
    return found


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

    @cached_property
    def _gradient(self) -> Any:
        def gradient(condition, pace, t, x):
            paced = self.field.problem.at_pace(pace)
            return jax.vmap(lambda t, x: jnp.hstack(condition.heat_flow(*paced.heat_coordinates(t, x))))(t, x).T

        return jax.jit(gradient)

    def heat(
        self, condition: Any, pace: float, t: np.ndarray, x: np.ndarray, gradient_alone: bool = False
    ) -> np.ndarray:
        """`ORDERS` of the lift at points t, (n,), and x, (n, 2), or the first three of them; (10, n) or (3, n)."""
        matrix = jnp.asarray(strong_modes(condition), float)
        series, program = PlaneCondition(matrix, jnp.ones(())), self._gradient if gradient_alone else self._heat
        return in_chunks(lambda t, x: program(series, jnp.asarray(pace, float), t, x.T), CHUNK, t, x.T)

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
        """(A, b, c, z) → the jet of N at n points, n a multiple of `BLOCK`.

        By the chain rule, with a = A z + b, T = tanh a, s = (1 − T²) c and products by components,

            N = c·T,   N_p = s·(A z_p),   N_pq = s·(A z_pq) − 2 (T s)·[(A z_p) (A z_q)],   p, q = t, x, y.

        These are the derivatives that any engine gives, of no more than (n, K) numbers at once, which a cache holds.
        """

        pairs = [name for name in self.orders if len(name) == 2]

        def network_jet(A, b, c, z):
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

            blocks = jax.tree.map(lambda leaf: leaf.reshape(-1, BLOCK, leaf.shape[1]), z)
            return jax.tree.map(jnp.ravel, jax.lax.map(of_block, blocks))

        return compiled(network_jet, SOME)

    def evaluated(self, piece: Any, condition: Any, t: np.ndarray, points: int) -> tuple[np.ndarray, ...]:
        """u, its slopes in x and y, and the residual at times t, (m,), from the window's start; (m, n, n)."""
        pace, problem = float(piece.pace), self.field.problem
        A, b, c = (jnp.asarray(part) for part in (piece.A, piece.b, piece.c))
        places = problem.places(points**2)
        found = np.empty((4, len(t), len(places)))
        for row, time in enumerate(t):
            lift = lift_on_grid(problem, condition, pace, np.array([time]), points).reshape(len(ORDERS), -1)
            size = -(-len(places) // CHUNK) * CHUNK
            filled = np.arange(size) % len(places)
            prepared = self.at_points(condition, pace, np.full(size, time), places[filled], lift[:, filled])
            for start in range(0, size, CHUNK):
                part = jax.tree.map(lambda leaf, start=start: leaf[start : start + CHUNK], prepared)
                values = self._all(jnp.asarray(pace, float), part, self._network_jet(A, b, c, part.z))
                kept = min(CHUNK, len(places) - start)
                found[:, row, start : start + kept] = np.asarray(values, np.float64)[:, :kept]
        return tuple(found.reshape(4, len(t), points, points))

    @cached_property
    def _value(self) -> Any:
        def value(piece, steepest, x, lift):
            paced = self.field.problem.at_pace(piece.pace)
            start = PlaneCondition(jnp.zeros((2, 2)), steepest)

            def at_place(x, lift):
                local = LocalPlane(start, *paced.heat_coordinates(piece.length, x), lift)
                here = self.field._replace(problem=paced.with_initial_condition(local), pace=None)
                return here(piece, piece.length, x)

            return jax.vmap(at_place, in_axes=(1, 1))(x, lift)

        return compiled(value, SOME)

    def end(self, piece: Any, condition: Any, points: int) -> np.ndarray:
        """u at the end of a window, on a grid, (n, n)."""
        problem, pace = self.field.problem, float(piece.pace)
        lift = lift_on_grid(problem, condition, pace, np.array([float(piece.length)]), points)
        steepest, series = jnp.asarray(condition.steepest_slope, float), piece._replace(cosine=(), sine=(), slope=())
        on_device = jax.tree.map(jnp.asarray, series)
        u = in_chunks(
            lambda x, lift: self._value(on_device, steepest, x, lift),
            CHUNK,
            problem.places(points**2).T,
            lift.reshape(len(ORDERS), -1),
        )
        return np.asarray(u, np.float64).reshape(points, points)

    @cached_property
    def _all(self) -> Any:
        def all_of(pace, points, jet):
            problem, combine = self.field.problem.at_pace(pace), self.field.ansatz.combine

            def at_point(t, x, g, jet):
                def u(s, y):
                    return combine(problem, s, *(monomials(one, s - t, y - x, self.orders) for one in (g, jet)))

                found = self.engine(u, t, x, (*problem.orders, "x", "y"))
                return found["u"], found["x"], found["y"], problem.residual(found, problem.at(t, x))

            return jax.vmap(at_point)(points.t, points.x, points.g, jet)

        return compiled(all_of, LITTLE)


@dataclass(frozen=True)
class PlaneWindow(WindowProblem):
    """A window to be solved in; `grid` is that on which its end is transferred to the next."""

    kernel: Any

    def drawn(self, length: float, pace: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """t, (n,), and x, (n, 2): about `count` collocation points, at least `CHUNK`.

        They are spread as `Settings.spacing` says, denser at both ends of the window.
        """
        problem, kernel, condition = self.kernel.field.problem, self.kernel, self.condition
        count = max(1, round(count / CHUNK)) * CHUNK
        weight = self.settings.spacing.arc_length

        def split(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return 0.5 * length * (1 - np.cos(np.pi * points[:, 0])), points[:, 1:]

        def density(points: np.ndarray) -> np.ndarray:
            t, x = split(points)
            lift = kernel.heat(condition, pace, t, x, gradient_alone=True)
            slopes = np.hypot(*(2 / problem.sides[:, None] * lift[[1, 2]]))
            return 1 + weight * slopes * np.asarray(_stretch(problem, jnp.asarray(pace * t), jnp.asarray(lift[0])))

        box: Box = ((0.0, 1.0), *problem.domain)
        drawn = draw_points(
            Sobol(count, 1), box, self.seed, "points of a window", self.index, density, count, POOL * count
        )
        return split(drawn["residual"])

    def prepared(self, length: float, pace: float, count: int) -> Prepared:
        """About `count` collocation points."""
        t, x = self.drawn(length, pace, count)
        return self.kernel.at_points(self.condition, pace, t, x, self.kernel.heat(self.condition, pace, t, x))

    def sampled(self, piece: Any, points: int, steps: int) -> Window:
        """The field and its residual for the error estimate, on points × points and `steps` cells of time."""
        t = time_grids(float(piece.length), (), steps)[0]
        u, _, _, f = self.kernel.evaluated(piece, self.condition, t, points)
        return from_values(t, u, f)

    def end(self, piece: Any) -> np.ndarray:
        """u on the whole grid at the end of the window."""
        return self.kernel.end(piece, self.condition, self.grid)


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
        return 2 * (self.modes + self.modes // 8)

    @cached_property
    def points(self) -> int:
        """Of the estimate's grid along each axis."""
        return points_needed(self.problem)

    @cached_property
    def steps(self) -> int:
        """Of the estimate's grid in t, over the whole horizon."""
        return round(CELLS * self.problem.horizon / self.usual)

    @property
    def cells(self) -> int:
        """Steps of time in a window, at least, for the estimate of its error."""
        return CELLS

    def controller(self, tolerance: float) -> Controller:
        """For a tolerance."""
        known = {"per_rung": PER_RUNG, "reference_error": REFERENCE_ERROR, "large": LADDER[-1]}
        return replace(super().controller(tolerance), **known)  # type: ignore[arg-type]

    def window(self, index: int, condition: Any) -> PlaneWindow:
        """The window of this number, which begins at the condition."""
        return PlaneWindow(self.kernel, condition, index, self.seed, self.grid, self.settings)

    def carried(self, window: WindowProblem, piece: Piece) -> PlaneCondition:
        """Where the next window begins: what the piece is at the end of this one."""
        return transfer_plane(window.end(piece), self.modes)

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
        u = self.kernel.evaluated(piece, window.condition, local, n // stride)[0]
        exact = reference.u[rows][:, ::stride, ::stride]
        return {"window_relative_l2": float(np.linalg.norm(u - exact) / np.linalg.norm(exact))}
