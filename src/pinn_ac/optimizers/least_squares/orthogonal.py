"""Least squares by QR, which has the condition number of J where the normal equations have its square.

It costs several times as much.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.least_squares.system import Model, System


@dataclass(frozen=True, eq=False)
class Orthogonal:
    """QR of J once for all λ, then of the small R stacked on √(λD) for each.

    Args:
        model: its devices share the rows of J.
    """

    model: Model

    whole: ClassVar[bool] = True
    compiled: ClassVar[bool] = True

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system with J = QR: Q is (n, k) and R is (k, P), with k = min(n, P)."""
        return system._replace(matrix=self._qr(system.J))

    @cached_property
    def _qr(self) -> Any:
        return jax.jit(self.model.shards.qr)

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> "QRFactor":
        """QR of R stacked on √(λD)."""
        _, R = system.matrix
        # A parameter without effect has a zero column: a unit pivot gives it no step.
        weights = jnp.sqrt(jnp.where(D > 0, damping * D, 1))
        Q, triangle = jnp.linalg.qr(jnp.concatenate([R, jnp.diag(weights)]))
        return QRFactor(Q[: R.shape[0]], triangle)

    def solve(self, factor: "QRFactor", system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ; w goes through both Q, so b = Jᵀw is not needed."""
        Q, _ = system.matrix
        return jax.scipy.linalg.solve_triangular(factor.triangle, (w @ Q) @ factor.top)


class QRFactor(NamedTuple):
    """QR of [R; √(λD)]: the rows of Q that belong to R, and the triangular factor."""

    top: jax.Array
    triangle: jax.Array
