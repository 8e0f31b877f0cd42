"""Taylor mode: whole Taylor series travel along the Wengert list, so that all orders share one pass.

Coefficients here are *derivatives*, as in jax.experimental.jet: a curve through x has x^{(1)}(0), x^{(2)}(0), ...
and the result is d^k/ds^k f(x(s)) at s = 0, k = 1..order. (Inside, the rules use c_k = x^{(k)}/k!.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .forward import unflatten
from .graph import Node, as_leaf, require_real, trace
from .rules.kinds import Series, broadcast_like, expand, scaled


def _input_series(x: Any, derivatives: Sequence[Any]) -> Series:
    """The series of one leaf, from its derivatives along the curve (None for zero)."""
    if all(d is None for d in derivatives):
        return Series(x)
    coefficients = []
    for k, d in enumerate(derivatives, 1):
        if d is None:
            coefficients.append(None)
            continue
        d = as_leaf(d)
        if d.shape != x.shape:
            raise ValueError(f"a coefficient of shape {d.shape} was given for an argument of shape {x.shape}")
        coefficients.append(scaled(broadcast_like(d, x), 1.0 / math.factorial(k)))
    return Series(x, lambda k: coefficients[k - 1] if k <= len(coefficients) else None)


def _leaf_coefficients(primal: Any, series: Any, order: int) -> list[list[Any]]:
    """For each leaf of one argument, its `order` coefficients."""
    tree: Any
    leaves, tree = jax.tree.flatten(primal)
    columns: list[list[Any]] = [[] for _ in leaves]
    for k in range(order):
        term = series[k] if k < len(series) else None
        parts = [None] * len(leaves) if term is None else tree.flatten_up_to(term)
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    return columns


def taylor_curves(
    f: Callable[..., Any], primals: Sequence[Any], curves: Sequence[Sequence[Sequence[Any]]]
) -> tuple[Any, list[list[Any]]]:
    """The derivatives of f along several curves through `primals`, f being traced once for all of them.

    curves[c][i] lists the derivatives x_i^{(1)}(0), x_i^{(2)}(0), ... of argument i along curve c, each a pytree
    like the argument or None for zero; the longest list of a curve sets its order. Returns f(x) and, for each
    curve, the list of d^k/ds^k f. For u(t, x) the curves

        [([1.0], []), ([], [1.0, None])]

    give u, [[u_t], [u_x, u_xx]] in one pass. Raises ValueError where a coefficient's shape is not its argument's.
    """
    leaves = [as_leaf(x) for x in jax.tree.leaves(tuple(primals))]
    require_real(leaves, "taylor")
    graph = trace(f, *primals)
    memos: dict = {}
    results = []
    for curve in curves:
        if len(curve) != len(primals):
            raise ValueError(f"a curve has {len(curve)} series for {len(primals)} arguments")
        order = max((len(s) for s in curve), default=0)
        columns = [c for x, s in zip(primals, curve, strict=True) for c in _leaf_coefficients(x, s, order)]
        inputs = [_input_series(x, c) for x, c in zip(leaves, columns, strict=True)]
        outputs = expand(graph, inputs, order, memos)
        results.append([_derivatives(graph, outputs, k) for k in range(1, order + 1)])
    return unflatten(graph, graph.output_values), results


def _derivatives(graph: Any, outputs: Sequence[Series], k: int) -> Any:
    """k! c_k of every output, zeros filled in."""
    found = []
    for out, series, value in zip(graph.outputs, outputs, graph.output_values, strict=True):
        c = scaled(series[k], float(math.factorial(k))) if isinstance(out, Node) else None
        found.append(jnp.zeros(value.shape, value.dtype) if c is None else c)
    return unflatten(graph, found)


def taylor(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> tuple[Any, list[Any]]:
    """f along one curve: (f(x), [d/ds f, d²/ds² f, ...]), to any order; see `taylor_curves`.

    series[i] lists the derivatives of argument i along the curve, as in jax.experimental.jet.jet.
    """
    value, results = taylor_curves(f, primals, [series])
    return value, results[0]
