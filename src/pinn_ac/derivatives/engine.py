"""The interface of every derivative engine, how derivatives are named, and the loops that engines share.

Sources: A. Griewank and A. Walther, Evaluating Derivatives, SIAM 2008: chapters 3 (forward and reverse mode) and 13
(Taylor mode).
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import jax

from pinn_ac.errors import require

Function = Callable[[jax.Array, jax.Array], jax.Array]
Order = tuple[int, ...]
"""(i, j): differentiated i times in t and j times in x."""


class Engine(Protocol):
    """One way to differentiate. All engines give the same values up to rounding.

    >>> import jax.numpy as jnp
    >>> from pinn_ac.derivatives import JaxJvp
    >>> found = JaxJvp()(lambda t, x: t**2 * x**3, jnp.asarray(2.0), jnp.asarray(1.0), ("t", "xx", "txx"))
    >>> {name: float(value) for name, value in found.items()}
    {'u': 4.0, 't': 4.0, 'xx': 24.0, 'txx': 24.0}
    """

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        """f and its derivatives at the scalars (t, x); f may have values of any shape.

        Args:
            f: (t, x) → value.
            t, x: the point.
            orders: the derivatives wanted, each named by the axes that it is taken along: "t", "xx", "tx", "xxx", …

        Returns:
            Name → value: first f itself as "u", then the derivatives in the order of `orders`, each of f's shape.

        Raises:
            InputError: a name of no derivative.
        """
        ...


def order_of(name: str, axes: str = "tx") -> tuple[int, ...]:
    """How many times a derivative is taken along each axis, by its name: "txx" is (1, 2), and so is "xtx".

    Args:
        name: the axes that it is taken along.
        axes: all that there are, "tx" or, in the plane, "txy".

    Raises:
        InputError: the name has no letter, or one that is no axis.
    """
    examples = "t, x, xx, tx or xxx" if axes == "tx" else "t, x, y, xx, yy or xy"
    require(
        isinstance(name, str) and bool(name) and set(name) <= set(axes),
        f"{name!r} is no derivative: write the axes that it is taken along, such as {examples}.",
    )
    return tuple(map(name.count, axes))


def axes_of(orders: Iterable[str]) -> str:
    """The axes of these derivatives: "txy" where one of them is taken along y, else "tx"."""
    return "txy" if any("y" in name for name in orders) else "tx"


def along_x(orders: Iterable[str]) -> dict[int, int]:
    """i → the highest j of the orders (i, j), for i in ascending order; 0 is always among them."""
    most: dict[int, int] = {0: 0}
    for i, j in map(order_of, orders):
        most[i] = max(most.get(i, 0), j)
    return dict(sorted(most.items()))


def named(orders: Iterable[str], found: dict[Order, Any]) -> dict[str, Any]:
    """f itself as "u", then the derivatives by their names, in the order of `orders`."""
    return {"u": found[0, 0], **{name: found[order_of(name)] for name in orders}}


def towers(
    jvp: Callable[..., tuple[Any, Any]], f: Function, t: Any, x: Any, one: Any, orders: Iterable[str]
) -> dict[Order, Any]:
    """The derivatives by forward mode over itself: nested calls of `jvp` in x, and around these in t.

    One tower of calls in x gives all orders up to its height: each level returns the values of the level below and
    the slope of the last of them.
    """

    def tower(g: Callable[[Any], tuple[Any, ...]], height: int) -> Callable[[Any], tuple[Any, ...]]:
        """s → the values of g, then the derivatives of the last of them, up to the order `height`."""
        if height == 0:
            return g

        def raised(s):
            below, slopes = jvp(tower(g, height - 1), (s,), (one,))
            return (*below, slopes[-1])

        return raised

    def along_both(i: int, j: int) -> tuple[Any, ...]:
        """The derivatives of order (i, 0), (i, 1), …, (i, j)."""
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
    """The derivatives by reverse mode over itself; where f_t and f_x are both wanted, one sweep gives both."""
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
    """The derivatives by Taylor mode along x and along t; mixed ones by forward mode in t over Taylor mode in x.

    Args:
        along: (g, s, order ≥ 1) → the values at s of g and of its derivatives up to that order.
        jvp: forward mode, which must be able to differentiate `along`.
    """
    most = along_x(orders)
    in_t = max((i for i, j in map(order_of, orders) if j == 0), default=0)
    found: dict[Order, Any] = dict(
        zip([(0, j) for j in range(most[0] + 1)], _up_to(along, lambda x: f(t, x), x, most[0]), strict=True)
    )
    found |= {(i, 0): value for i, value in enumerate(_up_to(along, lambda t: f(t, x), t, in_t)) if i}
    for i, j in most.items():
        if i and j:
            slopes = _along_x(along, f, x, j)
            for _ in range(i):
                slopes = _derivative(jvp, slopes, one)
            found |= {(i, k): value for k, value in enumerate(slopes(t))}
    return found


def _up_to(along: Callable[..., tuple[Any, ...]], g: Callable[[Any], Any], s: Any, order: int) -> tuple[Any, ...]:
    return along(g, s, order) if order else (g(s),)


def _along_x(along: Callable[..., tuple[Any, ...]], f: Function, x: Any, order: int) -> Callable[[Any], Any]:
    return lambda t: along(lambda x: f(t, x), x, order)
