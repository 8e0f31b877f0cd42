"""The table itself, and the few kinds of rows it has.

Most rows follow from less than four rules: an elementwise function from its partial derivatives, a linear one from
its transpose, a bilinear one from its two transposes; and any JVP rule gives a Taylor rule, since y' = J(x) x' is an
equation for the coefficients of y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..graph import Graph, Node, Primitive, trace

TABLE: dict[str, Primitive] = {}


def _register(*fields: Any, **more: Any) -> Primitive:
    primitive = Primitive(*fields, **more)
    TABLE[primitive.name] = primitive
    return primitive


class Series:
    """The Taylor coefficients c_k of a value along a curve, x(s) = Σ_k c_k s^k, computed as they are asked for.

    `first` is c_0 and `rule(k)` gives c_k for k ≥ 1; a coefficient None stands for zero. Without a rule the value
    is `constant` along the curve.
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
    """The series of the graph's outputs, from those of its inputs; up to `order` at once, beyond it on demand.

    `memos` (node index → dict) lets several curves through one graph share what does not depend on the curve.
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


def total(terms: Sequence[Any]) -> Any:
    """Σ terms, leaving out those that are None (zero); None if nothing is left."""
    result = None
    for term in terms:
        if term is not None:
            result = term if result is None else add(result, term)
    return result


def zeros_like(x: Any) -> Any:
    """Plain zeros of x's shape and dtype."""
    return jnp.zeros(jnp.shape(x), jnp.result_type(x)) if not hasattr(x, "shape") else jnp.zeros(x.shape, x.dtype)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a Value or a Python number."""
    return tuple(getattr(x, "shape", ()))


def cast_like(x: Any, like: Any) -> Any:
    """x in the dtype of `like`; nothing is recorded where it has it already."""
    return x if x.dtype == like.dtype else convert_element_type(x, new_dtype=like.dtype)


def broadcast_like(x: Any, like: Any) -> Any:
    """x broadcast to the shape of `like` and in its dtype: how a tangent follows an implicit broadcast."""
    if shape_of(x) != like.shape:
        missing = len(like.shape) - len(shape_of(x))
        x = TABLE["broadcast_in_dim"](
            x, shape=like.shape, broadcast_dimensions=tuple(range(missing, len(like.shape)))
        )
    return cast_like(x, like)


def sum_like(x: Any, like: Any) -> Any:
    """x summed over what was broadcast from `like`, in its dtype: how an adjoint goes back through a broadcast."""
    shape = like.shape
    if shape_of(x) != shape:
        extra = len(x.shape) - len(shape)
        axes = tuple(i for i, n in enumerate(x.shape) if i < extra or n != shape[i - extra])
        x = TABLE["reduce_sum"](x, axes=axes) if axes else x
        x = x if x.shape == shape else TABLE["reshape"](x, new_sizes=shape)
    return cast_like(x, like)


def _linear_taylor(jvp: Callable[..., Any]) -> Callable[..., Any]:
    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        operands = [x[0] for x in inputs]

        def rule(k: int) -> Any:
            tangents = [x[k] for x in inputs]
            return None if all(t is None for t in tangents) else jvp(tangents, z[0], *operands, **node.params)

        return rule

    return taylor


def _taylor_from_jvp(jvp: Callable[..., Any]) -> Callable[..., Any]:
    """k z_k = [J(x, z) x']_{k-1}: the JVP rule, expanded along the curve."""

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        moving = [i for i, x in enumerate(inputs) if not x.constant]

        def velocity(x: Series) -> Series:
            return Series(zeros_like(x[0]) if x[1] is None else x[1], lambda k: scaled(x[k + 1], k + 1))

        def speed(out: Any, positions: list, velocities: list) -> Any:
            operands, tangents = [x[0] for x in inputs], [None] * len(inputs)
            for i, position, v in zip(moving, positions, velocities, strict=True):
                operands[i], tangents[i] = position, v
            return jvp(tangents, out, *operands, **node.params)

        expansion: list[Series] = []

        def rule(k: int) -> Any:
            if not expansion:
                velocities = [velocity(inputs[i]) for i in moving]
                graph = trace(speed, z[0], [inputs[i][0] for i in moving], [v[0] for v in velocities])
                expansion.extend(expand(graph, [z, *(inputs[i] for i in moving), *velocities]))
            return scaled(expansion[0][k - 1], 1.0 / k)

        return rule

    return taylor


def _taylor_from_partials(partials: Sequence[Any]) -> Callable[..., Any]:
    """k z_k = Σ_i Σ_{j=1..k} j x_{i,j} g_{i,k-j} with g_i = ∂z/∂x_i, whose own series is expanded as it is needed."""

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        active = [i for i, a in enumerate(node.arguments) if isinstance(a, Node)]

        def slope(i: int) -> Series:
            def partial(out: Any, *moving: Any) -> Any:
                operands = list(node.operands)
                for j, x in zip(active, moving, strict=True):
                    operands[j] = x
                return partials[i](out, *operands, **node.params)

            if i not in memo:
                memo[i] = trace(partial, node.value, *(inputs[j][0] for j in active))
            return expand(memo[i], [z, *(inputs[j] for j in active)])[0]

        slopes: dict[int, Series] = {}

        def rule(k: int) -> Any:
            terms = []
            for i, x in enumerate(inputs):
                if x.constant or partials[i] is None:
                    continue
                for j in range(1, k + 1):
                    if x[j] is not None:
                        slopes[i] = slopes.get(i) or slope(i)
                        factor = slopes[i][k - j]
                        if factor is not None:
                            terms.append(scaled(mul(x[j], factor), j / k))
            return total(terms)

        return rule

    return taylor


def scaled(x: Any, factor: float) -> Any:
    """factor · x, with None for zero and nothing to do for 1."""
    return x if x is None or factor == 1 else mul(x, float(factor))


def elementwise(name: str, evaluate: Callable[..., Any], *partials: Any, keywords: tuple[str, ...] = ()) -> Primitive:
    """A row for an elementwise function: partials[i](out, *args, **params) = ∂out/∂args[i], or None for zero."""

    def jvp(tangents: Sequence[Any], out: Any, *args: Any, **params: Any) -> Any:
        pairs = [(t, d) for t, d in zip(tangents, partials, strict=True) if t is not None and d is not None]
        return total([mul(t, d(out, *args, **params)) for t, d in pairs])

    def vjp(adjoint: Any, i: int, out: Any, *args: Any, **params: Any) -> Any:
        return None if partials[i] is None else mul(adjoint, partials[i](out, *args, **params))

    return _register(name, evaluate, jvp, vjp, _taylor_from_partials(partials), keywords)


def linear(
    name: str,
    evaluate: Callable[..., Any],
    transpose: Callable[..., Any],
    keywords: tuple[str, ...] = (),
    positions: Callable[[int], Sequence[int]] = lambda n: (0,),
) -> Primitive:
    """A row for a function linear in the arguments at `positions(number of arguments)` jointly.

    transpose(adjoint, i, *args, **params) is the adjoint of argument i.
    """

    def jvp(tangents: Sequence[Any], out: Any, *args: Any, **params: Any) -> Any:
        operands = list(args)
        for i in positions(len(args)):
            operands[i] = zeros_like(args[i]) if tangents[i] is None else tangents[i]
        return primitive(*operands, **params)

    def vjp(adjoint: Any, i: int, out: Any, *args: Any, **params: Any) -> Any:
        return transpose(adjoint, i, *args, **params)

    primitive = _register(name, evaluate, jvp, vjp, _linear_taylor(jvp), keywords)
    return primitive


def bilinear(
    name: str, evaluate: Callable[..., Any], transpose: Callable[..., Any], keywords: tuple[str, ...] = ()
) -> Primitive:
    """A row for a function of two arguments, linear in each; transpose(adjoint, i, x, y, **params) as before."""

    def jvp(tangents: Sequence[Any], out: Any, x: Any, y: Any, **params: Any) -> Any:
        dx, dy = tangents
        left = None if dx is None else primitive(dx, y, **params)
        return total([left, None if dy is None else primitive(x, dy, **params)])

    def vjp(adjoint: Any, i: int, out: Any, x: Any, y: Any, **params: Any) -> Any:
        return transpose(adjoint, i, x, y, **params)

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        x, y = inputs

        def rule(k: int) -> Any:  # Leibniz: z_k = Σ_j x_j y_{k-j}
            pairs = [(x[j], y[k - j]) for j in range(k + 1)]
            return total([primitive(a, b, **node.params) for a, b in pairs if a is not None and b is not None])

        return rule

    primitive = _register(name, evaluate, jvp, vjp, taylor, keywords)
    return primitive


def general(
    name: str,
    evaluate: Callable[..., Any],
    jvp: Callable[..., Any],
    vjp: Callable[..., Any],
    keywords: tuple[str, ...] = (),
) -> Primitive:
    """A row whose JVP and VJP rules are both written out; its Taylor rule follows from the JVP rule."""
    return _register(name, evaluate, jvp, vjp, _taylor_from_jvp(jvp), keywords)


def piecewise_linear(
    name: str,
    evaluate: Callable[..., Any],
    jvp: Callable[..., Any],
    vjp: Callable[..., Any],
    keywords: tuple[str, ...] = (),
) -> Primitive:
    """As `general`, for a function whose Jacobian is locally constant: each coefficient goes through it alone."""
    return _register(name, evaluate, jvp, vjp, _linear_taylor(jvp), keywords)


# The four that the kinds above are themselves written with.

add: Primitive = piecewise_linear("add", jnp.add, lambda t, out, x, y: total(t), lambda g, i, out, x, y: g)
neg: Primitive = linear("neg", jnp.negative, lambda g, i, x: neg(g))
mul: Primitive = bilinear("mul", jnp.multiply, lambda g, i, x, y: mul(g, y if i == 0 else x))
convert_element_type: Primitive = linear(
    "convert_element_type",
    lambda x, new_dtype: lax.convert_element_type(x, new_dtype),
    lambda g, i, x, new_dtype: cast_like(g, x),
    ("new_dtype",),
)
