"""Least squares by QR: the condition of J, where the normal equations have its square, at several times the cost."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.least_squares.system import System


class Orthogonal:
    """QR of J once for all λ, then of the small R stacked on √(λD) for each."""

    whole = True
    compiled = True

    def reduce(self, system: System, D: jax.Array) -> System:
        """J = QR: Q is (n, k), R (k, P), with k = min(n, P)."""
        return system._replace(matrix=tuple(jnp.linalg.qr(system.J)))

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> "Factor":
        """QR of R on √(λD)."""
        _, R = system.matrix
        # A parameter without effect has a zero column: it gets a unit pivot, and no step.
        weights = jnp.sqrt(jnp.where(D > 0, damping * D, 1))
        Q, triangle = jnp.linalg.qr(jnp.concatenate([R, jnp.diag(weights)]))
        return Factor(Q[: R.shape[0]], triangle)

    def solve(self, factor: "Factor", system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ; w goes through both Qs, so that Jᵀw is not needed."""
        Q, _ = system.matrix
        return jax.scipy.linalg.solve_triangular(factor.triangle, (w @ Q) @ factor.top)


class Factor(NamedTuple):
    """Of [R; √(λD)]: the rows of its Q that belong to R, and its triangle."""

    top: jax.Array
    triangle: jax.Array
