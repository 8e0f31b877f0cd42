"""What every derivative engine takes and gives, and how derivatives are named."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import jax

from pinn_ac.errors import require

Function = Callable[[jax.Array, jax.Array], jax.Array]
Order = tuple[int, int]
"""How many times in t, and how many times in x."""


class Engine(Protocol):
    """One way to differentiate. All of them agree to rounding."""

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        """f and its derivatives at the scalars (t, x); f may have values of any shape.

        Args:
            f: (t, x) → value.
            t, x: where.
            orders: which derivatives, each named by the axes it is taken along: "t", "x", "xx", "tx", "xxx", …

        Returns:
            Name → derivative, of the shape of f's values, in the order of `orders` after "u", f itself.
        """
        ...


def order_of(name: str) -> Order:
    """How often a derivative's name has t and x: "txx" is (1, 2).

    Raises:
        InputError: the name has another letter, or none.
    """
    require(
        isinstance(name, str) and bool(name) and set(name) <= {"t", "x"},
        f"{name!r} is the name of no derivative: write the axes that it is taken along, such as t, x, xx, tx or xxx.",
    )
    return name.count("t"), name.count("x")


def along_x(orders: Iterable[str]) -> dict[int, int]:
    """For each number of times in t, 0 first, the most times in x that it is asked for with."""
    most: dict[int, int] = {0: 0}
    for i, j in map(order_of, orders):
        most[i] = max(most.get(i, 0), j)
    return dict(sorted(most.items()))


def named(orders: Iterable[str], found: dict[Order, Any]) -> dict[str, Any]:
    """The derivatives by their names, after f itself as "u"."""
    return {"u": found[0, 0], **{name: found[order_of(name)] for name in orders}}


def towers(
    jvp: Callable[..., tuple[Any, Any]], f: Function, t: Any, x: Any, one: Any, orders: Iterable[str]
) -> dict[Order, Any]:
    """All derivatives by forward mode over itself: those in x by a tower of `jvp`, and about it one in t."""

    def tower(g: Callable[[Any], tuple[Any, ...]], height: int) -> Callable[[Any], tuple[Any, ...]]:
        """s → the values of g, then the derivatives of its last one up to this order."""
        if height == 0:
            return g

        def raised(s):
            below, slopes = jvp(tower(g, height - 1), (s,), (one,))
            return (*below, slopes[-1])

        return raised

    def along_both(i: int, j: int) -> tuple[Any, ...]:
        """f_{t…t}, its slope in x, … up to j times."""
        if i == 0:
            return tower(lambda x: (f(t, x),), j)(x)

        def slopes(t):
            return tower(lambda x: (f(t, x),), j)(x)

        for _ in range(i):
            slopes = _derivative(jvp, slopes, one)
        return slopes(t)

    most = along_x(orders)
    return {(i, j): value for i in reversed(most) for j, value in enumerate(along_both(i, most[i]))}


def _derivative(jvp: Callable[..., tuple[Any, Any]], g: Callable[[Any], Any], one: Any) -> Callable[[Any], Any]:
    return lambda s: jvp(g, (s,), (one,))[1]


def sweeps(jacrev: Callable[..., Any], f: Function, t: Any, x: Any, orders: Iterable[str]) -> dict[Order, Any]:
    """All derivatives by reverse mode over itself; one sweep gives both first ones where both are wanted."""
    found: dict[Order, Any] = {}
    wanted = list(map(order_of, orders))
    if {(1, 0), (0, 1)} <= set(wanted):
        found[1, 0], found[0, 1] = jacrev(f, argnums=(0, 1))(t, x)
    for i, j in wanted:
        if (i, j) not in found:
            g = f
            for axis in (1,) * j + (0,) * i:
                g = jacrev(g, argnums=axis)
            found[i, j] = g(t, x)
    return found | {(0, 0): f(t, x)}


def series(
    along: Callable[[Callable[[Any], Any], Any, int], tuple[Any, ...]],
    jvp: Callable[..., tuple[Any, Any]],
    f: Function,
    t: Any,
    x: Any,
    one: Any,
    orders: Iterable[str],
) -> dict[Order, Any]:
    """All derivatives by Taylor mode along x and along t; mixed ones by forward mode in t over that along x.

    Args:
        along: (g, s, order ≥ 1) → g and its derivatives up to that order at s.
        jvp: forward mode, which goes through `along`.
    """
    most = along_x(orders)
    in_t = max((i for i, j in map(order_of, orders) if j == 0), default=0)
    found = dict(zip([(0, j) for j in range(most[0] + 1)], _up_to(along, lambda x: f(t, x), x, most[0]), strict=True))
    found |= {(i, 0): value for i, value in enumerate(_up_to(along, lambda t: f(t, x), t, in_t)) if i}
    for i, j in most.items():
        if i and j:

            def slopes(t, j=j):
                return along(lambda x: f(t, x), x, j)

            for _ in range(i):
                slopes = _derivative(jvp, slopes, one)
            found |= {(i, k): value for k, value in enumerate(slopes(t))}
    return found


def _up_to(along: Callable[..., tuple[Any, ...]], g: Callable[[Any], Any], s: Any, order: int) -> tuple[Any, ...]:
    return along(g, s, order) if order else (g(s),)
