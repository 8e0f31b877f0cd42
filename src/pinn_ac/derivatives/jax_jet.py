"""Taylor mode: all derivatives of f along x in one pass, and all along t in another."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.experimental.jet import jet

from pinn_ac.derivatives.engine import Function, named, series


@dataclass(frozen=True)
class JaxJet:
    """`jax.experimental.jet`; mixed derivatives by `jax.jvp` over it."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        one, zero = jnp.ones_like(x), jnp.zeros_like(x)

        def along(g, s, order):
            value, derivatives = jet(g, (s,), ((one, *[zero] * (order - 1)),))
            return (value, *derivatives)

        return named(orders, series(along, jax.jvp, f, t, x, one, orders))
