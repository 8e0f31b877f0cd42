"""Reverse mode gives the derivative with respect to every node, and one sweep suffices for a million inputs."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as onp

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import Graph, Node, adjoints_of_nodes, jvp, value_and_grad
from pinn_ac.lessons import try_it
from pinn_ac.lessons.notation import Notation, number
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.tables import operation_text
from pinn_ac.reporting.lessons import draw_costs

SIZES = (2, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
MEASURED_WHOLE = 10_000
"""Up to this number of inputs forward mode is run for every input; beyond it one run is timed and multiplied."""
REPEATS = 15


class Sensitivity(NamedTuple):
    """A node, its adjoint, and the measured change of y per unit of a small change of the node's value."""

    name: str
    operation: str
    value: float
    adjoint: float
    measured: float


class Cost(NamedTuple):
    """Seconds for n inputs.

    Args:
        inputs: n.
        evaluation: for y alone.
        reverse: for y and its gradient by reverse mode.
        direction: for one directional derivative by forward mode.
        forward: for the whole gradient by forward mode.
        forward_is_measured: whether `forward` was measured; otherwise it is n times `direction`.
    """

    inputs: int
    evaluation: float
    reverse: float
    direction: float
    forward: float
    forward_is_measured: bool


def sensitivities(step: float = 1e-5) -> list[Sensitivity]:
    """∂y/∂v of every node v of `try_it`, by reverse mode and by changing v and recomputing the nodes after it."""
    graph = try_it.graph()
    notation = Notation(graph)
    found = []
    for node, adjoint in zip(graph, adjoints_of_nodes(graph, [jnp.ones(())]), strict=True):
        above, below = (_replayed(graph, node, sign * step) for sign in (1, -1))
        measured = (above - below) / (2 * step)
        found.append(
            Sensitivity(
                notation.name(node), operation_text(notation, node), float(node.value), float(adjoint), measured
            )
        )
    return found


def _replayed(graph: Graph, changed: Node, change: float) -> float:
    """The value of y when `change` is added to the value of the node `changed`."""
    values: dict[int, Any] = {}
    for node in graph:
        if node.primitive is None:
            value = node.value
        else:
            operands = [values[a.index] if isinstance(a, Node) else a for a in node.arguments]
            value = node.primitive.evaluate(*operands, **node.params)
        values[node.index] = value + change if node is changed else value
    return float(values[graph.outputs[0].index])


def chain(x: Any) -> Any:
    """The function y = Σ ln xᵢ + xᵢ xᵢ₊₁ − sin xᵢ₊₁: that of `try_it`, for all pairs of neighbours among n inputs."""
    return np.sum(np.log(x[:-1]) + x[:-1] * x[1:] - np.sin(x[1:]))


def _best(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The seconds of the fastest of several calls, the one least disturbed by other work, after one that compiles."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return min(times)


def measure(n: int) -> Cost:
    """The costs for n inputs; everything is compiled by jax.jit."""
    x = jnp.asarray(onp.random.default_rng(0).uniform(1.0, 2.0, n))
    value, gradient = jax.jit(chain), jax.jit(value_and_grad(chain))
    along = jax.jit(lambda x, k: jvp(chain, (x,), (jnp.zeros(n).at[k].set(1.0),))[1])
    one = _best(lambda: along(x, 0))
    whole = n <= MEASURED_WHOLE

    def all_directions() -> None:
        for k in range(n):
            along(x, k).block_until_ready()

    forward = _best(all_directions, 1 if n >= 1_000 else 3) if whole else n * one
    return Cost(n, _best(lambda: value(x)), _best(lambda: gradient(x)), one, forward, whole)


def teach(page: Page, sizes: tuple[int, ...] = SIZES) -> None:
    """The adjoint of every node, and then the cost for n inputs."""
    page.title("Reverse mode gives the derivative with respect to every node")
    rows = [
        (s.name, s.operation, number(s.value), number(s.adjoint), f"{s.measured:.6f}".replace("-", "−"))
        for s in sensitivities()
    ]
    page.table(("node", "is", "value", "adjoint ∂y/∂v", "change of y per change of v alone"), rows)
    page.say("One sweep gives them all, for inputs and intermediate results alike.")
    costs = [measure(n) for n in sizes]
    page.say("And a million inputs?  y = Σᵢ ln xᵢ + xᵢ xᵢ₊₁ − sin xᵢ₊₁, measured on this machine:")
    rows = [
        (
            f"{c.inputs:,}",
            _seconds(c.evaluation),
            _seconds(c.reverse),
            f"{c.reverse / c.evaluation:.1f}",
            _seconds(c.direction),
            ("" if c.forward_is_measured else "≈ ") + _seconds(c.forward),
            f"{c.forward / c.evaluation:,.0f}",
        )
        for c in costs
    ]
    headings = ("inputs n", "y itself", "y and gradient, reverse", "÷ y", "one direction", "gradient, forward", "÷ y")
    page.table(headings, rows)
    last = costs[-1]
    page.say(
        f"With {last.inputs:,} inputs reverse takes {last.reverse / last.evaluation:.1f} times as long as y alone, "
        f"forward {last.forward / last.evaluation:,.0f} times.",
        "≈: one direction was measured and multiplied by n. Below n ≈ 1,000 calling overhead takes most of the time.",
    )
    page.figure(draw_costs(costs), "cost_against_inputs")


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
