"""The normal equations of Gauss–Newton."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def gram(J: jax.Array) -> jax.Array:
    """JᵀJ, shape (P, P), of J with shape (n, P).

    On a CPU the compiler's double-precision product is several times slower than BLAS, and it does not know
    that the result is symmetric. So an array that lies in the host's memory goes to NumPy, which sees that
    both factors are one matrix and calls SYRK; while tracing, and on other devices, it is an ordinary product.
    (A host callback inside the compiled step would do the same, but hangs where only one core is to be had.)
    """
    if isinstance(J, jax.core.Tracer) or next(iter(J.devices())).platform != "cpu":
        return J.T @ J
    matrix = np.asarray(J)
    return jnp.asarray(matrix.T @ matrix)


def damped_solver(A: jax.Array, damping: jax.Array, D: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """b → (A + λ D)⁻¹ b, through one Cholesky factor of the matrix scaled to a unit diagonal.

    The answers are NaN where the matrix is not positive definite in rounding.

    Args:
        A: JᵀJ, (P, P).
        damping: λ ≥ 0.
        D: ≥ 0, (P,).
    """
    M = A + damping * jnp.diag(D)
    diagonal = jnp.diagonal(M)
    # A parameter without effect has a zero column: it gets a unit pivot, and no step.
    scale = jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1)), 1.0)
    scaled = M * scale[:, None] * scale[None, :] + jnp.diag(jnp.asarray(diagonal == 0, A.dtype))
    factor = jax.scipy.linalg.cho_factor(scaled)
    return lambda b: scale * jax.scipy.linalg.cho_solve(factor, scale * b)
