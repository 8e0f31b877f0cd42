"""One attempt at one window: its points and features are drawn, and its output weights found by Gauss–Newton."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.estimate import Window, from_values, time_grids
from pinn_ac.marching.kernel import Kernel, Prepared, jacobian, jet_of
from pinn_ac.marching.lift import CHUNK, Lift
from pinn_ac.marching.pieces import Piece, on_its_rung
from pinn_ac.marching.points import Lines, Spacing, spread
from pinn_ac.models.random_features import draw
from pinn_ac.optimizers.least_squares.shortest import least_squares_step
from pinn_ac.seeds import host_generator

LINES, FEW_LINES = 64, 8
"""Of constant time, on which the points of a window lie; and those where a rough value is enough."""
LEAST_VARIANCE = 1e-6
"""Directions of less variance than this share of the largest are treated as if they had so much."""
AT_ONCE = 2**22
"""Times × points of the grid at which the lift is computed at once: 0.3 GB with its derivatives."""
IMPROVEMENT = 0.5
"""An iteration that does not lower ‖r‖ below this share of what it was is the last one."""


class Attempt(NamedTuple):
    """What came of one attempt.

    piece: the field.
    loss: the mean of r² at the points.
    iterations: of Gauss–Newton.
    """

    piece: Piece
    loss: float
    iterations: int


@dataclass(frozen=True)
class Settings:
    """What windows of all sizes have in common.

    Args:
        scale, distribution: of the drawn weights, see :class:`~pinn_ac.models.RandomFeatures`.
        whitening: the power of the covariance by which the features of a window are evened out, from 0 to 1.
        points: collocation points a unit.
        spacing: where they are dense.
        floor, solver, steps: of Gauss–Newton, see :class:`~pinn_ac.optimizers.GaussNewton`.
        units: that a run begins with, at least; None leaves it to the tolerance.
    """

    scale: float = 0.5
    distribution: str = "uniform"
    whitening: float = 0.5
    points: float = 6.0
    spacing: Spacing = field(default_factory=Spacing)
    floor: float = 1e-14
    solver: str = "qr"
    steps: int = 8
    units: int | None = None


@partial(jax.jit, static_argnames="solver")
def _step(features: Any, slopes: Any, r: jax.Array, floor: float, solver: str) -> jax.Array:
    return least_squares_step(jacobian(features, slopes), r, floor, solver=solver)


def draw_features(z: np.ndarray, units: int, settings: Settings, generator: np.random.Generator) -> tuple[Any, Any]:
    """A, (K, d), and b, (K,), for features z, (n, d), which they first shift and partly even out.

    With the covariance C = V Λ Vᵀ of z and its largest eigenvalue λ₁, z is replaced by
    V (Λ/λ₁)^(−p/2) Vᵀ (z − mean)/(2 √λ₁), p = `settings.whitening`.
    """
    A, b = draw(generator, units, z.shape[1], settings.scale, settings.distribution)
    variances, V = np.linalg.eigh(np.cov(z.T))
    largest = max(float(variances[-1]), np.finfo(float).tiny)
    evened = (
        (V * np.maximum(variances / largest, LEAST_VARIANCE) ** (-settings.whitening / 2)) @ V.T / (2 * largest**0.5)
    )
    A = A @ evened
    return A, b - A @ z.mean(axis=0)


def solve(kernel: Kernel, points: Prepared, piece: Piece, settings: Settings) -> Attempt:
    """The output weights by Gauss–Newton from zero; see :func:`least_squares_step`."""
    pace, c = jnp.asarray(piece.pace, float), jnp.zeros(len(piece.b))
    features = kernel.features(piece, points)
    r, _, slopes = kernel.linearized(pace, points, jet_of(features, c))
    loss = float(r @ r)
    best, iterations = (loss, c), 0
    while iterations < settings.steps:
        c = c + _step(features, slopes, r, settings.floor, solver=settings.solver)
        iterations += 1
        r, _, slopes = kernel.linearized(pace, points, jet_of(features, c))
        before, loss = loss, float(r @ r)
        if loss < best[0]:
            best = loss, c
        if not loss < IMPROVEMENT**2 * before and iterations > 1:
            break
    return Attempt(piece._replace(c=np.asarray(best[1])), best[0] / len(points.t), iterations)


def lines_for(count: int) -> tuple[int, int]:
    """Lines and points on each, for about so many points; a multiple of `CHUNK` in all."""
    return LINES, max(1, round(count / CHUNK)) * CHUNK // LINES


@dataclass(frozen=True)
class WindowProblem:
    """A window to be solved in.

    Args:
        kernel: of the run.
        condition: where the window begins.
        index: of the window.
        seed: of the run.
        grid: G, points of the period that the collocation points are taken from.
        settings: of its points, features and iterations.
    """

    kernel: Kernel
    condition: Any
    index: int
    seed: int
    grid: int
    settings: Settings = field(default_factory=Settings)

    def lift(self, pace: float) -> Lift:
        """g at this pace."""
        return Lift(self.kernel.problem, self.condition, pace, self.grid)

    def prepared(self, length: float, pace: float, count: int) -> Prepared:
        """At least about `count` collocation points."""
        return self._on_lines(length, pace, lines_for(count))

    def prepared_roughly(self, length: float, pace: float) -> Prepared:
        """`CHUNK` points for a rough value: each line costs a Fourier transform, however few of its points count."""
        return self._on_lines(length, pace, (FEW_LINES, CHUNK // FEW_LINES))

    def _on_lines(self, length: float, pace: float, shape: tuple[int, int]) -> Prepared:
        lift = self.lift(pace)
        drawn = self.drawn_on_lines(lift, length, shape)
        return self.kernel.prepare(lift, drawn.t, drawn.columns)

    def drawn_on_lines(self, lift: Lift, length: float, shape: tuple[int, int]) -> Lines:
        """Where so many points on so many lines lie, dense where g is steep."""
        generator = host_generator(self.seed, "points of a window", self.index)
        return spread(self.kernel.problem, lift, length, shape, self.kernel.half, generator, self.settings.spacing)

    def residual_of_nothing(self, length: float, pace: float) -> float:
        """The mean of r² where N = 0, roughly."""
        points = self.prepared_roughly(length, pace)
        nothing = {name: jnp.zeros(len(points.t)) for name in ("u", *self.kernel.orders)}
        r, _, _ = self.kernel.linearized(jnp.asarray(pace, float), points, nothing)
        return float(jnp.mean(r**2))

    def attempt(self, empty: Piece, length: float, pace: float, units: int, number: int) -> Attempt:
        """Solve. `empty` has the condition and room for the network; `number` counts the attempts at this window."""
        points = self.prepared(length, pace, round(self.settings.points * units))
        generator = host_generator(self.seed, "features of a window", self.index * 64 + number)
        A, b = self.drawn_features(np.asarray(points.z["u"]), units, generator)
        real = jax.dtypes.canonicalize_dtype(float)
        return solve(
            self.kernel,
            points,
            empty._replace(
                length=np.asarray(length, real), pace=np.asarray(pace, real), A=A.astype(real), b=b.astype(real)
            ),
            self.settings,
        )

    def drawn_features(self, z: np.ndarray, units: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """A and b for the features z of the points, (n, d)."""
        return draw_features(z, units, self.settings, generator)

    def sampled(self, piece: Piece, points: int, steps: int) -> Window:
        """The field and its residual for the error estimate, on `points` of the period and `steps` cells of time."""
        lift = self.lift(float(piece.pace))
        t = time_grids(float(piece.length), (), steps, lift.fastest)[0]
        return from_values(t, *self._on_the_period(lift, piece, t, points))

    def end(self, piece: Piece) -> np.ndarray:
        """u on the whole grid at the end of the window."""
        columns, t = self.columns(self.grid), np.array([float(piece.length)])
        u = self.kernel.field_values(self.lift(float(piece.pace)), piece, t, columns[None])
        return self.whole(u)[0]

    def _on_the_period(self, lift: Lift, piece: Piece, t: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
        """u and the residual at the times t, (m,), and even points of the period, each (m, points).

        Some times after others, so that memory does not grow with their number.
        """
        columns, rows = self.columns(points), max(2, AT_ONCE // self.grid // 2 * 2)
        found = []
        for begin in range(0, len(t), rows):
            now = t[begin : begin + rows]
            found.append(self.kernel.values(lift, piece, now, np.broadcast_to(columns, (len(now), len(columns)))))
        u, f = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return self.whole(u), self.whole(f)

    def evaluated(self, piece: Piece, t: np.ndarray, x: Any) -> np.ndarray:
        """u, its slope in x and the residual at times t, (m,), from the window's start, and places x; (3, m, n).

        On even points of the period, a power of two of them, it takes far less time than elsewhere.
        """
        lift, rows = self.lift(float(piece.pace)), max(1, AT_ONCE // self.grid)
        middle = sum(self.kernel.problem.domain) / 2
        sign, back, piece = np.where(x < middle, -1, 1), slice(None), on_its_rung(piece)
        if self.kernel.even:  # what lies at equal distances from the middle is computed once
            x, back = np.unique(middle + np.abs(x - middle), return_inverse=True)
        parts = [self.kernel.sampled(lift, piece, t[i : i + rows], x) for i in range(0, len(t), rows)]
        found = np.concatenate(parts, axis=1)[..., back]
        if self.kernel.even:
            found[1] *= sign
        return found

    def columns(self, points: int) -> np.ndarray:
        """Which of the grid are so many even points of the period; where the field is known from a half, of that."""
        half = self.kernel.half
        return np.arange(self.grid // 2 if half else 0, self.grid + half, self.grid // points)

    def whole(self, rows: np.ndarray) -> np.ndarray:
        """Values (…, n) at these columns, on the whole period; ξ = −1 is ξ = 1."""
        return np.concatenate([rows[..., :0:-1], rows[..., :-1]], axis=-1) if self.kernel.half else rows
