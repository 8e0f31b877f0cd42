"""Jacobians and Hessians: one sweep for each input or for each result, all of them batched into one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from .arguments import blocks_along_leading_axis, bound, chosen_of, picked, traced
from .forward import push
from .graph import require_real
from .jax_bridge.batching import sweep_over_basis
from .reverse import pull


def jacfwd(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function x ↦ J(x), the Jacobian of f by forward mode: best for few inputs and many results.

    Args:
        f: a function of pytrees of real arrays.
        argnums: the positions of the arguments to differentiate by; several give a tuple of Jacobians.
        has_aux: f returns (y, aux), and the result is (J, aux).

    For a result of shape r and an argument of shape a the Jacobian has the shape r + a. For pytrees it is a tree of
    the result's structure whose leaves are trees of the argument's structure.

    >>> import pinn_ac.autodiff.numpy as np
    >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
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
        result = graph.result(rows)
        return (result, aux) if has_aux else result

    return jacobian


def _moved_last(block: Any, n: int) -> Any:
    """The block with its first n axes moved to the end."""
    order = (*range(n, len(block.shape)), *range(n))
    return block if order == tuple(range(len(order))) else block.transpose(order)


def jacrev(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function x ↦ J(x), the Jacobian of f by reverse mode: best for many inputs and few results.

    Arguments and shapes are those of `jacfwd`. The function raises TypeError if a result is not real.

    >>> import pinn_ac.autodiff.numpy as np
    >>> jacrev(lambda x: np.sum(x**2))(np.array([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

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
        result = graph.result(rows)
        return (result, aux) if has_aux else result

    return jacobian


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function x ↦ H(x), all second derivatives of f, by forward mode applied to reverse mode.

    For a result of shape r and an argument of shape a the shape is r + a + a; otherwise as for `jacfwd`.

    >>> import pinn_ac.autodiff.numpy as np
    >>> hessian(lambda x: np.prod(x) ** 2)(np.array([1.0, 2.0])).tolist()
    [[8.0, 8.0], [8.0, 2.0]]
    """
    return jacfwd(jacrev(f, argnums, has_aux), argnums, has_aux)
