"""Many sweeps over one graph at once, by `jax.vmap` over the tangents or adjoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..graph import Graph, Value
from .replay import from_jax


def sweep_over_basis(sweep: Callable[[Graph, list], list], graph: Graph, leaves: list) -> list:
    """The results of sweep(graph, e) for all unit vectors e, stacked along a new leading axis.

    Args:
        sweep: the function (graph, tangents or adjoints) ↦ results.
        graph: what it sweeps over.
        leaves: the arrays whose entries the unit vectors run over, in order.

    The graph may hold Values of older traces, which `jax.vmap` cannot enter. They become arguments of the batched
    sweep, which is then replayed in those traces by `from_jax`.
    """
    sizes = [leaf.size for leaf in leaves]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    basis = [
        jnp.eye(sum(sizes), n, -start, dtype=leaf.dtype).reshape(sum(sizes), *leaf.shape)
        for leaf, n, start in zip(leaves, sizes, starts, strict=True)
    ]
    outer: list[Any] = []

    def collect(x: Any) -> Any:
        if isinstance(x, Value) and not any(x is y for y in outer):
            outer.append(x)
        return x

    graph.with_values(collect)
    position = {id(x): i for i, x in enumerate(outer)}

    def batched(inside: list, directions: list) -> list:
        plain = graph.with_values(lambda x: inside[position[id(x)]] if isinstance(x, Value) else x)
        return jax.vmap(lambda one: sweep(plain, one))(directions)

    return from_jax(batched)(outer, basis)
