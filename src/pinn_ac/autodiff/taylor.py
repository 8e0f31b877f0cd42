"""Taylor mode: whole Taylor series travel along the Wengert list, so that one pass gives derivatives of every order.

Arguments and results of the public functions are *derivatives*, as in jax.experimental.jet: a curve through the
point x is given by x^{(1)}(0), x^{(2)}(0), ..., and the result is d^k/ds^k f(x(s)) at s = 0 for k = 1, 2, ....
Inside, `Series` holds Taylor coefficients c_k = x^{(k)}/k!, for which the rules are shorter.

(Griewank and Walther, Evaluating Derivatives, 2nd ed. 2008, chapter 13, has the recurrences of the rules.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .graph import Graph, Node, as_leaf, require_real, trace
from .table import broadcast_like, scaled


class Series:
    """The Taylor coefficients c_k of a value along a curve, x(s) = Σ_k c_k s^k, each computed on first use.

    Args:
        first: c_0, the value itself.
        rule: rule(k) computes c_k for k ≥ 1; it may return None for zero. Without a rule the value is `constant`
            along the curve.
    """

    def __init__(self, first: Any, rule: Callable[[int], Any] | None = None):
        self.coefficients, self.rule, self.constant = [first], rule, rule is None

    def __getitem__(self, k: int) -> Any:
        if self.rule is None:
            return self.coefficients[0] if k == 0 else None
        while len(self.coefficients) <= k:
            c = self.rule(len(self.coefficients))
            self.coefficients.append(None if c is None else broadcast_like(c, self.coefficients[0]))
        return self.coefficients[k]


def expand(graph: Graph, inputs: Sequence[Series], order: int = 0, memos: dict | None = None) -> list[Series]:
    """The Taylor series of the graph's outputs, given those of its inputs.

    Args:
        graph: the Wengert list of the function, traced at the point s = 0.
        inputs: one series for each input of the graph.
        order: coefficients up to this order are computed now, higher ones when they are asked for.
        memos: node index → dict in which a rule stores what does not depend on the curve. Pass the same dict again
            for another curve through the same graph.
    """
    known: dict[int, Series] = dict(zip((n.index for n in graph.inputs), inputs, strict=True))
    memos = {} if memos is None else memos

    def series(a: Any) -> Series:
        return known[a.index] if isinstance(a, Node) else Series(a)

    for node in graph.nodes[len(inputs) :]:
        arguments = [series(a) for a in node.arguments]
        z = known[node.index] = Series(node.value)
        if not all(x.constant for x in arguments):
            assert node.primitive is not None
            z.rule, z.constant = node.primitive.taylor(z, arguments, node, memos.setdefault(node.index, {})), False
            for k in range(1, order + 1):
                z[k]
    return [series(out) for out in graph.outputs]


def _input_series(x: Any, derivatives: Sequence[Any]) -> Series:
    """The series of one array, from its derivatives along the curve (None for zero)."""
    if all(d is None for d in derivatives):
        return Series(x)
    coefficients = []
    for k, d in enumerate(derivatives, 1):
        if d is None:
            coefficients.append(None)
            continue
        d = as_leaf(d)
        if d.shape != x.shape:
            raise ValueError(
                f"a coefficient of shape {d.shape} was given for an argument of shape {x.shape}: give each "
                "derivative of the curve the shape of its argument"
            )
        coefficients.append(scaled(broadcast_like(d, x), 1.0 / math.factorial(k)))
    return Series(x, lambda k: coefficients[k - 1] if k <= len(coefficients) else None)


def _leaf_derivatives(primal: Any, series: Any, order: int) -> list[list[Any]]:
    """For each array in one argument (a pytree), the list of its `order` derivatives along the curve."""
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
    """The derivatives of f along several curves through one point; f is traced once for all of them.

    Args:
        f: a function of pytrees of real arrays.
        primals: its arguments x_1, ..., x_n.
        curves: curves[c][i] lists the derivatives x_i^{(1)}(0), x_i^{(2)}(0), ... of argument i along curve c. Each
            is a pytree like the argument, or None for zero. The longest list of a curve sets its order.

    Returns:
        f(x), and for each curve the list of d^k/ds^k f(x(s)) at s = 0, for k = 1, ..., order.

    Raises:
        ValueError: a derivative does not have its argument's shape, or a curve has not one list for each argument.
        TypeError: an argument is not real.

    For u(t, x) one pass gives u, [[u_t], [u_x, u_xx]]. With u = t² x³ at (1, 2):

    >>> curves = [([1.0], []), ([], [1.0, None])]
    >>> u, ((u_t,), (u_x, u_xx)) = taylor_curves(lambda t, x: t**2 * x**3, (1.0, 2.0), curves)
    >>> [float(value) for value in (u, u_t, u_x, u_xx)]
    [8.0, 16.0, 12.0, 12.0]
    """
    leaves = [as_leaf(x) for x in jax.tree.leaves(tuple(primals))]
    require_real(leaves, "taylor")
    graph = trace(f, *primals)
    memos: dict = {}
    results = []
    for curve in curves:
        if len(curve) != len(primals):
            raise ValueError(
                f"a curve has {len(curve)} series for {len(primals)} arguments: give one list for each argument, "
                "[] for one that stays constant"
            )
        order = max((len(s) for s in curve), default=0)
        columns = [c for x, s in zip(primals, curve, strict=True) for c in _leaf_derivatives(x, s, order)]
        inputs = [_input_series(x, c) for x, c in zip(leaves, columns, strict=True)]
        outputs = expand(graph, inputs, order, memos)
        results.append([_derivatives(graph, outputs, k) for k in range(1, order + 1)])
    return graph.result(graph.output_values), results


def _derivatives(graph: Graph, outputs: Sequence[Series], k: int) -> Any:
    """The k-th derivative k! c_k of every output, with arrays of zeros in place of None."""
    found = []
    for out, series, value in zip(graph.outputs, outputs, graph.output_values, strict=True):
        c = scaled(series[k], float(math.factorial(k))) if isinstance(out, Node) else None
        found.append(jnp.zeros(value.shape, value.dtype) if c is None else c)
    return graph.result(found)


def taylor(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> tuple[Any, list[Any]]:
    """The derivatives of f along one curve, to any order: (f(x), [d/ds f, d²/ds² f, ...]).

    series[i] lists the derivatives of argument i along the curve, as for jax.experimental.jet.jet; see
    `taylor_curves`, which also says what is raised. With f = x³ along x(s) = 2 + s:

    >>> value, derivatives = taylor(lambda x: x**3, (2.0,), ([1.0, None, None, None],))
    >>> float(value), [float(d) for d in derivatives]
    (8.0, [12.0, 12.0, 6.0, 0.0])
    """
    value, results = taylor_curves(f, primals, [series])
    return value, results[0]
