"""Our own forward mode, over itself."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac import autodiff
from pinn_ac.derivatives.engine import Derivatives, Function


@dataclass(frozen=True)
class OwnForward:
    """`autodiff.jvp` of `autodiff.jvp`: tangents travel along our Wengert list."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        f = autodiff.from_jax(f)
        one = jnp.ones_like(x)

        def slope(x):
            return autodiff.jvp(lambda x: f(t, x), (x,), (one,))

        _, u_t = autodiff.jvp(lambda t: f(t, x), (t,), (one,))
        (u, u_x), (_, u_xx) = autodiff.jvp(slope, (x,), (one,))
        return Derivatives(u, u_t, u_x, u_xx)
