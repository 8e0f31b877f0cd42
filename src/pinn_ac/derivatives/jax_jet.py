"""Taylor mode: the coefficients of f along a line, to second order in x and to first in t."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.experimental.jet import jet

from pinn_ac.derivatives.engine import Derivatives, Function


@dataclass(frozen=True)
class JaxJet:
    """`jax.experimental.jet`."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        one, zero = jnp.ones_like(x), jnp.zeros_like(x)
        u, (u_x, u_xx) = jet(lambda x: f(t, x), (x,), ((one, zero),))
        _, (u_t,) = jet(lambda t: f(t, x), (t,), ((one,),))
        return Derivatives(u, u_t, u_x, u_xx)
