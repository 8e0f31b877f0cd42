"""Our own Taylor mode."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Function, Order, along_x, named, order_of, series


@dataclass(frozen=True)
class OwnTaylor:
    """`autodiff.taylor_curves` along t and x, on one trace of f; mixed derivatives by our forward mode over it."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders, f, one = tuple(orders), autodiff.from_jax(f), jnp.ones_like(x)
        if any(i and j for i, j in map(order_of, orders)):

            def along(g, s, order):
                value, (derivatives,) = autodiff.taylor_curves(g, (s,), [([one, *[None] * (order - 1)],)])
                return (value, *derivatives)

            return named(orders, series(along, autodiff.jvp, f, t, x, one, orders))
        most = along_x(orders)
        in_t, in_x = ([one, *[None] * (order - 1)] if order else [] for order in (max(most), most[0]))
        u, (along_t, along_x_) = autodiff.taylor_curves(f, (t, x), [(in_t, []), ([], in_x)])
        found: dict[Order, Any] = {(0, 0): u}
        found |= {(i, 0): value for i, value in enumerate(along_t, start=1)}
        found |= {(0, j): value for j, value in enumerate(along_x_, start=1)}
        return named(orders, found)
