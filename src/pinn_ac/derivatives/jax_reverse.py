"""Reverse over reverse: one sweep gives u_t and u_x together, a second sweep through the first u_xx."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax

from pinn_ac.derivatives.engine import Function, named, sweeps


@dataclass(frozen=True)
class JaxReverse:
    """`jax.jacrev` over `jax.jacrev`; for a scalar function that is `jax.grad`."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        return named(orders, sweeps(jax.jacrev, f, t, x, orders))
