"""Builders of rows of the table, one for each kind of function.

Most rows need not spell out all their rules. For an elementwise function all follow from its partial derivatives, for
a linear one from its transpose, for a bilinear one from its two transposes. And every JVP rule gives a Taylor rule,
since the equation y' = J(x) x' along a curve determines the Taylor coefficients of y one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..graph import Node, Primitive, trace
from ..table import TABLE, cast_like, scaled, total, zeros_like
from ..taylor import Series, expand


def _register(*fields: Any, **more: Any) -> Primitive:
    primitive = Primitive(*fields, **more)
    TABLE[primitive.name] = primitive
    return primitive


def _linear_taylor(jvp: Callable[..., Any]) -> Callable[..., Any]:
    """The Taylor rule of a function with a locally constant Jacobian J: z_k = J x_k."""

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        operands = [x[0] for x in inputs]

        def rule(k: int) -> Any:
            tangents = [x[k] for x in inputs]
            return None if all(t is None for t in tangents) else jvp(tangents, z[0], *operands, **node.params)

        return rule

    return taylor


def _taylor_from_jvp(jvp: Callable[..., Any]) -> Callable[..., Any]:
    """The Taylor rule k z_k = [J(x, z) x']_{k-1}: the JVP rule, expanded along the curve."""

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        moving = [i for i, x in enumerate(inputs) if not x.constant]

        def velocity(x: Series) -> Series:
            return Series(zeros_like(x[0]) if x[1] is None else x[1], lambda k: scaled(x[k + 1], k + 1))

        def speed(out: Any, positions: list, velocities: list) -> Any:
            operands, tangents = [x[0] for x in inputs], [None] * len(inputs)
            for i, position, v in zip(moving, positions, velocities, strict=True):
                operands[i], tangents[i] = position, v
            return jvp(tangents, out, *operands, **node.params)

        derivative: list[Series] = []  # of z along the curve; made on first use

        def rule(k: int) -> Any:
            if not derivative:
                velocities = [velocity(inputs[i]) for i in moving]
                graph = trace(speed, z[0], [inputs[i][0] for i in moving], [v[0] for v in velocities])
                derivative.extend(expand(graph, [z, *(inputs[i] for i in moving), *velocities]))
            return scaled(derivative[0][k - 1], 1.0 / k)

        return rule

    return taylor


def _taylor_from_partials(partials: Sequence[Any]) -> Callable[..., Any]:
    """The Taylor rule k z_k = Σ_i Σ_{j=1..k} j x_{i,j} g_{i,k-j}, where g_i is the series of ∂z/∂x_i."""

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


def elementwise(name: str, evaluate: Callable[..., Any], *partials: Any, keywords: tuple[str, ...] = ()) -> Primitive:
    """The row of an elementwise function.

    Args:
        name: see `Primitive`.
        evaluate: see `Primitive`.
        partials: for each argument the function (out, *args, **params) ↦ ∂out/∂args[i], or None for zero.
        keywords: see `Primitive`.
    """

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
    """The row of a linear function.

    Args:
        name: see `Primitive`.
        evaluate: see `Primitive`.
        transpose: transpose(adjoint, i, *args, **params) is the adjoint of argument i.
        keywords: see `Primitive`.
        positions: n ↦ the positions of those of n arguments in which the function is, jointly, linear; all others
            are constants such as indices.
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
    """The row of a function of two arguments x and y that is linear in each of them; see `linear` for `transpose`."""

    def jvp(tangents: Sequence[Any], out: Any, x: Any, y: Any, **params: Any) -> Any:
        dx, dy = tangents
        left = None if dx is None else primitive(dx, y, **params)
        return total([left, None if dy is None else primitive(x, dy, **params)])

    def vjp(adjoint: Any, i: int, out: Any, x: Any, y: Any, **params: Any) -> Any:
        return transpose(adjoint, i, x, y, **params)

    def taylor(z: Series, inputs: Sequence[Series], node: Node, memo: dict) -> Callable[[int], Any]:
        x, y = inputs

        def rule(k: int) -> Any:  # Leibniz's rule: z_k = Σ_j x_j y_{k-j}
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
    """The row of a function whose JVP and VJP rules are both given; the Taylor rule follows from the JVP rule."""
    return _register(name, evaluate, jvp, vjp, _taylor_from_jvp(jvp), keywords)


def piecewise_linear(
    name: str,
    evaluate: Callable[..., Any],
    jvp: Callable[..., Any],
    vjp: Callable[..., Any],
    keywords: tuple[str, ...] = (),
) -> Primitive:
    """As `general`, for a function with a locally constant Jacobian: it maps each Taylor coefficient by itself."""
    return _register(name, evaluate, jvp, vjp, _linear_taylor(jvp), keywords)


# The four rows that the builders themselves use.

add: Primitive = piecewise_linear("add", jnp.add, lambda t, out, x, y: total(t), lambda g, i, out, x, y: g)
neg: Primitive = linear("neg", jnp.negative, lambda g, i, x: neg(g))
mul: Primitive = bilinear("mul", jnp.multiply, lambda g, i, x, y: mul(g, y if i == 0 else x))
convert_element_type: Primitive = linear(
    "convert_element_type",
    lambda x, new_dtype: lax.convert_element_type(x, new_dtype),
    lambda g, i, x, new_dtype: cast_like(g, x),
    ("new_dtype",),
)
