"""An engine for functions of (t, (x, y)), made of one for functions of (t, x)."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.derivatives.engine import Engine, Function, order_of
from pinn_ac.errors import require


@dataclass(frozen=True)
class InPlaneEngine:
    """Derivatives along t, x and y: an engine along t and x with y held fixed, and again along t and y.

    Derivatives along both x and y are those along y of those along x.

    Args:
        engine: of a function of (t, x).

    >>> import jax.numpy as jnp
    >>> from pinn_ac.derivatives import JaxJvp
    >>> engine = InPlaneEngine(JaxJvp())
    >>> found = engine(lambda t, x: t * x[0] ** 2 * x[1] ** 3, jnp.asarray(2.0), jnp.ones(2), ("t", "yy", "xy"))
    >>> {name: float(value) for name, value in found.items()}
    {'u': 2.0, 't': 1.0, 'yy': 12.0, 'xy': 12.0}
    """

    engine: Engine

    def __call__(self, f: Function, t: jax.Array, x: jax.Array, orders: Iterable[str]) -> dict[str, jax.Array]:
        orders = tuple(orders)
        for name in orders:
            order_of(name, "txy")
        both = [name for name in orders if set(name) >= {"x", "y"}]
        in_y = [name for name in orders if "y" in name and name not in both]
        in_x = [name for name in orders if "y" not in name]
        first, second = x[0], x[1]
        found = self.engine(lambda t, s: f(t, jnp.stack([s, second])), t, first, in_x)
        if in_y:
            names = [name.replace("y", "x") for name in in_y]
            values = self.engine(lambda t, s: f(t, jnp.stack([first, s])), t, second, names)
            found |= {name: values[plain] for name, plain in zip(in_y, names, strict=True)}
        for name in both:
            found[name] = self._mixed(f, t, first, second, name)
        return {"u": found["u"], **{name: found[name] for name in orders}}

    def _mixed(self, f: Function, t: jax.Array, first: jax.Array, second: jax.Array, name: str) -> jax.Array:
        i, j, k = order_of(name, "txy")
        along_x, along_y = "x" * j, "t" * i + "x" * k

        def inner(t, s):
            return self.engine(lambda t, r: f(t, jnp.stack([r, s])), t, first, (along_x,))[along_x]

        return self.engine(inner, t, second, (along_y,))[along_y]


def engine_for(engine: Engine, axes: tuple[str, ...]) -> Engine:
    """The engine for a problem with these axes of space."""
    require(len(axes) in (1, 2), f"A problem has the axes {axes}: there are methods for one or two.")
    return engine if len(axes) == 1 else InPlaneEngine(engine)
