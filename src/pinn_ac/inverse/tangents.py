"""How the solution of a march changes with what is unknown: its sensitivities, window after window.

Let v_j = ∂u/∂η_j for the unknowns η_j. In a window the field is u = F(t, g, N; θ) with the lift g, the network
N = Σ c_k φ_k and the coefficients θ. It solves r = 0, so that, with the features φ_k held as they are,

    J δc_j = −( ∂r/∂g · δg_j + ∂r/∂θ · δθ_j ),     v_j = ∂F/∂g δg_j + ∂F/∂N Σ_k δc_jk φ_k + ∂F/∂θ · δθ_j.

J is the Jacobian of Gauss–Newton in c, whose factorization serves every j at once; ∂r/∂g stands for the derivatives
by the whole jet of g. The lift changes with its variance and with where the window begins:

    δg_j = exp(tD∂²) v_j(start) + ½ δ(2Dt)_j g_ξξ,

and v_j at the end of a window is where the next one begins. So v_j solves the linearized equation as accurately as u
solves the equation, by the same features: it is the derivative of network and coefficients together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.compilation import LITTLE, compiled, kept
from pinn_ac.marching import Kernel, March, Piece, used
from pinn_ac.marching.kernel import Prepared, jacobian, jet_of, with_values
from pinn_ac.marching.lift import CHUNK, Lift, in_chunks, series_at
from pinn_ac.marching.pieces import with_room
from pinn_ac.marching.window import IMPROVEMENT, WindowProblem, lines_for
from pinn_ac.optimizers.least_squares.shortest import least_squares_steps
from pinn_ac.problem import transfer
from pinn_ac.problem.lifts import DERIVATIVES
from pinn_ac.residual import monomials, residual_of

WAVES = 2**22
"""Points times modes of a series that are summed at once."""
NEEDED = DERIVATIVES + 2
"""Derivatives of g in ξ, from the 0th, of which the jet of δg is made."""


class Directions(NamedTuple):
    """The unknowns η_j, j < p: by what the problem changes with each.

    coefficients: name → ∂θ/∂η_j, (p,), in natural units; those that are not named do not change.
    start: ∂u₀/∂η_j as Fourier coefficients c_k, (p, modes), see `fourier_coefficients`; None where u₀ is known.
    """

    coefficients: Mapping[str, np.ndarray]
    start: np.ndarray | None = None

    @property
    def number(self) -> int:
        """p."""
        return len(next(iter(self.coefficients.values()))) if self.coefficients else len(self.start)  # type: ignore


class Swept(NamedTuple):
    """What came of one sweep over the windows.

    pieces: the field, whose output weights have been improved.
    tangents: of each window's output weights, δc, (K, p).
    u: at the m observations, (m,).
    slopes: its sensitivities there, ∂u/∂η_j, (m, p).
    loss: the mean of r² over all collocation points at the end.
    """

    pieces: tuple[Piece, ...]
    tangents: tuple[np.ndarray, ...]
    u: np.ndarray
    slopes: np.ndarray
    loss: float

    def moved(self, step: np.ndarray) -> tuple[Piece, ...]:
        """The pieces with the output weights that belong, to first order, to the unknowns η + step."""
        moved = zip(self.pieces, self.tangents, strict=True)
        return tuple(piece._replace(c=piece.c + delta @ step) for piece, delta in moved)


class Places(NamedTuple):
    """Points of one window, filled up to a multiple of `CHUNK`, and what is known there.

    points: as the kernel prepares them.
    g: the derivatives of g in ξ, (NEEDED, n).
    flows: those of exp(tD∂²) v_j(start), (p, DERIVATIVES, n).
    own: how many come first and are no filling.
    """

    points: Prepared
    g: np.ndarray
    flows: np.ndarray
    own: int


def sweep(
    march: March, pieces: Sequence[Piece], directions: Directions, t: np.ndarray, x: np.ndarray, steps: int = 1
) -> Swept:
    """Gauss–Newton over the network in every window, and the network's and the field's change with the unknowns.

    Args:
        march: of the problem and the kernel with the coefficients as they are now.
        pieces: windows and drawn features, which are kept, and output weights to begin with. Where each window begins
            is found anew.
        directions: the unknowns.
        t, x: of the observations, (m,), in natural units.
        steps: of Gauss–Newton in each window, at most; more than one where the first does not end in the residual
            that the features leave.
    """
    kernel, count = march.kernel, directions.number
    starts = np.array([float(piece.start) for piece in pieces])
    window = np.clip(np.searchsorted(starts, t, side="left") - 1, 0, None)
    u, slopes = np.empty(len(t)), np.empty((len(t), count))
    waves = np.zeros((count, march.modes), complex) if directions.start is None else directions.start
    condition, found, tangents, losses = march.problem.initial_condition, [], [], []
    for index, piece in enumerate(pieces):
        problem = WindowProblem(kernel, condition, index, march.seed, march.grid, march.settings)
        tangent = _Window(problem, with_room(piece, used(piece)), directions, waves)
        losses.append(tangent.solve(steps))
        here = np.flatnonzero(window == index)
        if len(here):
            local = np.clip(t[here] - starts[index], 0.0, float(piece.length))
            u[here], v = tangent.at(tangent.scattered(local, x[here]))
            slopes[here] = v.T
        found.append(tangent.piece)
        tangents.append(tangent.tangents)
        if index + 1 < len(pieces):
            condition, waves = tangent.end(march.modes)
    return Swept(tuple(found), tuple(tangents), u, slopes, float(np.mean(losses)))


@dataclass
class _Window:
    """One window's field and its derivative."""

    window: WindowProblem
    piece: Piece
    directions: Directions
    waves: np.ndarray

    def __post_init__(self) -> None:
        self.pace, self.lift = float(self.piece.pace), self.window.lift(float(self.piece.pace))
        self.rates = _diffusivity_rates(self.window.kernel, self.directions)
        self.tangents = np.zeros((used(self.piece), self.directions.number))

    def solve(self, steps: int) -> float:
        """Improve the output weights and find their tangents by the same factorization; the mean of r² at the end."""
        kernel, places, settings = self.window.kernel, self._collocation(), self.window.settings
        phi, c, jets = kernel.features(self.piece, places.points), jnp.asarray(self.piece.c), self._jets(places)
        best, before = (np.inf, c), np.inf
        for step in range(steps + 1):
            r, of_g, of_n, of_coefficients = _residual(kernel, self.pace, places.points, jet_of(phi, c))
            loss = float(np.mean(r**2))
            best = min(best, (loss, c), key=lambda one: one[0]) if loss == loss else best
            if step == steps or not loss < IMPROVEMENT**2 * before:
                break
            rows = sum(of_g[name] * jet for name, jet in jets.items())
            for name, rate in self.directions.coefficients.items():
                rows = rows + rate[:, None] * of_coefficients[name]
            J = jacobian(phi, {name: jnp.asarray(value) for name, value in of_n.items()})
            found = _steps(J, jnp.asarray(np.vstack([r, rows]).T), settings.floor, solver=settings.solver)
            c, self.tangents, before = c + found[:, 0], np.asarray(found[:, 1:]), loss
        loss, c = best
        self.piece = self.piece._replace(c=np.asarray(c))
        return loss

    # --- points -------------------------------------------------------------------------------------------------

    def _collocation(self) -> Places:
        """The points that the window was solved on."""
        window = self.window
        shape = lines_for(round(window.settings.points * used(self.piece)))
        drawn = window.drawn_on_lines(self.lift, float(self.piece.length), shape)
        return self._on_lines(drawn.t, drawn.columns)

    def _on_lines(self, t: np.ndarray, columns: np.ndarray) -> Places:
        lift, kernel = self.lift, self.window.kernel
        at = columns[None] % lift.points
        if lift.exact_series:
            g = np.take_along_axis(lift.lines(t, NEEDED), at, axis=2).reshape(NEEDED, -1)
        else:
            variance = np.broadcast_to(lift._variance(t)[:, None], columns.shape).ravel()
            g = _closed_form(kernel, variance, (-1 + 2 * columns / lift.points).ravel())
        flows = np.stack(
            [np.take_along_axis(_lines(lift, c, t), at, axis=2).reshape(DERIVATIVES, -1) for c in self.waves]
        )
        left, right = kernel.problem.domain
        x = (left + (right - left) * (columns / lift.points)).ravel()
        return self._places(np.repeat(t, columns.shape[1]), x, g, flows)

    def scattered(self, t: np.ndarray, x: np.ndarray) -> Places:
        """Any points (t_i, x_i), each (m,)."""
        lift, kernel = self.lift, self.window.kernel
        xi, variance = np.asarray(kernel.problem.to_unit(jnp.asarray(x))), lift._variance(t)
        if lift.exact_series:
            g = _series(lift._coefficients, variance, xi, NEEDED)
        else:
            g = _closed_form(kernel, variance, xi)
        flows = np.stack([_series(c, variance, xi, DERIVATIVES) for c in self.waves])
        return self._places(t, x, g, flows)

    def _places(self, t: np.ndarray, x: np.ndarray, g: np.ndarray, flows: np.ndarray) -> Places:
        points = self.window.kernel.prepared(self.lift, t, x, g[: DERIVATIVES + 1])
        filled = np.arange(len(points.t)) % len(t)
        return Places(points, g[:, filled], flows[:, :, filled], len(t))

    # --- derivatives --------------------------------------------------------------------------------------------

    def _jets(self, places: Places) -> dict[str, np.ndarray]:
        """The jets of δg_j, each (p, n)."""
        kernel, pace, g, flows = self.window.kernel, self.pace, places.g, places.flows
        scale, D = 2 / kernel.problem.period, pace * float(kernel.problem.unit_diffusivity)
        rate = pace * self.rates[:, None]  # of the variance's half, by t and η_j
        grown = rate * np.asarray(places.points.t)
        values = {
            "u": flows[:, 0] + grown * g[2],
            "x": scale * (flows[:, 1] + grown * g[3]),
            "xx": scale**2 * (flows[:, 2] + grown * g[4]),
            "t": D * flows[:, 2] + rate * g[2] + grown * D * g[4],
        }
        return {name: values[name] for name in ("u", *kernel.orders)}

    def at(self, places: Places) -> tuple[np.ndarray, np.ndarray]:
        """u, (m,), and its sensitivities, (p, m)."""
        kernel, piece = self.window.kernel, self.piece
        phi = kernel.features(piece, places.points)
        jet = jet_of(phi, jnp.asarray(piece.c))
        u, of_g, of_n, of_coefficients = _values(kernel, self.pace, places.points, jet)
        v = of_g * self._jets(places)["u"] + of_n * np.asarray(phi["u"] @ self.tangents).T
        for name, rate in self.directions.coefficients.items():
            v = v + rate[:, None] * of_coefficients[name]
        return u[: places.own], v[:, : places.own]

    def end(self, modes: int) -> tuple[Any, np.ndarray]:
        """Where the next window begins, and the Fourier coefficients of v_j there, (p, modes)."""
        kernel, grid = self.window.kernel, self.window.grid
        u, v = self.at(self._on_lines(np.array([float(self.piece.length)]), self.window.columns(grid)[None]))
        u, v = (self.window.whole(rows) for rows in (u, v))
        if kernel.problem.is_mirrored:  # v vanishes at the walls, as what u is held at does not change
            v = v * np.sign(-1 + 2 * np.arange(grid) / grid)
        others = np.stack([transfer(row, modes, kernel.even).fourier_coefficients(modes - 1) for row in v])
        return transfer(u, modes, kernel.even, kernel.problem), others


