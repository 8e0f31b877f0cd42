"""The normal equations of Gauss–Newton."""

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


def solve_damped(A: jax.Array, g: jax.Array, damping: jax.Array) -> jax.Array:
    """The δ of (A + λ diag A) δ = −g, through the factor of the matrix scaled to a unit diagonal.

    Args:
        A: JᵀJ, (P, P).
        g: Jᵀr, (P,).
        damping: λ ≥ 0.
    """
    diagonal = jnp.diagonal(A)
    # A parameter without effect has a zero column: it gets a unit pivot, and no step.
    scale = jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1)), 1.0)
    scaled = A * scale[:, None] * scale[None, :] + (damping + (diagonal <= 0)) * jnp.eye(len(g), dtype=A.dtype)
    factor = jax.scipy.linalg.cho_factor(scaled)
    return -scale * jax.scipy.linalg.cho_solve(factor, scale * g)
