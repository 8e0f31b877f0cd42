"""The normal equations seen from the residuals, for fewer of them than parameters.

δ = D⁻¹Jᵀ (J D⁻¹ Jᵀ + λ I)⁻¹ w          (n × n instead of P × P, by the Woodbury identity)
"""

from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.least_squares import normal
from pinn_ac.optimizers.least_squares.gram import gram
from pinn_ac.optimizers.least_squares.system import System


class Kernel:
    """The kernel J D⁻¹ Jᵀ once for all λ; a parameter without effect (D = 0) has no part in it, and no step."""

    whole = True
    on_host = False

    def reduce(self, system: System, D: jax.Array) -> System:
        """The kernel, and 1/D."""
        inverse = jnp.where(D > 0, 1 / jnp.where(D > 0, D, 1), 0)
        return system._replace(matrix=(gram((system.J * jnp.sqrt(inverse)).T), inverse))

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> normal.Factor:
        """Cholesky of the kernel + λ I."""
        kernel, _ = system.matrix
        return normal.factor(kernel, damping, jnp.ones_like(system.r))

    def solve(self, factor: normal.Factor, system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ; Jᵀw is not needed."""
        _, inverse = system.matrix
        return inverse * (normal.solve(factor, w) @ system.J)
