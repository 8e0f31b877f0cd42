"""The march in two dimensions: its kernel, its windows, and the sizes that follow from the problem."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.compilation import LITTLE, SOME, compiled
from pinn_ac.estimate import Window, from_values, time_grids
from pinn_ac.marching.kernel import Kernel, Prepared
from pinn_ac.marching.lift import CHUNK, in_chunks
from pinn_ac.marching.window import WindowProblem
from pinn_ac.problem import LocalPlane, PlaneCondition, Problem
from pinn_ac.problem.double_series import ORDERS
from pinn_ac.residual import monomials
from pinn_ac.sampling import Sobol, draw_points

POOL = 4
"""Candidates a point."""


def plane_modes(problem: Problem) -> int:
    """Modes along an axis of the series that a window begins at: they hold an interface tanh(ξ/w) to about 1e-8.

    w is no thinner than the interfaces that the equation forms, nor than the reaction can have made the steepest slope.
    """
    thinnest = 1 / (problem.initial_condition.steepest_slope * min(problem.steepening, math.exp(50.0)))
    thinnest = max(thinnest, problem.interface_width or 0.0)
    own = len(problem.initial_condition.matrix) // 2  # type: ignore[attr-defined]
    wanted = max(-math.log(1e-8) / (0.5 * np.pi**2 * thinnest), min(own, 96))
    return int(np.clip(16 * math.ceil(wanted / 16), 32, 192))


def lift_on_grid(problem: Any, condition: Any, pace: float, t: np.ndarray, points: int) -> np.ndarray:
    """`ORDERS` of the heat flow of a window's condition at times t, (m,), on an even grid of the unit square.

    The waves of x and y factor, so that these are products of matrices of the size of the series: (10, m, n, n).
    """
    A, xi = np.asarray(condition.matrix, float), -1 + 2 * np.arange(points) / points
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

    def heat(self, condition: Any, pace: float, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """`ORDERS` of the lift at points t, (n,), and x, (n, 2); (10, n)."""
        series = PlaneCondition(jnp.asarray(condition.matrix, float), jnp.asarray(condition.steepest_slope, float))
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

    def prepared(self, condition: Any, pace: float, t: np.ndarray, x: np.ndarray, lift: np.ndarray) -> Prepared:
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
        def network_jet(A, b, c, z):
            def at_point(jet):
                def N(t, x):
                    return jnp.tanh(A @ monomials(jet, t, x, self.orders) + b) @ c

                return self.engine(N, jnp.zeros(()), self.origin, self.orders)

            return jax.vmap(at_point)(z)

        return compiled(network_jet, SOME)

    def evaluated(self, piece: Any, condition: Any, t: np.ndarray, points: int) -> tuple[np.ndarray, ...]:
        """u, its slopes in x and y, and the residual at times t, (m,), from the window's start, on a grid; (m, n, n)."""
        pace, problem = float(piece.pace), self.field.problem
        A, b, c = (jnp.asarray(part) for part in (piece.A, piece.b, piece.c))
        places = problem.places(points**2)
        found = np.empty((4, len(t), len(places)))
        for row, time in enumerate(t):
            lift = lift_on_grid(problem, condition, pace, np.array([time]), points).reshape(len(ORDERS), -1)
            size = -(-len(places) // CHUNK) * CHUNK
            filled = np.arange(size) % len(places)
            prepared = self.prepared(condition, pace, np.full(size, time), places[filled], lift[:, filled])
            for start in range(0, size, CHUNK):
                part = jax.tree.map(lambda leaf, start=start: leaf[start : start + CHUNK], prepared)
                values = self._all(jnp.asarray(pace, float), part, self._network_jet(A, b, c, part.z))
                kept = min(CHUNK, len(places) - start)
                found[:, row, start : start + kept] = np.asarray(values, np.float64)[:, :kept]
        return tuple(found.reshape(4, len(t), points, points))

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

    def prepared(self, length: float, pace: float, count: int) -> Prepared:
        """At least about `count` collocation points, spread as `Settings.spacing` says; denser at both ends of time."""
        problem, kernel, condition = self.kernel.field.problem, self.kernel, self.condition
        count = max(1, round(count / CHUNK)) * CHUNK
        weight = self.settings.spacing.arc_length

        def split(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return 0.5 * length * (1 - np.cos(np.pi * points[:, 0])), points[:, 1:]

        def density(points: np.ndarray) -> np.ndarray:
            t, x = split(points)
            lift = kernel.heat(condition, pace, t, x)
            slopes = np.hypot(*(2 / problem.sides[:, None] * lift[[1, 2]]))
            return 1 + weight * slopes * np.asarray(_stretch(problem, jnp.asarray(pace * t), jnp.asarray(lift[0])))

        box = ((0.0, 1.0), *problem.domain)
        drawn = draw_points(
            Sobol(count, 1), box, self.seed, "points of a window", self.index, density, count, POOL * count
        )
        t, x = split(drawn["residual"])
        return kernel.prepared(condition, pace, t, x, kernel.heat(condition, pace, t, x))

    def sampled(self, piece: Any, points: int, steps: int) -> Window:
        """The field and its residual for the error estimate, on points × points and `steps` cells of time."""
        t = time_grids(float(piece.length), (), steps)[0]
        u, _, _, f = self.kernel.evaluated(piece, self.condition, t, points)
        return from_values(t, u, f)

    def end(self, piece: Any) -> np.ndarray:
        """u on the whole grid at the end of the window."""
        return self.kernel.evaluated(piece, self.condition, np.array([float(piece.length)]), self.grid)[0][0]


@jax.jit
def _stretch_of(problem: Any, t: jax.Array, w: jax.Array) -> jax.Array:
    return jax.vmap(jax.grad(problem.flow, argnums=1))(t, w)


def _stretch(problem: Any, t: jax.Array, w: jax.Array) -> jax.Array:
    """∂Φ(t, w)/∂w, or 1 without a flow."""
    if "flow" not in problem.capabilities:
        return jnp.ones_like(w)
    return _stretch_of(problem.with_initial_condition(None), t, w)
