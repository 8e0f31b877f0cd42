"""JAX's own reverse mode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class JaxGradient:
    """`jax.value_and_grad`."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        return jax.value_and_grad(f)(params)
