"""Forward over forward: Jacobian-vector products of Jacobian-vector products."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.derivatives.engine import Function, named, towers


@dataclass(frozen=True)
class JaxJvp:
    """`jax.jvp` over `jax.jvp`: each level of nesting raises the order by one."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        return named(orders, towers(jax.jvp, f, t, x, jnp.ones_like(x), orders))
