"""Reverse mode: adjoints travel the Wengert list backwards, v̄_j = Σ_i v̄_i ∂v_i/∂v_j, in one sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .arguments import bound, chosen_of, picked
from .forward import jvp, traced, unflatten
from .graph import Graph, Node, as_leaf, is_real, require_real
from .rules.kinds import add, broadcast_like, sum_like


class Step(NamedTuple):
    """`node` passes `contribution` = v̄_node ∂v_node/∂v_parent to `parent`, making `adjoint`."""

    node: Node
    parent: Node
    contribution: Any
    adjoint: Any


def accumulation(graph: Graph, seeds: Sequence[Any], adjoints: list[Any]) -> Iterator[Step]:
    """The steps of the reverse sweep in order, from the adjoints of the outputs.

    `adjoints` (as long as the graph, all None) is filled in as it goes: v̄ of every node, None where it is zero.
    """
    for out, seed in zip(graph.outputs, seeds, strict=True):
        if isinstance(out, Node) and seed is not None:
            known = adjoints[out.index]
            adjoints[out.index] = seed if known is None else add(known, seed)
    for node in reversed(graph.nodes):
        adjoint = adjoints[node.index]
        if adjoint is None or node.primitive is None:
            continue
        operands = node.operands
        for i, parent in enumerate(node.arguments):
            if not isinstance(parent, Node):
                continue
            contribution = node.primitive.vjp(adjoint, i, node.value, *operands, **node.params)
            if contribution is None:
                continue
            contribution = sum_like(contribution, parent.value)
            known = adjoints[parent.index]
            adjoints[parent.index] = contribution if known is None else add(known, contribution)
            yield Step(node, parent, contribution, adjoints[parent.index])


def adjoints_of_nodes(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The adjoint of every node, in order: the derivative of Σ seeds·outputs with respect to it; None for zero."""
    adjoints: list[Any] = [None] * len(graph)
    for _ in accumulation(graph, seeds, adjoints):
        pass
    return adjoints


def pull(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The adjoints of the inputs (arrays: zeros are filled in)."""
    adjoints = adjoints_of_nodes(graph, seeds)
    found = [(adjoints[node.index], node.value) for node in graph.inputs]
    return [jnp.zeros(x.shape, x.dtype) if a is None else a for a, x in found]


def _checked_cotangents(graph: Graph, cotangents: Any) -> list[Any]:
    seeds, tree = jax.tree.flatten(cotangents)
    if tree != graph.output_tree:
        raise TypeError(f"the cotangent must have the structure of the result, {graph.output_tree}, got {tree}")
    checked: list[Any] = []
    for seed, out in zip(seeds, graph.output_values, strict=True):
        if not is_real(out):
            checked.append(None)
            continue
        seed = as_leaf(seed)
        if seed.shape != out.shape:
            raise ValueError(f"a cotangent of shape {seed.shape} was given for a result of shape {out.shape}")
        checked.append(broadcast_like(seed, out))
    return checked


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(f(x), ȳ ↦ J(x)ᵀ ȳ): f is traced once; each call of the second sweeps back and returns a tuple, one x̄ a primal.

    With `has_aux` f returns (y, aux) and the result is (y, pullback, aux). The pullback raises TypeError or
    ValueError for a cotangent of other structure or shape than the result.
    """
    require_real([as_leaf(x) for x in jax.tree.leaves(primals)], "vjp")
    graph, aux = traced(f, primals, has_aux)

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        return jax.tree.unflatten(graph.input_tree, pull(graph, _checked_cotangents(graph, cotangents)))

    y = unflatten(graph, graph.output_values)
    return (y, pullback, aux) if has_aux else (y, pullback)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x ↦ (f(x), ∇f(x)) for a scalar f, with respect to the arguments at `argnums`, in one reverse sweep.

    With `has_aux` f returns (y, aux) and the value is that pair. Raises TypeError for integer arguments and for a
    result that is not one real scalar.
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_of(args, argnums)
        require_real([as_leaf(x) for x in jax.tree.leaves(chosen)], "grad")
        graph, aux = traced(bound(f, argnums, args, kwargs), chosen, has_aux)
        values = graph.output_values
        if len(values) != 1 or values[0].shape != () or not is_real(values[0]):
            got = ", ".join(f"{v.dtype}{list(v.shape)}" for v in values)
            raise TypeError(f"grad requires a function with one real scalar as its result, got {got or 'nothing'}")
        value = unflatten(graph, values)
        seed = jnp.ones((), values[0].dtype)
        gradients = picked(jax.tree.unflatten(graph.input_tree, pull(graph, [seed])), argnums)
        return ((value, aux) if has_aux else value), gradients

    return value_and_gradient


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """x ↦ ∇f(x) for a scalar f; see `value_and_grad`. With `has_aux`, x ↦ (∇f(x), aux)."""

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = value_and_grad(f, argnums, has_aux)(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """H(x) v for a scalar f of `primals`, without the Hessian: forward over reverse, about the cost of two gradients.

    Returns what `grad` would: one array (or tree) for one primal, a tuple for several.
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]