def _residual(kernel: Kernel, pace: float, points: Prepared, jet: Mapping[str, Any]) -> Any:
    """r and its slopes by each derivative of g, each of N, and each coefficient, all (n,)."""
    return _mapped(kept(kernel, _residual_slopes), kernel, pace, points, points.g, jet)


def _values(kernel: Kernel, pace: float, points: Prepared, jet: Mapping[str, Any]) -> Any:
    """u, ∂u/∂g, ∂u/∂N and ∂u/∂θ at the points."""
    return _mapped(kept(kernel, _value_slopes), kernel, pace, points, points.g["u"], jet["u"])


def _mapped(program: Any, kernel: Kernel, pace: float, points: Prepared, g: Any, n: Any) -> Any:
    """program(θ, pace, t, x, g, N) of all points, `CHUNK` at a time."""
    leaves, structure = jax.tree.flatten((points.t, points.x, g, n))

    def at(*parts: Any) -> Any:
        return program(kernel.coefficients, jnp.asarray(pace, float), *jax.tree.unflatten(structure, parts))

    return in_chunks(at, CHUNK, *(np.asarray(leaf) for leaf in leaves))


def _residual_slopes(kernel: Kernel) -> Any:
    field, engine, gradient, orders = kernel.field, kernel.engine, kernel.gradient, kernel.orders

    def slopes(coefficients: Any, pace: Any, t: Any, x: Any, g: Any, n: Any) -> Any:
        def at_point(t: Any, x: Any, g: Any, n: Any) -> Any:
            def residual(parts: Any) -> Any:
                g, n, coefficients = parts
                problem = with_values(field.problem, coefficients).at_pace(pace)
                formed = field._replace(problem=problem).formed

                def u(s: Any, y: Any) -> Any:
                    lift, network = (monomials(one, s - t, y - x, orders) for one in (g, n))
                    return formed(s, lift, network, problem.to_unit(y))

                return residual_of(problem, engine(u, t, x, problem.orders), t, x)

            r, of_parts = gradient.value_and_grad(residual, (g, n, coefficients))
            return r, *of_parts

        return jax.vmap(at_point)(t, x, g, n)

    return compiled(slopes, LITTLE)


