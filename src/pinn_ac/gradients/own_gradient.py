"""Our own reverse mode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from pinn_ac import autodiff


@dataclass(frozen=True)
class OwnGradient:
    """`autodiff.value_and_grad`, through the loss as JAX writes it down without differentiating it."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        return autodiff.value_and_grad(autodiff.from_jax(f))(params)
