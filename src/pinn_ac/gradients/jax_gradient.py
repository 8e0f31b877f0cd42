"""JAX's own derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class JaxGradient:
    """`jax.value_and_grad`, `jax.jvp` and `jax.vjp`."""

    def value_and_grad(self, f: Callable[[Any], jax.Array], params: Any) -> tuple[jax.Array, Any]:
        return jax.value_and_grad(f)(params)

    def linearize(
        self, f: Callable[[Any], jax.Array], params: Any
    ) -> tuple[jax.Array, Callable[[Any], jax.Array], Callable[[jax.Array], Any]]:
        value, pull = jax.vjp(f, params)
        return value, lambda v: jax.jvp(f, (params,), (v,))[1], lambda w: pull(w)[0]
