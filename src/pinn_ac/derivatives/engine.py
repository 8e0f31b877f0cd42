"""What every derivative engine takes and gives."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax

Function = Callable[[jax.Array, jax.Array], jax.Array]


class Derivatives(NamedTuple):
    """A function of (t, x) and its derivatives at one point; each of the function's own shape."""

    u: jax.Array
    u_t: jax.Array
    u_x: jax.Array
    u_xx: jax.Array


class Engine(Protocol):
    """One way to differentiate. All of them agree to rounding."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        """f and f_t, f_x, f_xx at the scalars (t, x); f may have values of any shape."""
        ...
