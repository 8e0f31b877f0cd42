"""What differentiates a scalar function of the parameters."""

from collections.abc import Callable
from typing import Any, Protocol

import jax


class Gradient(Protocol):
    """Reverse mode, by whoever implements it."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        """f(params), a scalar, and its gradient, a pytree like `params`."""
        ...
