"""The residual of a field at collocation points, and what can be computed of these before training."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.batch import coordinates
from pinn_ac.derivatives import Engine, axes_of, order_of
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
    """Σ over the derivatives of a jet, in the order of `orders`, of each times its dtⁱ dxʲ/(i! j!), and so in y."""
    total = jet["u"]
    steps = (dt, dx) if jnp.ndim(dx) == 0 else (dt, *dx)
    axes = "txy"[: len(steps)]
    for name in orders:
        total = total + _monomial(steps, order_of(name, axes)) * jet[name]
    return total


def closure(orders: Iterable[str]) -> tuple[str, ...]:
    """The derivatives that a polynomial needs for a function of it to have these: ("t", "xx") → ("t", "x", "xx").

    By the chain rule a derivative of order (i, j) in (t, x) of F(t, B(t, x)) contains those of B up to i and j.
    """
    orders = tuple(orders)
    axes = axes_of(orders)
    wanted = {one for name in orders for one in product(*(range(n + 1) for n in order_of(name, axes))) if any(one)}
    return tuple(_name(order, axes) for order in sorted(wanted, key=lambda order: (sum(order), order[1:])))


def _name(order: Iterable[int], axes: str) -> str:
    return "".join(axis * n for axis, n in zip(axes, order, strict=True))


def _monomial(steps: Sequence[jax.Array], order: Sequence[int]) -> jax.Array:
    """Π stepⁿ/n! over the axes."""
    powers = [base if n == 1 else base**n for base, n in zip(steps, order, strict=True) if n]
    total = math.prod(powers[1:], start=powers[0])
    divisor = math.prod(map(math.factorial, order))
    return total if divisor == 1 else (1 / divisor) * total


def prepare(
    field: Field,
    engine: Engine,
    points: jax.Array,
    orders: Iterable[str] | None = None,
    coefficients: Mapping[str, Any] | None = None,
) -> PreparedPoint:
    """The `points`, of shape (n, 2) with columns t and x, and the polynomial of the field's background about each.

    In the plane they have a third column, y.

    It is of the degree that the derivatives of these `orders` need; None for those of the problem's residual. With
    `coefficients` the problem has these in place of its own. They are kept with the points, so that one compiled
    program serves all of their values.
    """
    t, x = coordinates(points)
    field = field.with_coefficients(coefficients)
    kept = {name: jnp.full_like(t, value) for name, value in coefficients.items()} if coefficients else None
    wanted = tuple(field.problem.orders if orders is None else orders)
    for name in wanted:
        order_of(name, "".join(("t", *field.problem.axes)))  # refuses what is none
    orders = closure(wanted)

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
    return problem.residual(_Named(problem, values), problem.at(t, x))


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


def slope_orders(problem: Problem, axis: str) -> tuple[str, ...]:
    """The derivatives of u that ∂f/∂t or ∂f/∂x takes: those of f and u itself, and each once more along the axis."""
    own = [order_of(name) for name in problem.orders]
    raised = [(i + (axis == "t"), j + (axis == "x")) for i, j in [(0, 0), *own]]
    return tuple(dict.fromkeys("t" * i + "x" * j for i, j in [*own, *raised]))


def residual_slope(field: Field, engine: Engine, params: Parameters, point: PreparedPoint, *, axis: str) -> jax.Array:
    """∂f/∂t or ∂f/∂x at one point that was prepared for :func:`slope_orders`.

    By the chain rule it is the slope at s = 0 of f with each derivative u_o replaced by u_o + s ∂u_o, and t or x by
    itself + s. The engine gives both: the u_o and their slopes, and then that of f in s.
    """
    field = field.with_coefficients(point.coefficients)

    def u(t, x):
        return field.on_background(params, t, point.background_at(t, x))

    found = engine(u, point.t, point.x, slope_orders(field.problem, axis))
    steps = {"u": axis, **{name: name + axis for name in field.problem.orders}}
    rise = {name: found[_canonical(raised)] for name, raised in steps.items()}
    values = {name: found[name if name == "u" else _canonical(name)] for name in steps}

    def along(t, x):
        s = t if axis == "t" else x
        return residual_of(
            field.problem, {name: values[name] + s * rise[name] for name in steps}, point.t + t, point.x + x
        )

    zero = jnp.zeros_like(point.t)
    return engine(along, zero, zero, (axis,))[axis]


def _canonical(name: str) -> str:
    """A derivative by the one name that :func:`slope_orders` gives it."""
    i, j = order_of(name)
    return "t" * i + "x" * j


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
    """|∂ξ| of :meth:`Problem.approximation`, ξ being the unit coordinate, at `points` (n, 2) with columns t and x.

    In the plane it is the length of the gradient, in units of half of the longer side.
    """
    t, x = coordinates(points)
    in_line = len(problem.axes) == 1

    def slope(point):
        t, x = point
        found = engine(with_local_lift(problem, t, x).approximation, t, x, problem.axes)
        return found["x"] if in_line else jnp.hypot(*(found[axis] for axis in problem.axes))

    slopes = jax.lax.map(slope, (t, x), batch_size=CHUNK)
    return 0.5 * problem.period * jnp.abs(slopes)


def residuals(field: Field, engine: Engine, params: Parameters, points: PreparedPoint) -> jax.Array:
    """f at n prepared points, (n,), for a field whose network has factors: N = Σ_j f_j(t) g_j(x).

    Where n = m² and the points are a grid of m times and m places, times first, f and g are differentiated along m
    points each, and ∂_t^i ∂_x^k N is the product of two matrices. Elsewhere it is :func:`residual` one by one. Which
    it is, is found when the points are known, so that any sampler may draw them. A part of a grid is none: points
    that several devices share, or that are taken in chunks, are computed one by one.
    """

    def one_by_one(points):
        return jax.vmap(lambda point: residual(field, engine, params, point))(points)

    side = math.isqrt(len(points.t))
    if field.factors is None or side**2 != len(points.t):
        return one_by_one(points)
    of_network = field._replace(network=lambda params, z: z[0])

    def on_grid(points):
        """With the Taylor polynomial of N in place of its features', and a network that passes it on."""
        tabulated = points._replace(background=_networks_background(field, engine, params, points, side))
        return jax.vmap(lambda point: residual(of_network, engine, params, point))(tabulated)

    t, x = points.t.reshape(side, side), points.x.reshape(side, side)
    is_grid = jnp.all(t == t[:, :1]) & jnp.all(x == x[:1])
    return jax.lax.cond(is_grid, on_grid, one_by_one, points)


