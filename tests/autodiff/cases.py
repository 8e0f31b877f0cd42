"""The shared table of functions that every mode is tested on: f(np, *arrays) for jax.numpy and for ours alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as onp
from jax import lax

from pinn_ac.autodiff import TABLE, from_jax


class Case(NamedTuple):
    """A function f(np, *arrays), with the shapes of its arrays and the interval that their entries come from."""

    name: str
    f: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    low: float
    high: float

    def arrays(self, seed: int = 0) -> list[Any]:
        rng = onp.random.default_rng([seed, len(self.name)])
        return [jnp.asarray(rng.uniform(self.low, self.high, shape)) for shape in self.shapes]


CASES: dict[str, Case] = {}
A, V, S, Q = (3, 4), (4,), (), (3, 3)


def case(name: str, f: Callable[..., Any], *shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> None:
    assert name not in CASES
    CASES[name] = Case(name, f, shapes or (A,), low, high)


# Elementwise, by name in the namespace.
for _name in [
    "exp",
    "exp2",
    "expm1",
    "sin",
    "cos",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arctan",
    "square",
    "negative",
    "abs",
    "sinc",
    "sigmoid",
    "erf",
    "erfc",
]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x) if hasattr(np, n) else _elsewhere(n)(x))
for _name in [
    "softplus",
    "swish",
    "silu",
    "gelu",
    "elu",
    "selu",
    "softmax",
    "log_softmax",
    "logsumexp",
    "relu",
    "leaky_relu",
    "mish",
    "fabs",
]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x) if hasattr(np, n) else _elsewhere(n)(x))
for _name in ["log", "log2", "log10", "log1p", "sqrt", "cbrt", "reciprocal", "gammaln", "digamma"]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x) if hasattr(np, n) else _elsewhere(n)(x), low=0.5, high=2.5)
for _name in ["arcsin", "arccos", "arctanh", "tan", "erfinv"]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x) if hasattr(np, n) else _elsewhere(n)(x), low=-0.9, high=0.9)
for _name in ["degrees", "radians", "deg2rad", "rad2deg", "nan_to_num", "real", "positive"]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x))
case("arccosh", lambda np, x: np.arccosh(x), low=1.2, high=3.0)
for _name in [
    "add",
    "subtract",
    "multiply",
    "maximum",
    "minimum",
    "logaddexp",
    "logaddexp2",
    "arctan2",
    "fmax",
    "fmin",
]:
    case(_name, lambda np, x, y, n=_name: getattr(np, n)(x, y), A, V)
for _name in ["divide", "true_divide", "power", "float_power", "hypot", "mod", "remainder", "fmod"]:
    case(_name, lambda np, x, y, n=_name: getattr(np, n)(x, y), (3, 1), V, low=0.6, high=3.0)


def _elsewhere(name: str) -> Callable[..., Any]:
    return getattr(jax.nn, name, None) or getattr(jax.scipy.special, name)


# Operators, with constants and integers on either side.
case("operators", lambda np, x, y: (2 * x - y / 3 + 1.5) * (-x) - (4 - y) / (x * x + 2) + abs(y), A, A)
case("power of int", lambda np, x: x**2 + x**3 + x**-1 + x**0 + x**1 + x**5)
case("power of float", lambda np, x: x**0.5 + x**2.5, low=0.5)
case("int to a power", lambda np, x: 2**x + 3.0**x)
case("power with array", lambda np, x: x ** jnp.array([0.0, 1.0, 2.0, 3.5]), low=0.5)
case("mod by constant", lambda np, x: x % 0.7 + 3.1 % x + x // 2 * x, low=0.8)
case("matmul operator", lambda np, x, y: x @ y @ jnp.ones(3), A, (4, 3))
case("plain array on the left", lambda np, x: jnp.arange(4.0) * x + onp.arange(4.0) - x)
case("comparisons", lambda np, x: np.where((x > 0) & (x <= 1), x * x, -x) * (x != 0))
case("where", lambda np, x, y: np.where(x > 0.3, np.sin(x), y), A, V)
case("clip", lambda np, x: np.clip(x, -1, 1.1) * np.clip(x, None, 0.5) + np.clip(x, 0.0, None))
case("rounding", lambda np, x: np.floor(x) * x + np.sign(x) * x + np.round(x) * x + np.ceil(x))
case("select", lambda np, x: np.select([x > 1, x > 0], [x, x * x], 0.1))
case("polyval", lambda np, p, x: np.polyval(p, x), (3,), V)

# Reductions.
for _name in ["sum", "mean", "prod", "max", "min", "var", "std", "ptp", "nansum", "nanmean", "median"]:
    case(_name, lambda np, x, n=_name: getattr(np, n)(x))
    case(f"{_name} axis", lambda np, x, n=_name: getattr(np, n)(x, axis=-1))
    case(f"{_name} keepdims", lambda np, x, n=_name: getattr(np, n)(x, axis=0, keepdims=True))
case("sum axes", lambda np, x: np.sum(x, axis=(0, 2)), (2, 3, 4))
case("max axes", lambda np, x: np.max(x, axis=(0, -1)), (2, 3, 4))
case("mean method", lambda np, x: x.mean(axis=1) * x.sum() + x.max() + x.min(0).sum() + x.std())
case("var ddof", lambda np, x: np.var(x, ddof=1) + np.std(x, axis=0, ddof=1).sum())
case("prod with zeros", lambda np, x: np.prod(x * jnp.array([1.0, 0.0, 1.0, 1.0]), axis=1) + np.prod(x))
case("cumsum", lambda np, x: np.cumsum(x, axis=1) + np.cumsum(x).reshape(3, 4))
case("cumprod", lambda np, x: np.cumprod(x, axis=0))
case("logsumexp axis", lambda np, x: _logsumexp(np)(x, axis=0))
case("average", lambda np, x, w: np.average(x, axis=1, weights=w), A, V, low=0.5)
case("norm", lambda np, x: np.linalg.norm(x) + np.linalg.norm(x, axis=0).sum() + np.linalg.norm(x, 1, axis=1).sum())
case(
    "norm ord", lambda np, x: np.linalg.norm(x, "fro") + np.linalg.norm(x, 3, axis=1) + np.linalg.norm(x, onp.inf, 1)
)
case("trapezoid", lambda np, y, x: np.trapezoid(y, x), V, V)


def _logsumexp(np: Any) -> Callable[..., Any]:
    return getattr(np, "logsumexp", None) or jax.nn.logsumexp


# Shapes.
case(
    "reshape", lambda np, x: np.reshape(x, (2, -1)) * np.ravel(x).reshape(2, 6) + x.reshape((6, 2)).T + x.flatten()[3]
)
case(
    "transpose",
    lambda np, x: np.transpose(x, (2, 0, 1)) * np.moveaxis(x, -1, 0) + np.swapaxes(x, 0, 2).sum(),
    (2, 3, 4),
)
case("expand and squeeze", lambda np, x: np.expand_dims(x, (0, 2)) * np.squeeze(x[None], 0)[:, None])
case("broadcast_to", lambda np, x: np.broadcast_to(x, (3, 2, 4)) * np.atleast_2d(x), V)
case("concatenate", lambda np, x, y: np.concatenate([x, y[None], jnp.ones((1, 4)), x], axis=0), A, V)
case("stack", lambda np, x, y: np.stack([x, y, 2 * x], axis=-1) ** 2, A, A)
case("hstack vstack", lambda np, x, y: np.hstack([x, y]) * 2 - np.vstack([x.T, y.T]).T, A, A)
case("column_stack", lambda np, x, y: np.column_stack([x, y]) @ jnp.ones(2), V, V)
case("array of scalars", lambda np, x, y: np.array([x, y, x * y]) ** 2 * np.array([[x, 1.0, y]]), S, S)
case("split", lambda np, x: sum(i * p for i, p in enumerate(np.split(x, 2, axis=1))) + np.array_split(x, 3, 1)[0])
case("tile repeat", lambda np, x: np.tile(x, (2, 1)) * np.repeat(x, 2, axis=0))
case("flip roll rot90", lambda np, x: np.flip(x, 1) * np.roll(x, 1, axis=0) + np.roll(x, 2) + np.rot90(x, 2))
case("flipud fliplr", lambda np, x: np.flipud(x) * np.fliplr(x))
case("pad", lambda np, x: np.pad(x, ((1, 0), (2, 1))) * 2.0 + np.pad(x, 2, mode="edge")[:4, :7])
case("pad reflect", lambda np, x: np.pad(x, 1, mode="reflect") * np.pad(x, 1, constant_values=1.5))
case("diff", lambda np, x: np.diff(x, axis=0)[:, 1:] * np.diff(x, axis=1)[:2] + np.diff(x, n=2, axis=1).sum())
case("gradient", lambda np, x: np.gradient(x), (5,))
case("ediff1d", lambda np, x: np.ediff1d(x) ** 2, V)
case("sort", lambda np, x: np.sort(x, axis=0) * jnp.arange(4.0) + np.sort(x))
case("array of more axes", lambda np, x: np.array(x, ndmin=3) * np.array(2.0, ndmin=2))
case("take", lambda np, x: np.take(x, jnp.array([2, 0, 2]), axis=0) * np.take(x, 5))
case("take_along_axis", lambda np, x: np.take_along_axis(x, jnp.array([[1], [0], [3]]), 1))
case("diag", lambda np, x: np.diag(x) + np.diag(np.diag(x)) @ np.diagonal(x) + np.trace(x), Q)
case("diag offset", lambda np, x: np.diag(x, 1).sum() * np.diag(x[0], -1), Q)
case("triangles", lambda np, x: np.tril(x) @ np.triu(x, 1), Q)
case("meshgrid", lambda np, x, y: np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1], V, (3,))
case("maximum of containers", lambda np, x: {"a": [x[0], (x[1] * 2,)], "b": np.sum(x)})

# Indexing.
case("integer index", lambda np, x: x[0] * x[-1] + x[1, 2])
case("slices", lambda np, x: x[1:, ::2] * x[:2, 1::2] + x[::-1, 3:1:-1][:2])
case("ellipsis newaxis", lambda np, x: x[..., 0] * x[:, None, 1].sum(1), A)
case(
    "advanced index",
    lambda np, x: x[jnp.array([0, 2, 2])] * x[onp.array([1, 1, 0])] + x[[0, 1, 2], [3, 3, 1]][:, None],
)
case("mixed index", lambda np, x: x[1:, jnp.array([0, 3, 3])] * x[:2, onp.array([[1, 2, 0]])][0, 0])
case("boolean index", lambda np, x: x[onp.array([True, False, True])] * 2)
case("order F", lambda np, x: np.reshape(x, (4, 3), order="F") * jnp.arange(3.0) + np.ravel(x, order="F")[1])
case("unwrap", lambda np, x: np.unwrap(3 * x))
case("divmod", lambda np, x: divmod(x, 0.7)[1] * np.divmod(2.5, abs(x) + 1.0)[1] + round(x, 1) * x)
case("iteration", lambda np, x: sum(i * row for i, row in enumerate(x)) + len(x) * sum(list(x[0])[1:3]))
case("at", lambda np, x, y: from_jax(lambda x, y: x.at[1].set(y).at[:, 0].add(y[:3]))(x, y), A, V)

# Products.
case("dot", lambda np, x, y: np.dot(x, y) + np.dot(y, y) * np.inner(x, y), A, V)
for _i, (_a, _b) in enumerate(
    [
        (V, V),
        (A, V),
        ((3,), A),
        (A, (4, 2)),
        ((2, 3, 4), (4, 2)),
        ((2, 3, 4), (2, 4, 3)),
        (V, (2, 4, 3)),
        ((2, 1, 3, 4), (5, 4, 2)),
    ]
):
    case(f"matmul {_i}", lambda np, x, y: np.matmul(x, y), _a, _b)
case("outer inner", lambda np, x, y: np.outer(x, y) @ np.inner(np.outer(x, x), y), V, V)
case(
    "tensordot",
    lambda np, x, y: np.tensordot(x, y, axes=([1, 2], [1, 0])) + np.tensordot(x, y, 1).sum(),
    (2, 3, 4),
    (4, 3, 2),
)
case("tensordot 0", lambda np, x, y: np.tensordot(x, y, 0), (2,), (3,))
case(
    "einsum",
    lambda np, x, y: np.einsum("ij,kj->ik", x, y) + np.einsum("ii->", x @ y.T) + np.einsum("ij,ij", x, y),
    A,
    A,
)
case(
    "einsum batch",
    lambda np, x, y: np.einsum("bij,bjk->kbi", x, y) * np.einsum("...ij->...i", x).sum(),
    (2, 3, 4),
    (2, 4, 2),
)
case("kron cross", lambda np, x, y: np.kron(x, y).sum() * np.cross(x, y), (3,), (3,))
case("vdot convolve-free", lambda np, x, y: np.vdot(x, y) * x, A, A)

# Linear algebra, of well-conditioned matrices.
case("solve", lambda np, a, b: np.linalg.solve(a + 4 * jnp.eye(3), b), Q, (3, 2))
case("solve vector", lambda np, a, b: np.linalg.solve(a + 4 * jnp.eye(3), b), Q, (3,))
case("solve batch", lambda np, a, b: np.linalg.solve(a + 5 * jnp.eye(3), b), (2, 3, 3), (2, 3, 1))
case("inv det", lambda np, a: np.linalg.inv(a + 4 * jnp.eye(3)) * np.linalg.det(a), Q)
case("det 4", lambda np, a: np.linalg.det(a + 3 * jnp.eye(4)) * np.linalg.slogdet(a + 5 * jnp.eye(4))[1], (4, 4))
case("cholesky", lambda np, a: np.linalg.cholesky(a @ a.T + 3 * jnp.eye(3)), Q)
case("triangular", lambda np, a, b: _triangular(a, b), Q, (3, 2))


def _triangular(a: Any, b: Any) -> Any:
    solve = from_jax(jax.scipy.linalg.solve_triangular)
    a = a + 4 * jnp.eye(3)
    return solve(a, b, lower=True) + solve(a, b, trans=1) + solve(a, b, lower=True, unit_diagonal=True)


# Operations of lax that no function above comes down to.
def _of_lax(name: str, f: Callable[..., Any], *shapes: tuple[int, ...], **domain: float) -> None:
    case(f"lax {name}", lambda np, *arrays: from_jax(f)(*arrays), *shapes, **domain)


_of_lax("rsqrt", lambda x: lax.rsqrt(x), low=0.5)
_of_lax("integer_pow", lambda x: lax.integer_pow(x, -3) + lax.integer_pow(x, 4), low=0.5)
_of_lax("clamp", lambda lo, x, hi: lax.clamp(0.3 * lo - 0.7, x, 0.3 * hi + 0.7), A, A, A)
_of_lax("rem", lambda x, y: lax.rem(x, y), A, A, low=0.6, high=3.0)
_of_lax("dynamic_slice", lambda x: lax.dynamic_slice(x, (jnp.int32(1), jnp.int32(1)), (2, 3)))
_of_lax("dynamic_update_slice", lambda x, y: lax.dynamic_update_slice(x, y, (1, 1)), A, (2, 2))
_of_lax("pad", lambda x, c: lax.pad(x, c, ((1, -1, 1), (-1, 2, 0))), A, S)
_of_lax("slice strides", lambda x: lax.slice(x, (0, 1), (3, 4), (2, 2)))
_of_lax("copy", lambda x: jnp.array(jnp.copy(x), copy=True) * lax.optimization_barrier(x) * x)
_of_lax("barrier of two", lambda x, y: x * y - sum(lax.optimization_barrier((x, y))), A, A)
_of_lax("unstack", lambda x: sum(k * part**2 for k, part in enumerate(jnp.unstack(x, axis=1))))
_of_lax("scatter-sub", lambda x, y: (x**2).at[:2, 1:3].subtract(y**2), A, (2, 2))
_of_lax("polygamma", lambda x: jax.scipy.special.polygamma(1, x), low=0.8)
_of_lax("lu", lambda a: lax.linalg.lu(a + 3 * jnp.eye(3))[0], Q)
_of_lax("sort pairs", lambda x, y: lax.sort((x, y), num_keys=1), V, V)
_of_lax("top_k", lambda x: lax.top_k(x, 2)[0])
_of_lax(
    "cummax", lambda x: lax.cummax(x, 1) + lax.cummin(x, 0) + lax.cumlogsumexp(x, 0) + lax.cumsum(x, 0, reverse=True)
)
_of_lax("scan", lambda x, c: lax.scan(lambda c, row: (jnp.tanh(c * row), c + row), c, x, reverse=True), A, V)
_of_lax(
    "cond", lambda x: lax.cond(x.shape[0] > 2, jnp.sin, jnp.cos, x) + lax.cond(jnp.array(True), jnp.exp, jnp.cos, x)
)
_of_lax(
    "dot_general", lambda x, y: lax.dot_general(x, y, (((1, 3), (3, 0)), ((2,), (1,)))), (2, 3, 4, 5), (5, 4, 2, 3)
)
_of_lax("vmap matmul", lambda w, x: jax.vmap(lambda v: jnp.tanh(w @ v) * (v @ w))(x), (4, 4), A)
_of_lax("remat and jit", lambda x: jax.checkpoint(jax.jit(jnp.sin))(x) * jax.jit(lambda v: v * 2)(x))
_of_lax("convert", lambda x: x.astype(jnp.float32).astype(x.dtype) * 0.0 + x + x.astype(int))


# Rows that other rows' derivatives are written with, and rows for functions of jax.nn and jax.scipy.special.
def _row(
    name: str,
    theirs: Callable[..., Any],
    *shapes: tuple[int, ...],
    low: float = -2.0,
    high: float = 2.0,
    **params: Any,
) -> None:
    row = lambda np, *xs: theirs(*xs) if np is jnp else TABLE[name](*xs, **params)  # noqa: E731
    case(f"row {name}", row, *shapes, low=low, high=high)


def _integral(f: Callable[..., Any], a: float, b: Any) -> Any:
    """∫_a^b f, by Gauss and Legendre; where JAX's own function has no second derivative."""
    nodes, weights = onp.polynomial.legendre.leggauss(40)
    half = (b - a)[..., None] / 2
    return jnp.sum(weights * half * f(a + half * (1 + nodes)), axis=-1)


