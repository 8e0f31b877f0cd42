"""The normal equations in the space of the residuals, for fewer residuals n than parameters P.

δ = D⁻¹Jᵀ (J D⁻¹ Jᵀ + λ I)⁻¹ w          (n × n instead of P × P, by the Woodbury identity)
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.least_squares import cholesky
from pinn_ac.optimizers.least_squares.gram import gram
from pinn_ac.optimizers.least_squares.system import Model, System


@dataclass(frozen=True)
class Kernel:
    """The kernel J D⁻¹ Jᵀ, computed once for all λ; a parameter without effect (D = 0) gets no step.

    Args:
        model: the residuals and their Jacobian.
    """

    model: Model
    whole = True
    compiled = False

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system with the kernel and 1/D."""
        inverse = jnp.where(D > 0, 1 / jnp.where(D > 0, D, 1), 0)
        return system._replace(matrix=(gram((system.J * jnp.sqrt(inverse)).T), inverse))

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> Any:
        """The Cholesky factor of the kernel + λ I."""
        kernel, _ = system.matrix
        return cholesky.factor(kernel, damping, jnp.ones_like(system.r))

    def solve(self, factor: Any, system: System, w: Any, b: Any = None) -> Any:
        """δ; b = Jᵀw is not needed."""
        _, inverse = system.matrix
        return inverse * self.model.pull(system, cholesky.solve(factor, w))