def _networks_background(
    field: Field, engine: Engine, params: Parameters, points: PreparedPoint, side: int
) -> dict[str, jax.Array]:
    """The background's own first component, the lift, and N, with their derivatives, on a grid of side² points."""
    assert field.factors is not None
    f, g = field.factors(params)
    names = {name: (0, 0) if name == "u" else order_of(name) for name in points.background}
    in_t, in_x = (max(order[axis] for order in names.values()) for axis in (0, 1))

    def time(point):
        along = (lambda t, _: f(point.background_at(t, point.x)[1:2]), point.t, point.x)
        return list(engine(*along, ["t" * k for k in range(1, in_t + 1)]).values())

    def place(point):
        along = (lambda _, x: g(field.inputs(point.background_at(point.t, x))[1:]), point.t, point.x)
        return list(engine(*along, ["x" * k for k in range(1, in_x + 1)]).values())

    grid = jax.tree.map(lambda leaf: leaf.reshape(side, side, *leaf.shape[1:]), points)
    F = jax.vmap(time)(jax.tree.map(lambda leaf: leaf[:, 0], grid))
    G = jax.vmap(place)(jax.tree.map(lambda leaf: leaf[0], grid))

    def with_network(name):
        i, k = names[name]
        places = [points.background[name][:, -1]] * field.is_held
        return jnp.column_stack([points.background[name][:, 0], (F[i] @ G[k].T).reshape(-1), *places])

    return {name: with_network(name) for name in names}
