"""Our own derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from pinn_ac import autodiff


@dataclass(frozen=True)
class OwnGradient:
    """`autodiff.value_and_grad`, `jvp` and `vjp`, through functions as JAX writes them down, undifferentiated."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        return autodiff.value_and_grad(autodiff.from_jax(f))(params)

    def linearize(
        self, f: Callable[[Any], jax.Array], params: Any
    ) -> tuple[jax.Array, Callable[[Any], jax.Array], Callable[[jax.Array], Any]]:
        adopted = autodiff.from_jax(f)
        value, pull = autodiff.vjp(adopted, params)
        return value, lambda v: autodiff.jvp(adopted, (params,), (v,))[1], lambda w: pull(w)[0]
