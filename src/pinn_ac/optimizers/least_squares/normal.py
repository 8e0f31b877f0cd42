"""The normal equations (JᵀJ + λ D) δ = Jᵀw by Cholesky, in the run's precision or in double on the host."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from pinn_ac.optimizers.least_squares.gram import double_gram, gram
from pinn_ac.optimizers.least_squares.system import Model, System


def normal_equations(r: jax.Array, J: jax.Array) -> tuple[jax.Array, jax.Array]:
    """JᵀJ and Jᵀr."""
    return gram(J), r @ J


@dataclass(frozen=True)
class Normal:
    """In the run's precision.

    Args:
        model: the residuals.
        whole: JᵀJ from a J that is held whole, not summed over chunks.
    """

    model: Model
    whole: bool = True
    on_host = False

    def gather(self, params: Any, batch: Any) -> System:
        """The system without J: r, JᵀJ and Jᵀr summed over chunks, whose rows are never held together."""
        r, (A, g) = self.model.accumulated(params, batch, normal_equations)
        return System(params, batch, r, g, jnp.diagonal(A), matrix=A)

    def reduce(self, system: System, D: jax.Array) -> System:
        """JᵀJ."""
        return system._replace(matrix=self.products_of_columns(system.J)) if self.whole else system

    @cached_property
    def products_of_columns(self) -> Callable[[jax.Array], jax.Array]:
        """J ↦ JᵀJ."""
        shards = self.model.shards
        if shards.count == 1:
            return gram
        of_all = shards.gathered(lambda _, rows: ((), gram(rows["J"])))
        return jax.jit(lambda J: of_all(None, {"J": J})[1])

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> "Factor":
        """Cholesky."""
        return factor(system.matrix, damping, D)

    def solve(self, factor: "Factor", system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ."""
        return solve(factor, self.model.products(system)[1](w) if b is None else b)


@dataclass(frozen=True)
class DoubleNormal:
    """In double precision on the host, from residuals and rows of J that may be single.

    JᵀJ and Jᵀr then lose nothing more to rounding, and λ may be smaller before the factor breaks down.
    """

    model: Model
    whole: bool = True
    on_host = True

    def gather(self, params: Any, batch: Any) -> System:
        """As `Normal.gather`."""
        r, g, A = [], 0.0, 0.0
        for part, J in self.model.chunks(params, batch):
            r.append(np.asarray(part))
            chunk_A, chunk_g = double_gram(part, J)
            g, A = g + chunk_g, A + chunk_A
        r = jnp.asarray(np.concatenate(r))
        return System(params, batch, r, g, jnp.asarray(np.diagonal(A), float), matrix=A)

    def reduce(self, system: System, D: jax.Array) -> System:
        """JᵀJ and Jᵀr."""
        if not self.whole:
            return system
        A, g = double_gram(system.r, system.J)
        return system._replace(matrix=A, g=g)

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> "Factor":
        """Cholesky, by SciPy."""
        return factor_on_host(system.matrix, damping, D)

    def solve(self, factor: "Factor", system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ."""
        return solve_on_host(factor, self._pull(system.place, w) if b is None else b)

    @cached_property
    def _pull(self):
        return jax.jit(lambda system, w: self.model.products(system)[1](w))


class Factor(NamedTuple):
    """The lower Cholesky factor of S (A + λ D) S with a unit diagonal, and the diagonal of S."""

    triangle: Any
    scale: Any


def factor(A: jax.Array, damping: jax.Array, D: jax.Array) -> Factor:
    """Of A + λ D; NaN where it is not positive definite in rounding.

    Args:
        A: JᵀJ, (P, P).
        damping: λ ≥ 0.
        D: ≥ 0, (P,).
    """
    scaled, scale = _scaled(jnp, A, damping, D)
    return Factor(jax.scipy.linalg.cholesky(scaled, lower=True), scale)


def solve(factor: Factor, b: jax.Array) -> jax.Array:
    """(A + λ D)⁻¹ b."""
    return factor.scale * jax.scipy.linalg.cho_solve((factor.triangle, True), factor.scale * b)


def factor_on_host(A: np.ndarray, damping: jax.Array, D: jax.Array) -> Factor:
    """`factor` in double precision, by SciPy: for where JAX is set to single."""
    scaled, scale = _scaled(np, A, float(damping), np.asarray(D, np.float64))
    try:
        return Factor(scipy.linalg.cholesky(scaled, lower=True, overwrite_a=True, check_finite=False), scale)
    except np.linalg.LinAlgError:
        return Factor(np.full_like(A, np.nan), scale)


def solve_on_host(factor: Factor, b: Any) -> jax.Array:
    """`solve` in double precision, the answer rounded to JAX's."""
    b = factor.scale * np.asarray(b, np.float64)
    return jnp.asarray(factor.scale * scipy.linalg.cho_solve((factor.triangle, True), b, check_finite=False), float)


def _scaled(xp: Any, A: Any, damping: Any, D: Any) -> tuple[Any, Any]:
    """S (A + λ D) S and the diagonal of S, with `xp` NumPy or JAX's."""
    M = A + xp.diag(damping * D)
    diagonal = xp.diagonal(M)
    # A parameter without effect has a zero column: it gets a unit pivot, and no step.
    scale = xp.where(diagonal > 0, 1 / xp.sqrt(xp.where(diagonal > 0, diagonal, 1)), 1)
    return M * scale[:, None] * scale[None, :] + xp.diag(xp.where(diagonal == 0, 1.0, 0.0).astype(A.dtype)), scale