def _value_slopes(kernel: Kernel) -> Any:
    field, gradient = kernel.field, kernel.gradient

    def slopes(coefficients: Any, pace: Any, t: Any, x: Any, g: Any, n: Any) -> Any:
        def at_point(t: Any, x: Any, g: Any, n: Any) -> Any:
            def value(parts: Any) -> Any:
                g, n, coefficients = parts
                problem = with_values(field.problem, coefficients).at_pace(pace)
                return field._replace(problem=problem).formed(t, g, n, problem.to_unit(x))

            u, of_parts = gradient.value_and_grad(value, (g, n, coefficients))
            return u, *of_parts

        return jax.vmap(at_point)(t, x, g, n)

    return compiled(slopes, LITTLE)


_steps = jax.jit(least_squares_steps, static_argnames="solver")


def _diffusivity_rates(kernel: Kernel, directions: Directions) -> np.ndarray:
    """∂(D in units of ξ)/∂η_j, (p,)."""
    found = np.zeros(directions.number)
    for name, rate in directions.coefficients.items():

        def diffusivity(value: Any, name: str = name) -> Any:
            values = {**(kernel.coefficients or {}), name: value}
            return jnp.asarray(kernel.field.problem.with_coefficients(values).unit_diffusivity, float)

        found += rate * float(jax.grad(diffusivity)(jnp.asarray(kernel.problem.coefficients[name], float)))
    return found


