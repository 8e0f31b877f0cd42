"""The residual of a field at one collocation point, and what is known of a set of points before training."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.derivatives import Derivatives, Engine
from pinn_ac.problem import AllenCahn, expanded

CHUNK = 64
"""Points whose background is computed at once."""


class Expansion(NamedTuple):
    """Points (t, x) and the field's background about each, to first order in t and second in x.

    A field on the polynomial B + (t'−t)B_t + (x'−x)B_x + (x'−x)²B_xx/2 has at (t, x) the derivatives up to
    u_t, u_x, u_xx that it has on the background itself, so lifts and features are differentiated once for a
    set of points and not again for every change of the parameters. Leaves have a leading axis of n points.
    """

    t: jax.Array
    x: jax.Array
    background: Derivatives

    def background_at(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """The polynomial of one point at (t, x)."""
        b, dx = self.background, x - self.x
        return b.u + (t - self.t) * b.u_t + dx * b.u_x + 0.5 * dx**2 * b.u_xx


def expand(field: Field, engine: Engine, points: jax.Array) -> Expansion:
    """The background of `field` about `points`, of shape (n, 2) with columns t and x."""
    t, x = points[:, 0], points[:, 1]

    def about(point):
        return engine(field._replace(problem=expanded(field.problem, *point)).background, *point)

    # A few at a time, since a lift may be a long series.
    return Expansion(t, x, jax.lax.map(about, (t, x), batch_size=CHUNK))


def differentiate(field: Field, engine: Engine, params: Parameters, point: Expansion) -> Derivatives:
    """u, u_t, u_x and u_xx of the field at one expanded point."""

    def u(t, x):
        return field.on_background(params, t, point.background_at(t, x))

    return engine(u, point.t, point.x)


def residual(field: Field, engine: Engine, params: Parameters, point: Expansion) -> jax.Array:
    """f = u_t − D u_xx + R u³ − R u at one expanded point."""
    u, u_t, _, u_xx = differentiate(field, engine, params, point)
    return field.problem.residual(u, u_t, u_xx)


def splitting_slope(problem: AllenCahn, engine: Engine, points: jax.Array) -> jax.Array:
    """|∂ξ Φ(t, g)| of the splitting solution, ξ the unit coordinate, at `points` (n, 2) with columns t and x."""
    t, x = points[:, 0], points[:, 1]

    def slope(point):
        return engine(expanded(problem, *point).splitting, *point).u_x

    slopes = jax.lax.map(slope, (t, x), batch_size=CHUNK)
    return 0.5 * problem.period * jnp.abs(slopes)
