"""Our own forward mode, over itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Function, named, towers


@dataclass(frozen=True)
class OwnForward:
    """`autodiff.jvp` over `autodiff.jvp`: tangents are carried along our Wengert list."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        return named(orders, towers(autodiff.jvp, autodiff.from_jax(f), t, x, jnp.ones_like(x), orders))
