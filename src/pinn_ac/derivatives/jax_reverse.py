"""Reverse over reverse: one sweep gives u_t and u_x together, a second one through it u_xx."""

from dataclasses import dataclass

import jax

from pinn_ac.derivatives.engine import Derivatives, Function


@dataclass(frozen=True)
class JaxReverse:
    """`jax.jacrev` of `jax.jacrev`, which is `jax.grad` for a scalar function."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array) -> Derivatives:
        u_t, u_x = jax.jacrev(f, argnums=(0, 1))(t, x)
        u_xx = jax.jacrev(jax.jacrev(f, argnums=1), argnums=1)(t, x)
        return Derivatives(f(t, x), u_t, u_x, u_xx)
