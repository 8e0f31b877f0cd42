"""Our own Taylor mode."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Function, along_x, named, order_of, series


@dataclass(frozen=True)
class OwnTaylor:
    """`autodiff.taylor_curves`: along t and along x, on one trace that both share; mixed ones by our forward mode."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders, f, one = tuple(orders), autodiff.from_jax(f), jnp.ones_like(x)
        if any(i and j for i, j in map(order_of, orders)):

            def along(g, s, order):
                value, (derivatives,) = autodiff.taylor_curves(g, (s,), [([one, *[None] * (order - 1)],)])
                return (value, *derivatives)

            return named(orders, series(along, autodiff.jvp, f, t, x, one, orders))
        highest = max(along_x(orders)), along_x(orders)[0]
        curves: list = []
        if highest[0]:
            curves.append(([one, *[None] * (highest[0] - 1)], []))
        if highest[1]:
            curves.append(([], [one, *[None] * (highest[1] - 1)]))
        if not curves:
            return {"u": f(t, x)}
        u, found = autodiff.taylor_curves(f, (t, x), curves)
        derivatives = {(0, 0): u}
        if highest[1]:
            derivatives |= {(0, j): value for j, value in enumerate(found[-1], start=1)}
        if highest[0]:
            derivatives |= {(i, 0): value for i, value in enumerate(found[0], start=1)}
        return named(orders, derivatives)
