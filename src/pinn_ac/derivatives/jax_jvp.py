"""Forward over forward: a Jacobian-vector product in t, and one of another in x."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.derivatives.engine import Derivatives, Function


@dataclass(frozen=True)
class JaxJvp:
    """`jax.jvp` of `jax.jvp`."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        def slope(x):
            return jax.jvp(lambda x: f(t, x), (x,), (jnp.ones_like(x),))

        _, u_t = jax.jvp(lambda t: f(t, x), (t,), (jnp.ones_like(t),))
        (u, u_x), (_, u_xx) = jax.jvp(slope, (x,), (jnp.ones_like(x),))
        return Derivatives(u, u_t, u_x, u_xx)
