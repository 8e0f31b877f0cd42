"""The residual of a field at collocation points, and what can be computed of these before training."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.derivatives import Engine, order_of
from pinn_ac.errors import InputError
from pinn_ac.problem import LOCAL_ORDERS, Problem, with_local_lift

CHUNK = 64
"""Points whose background is computed at once."""


class PreparedPoint(NamedTuple):
    """A point (t, x), and the Taylor polynomial of the field's background B about it.

    At (t, x) the field has the same derivatives on the polynomial B + (t'−t) B_t + (x'−x) B_x + (x'−x)² B_xx/2 + … in
    place of the background, up to the orders of the polynomial. So the lift and the features are differentiated once
    for a set of points, and not again whenever the parameters change.

    t, x: the point.
    background: "u" → B, and its derivatives by their names, of the orders that :func:`closure` gives.
    coefficients: name → coefficient that the problem has here in place of its own; None where it keeps all.

    In a batch all of these have a leading axis of n points.
    """

    t: jax.Array
    x: jax.Array
    background: Mapping[str, jax.Array]
    coefficients: Mapping[str, jax.Array] | None = None

    def background_at(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """The value of the polynomial of one point at (t, x)."""
        # A pytree sorts a mapping's keys.
        return monomials(
            self.background, t - self.t, x - self.x, closure(name for name in self.background if name != "u")
        )


def monomials(jet: Mapping[str, jax.Array], dt: jax.Array, dx: jax.Array, orders: Iterable[str]) -> jax.Array:
    """Σ over the derivatives of a jet, in the order of `orders`, of each times its dtⁱ dxʲ/(i! j!)."""
    total = jet["u"]
    for name in orders:
        total = total + _monomial(dt, dx, *order_of(name)) * jet[name]
    return total


def closure(orders: Iterable[str]) -> tuple[str, ...]:
    """The derivatives that a polynomial needs for a function of it to have these: ("t", "xx") → ("t", "x", "xx").

    By the chain rule a derivative of order (i, j) in (t, x) of F(t, B(t, x)) contains those of B up to i and j.
    """
    wanted = {(a, b) for i, j in map(order_of, orders) for a in range(i + 1) for b in range(j + 1)} - {(0, 0)}
    return tuple("t" * a + "x" * b for a, b in sorted(wanted, key=lambda order: (sum(order), order[1])))


def _monomial(dt: jax.Array, dx: jax.Array, i: int, j: int) -> jax.Array:
    """dtⁱ dxʲ/(i! j!)."""
    powers = [base if n == 1 else base**n for base, n in ((dt, i), (dx, j)) if n]
    product = math.prod(powers[1:], start=powers[0])
    divisor = math.factorial(i) * math.factorial(j)
    return product if divisor == 1 else (1 / divisor) * product


def prepare(
    field: Field, engine: Engine, points: jax.Array, coefficients: Mapping[str, Any] | None = None
) -> PreparedPoint:
    """The `points`, of shape (n, 2) with columns t and x, and the polynomial of the field's background about each.

    With `coefficients` the problem has these in place of its own. They are kept with the points, so that one compiled
    program serves all of their values.
    """
    t, x = points[:, 0], points[:, 1]
    field = field.with_coefficients(coefficients)
    kept = {name: jnp.full_like(t, value) for name, value in coefficients.items()} if coefficients else None
    orders = closure(field.problem.orders)

    def about(point):
        t, x = point
        return engine(_local(field, orders, t, x).background, t, x, orders)

    # A few at a time, since a lift may be a long series.
    return PreparedPoint(t, x, jax.lax.map(about, (t, x), batch_size=CHUNK), kept)


def _local(field: Field, orders: Iterable[str], t: jax.Array, x: jax.Array) -> Field:
    """The field to differentiate at (t, x): with a polynomial for its lift, where that has these `orders` right."""
    is_enough = LOCAL_ORDERS.issuperset(orders)
    return field._replace(problem=with_local_lift(field.problem, t, x)) if is_enough else field


class _Named(dict):
    """Derivatives by their names; a missing one is a mistake in the problem's class, which has not asked for it."""

    def __init__(self, problem: Problem, values: Mapping[str, jax.Array]) -> None:
        super().__init__(values)
        self._problem = problem

    def __missing__(self, name: str) -> jax.Array:
        cls = type(self._problem)
        raise InputError(
            f"The residual of {cls.__name__} uses the derivative {name!r}, which is none of its orders "
            f"{tuple(cls.orders)}: add it to them."
        )


def residual_of(problem: Problem, values: Mapping[str, jax.Array], t: jax.Array, x: jax.Array) -> jax.Array:
    """f at one point from u and its derivatives there, by their names."""
    return problem.residual(_Named(problem, values), {"t": t, "x": x})


def differentiate(field: Field, engine: Engine, params: Parameters, point: PreparedPoint) -> dict[str, jax.Array]:
    """u and the derivatives that the problem's residual needs, at one prepared point, by their names."""
    here = field.with_coefficients(point.coefficients)

    def u(t, x):
        return here.on_background(params, t, point.background_at(t, x))

    return engine(u, point.t, point.x, field.problem.orders)


def residual(field: Field, engine: Engine, params: Parameters, point: PreparedPoint) -> jax.Array:
    """f at one prepared point; see :meth:`pinn_ac.Problem.residual`."""
    problem = field.with_coefficients(point.coefficients).problem
    return residual_of(problem, differentiate(field, engine, params, point), point.t, point.x)


def value(field: Field, params: Parameters, point: PreparedPoint) -> jax.Array:
    """u at one prepared point."""
    here = field.with_coefficients(point.coefficients)
    return here.on_background(params, point.t, point.background["u"])


def derivatives_at(
    field: Field, engine: Engine, params: Parameters, t: jax.Array, x: jax.Array, orders: tuple[str, ...]
) -> dict[str, Any]:
    """u, the derivatives of `orders` and, where these suffice for it, the "residual", at any point (t, x)."""
    here = _local(field.paced(params), orders, t, x)
    found = engine(lambda t, x: here(params, t, x), t, x, orders)
    if set(field.problem.orders) <= set(orders):
        found["residual"] = residual_of(field.problem, found, t, x)
    return found


def approximation_slope(problem: Problem, engine: Engine, points: jax.Array) -> jax.Array:
    """|∂ξ| of :meth:`Problem.approximation`, ξ being the unit coordinate, at `points` (n, 2) with columns t and x."""
    t, x = points[:, 0], points[:, 1]

    def slope(point):
        t, x = point
        return engine(with_local_lift(problem, t, x).approximation, t, x, ("x",))["x"]

    slopes = jax.lax.map(slope, (t, x), batch_size=CHUNK)
    return 0.5 * problem.period * jnp.abs(slopes)
