"""Our own reverse mode, over itself."""

from dataclasses import dataclass

import jax

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Derivatives, Function


@dataclass(frozen=True)
class OwnReverse:
    """`autodiff.jacrev` of `autodiff.jacrev`: adjoints travel back along our Wengert list."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        f = autodiff.from_jax(f)
        u_t, u_x = autodiff.jacrev(f, argnums=(0, 1))(t, x)
        u_xx = autodiff.jacrev(autodiff.jacrev(f, argnums=1), argnums=1)(t, x)
        return Derivatives(f(t, x), u_t, u_x, u_xx)