_sp = jax.scipy.special
_row("hypot", jnp.hypot, (3, 1), V)
_row("direction", lambda x, y: x / jnp.sqrt(x * x + y * y), (3, 1), V, low=0.5)
_row("sech", lambda x: 1 / jnp.cosh(x))
_row("one_minus_square", lambda x: 1 - x * x)
_row("power_log", lambda x, p: x**p * jnp.log(x), (3, 1), V, low=0.5, n=1)
_row("sinc_derivative", jax.vmap(jax.vmap(jax.grad(jnp.sinc))), low=0.5, n=1)
_row("inverse_mills", lambda x: jnp.exp(-x * x / 2 - _sp.log_ndtr(x)) / math.sqrt(2 * math.pi), n=0)
_row("log_ndtr", _sp.log_ndtr)
_row("ndtr", _sp.ndtr)
_row("ndtri", _sp.ndtri, low=0.2, high=0.8)
_row("logit", _sp.logit, low=0.2, high=0.8)
_row("log1mexp", jax.nn.log1mexp, low=0.2)
_row("soft_sign", jax.nn.soft_sign)
_row("relative_exponential", lambda z: jnp.expm1(z) / z, low=0.2, n=0)
_row("relative_logarithm", lambda x: jnp.log(x) / (x - 1), low=1.2, n=0)
_row("spence", lambda x: _integral(lambda s: jnp.log(s) / (1 - s), 1.0, x), low=1.2)
_row("boxcox", lambda x, p: (x**p - 1) / p, (3, 1), V, low=0.5)
_row("logaddexp2", jnp.logaddexp2, (3, 1), V)
_row("xlogx", lambda x: x * jnp.log(x), low=0.5)
_row("xlogy", lambda x, y: x * jnp.log(y), (3, 1), V, low=0.5)
_row("xlog1py", lambda x, y: x * jnp.log1p(y), (3, 1), V, low=0.5)


def _cofactors(np: Any, a: Any) -> Any:
    a = a + 3 * jnp.eye(3)
    return jnp.linalg.det(a) * jnp.linalg.inv(a).T if np is jnp else TABLE["cofactors"](a)


case("row cofactors", _cofactors, Q)
