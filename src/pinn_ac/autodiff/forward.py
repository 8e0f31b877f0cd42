"""Forward mode: tangents travel along the Wengert list, v̇_i = Σ_j (∂v_i/∂v_j) v̇_j."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arguments import bound
from .graph import Graph, Node, as_leaf, is_real, require_real, trace
from .rules.kinds import broadcast_like


def tangents_of_nodes(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The tangent of every node, in order, from those of the inputs; None stands for zero."""
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
    """The tangents of the outputs (arrays: zeros are filled in)."""
    tangents = tangents_of_nodes(graph, seeds)
    found = [tangents[out.index] if isinstance(out, Node) else None for out in graph.outputs]
    return [zero_tangent(v) if t is None else t for t, v in zip(found, graph.output_values, strict=True)]


def zero_tangent(x: Any) -> Any:
    """Zeros in the tangent space of x, which for an integer is JAX's `float0`."""
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
                f"a tangent of shape {t.shape}, {t.dtype} was given for a primal of shape {x.shape}, {x.dtype}"
            )
    return [broadcast_like(t, x) for x, t in zip(leaves, seeds, strict=True)]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of f at `primals` and its derivative along `tangents`: (f(x), J(x) ẋ).

    With `has_aux` f returns (y, aux) and the result is (y, ẏ, aux). Raises TypeError for integer primals and for
    tangents of other structure or shape than the primals.
    """
    seeds = _checked_tangents(primals, tangents)
    graph, aux = traced(f, primals, has_aux)
    y, dy = unflatten(graph, graph.output_values), unflatten(graph, push(graph, seeds))
    return (y, dy, aux) if has_aux else (y, dy)


def unflatten(graph: Graph, leaves: Sequence[Any]) -> Any:
    """`leaves` in the structure of the function's result."""
    return jax.tree.unflatten(graph.output_tree, leaves)


def traced(f: Callable[..., Any], primals: Sequence[Any], has_aux: bool) -> tuple[Graph, Any]:
    """The graph of f at `primals`, and the auxiliary result that f returned beside its value."""
    if not has_aux:
        return trace(f, *primals), None
    extra: list[Any] = []

    def main(*args: Any) -> Any:
        y, aux = f(*args)
        extra.append(aux)
        return y

    graph = trace(main, *primals)
    return graph, graph.lowered(extra[0])


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(f(x), ẋ ↦ J(x) ẋ): f is traced once, and each call of the second pushes tangents through the same list."""
    graph = trace(f, *primals)

    def pushforward(*tangents: Any) -> Any:
        return unflatten(graph, push(graph, _checked_tangents(primals, tangents)))

    return unflatten(graph, graph.output_values), pushforward


def derivative(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """x ↦ df/dx for a scalar argument; f may return a pytree of arrays. Raises TypeError if x is not a scalar."""

    def df(*args: Any, **kwargs: Any) -> Any:
        x = as_leaf(args[argnum])
        if x.shape != ():
            raise TypeError(f"derivative requires a scalar argument, got shape {x.shape}; use jacfwd")
        return jvp(bound(f, argnum, args, kwargs), (x,), (jnp.ones((), x.dtype),))[1]

    return df
