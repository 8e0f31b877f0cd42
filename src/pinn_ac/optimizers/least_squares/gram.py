"""JᵀJ, and where it is computed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_in_host_memory(array: Any) -> bool:
    """NumPy can work on it without a copy: it is NumPy's own, or on the one CPU device and not being traced."""
    if isinstance(array, jax.core.Tracer):
        return False
    return isinstance(array, np.ndarray) or [device.platform for device in array.devices()] == ["cpu"]


def gram(J: jax.Array) -> jax.Array:
    """JᵀJ, shape (P, P), of J with shape (n, P).

    On a CPU the compiler's double-precision product takes about twice as long as BLAS (measured with 4096×1001:
    81 to 100 ms against 46), and it does not know that the result is symmetric. So an array that lies in the
    host's memory goes to NumPy, which sees that both factors are one matrix and calls SYRK; while tracing, and on
    other devices, it is an ordinary product. (A host callback inside the compiled step would do the same, but hangs
    where only one core is to be had.)
    """
    if not is_in_host_memory(J):
        return J.T @ J
    matrix = np.asarray(J)
    return jnp.asarray(matrix.T @ matrix)


def double_gram(r: jax.Array, J: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """JᵀJ and Jᵀr in double precision and in the host's memory, whatever precision J has and JAX is set to."""
    matrix = np.asarray(J, np.float64)
    return matrix.T @ matrix, np.asarray(r, np.float64) @ matrix
