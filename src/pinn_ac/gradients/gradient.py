"""What differentiates a function of the parameters."""

from collections.abc import Callable
from typing import Any, Protocol

import jax


class Gradient(Protocol):
    """Reverse and forward mode, by whoever implements them."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        """f(params), a scalar, and its gradient, a pytree like `params`."""
        ...

    def linearize(
        self, f: Callable[[Any], jax.Array], params: Any
    ) -> tuple[jax.Array, Callable[[Any], jax.Array], Callable[[jax.Array], Any]]:
        """f(params), an array, and its Jacobian's products: v ↦ Jv, and w ↦ Jᵀw, a pytree like `params`."""
        ...
