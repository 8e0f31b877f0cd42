"""Forward mode: tangents travel along the Wengert list, v̇_i = Σ_j (∂v_i/∂v_j) v̇_j."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arguments import bound, traced
from .graph import Graph, Node, as_leaf, is_real, require_real, trace
from .table import broadcast_like


def tangents_of_nodes(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The tangent of every node of the graph, in order; None stands for zero.

    Args:
        graph: from `trace`.
        seeds: the tangents of the inputs, arrays of the inputs' shapes or None.

    >>> graph = trace(lambda x, y: x * y + x, 3.0, 5.0)
    >>> [float(tangent) for tangent in tangents_of_nodes(graph, [1.0, 0.0])]
    [1.0, 0.0, 5.0, 6.0]
    """
    tangents: list[Any] = list(seeds) + [None] * (len(graph) - len(seeds))
    for node in graph.nodes[len(graph.inputs) :]:
        incoming = [tangents[a.index] if isinstance(a, Node) else None for a in node.arguments]
        if node.primitive is None or all(t is None for t in incoming):
            continue
        tangent = node.primitive.jvp(incoming, node.value, *node.operands, **node.params)
        if tangent is not None:
            tangents[node.index] = broadcast_like(tangent, node.value)
    return tangents


def push(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The tangents of the outputs, with arrays of zeros in place of None."""
    tangents = tangents_of_nodes(graph, seeds)
    found = [tangents[out.index] if isinstance(out, Node) else None for out in graph.outputs]
    return [zero_tangent(v) if t is None else t for t, v in zip(found, graph.output_values, strict=True)]


def zero_tangent(x: Any) -> Any:
    """The zero tangent of x: an array of zeros, for integers and bools of JAX's dtype `float0`."""
    return jnp.zeros(x.shape, x.dtype) if is_real(x) else np.zeros(x.shape, jax.dtypes.float0)


def _checked_tangents(primals: Any, tangents: Any) -> list[Any]:
    tree: Any
    leaves, tree = jax.tree.flatten(tuple(primals))
    seeds, other = jax.tree.flatten(tuple(tangents))
    if tree != other:
        raise TypeError(f"primals and tangents must have the same structure, got {tree} and {other}")
    leaves, seeds = [as_leaf(x) for x in leaves], [as_leaf(t) for t in seeds]
    require_real(leaves, "forward mode")
    for x, t in zip(leaves, seeds, strict=True):
        if x.shape != t.shape or not jnp.issubdtype(t.dtype, jnp.floating):
            raise TypeError(
                f"a tangent of shape {t.shape}, {t.dtype} was given for a primal of shape {x.shape}, {x.dtype}: "
                "give each argument a real tangent of its own shape"
            )
    return [broadcast_like(t, x) for x, t in zip(leaves, seeds, strict=True)]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of f and its derivative along a direction: (f(x), J(x) ẋ), in one forward sweep.

    Args:
        f: a function of pytrees of real arrays.
        primals: its arguments x.
        tangents: the direction ẋ, with the structure and shapes of `primals`.
        has_aux: f returns (y, aux), and the result is (y, ẏ, aux).

    Raises:
        TypeError: an argument is not real, or the tangents differ in structure or shape from the primals.

    >>> y, dy = jvp(lambda x, y: x * y, (3.0, 5.0), (1.0, 0.0))
    >>> float(y), float(dy)
    (15.0, 5.0)
    """
    seeds = _checked_tangents(primals, tangents)
    graph, aux = traced(f, primals, has_aux)
    y, dy = graph.result(graph.output_values), graph.result(push(graph, seeds))
    return (y, dy, aux) if has_aux else (y, dy)


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(f(x), ẋ ↦ J(x) ẋ): f is traced once, and each call of the second pushes tangents through the same list.

    Raises TypeError as `jvp` does.

    >>> y, push = linearize(lambda x: x**2, 3.0)
    >>> float(y), float(push(1.0)), float(push(10.0))
    (9.0, 6.0, 60.0)
    """
    graph = trace(f, *primals)

    def pushforward(*tangents: Any) -> Any:
        return graph.result(push(graph, _checked_tangents(primals, tangents)))

    return graph.result(graph.output_values), pushforward


def derivative(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The function x ↦ df/dx for a scalar argument x, the one at position `argnum`; f may return a pytree of arrays.

    The function raises TypeError if x is not a scalar.

    >>> float(derivative(lambda x: x**3)(2.0))
    12.0
    """

    def df(*args: Any, **kwargs: Any) -> Any:
        x = as_leaf(args[argnum])
        if x.shape != ():
            raise TypeError(f"derivative requires a scalar argument, got shape {x.shape}: use jacfwd for arrays")
        return jvp(bound(f, argnum, args, kwargs), (x,), (jnp.ones((), x.dtype),))[1]

    return df
