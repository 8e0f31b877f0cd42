"""The Allen–Cahn equation, its residual f and the loss L, with every derivative by our own engine."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as onp

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import grad, jvp, trace
from pinn_ac.lessons.notation import number
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.tables import tables
from pinn_ac.problem import AllenCahn
from pinn_ac.reporting.lessons import draw_residuals

WIDTH, STEPS = 12, 40
POINTS = ((0.0, 0.25), (0.25, 0.0), (0.5, 0.5), (1.0, -0.9))


class Derivatives(NamedTuple):
    """The field and its derivatives that occur in the equation, each of shape (n,)."""

    u: Any
    u_t: Any
    u_xx: Any


class Training(NamedTuple):
    """The parameters before and after training, and the loss L at every step."""

    before: dict
    after: dict
    losses: list[float]


def parameters() -> dict[str, jax.Array]:
    """The initial parameters of a small network: three features, `WIDTH` hidden units, one output."""
    rng = onp.random.default_rng(0)
    shapes = {"W": (WIDTH, 3), "b": (WIDTH,), "v": (WIDTH,)}
    return {name: jnp.asarray(rng.normal(0.0, 0.5, shape)) for name, shape in shapes.items()}


def field(p: dict, t: Any, x: Any) -> Any:
    """The field u = x² cos πx + t N(t, cos πx, sin πx), which satisfies the initial condition and is periodic in x.

    Args:
        p: the parameters of the network N.
        t: times, of shape (n,).
        x: positions, of shape (n,). The hidden layer then has the shape (WIDTH, n).
    """
    features = (t, np.cos(jnp.pi * x), np.sin(jnp.pi * x))
    z = sum(p["W"][:, k : k + 1] * feature for k, feature in enumerate(features)) + p["b"][:, None]
    return x**2 * np.cos(jnp.pi * x) + t * np.sum(p["v"][:, None] * np.tanh(z), axis=0)


def differentiate(p: dict, t: Any, x: Any) -> Derivatives:
    """u, u_t and u_xx at the points t and x, of shape (n,): forward mode once for t, and twice, nested, for x."""
    one = jnp.ones(jnp.shape(t))
    u, u_t = jvp(lambda t: field(p, t, x), (t,), (one,))
    u_xx = jvp(lambda x: jvp(lambda x: field(p, t, x), (x,), (one,))[1], (x,), (one,))[1]
    return Derivatives(u, u_t, u_xx)


def residual(p: dict, t: Any, x: Any) -> Any:
    """The residual f = u_t − 0.0001 u_xx + 5u³ − 5u at the points, of shape (n,)."""
    return equation(*differentiate(p, t, x))


def equation(u: Any, u_t: Any, u_xx: Any) -> Any:
    """f from u and its derivatives."""
    return AllenCahn().residual({"u": u, "t": u_t, "xx": u_xx}, {})


def points(n: int = 24) -> tuple[Any, Any]:
    """The points of an n × n grid over [0, 1] × [−1, 1]: t and x, each of shape (n²,)."""
    t, x = jnp.meshgrid(jnp.linspace(0.0, 1.0, n), jnp.linspace(-1.0, 1.0, n), indexing="ij")
    return t.ravel(), x.ravel()


def loss(p: dict, t: Any, x: Any) -> Any:
    """The lecture's loss L = (1/N) Σ |f(xⁱ, tⁱ)|."""
    return np.mean(np.abs(residual(p, t, x)))


def train(steps: int = STEPS) -> Training:
    """Gradient descent with our reverse mode; the step size is halved until L decreases."""
    t, x = points()
    value, gradient = jax.jit(lambda p: loss(p, t, x)), jax.jit(lambda p: grad(loss)(p, t, x))
    before = p = parameters()
    losses, rate = [float(value(p))], 0.1
    for _ in range(steps):
        slope = gradient(p)
        while rate > 1e-8:
            new = jax.tree.map(lambda a, g, rate=rate: a - rate * g, p, slope)
            if (found := float(value(new))) < losses[-1]:
                break
            rate /= 2
        else:  # no step makes it smaller any more
            break
        p, rate = new, 1.5 * rate
        losses.append(found)
    return Training(before, p, losses)


def teach(page: Page) -> None:
    """The problem, f at a few points, its compute graph, and a few steps of gradient descent."""
    page.title("Allen–Cahn")
    page.say(
        "u_t − 0.0001 u_xx + 5u³ − 5u = 0", "u(0, x) = x² cos(πx),   u(t, −1) = u(t, 1),   u_x(t, −1) = u_x(t, 1)"
    )
    page.say("f(x, t) = u_t − 0.0001 u_xx + 5u³ − 5u,   L = (1/N) Σ |f(xⁱ, tⁱ)|")
    page.say(f"A small field, u = x² cos πx + t N with {WIDTH} hidden units, and its derivatives by our own engine:")
    p = parameters()
    t, x = jnp.array(POINTS).T
    found = jax.jit(differentiate)(p, t, x)
    rows = zip(t, x, *found, equation(*found), strict=True)
    page.table(("t", "x", "u", "u_t", "u_xx", "f"), [tuple(map(number, row)) for row in rows])
    at = Derivatives(*(values[2] for values in found))
    graph = trace(equation, *at)
    names: dict[str, Any] = {"inputs": Derivatives._fields, "output": "f"}
    page.say("The compute graph of f at (t, x) = (0.5, 0.5), and the adjoints of u, u_t and u_xx:")
    page.graph(graph, r"$f = u_t - 0.0001\, u_{xx} + 5u^3 - 5u$", **names)
    page.trace(tables(graph, **names).adjoint)
    _descend(page)


def _descend(page: Page) -> None:
    training, (t, x) = train(), points(64)
    page.say(f"{STEPS} steps of gradient descent with our own gradient (reverse over forward, under jax.jit):")
    page.say(f"    L before = {training.losses[0]:.4f}     L after = {training.losses[-1]:.4f}")
    f = jax.jit(residual)
    sizes = [onp.abs(f(p, t, x)).reshape(64, 64) for p in (training.before, training.after)]
    page.figure(draw_residuals(sizes[0], sizes[1], training.losses), "residual")
    page.say("The real training uses the same loss L with", "    python scripts/train.py experiment=lecture")
    page.say(
        "and is far more accurate with loss=mse, the reaction-flow ansatz and a second-order optimizer:",
        "    python scripts/train.py model=mlp",
    )
