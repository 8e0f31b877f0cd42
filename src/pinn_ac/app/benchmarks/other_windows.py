"""Other ways to find the features of a window, for the ablation: what a march does without."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pinn_ac.marching import Kernel, Piece
from pinn_ac.marching.kernel import Prepared, jet_of
from pinn_ac.marching.window import Attempt, WindowProblem, solve
from pinn_ac.optimizers.least_squares.shortest import least_squares_step
from pinn_ac.residual import monomials

SCALES = (0.25, 0.5, 1.0, 2.0)
"""Of the drawn weights, to choose from."""
STEPS = 5
"""Of Levenberg–Marquardt on all weights of a window."""
DENSER = 4
"""Times as many points as usual, where all weights are trained: there are so many more of them."""
DAMPING, DECREASE, INCREASE = 1e-4, 0.1, 10.0
"""λ at first, relative to the Jacobian; and its factors after a step that lowers the loss and one that does not."""


class HeldOutScale(WindowProblem):
    """The scale of the weights is the one of `SCALES` whose residual is least at points that were not fitted."""

    def attempt(self, empty: Piece, length: float, pace: float, units: int, number: int) -> Attempt:
        """The best of an attempt with each scale."""
        held_out = replace(self, seed=self.seed + 1).prepared(length, pace, round(self.settings.points * units))
        tried = []
        for scale in SCALES:
            other = replace(self, settings=replace(self.settings, scale=scale))
            found = super(HeldOutScale, other).attempt(empty, length, pace, units, number)
            tried.append((loss_at(self.kernel, held_out, found.piece), found))
        return min(tried, key=lambda one: one[0])[1]


class ThroughPoints(WindowProblem):
    """The middle of each feature's step, A_k·z + b_k = 0, lies at one of the window's points.

    So there are more features where the points are dense, as in interfaces. With a larger scale they are local.
    """

    def drawn_features(self, z: np.ndarray, units: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """A as ever, and b by the points."""
        A, _ = super().drawn_features(z, units, generator)
        return A, -np.sum(A * z[generator.integers(len(z), size=units)], axis=1)


class Trained(WindowProblem):
    """The drawn weights are improved by a few steps of Levenberg–Marquardt on all weights of the window."""

    def prepared(self, length: float, pace: float, count: int) -> Prepared:
        """`DENSER` times as many points."""
        return super().prepared(length, pace, DENSER * count)

    def attempt(self, empty: Piece, length: float, pace: float, units: int, number: int) -> Attempt:
        """Gauss–Newton for the output weights, then all weights, then the output weights once more."""
        found = super().attempt(empty, length, pace, units, number)
        points = self.prepared(length, pace, round(self.settings.points * units))
        piece = trained(self.kernel, points, found.piece, self.settings.floor)
        again = solve(self.kernel, points, piece, self.settings)
        return min(found, again, key=lambda attempt: attempt.loss)


def loss_at(kernel: Kernel, points: Prepared, piece: Piece) -> float:
    """The mean of r² at points."""
    r, _, _ = kernel.linearized(piece.pace, points, jet_of(kernel.features(piece, points), jnp.asarray(piece.c)))
    return float(jnp.mean(r**2))


class _Weights(NamedTuple):
    A: jax.Array
    b: jax.Array
    c: jax.Array


def trained(kernel: Kernel, points: Prepared, piece: Piece, floor: float) -> Piece:
    """The piece after `STEPS` steps of Levenberg–Marquardt on A, b and c.

    The residual depends on them through the jet of N, so that the rows of its Jacobian are Σ_o ∂r/∂N^o ∂N^o/∂θ, o
    the derivatives in the jet.
    """
    theta, formed = ravel_pytree(_Weights(*(jnp.asarray(part) for part in (piece.A, piece.b, piece.c))))

    @jax.jit
    def rows(theta: jax.Array, z: Mapping[str, jax.Array], slopes: Mapping[str, jax.Array]) -> jax.Array:
        def weighted(theta: jax.Array, z: Any, slopes: Any) -> jax.Array:
            A, b, c = formed(theta)

            def network(t: Any, x: Any) -> jax.Array:
                return jnp.tanh(A @ monomials(z, t, x, kernel.orders) + b) @ c

            jet = kernel.engine(network, jnp.zeros(()), kernel.origin, kernel.orders)
            return sum(slopes[name] * jet[name] for name in slopes)

        return jax.vmap(jax.grad(weighted), in_axes=(None, 0, 0))(theta, z, slopes)

    def at(theta: jax.Array) -> tuple[jax.Array, Any]:
        A, b, c = formed(theta)
        jet = jet_of(kernel.features(piece._replace(A=A, b=b), points), c)
        r, _, slopes = kernel.linearized(piece.pace, points, jet)
        return r, slopes

    (r, slopes), damping = at(theta), DAMPING
    for _ in range(STEPS):
        J = rows(theta, points.z, slopes)
        step = _step(J, r, max(damping, floor))
        new, new_slopes = at(theta + step)
        if float(new @ new) < float(r @ r):
            theta, r, slopes, damping = theta + step, new, new_slopes, damping * DECREASE
        else:
            damping *= INCREASE
    return piece._replace(**{name: np.asarray(part) for name, part in formed(theta)._asdict().items()})


_step = jax.jit(least_squares_step)