def _closed_form(kernel: Kernel, variance: np.ndarray, xi: np.ndarray) -> np.ndarray:
    """The heat flow of a condition with a kink, and its derivatives in ξ, (NEEDED, n).

    The heat equation gives the fourth: g_ξξξξ = 2 ∂g_ξξ/∂(variance).
    """
    return np.stack(in_chunks(kept(kernel, _closed_form_of), CHUNK, variance, xi))


def _closed_form_of(kernel: Kernel) -> Any:
    condition = kernel.field.problem.initial_condition

    def closed_form(variance: Any, xi: Any) -> Any:
        def at_point(v: Any, x: Any) -> Any:
            g, rates = jax.jvp(lambda v: condition.heat_flow(v, x, np.inf), (v,), (jnp.ones_like(v),))
            return *g, 2 * rates[2]

        return jax.vmap(at_point)(variance, xi)

    return compiled(closed_form, LITTLE)


def _lines(lift: Lift, c: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The heat flow of a series on lines, (DERIVATIVES, m, G)."""
    other = Lift(lift.problem, _Series(c), lift.pace, lift.points)
    return other.lines(t, DERIVATIVES)


@dataclass(frozen=True)
class _Series:
    """A Fourier series as far as a lift looks at it."""

    c: np.ndarray
    kinks: tuple[float, ...] = ()

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        return np.pad(self.c[: modes + 1], (0, max(0, modes + 1 - len(self.c))))


def _series(c: np.ndarray, variance: np.ndarray, xi: np.ndarray, orders: int) -> np.ndarray:
    """The heat flow of a series at any points, and its derivatives in ξ, (orders, m)."""
    kept_modes = np.flatnonzero(c)
    found, k = np.zeros((orders, len(xi))), np.pi * kept_modes
    factors = np.stack([np.where(k, 2, 1) * c[kept_modes] * (1j * k) ** p for p in range(orders)])
    (times, row), (places, column) = (np.unique(one, return_inverse=True) for one in (variance, xi))
    if len(times) * len(places) <= 2 * len(xi) and len(places) * len(k) <= WAVES:  # on a grid, or most of it
        return series_at(c, times, places, orders)[:, row, column]
    size = max(1, WAVES // max(len(k), 1))
    for start in range(0, len(xi), size):
        part = slice(start, start + size)
        waves = np.exp(1j * np.outer(k, xi[part]) - 0.5 * np.outer(k**2, variance[part]))
        found[:, part] = (factors @ waves).real
    return found
