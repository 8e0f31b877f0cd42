"""Whole matrices of derivatives: one sweep for every input or for every result, all of them batched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from .arguments import blocks_along_leading_axis, bound, chosen_of, picked
from .batching import sweep_over_basis
from .forward import push, traced, unflatten
from .graph import require_real
from .reverse import pull


def jacfwd(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The Jacobian of f, one batched forward sweep over the inputs: best for few inputs.

    For a result of shape r and an argument of shape a its shape is r + a; for pytrees, a tree of the result's
    structure whose leaves are trees of the argument's.
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_of(args, argnums)
        graph, aux = traced(bound(f, argnums, args, kwargs), chosen, has_aux)
        inputs = [node.value for node in graph.inputs]
        columns = sweep_over_basis(push, graph, inputs)
        rows = []
        for column in columns:
            blocks = blocks_along_leading_axis(column, inputs)
            blocks = [_moved_last(block, len(x.shape)) for block, x in zip(blocks, inputs, strict=True)]
            rows.append(picked(jax.tree.unflatten(graph.input_tree, blocks), argnums))
        result = unflatten(graph, rows)
        return (result, aux) if has_aux else result

    return jacobian


def _moved_last(block: Any, n: int) -> Any:
    """The first n axes of the block moved to the end."""
    order = (*range(n, len(block.shape)), *range(n))
    return block if order == tuple(range(len(order))) else block.transpose(order)


def jacrev(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The Jacobian of f, one batched reverse sweep over the results: best for few results. Shapes as for `jacfwd`."""

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_of(args, argnums)
        graph, aux = traced(bound(f, argnums, args, kwargs), chosen, has_aux)
        outputs = graph.output_values
        require_real(outputs, "jacrev (of its results)")
        per_input = [blocks_along_leading_axis(a, outputs) for a in sweep_over_basis(pull, graph, outputs)]
        rows = []
        for k in range(len(outputs)):
            trees = jax.tree.unflatten(graph.input_tree, [blocks[k] for blocks in per_input])
            rows.append(picked(trees, argnums))
        result = unflatten(graph, rows)
        return (result, aux) if has_aux else result

    return jacobian


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The matrix of second derivatives of f, forward over reverse: for an argument of shape a, r + a + a."""
    return jacfwd(jacrev(f, argnums, has_aux), argnums, has_aux)
