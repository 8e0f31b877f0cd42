"""Rows of the table: products, factorizations, solutions and determinants of matrices.

The matrices are in the last two axes; the axes before these are a batch.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import batching, mlir

from ..errors import MissingRuleError, user_line
from ..graph import Primitive, unwrap
from ..table import total, zeros_like
from .builders import bilinear, general, mul
from .shape import reduce_sum, reshape, transpose


def _contract(x: Any, y: Any, over: Any, batch: Any, labels: Any, wanted: list, params: dict) -> Any:
    """The contraction of x and y, whose axes are labelled `labels`, transposed into the order `wanted` if needed."""
    out = dot_general(x, y, dimension_numbers=(over, batch), **params)
    order = tuple(labels.index(label) for label in wanted)
    return out if order == tuple(range(len(order))) else transpose(out, permutation=order)


def _transpose_dot(
    g: Any, i: int, x: Any, y: Any, dimension_numbers: Any, precision: Any, preferred_element_type: Any
):
    """The adjoint of one factor: g contracted with the other factor, over the axes that only the other factor has."""
    (xc, yc), (xb, yb) = dimension_numbers
    x_kept = [d for d in range(len(x.shape)) if d not in (*xc, *xb)]
    y_kept = [d for d in range(len(y.shape)) if d not in (*yc, *yb)]
    n = len(xb)
    g_x, g_y = tuple(range(n, n + len(x_kept))), tuple(range(n + len(x_kept), len(g.shape)))
    mine, other, other_kept = (xc, yc, y_kept) if i == 0 else (yc, xc, x_kept)
    my_batch, other_batch, my_kept = (xb, yb, x_kept) if i == 0 else (yb, xb, y_kept)
    factor, shared = (y, g_y) if i == 0 else (x, g_x)
    # The free axes of `factor` appear in ascending order; each is the partner of a contracted axis of this argument.
    partner = dict(zip(other, mine, strict=True))
    free = [partner[d] for d in sorted(other)]
    wanted = list(range(len((x if i == 0 else y).shape)))
    batch = (tuple(range(n)), tuple(other_batch))
    params = {"precision": precision, "preferred_element_type": None}
    if [*my_batch, *free, *my_kept] == wanted:
        over, batch = (tuple(other_kept), shared), (batch[1], batch[0])
        return _contract(factor, g, over, batch, [*my_batch, *free, *my_kept], wanted, params)
    return _contract(g, factor, (shared, tuple(other_kept)), batch, [*my_batch, *my_kept, *free], wanted, params)


dot_general: Primitive = bilinear(
    "dot_general",
    lambda x, y, dimension_numbers, precision, preferred_element_type: lax.dot_general(
        x, y, dimension_numbers, precision=precision, preferred_element_type=preferred_element_type
    ),
    _transpose_dot,
    ("dimension_numbers", "precision", "preferred_element_type"),
)


def _flip(x: Any) -> Any:
    """The transpose of each matrix."""
    n = len(x.shape)
    return transpose(x, permutation=(*range(n - 2), n - 1, n - 2))


def _matmul(x: Any, y: Any) -> Any:
    n = len(x.shape)
    batch = tuple(range(n - 2))
    return dot_general(
        x, y, dimension_numbers=(((n - 1,), (n - 2,)), (batch, batch)), precision=None, preferred_element_type=None
    )


def _half_lower(x: Any) -> Any:
    """The lower triangle of x with half its diagonal."""
    weight = np.tril(np.ones(x.shape[-2:])) - 0.5 * np.eye(x.shape[-1])
    return mul(x, jnp.asarray(weight, x.dtype))


def _solve_lower(a: Any, b: Any, transpose_a: bool) -> Any:
    return triangular_solve(
        a, b, left_side=True, lower=True, transpose_a=transpose_a, conjugate_a=False, unit_diagonal=False
    )


def _cholesky_jvp(t: Any, out: Any, a: Any) -> Any:
    """L̇ = L Φ(L⁻¹ Ȧ L⁻ᵀ), Φ as in `_half_lower` (Murray 2016, arXiv:1602.07527, equation 8).

    The lower triangle of a is read, and so that of its change: Ȧ has it, mirrored.
    """
    lower = _triangle(t[0], True, False)
    tangent = lower + _flip(_triangle(t[0], True, True))
    inner = _solve_lower(out, _flip(_solve_lower(out, tangent, False)), False)
    return _matmul(out, _half_lower(_flip(inner)))


def _cholesky_vjp(g: Any, i: int, out: Any, a: Any) -> Any:
    """Ā is the lower triangle of S + Sᵀ, its diagonal halved, with S = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹ (Murray 2016, equation 10)."""
    inner = _half_lower(_matmul(_flip(out), g))
    s = _flip(_solve_lower(out, _flip(_solve_lower(out, inner, True)), True))
    both = s + _flip(s)
    return 0.5 * (_triangle(both, True, False) + _triangle(both, True, True))


def _lu_parts(out: Any, a: Any) -> tuple[Any, Any, Any]:
    """P, L and U of P a = L U; the permutation P is a constant."""
    if a.shape[-1] != a.shape[-2]:
        raise MissingRuleError(
            f"lu has a rule for square matrices only, but the shape is {a.shape}, at {user_line()}"
        )
    n, order = a.shape[-1], lax.linalg.lu(unwrap(a))[2]
    exchange = (order[..., None] == jnp.arange(n)).astype(a.dtype)
    return exchange, _triangle(out, True, True) + jnp.eye(n, dtype=a.dtype), _triangle(out, False, False)


def _lu_jvp(t: Any, out: Any, a: Any) -> Any:
    """L̇ = L tril₋₁(M) and U̇ = triu(M) U with M = L⁻¹ P Ȧ U⁻¹."""
    exchange, lower, upper = _lu_parts(out, a)
    m = _solve_lower(lower, _matmul(exchange, t[0]), False)
    m = _flip(_solve_lower(_flip(upper), _flip(m), False))
    return _matmul(lower, _triangle(m, True, True)) + _matmul(_triangle(m, False, False), upper)


def _lu_vjp(g: Any, i: int, out: Any, a: Any) -> Any:
    """Ā = Pᵀ L⁻ᵀ M̄ U⁻ᵀ with M̄ = tril₋₁(Lᵀ L̄) + triu(Ū Uᵀ)."""
    exchange, lower, upper = _lu_parts(out, a)
    m = _triangle(_matmul(_flip(lower), _triangle(g, True, True)), True, True)
    m = m + _triangle(_matmul(_triangle(g, False, False), _flip(upper)), False, False)
    m = _solve_lower(lower, m, True)
    m = _flip(_solve_lower(_flip(upper), _flip(m), True))
    return _matmul(_flip(exchange), m)


lu: Primitive = general("lu", lambda a: lax.linalg.lu(a)[0], _lu_jvp, _lu_vjp)
# Of the lower triangle alone, as JAX's operation; JAX's functions average it with the upper one before.
cholesky: Primitive = general(
    "cholesky", lambda a: lax.linalg.cholesky(a, symmetrize_input=False), _cholesky_jvp, _cholesky_vjp
)


def _triangle(x: Any, lower: bool, unit_diagonal: bool) -> Any:
    ones = np.ones(x.shape[-2:])
    weight = np.tril(ones, -int(unit_diagonal)) if lower else np.triu(ones, int(unit_diagonal))
    return mul(x, jnp.asarray(weight, x.dtype))


def _product(a: Any, x: Any, left_side: bool, transpose_a: bool) -> Any:
    a = _flip(a) if transpose_a else a
    return _matmul(a, x) if left_side else _matmul(x, a)


def _triangular_jvp(t: Any, out: Any, a: Any, b: Any, **how: Any) -> Any:
    da, db = t
    if da is not None:
        da = _triangle(da, how["lower"], how["unit_diagonal"])
        da = -_product(da, out, how["left_side"], how["transpose_a"])
    return triangular_solve(a, total([db, da]), **how)


def _triangular_vjp(g: Any, i: int, out: Any, a: Any, b: Any, **how: Any) -> Any:
    w = triangular_solve(a, g, **{**how, "transpose_a": not how["transpose_a"]})
    if i == 1:
        return w
    product = _matmul(w, _flip(out)) if how["left_side"] else _matmul(_flip(out), w)
    return -_triangle(_flip(product) if how["transpose_a"] else product, how["lower"], how["unit_diagonal"])


triangular_solve: Primitive = general(
    "triangular_solve",
    lambda a, b, **how: lax.linalg.triangular_solve(a, b, **how),
    _triangular_jvp,
    _triangular_vjp,
    ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal"),
)


def _column(x: Any) -> Any:
    """x with two axes of length 1 appended."""
    return reshape(x, new_sizes=(*x.shape, 1, 1))


def _deletions(a: Any) -> Any:
    """The matrices K_i, of shape (n, n - 1, n), for which K_i a is a without its row i."""
    n = a.shape[-1]
    return jnp.asarray([np.delete(np.eye(n), i, axis=0) for i in range(n)], a.dtype).reshape(n, n - 1, n)


def _minors(a: Any) -> Any:
    """The matrices a without row i and column j, for all i and j: shape (..., n, n, n - 1, n - 1)."""
    k = _deletions(a)
    return k[:, None] @ reshape(a, new_sizes=(*a.shape[:-2], 1, 1, *a.shape[-2:])) @ jnp.swapaxes(k, 1, 2)


def _filled_in(minors: Any, a: Any) -> Any:
    """The adjoint of `_minors`: the sum over i and j of the minors, each put back into its rows and columns of a."""
    k, n = _deletions(a), len(a.shape)
    return reduce_sum(jnp.swapaxes(k, 1, 2)[:, None] @ minors @ k, axes=(n - 2, n - 1))


def _signs(a: Any) -> Any:
    i = np.arange(a.shape[-1])
    return jnp.asarray((-1.0) ** (i[:, None] + i), a.dtype)


def _by_singular_values(a: Any) -> Any:
    """The cofactors ± U diag(∏_{j≠i} s_j) Vᵀ of a = U diag(s) Vᵀ, a formula for matrices of any rank."""
    u, s, vt = jnp.linalg.svd(a)
    others = jnp.where(np.eye(a.shape[-1], dtype=bool), 1.0, s[..., None, :])
    sign = jnp.sign(jnp.linalg.det(u) * jnp.linalg.det(vt))
    return sign[..., None, None] * (u * jnp.prod(others, axis=-1)[..., None, :]) @ vt


# The cofactors are a primitive for JAX too, so that the replay of a batched sweep recognises them.
_cofactors = jax.extend.core.Primitive("cofactors")
_cofactors.def_impl(jax.jit(_by_singular_values))
_cofactors.def_abstract_eval(lambda a: jax.core.ShapedArray(a.shape, a.dtype))
mlir.register_lowering(_cofactors, mlir.lower_fun(_by_singular_values, multiple_results=False))
batching.primitive_batchers[_cofactors] = lambda args, axes: (_cofactors.bind(jnp.moveaxis(args[0], axes[0], 0)), 0)


def _cofactors_jvp(t: Any, out: Any, a: Any) -> Any:
    if a.shape[-1] == 1:
        return zeros_like(out)
    moved = mul(cofactors(_minors(a)), _minors(t[0]))
    return mul(_signs(a), reduce_sum(moved, axes=(len(moved.shape) - 2, len(moved.shape) - 1)))


def _cofactors_vjp(g: Any, i: int, out: Any, a: Any) -> Any:
    if a.shape[-1] == 1:
        return None
    return _filled_in(mul(_column(mul(_signs(a), g)), cofactors(_minors(a))), a)


# cofactors_ij = ∂det/∂a_ij = (-1)^{i+j} det(a without row i and column j). Their derivatives follow from the second
# form: they are right for singular matrices too, at the cost of n² determinants.
cofactors: Primitive = general("cofactors", _cofactors.bind, _cofactors_jvp, _cofactors_vjp)
det: Primitive = general(
    "det",
    jnp.linalg.det,
    lambda t, out, a: reduce_sum(mul(t[0], cofactors(a)), axes=(len(a.shape) - 2, len(a.shape) - 1)),
    lambda g, i, out, a: mul(_column(g), cofactors(a)),
)
