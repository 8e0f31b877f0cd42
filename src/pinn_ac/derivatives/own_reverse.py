"""Our own reverse mode, over itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Function, named, sweeps


@dataclass(frozen=True)
class OwnReverse:
    """`autodiff.jacrev` over `autodiff.jacrev`: adjoints are carried back along our Wengert list."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        return named(orders, sweeps(autodiff.jacrev, autodiff.from_jax(f), t, x, orders))
