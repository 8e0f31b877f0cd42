"""The chain rule for y = e^{sin(x²)}: its factors multiplied from the inside out and from the outside in."""

from typing import Any, NamedTuple

import jax.numpy as jnp

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import Graph, adjoints_of_nodes, tangents_of_nodes, trace
from pinn_ac.lessons.notation import Notation, local_derivative, number, partial, write
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.tables import primal

X = 1.2
NAMES: dict[str, Any] = {"letter": "w", "first": 0}
CIRCLED = "①②③"


def f(x: Any) -> Any:
    """The function y = e^{sin(x²)}."""
    return np.exp(np.sin(x**2))


class Factor(NamedTuple):
    """A factor dw_i/dw_{i−1} of the product: its name, formula and value."""

    name: str
    formula: str
    value: float


def graph() -> Graph:
    """The Wengert list w₀ = x, w₁ = w₀², w₂ = sin w₁, w₃ = e^{w₂} = y."""
    return trace(f, X)


def factors() -> list[Factor]:
    """The factors dw₁/dw₀, dw₂/dw₁ and dw₃/dw₂."""
    notation = Notation(graph(), **NAMES)
    found = []
    for node in notation.graph.nodes[1:]:
        parent = node.parents[0]
        names = {"a0": notation.name(parent)}
        value = float(local_derivative(node, 0))
        found.append(Factor(f"d{notation.name(node)}/d{names['a0']}", write(partial(node, 0), names), value))
    return found


def products() -> tuple[list[float], list[float]]:
    """The partial products: dw₁/dx, dw₂/dx, dw₃/dx (tangents), and dy/dw₂, dy/dw₁, dy/dw₀ (adjoints)."""
    listed = graph()
    forward = [float(t) for t in tangents_of_nodes(listed, [jnp.ones(())])]
    reverse = [float(a) for a in adjoints_of_nodes(listed, [jnp.ones(())])]
    return forward[1:], reverse[-2::-1]


def teach(page: Page) -> None:
    """Both orders, step by step, with the same result."""
    page.title(f"Back to the chain rule:  y = e^sin(x²)  at  x = {X}")
    listed, steps, (forward, reverse) = graph(), factors(), products()
    page.graph(listed, r"$y = e^{\sin(x^2)}$", **NAMES)
    page.trace(primal(Notation(listed, **NAMES)))
    page.say("dy/dx  =  dy/dw₃ · dw₃/dw₂ · dw₂/dw₁ · dw₁/dx  =  e^w₂ · cos w₁ · 2 w₀")
    page.say(
        "                       e^w₂   ·   cos w₁   ·   2 w₀",
        "forward, inside out:    ③           ②           ①",
        "reverse, outside in:    ①           ②           ③",
    )
    page.table(*_steps(steps, forward, ["dw₁/dx", "dw₂/dx", "dw₃/dx"]), "Forward accumulation: inside out")
    page.table(*_steps(steps[::-1], reverse, ["dy/dw₂", "dy/dw₁", "dy/dw₀"]), "Reverse accumulation: outside in")
    page.say(f"The same value in both orders: dy/dx = {forward[-1]:.12f} = {reverse[-1]:.12f}")


def _steps(steps: list[Factor], products: list[float], names: list[str]) -> tuple[tuple[str, ...], list[tuple]]:
    rows, sofar = [], 1.0
    for mark, step, product, name in zip(CIRCLED, steps, products, names, strict=True):
        value = number(step.value)
        factor = f"({value})" if value.startswith("−") else value
        rows.append(
            (
                mark,
                f"× {step.name}",
                f"= {step.formula}",
                f"= {value}",
                f"{number(sofar)} × {factor}",
                name,
                f"= {number(product)}",
            )
        )
        sofar = product
    return ("", "factor", "", "", "product so far", "", ""), rows
