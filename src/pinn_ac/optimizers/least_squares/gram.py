"""JᵀJ, and where it is computed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_in_host_memory(array: Any) -> bool:
    """NumPy can use the array without a copy: it is NumPy's own, or lies on one CPU device and is not traced."""
    if isinstance(array, jax.core.Tracer):
        return False
    return isinstance(array, np.ndarray) or [device.platform for device in array.devices()] == ["cpu"]


def gram(J: jax.Array) -> jax.Array:
    """JᵀJ, shape (P, P), of J with shape (n, P).

    On a CPU the compiler's double-precision product takes about twice as long as BLAS (measured with 4096×1001:
    81 to 100 ms against 46), and does not use the symmetry of the result. So an array in the host's memory goes to
    NumPy, which sees that both factors are one matrix and calls SYRK; under tracing and on other devices this is an
    ordinary product. (A host callback inside the compiled step would do the same, but hangs on a single core.)
    """
    if not is_in_host_memory(J):
        return J.T @ J
    matrix = np.asarray(J)
    return jnp.asarray(matrix.T @ matrix)


def double_gram(r: jax.Array, J: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """JᵀJ and Jᵀr in double precision and in the host's memory, whatever the precision of J and of JAX."""
    matrix = np.asarray(J, np.float64)
    return matrix.T @ matrix, np.asarray(r, np.float64) @ matrix
