"""The normal equations (JᵀJ + λ D) δ = Jᵀw, in the run's precision or in double precision on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.optimizers.least_squares import cholesky
from pinn_ac.optimizers.least_squares.gram import double_gram, gram
from pinn_ac.optimizers.least_squares.system import Model, System


def normal_equations(r: jax.Array, J: jax.Array) -> tuple[jax.Array, jax.Array]:
    """JᵀJ and Jᵀr."""
    return gram(J), r @ J


@dataclass(frozen=True)
class Normal:
    """The normal equations by Cholesky, in the run's precision.

    Args:
        model: the residuals and their Jacobian.
        whole: JᵀJ from a J that is held whole; otherwise it is summed over chunks of rows.
    """

    model: Model
    whole: bool = True
    compiled = False

    def gather(self, params: Any, batch: Any) -> System:
        """The system without J: r, and JᵀJ and Jᵀr summed over chunks of rows that are never held together."""
        r, (A, g) = self.model.accumulated(params, batch, normal_equations)
        return System(params, batch, r, g, jnp.diagonal(A), matrix=A)

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system with JᵀJ."""
        return system._replace(matrix=self.products_of_columns(system.J)) if self.whole else system

    @cached_property
    def products_of_columns(self) -> Callable[[jax.Array], jax.Array]:
        """J ↦ JᵀJ."""
        shards = self.model.shards
        if shards.count == 1:
            return gram
        of_all = shards.sharded(lambda _, rows: ((), gram(rows)))
        return jax.jit(lambda J: of_all(None, J)[1])

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> Any:
        """The Cholesky factor of JᵀJ + λD."""
        return cholesky.factor(system.matrix, damping, D)

    def solve(self, factor: Any, system: System, w: Any, b: Any = None) -> Any:
        """δ; b = Jᵀw is computed where the caller does not have it."""
        return cholesky.solve(factor, self.model.pull(system, w) if b is None else b)


class DoubleNormal(Normal):
    """The normal equations in double precision on the host, from r and J in single precision.

    JᵀJ and Jᵀr then lose nothing more to rounding, so λ may be smaller before the factorization breaks down.
    """

    def gather(self, params: Any, batch: Any) -> System:
        """The system without J, as in `Normal`."""
        r, g, A = [], 0.0, 0.0
        for part, J in self.model.chunks(params, batch):
            r.append(np.asarray(part))
            chunk_A, chunk_g = double_gram(part, J)
            g, A = g + chunk_g, A + chunk_A
        r = jnp.asarray(np.concatenate(r))
        return System(params, batch, r, g, jnp.asarray(np.diagonal(A), float), matrix=A)

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system with JᵀJ and Jᵀr."""
        if not self.whole:
            return system
        A, g = double_gram(system.r, system.J)
        return system._replace(matrix=A, g=g)
