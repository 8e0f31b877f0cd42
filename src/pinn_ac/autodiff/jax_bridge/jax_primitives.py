"""How each of JAX's operations is replayed, where it is not simply the row of the same name in our table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import jaxpr_as_fun, primitives

from ..errors import MissingRuleError, user_line
from ..graph import unwrap
from ..rules.builders import convert_element_type
from ..rules.linear_algebra import lu
from ..rules.shape import reshape, scatter, slice_, transpose

# JAX's name → the name in our table, where they differ.
RENAMED = {"add_any": "add", "copy_p": "copy"}

# Piecewise constant functions, whose results are constants for every derivative.
CONSTANT = {"stop_gradient", "sign", "floor", "ceil", "round", "is_finite"}

# Params of an operation that a rule may ignore: they do not change the value, or only if a promise is broken.
HARMLESS = {
    "accuracy",
    "sharding",
    "out_sharding",
    "indices_are_sorted",
    "unique_indices",
    "update_jaxpr",
    "update_consts",
}

# Rows of our table that are functions or derivatives, not operations of JAX's. So an operation with one of these
# names in a jaxpr was defined by the user.
NO_OPERATIONS = {
    "boxcox", "custom_jvp", "custom_vjp", "det", "direction", "hypot", "inverse_mills", "linear_solve", "log1mexp",
    "log_ndtr", "logaddexp", "logaddexp2", "logit", "mod", "ndtr", "ndtri", "power_log", "relative_exponential",
    "relative_logarithm", "relu", "sech", "sinc", "sinc_derivative", "soft_sign", "spence", "xlog1py", "xlogx",
    "xlogy",
}  # fmt: skip

# Operations that call an inner jaxpr, which is inlined.
CALLS = {
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat",
    "remat2",
    "checkpoint",
}


def is_jaxs(primitive: Any) -> bool:
    """Whether the operation is JAX's, and not a user's of the same name, as far as JAX makes its own public."""
    shown = [getattr(room, f"{primitive.name.replace('-', '_')}_p", primitive) for room in (primitives, lax)]
    return all(one is primitive for one in shown) and primitive.name not in NO_OPERATIONS


def _split(eqn: Any, x: Any) -> list[Any]:
    axis, start, pieces = eqn.params["axis"], 0, []
    for size in eqn.params["sizes"]:
        lower, upper = [0] * x.ndim, list(x.shape)
        lower[axis], upper[axis] = start, start + size
        pieces.append(slice_(x, start_indices=tuple(lower), limit_indices=tuple(upper), strides=None))
        start += size
    return pieces


def _reshaped(eqn: Any, x: Any) -> list[Any]:
    order = eqn.params["dimensions"] if eqn.primitive.name == "reshape" else None
    x = x if order is None else transpose(x, permutation=tuple(order))
    return [reshape(x, new_sizes=eqn.outvars[0].aval.shape)]


def _converted(eqn: Any, x: Any) -> list[Any]:
    dtype = eqn.params["new_dtype"]
    return [x if x.dtype == dtype else convert_element_type(x, new_dtype=dtype)]


def _factored(eqn: Any, x: Any) -> list[Any]:
    return [lu(x), *lax.linalg.lu(unwrap(x))[1:]]


def _scattered(eqn: Any, *arrays: Any) -> list[Any]:
    if eqn.params.get("update_jaxpr") is not None:  # the updates are not what is written
        raise MissingRuleError(
            f"x.at[i].apply(f) has no rule, used at {user_line()}\nWrite x.at[i].set(f(x[i])), which has."
        )
    return [scatter(*arrays, **{name: eqn.params[name] for name in scatter.keywords})]


# Operations that become one or several of our primitives with other params: (equation, *arguments) -> results.
# `linear_solve` and `custom_rules` add those that need whole sweeps.
DIRECT: dict[str, Callable[..., list[Any]]] = {
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "expand_dims": _reshaped,
    "split": _split,
    "convert_element_type": _converted,
    "lu": _factored,
    "scatter": _scattered,
}


def _product(x: Any, axes: tuple[int, ...]) -> Any:
    """The product over `axes`, as a tree of products, so that the derivatives are right even if factors are zero."""
    kept = [d for d in range(x.ndim) if d not in axes]
    factors = math.prod(x.shape[d] for d in axes)
    x = x.transpose(*axes, *kept).reshape(factors, *(x.shape[d] for d in kept))
    while x.shape[0] > 1:
        half = x.shape[0] // 2
        paired = x[:half] * x[half : 2 * half]
        x = paired if x.shape[0] % 2 == 0 else jnp.concatenate([paired, x[2 * half :]])
    return x[0] if x.shape[0] else jnp.ones(x.shape[1:], x.dtype)


def _scan_by(combine: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis, reverse: lax.associative_scan(combine, x, reverse=reverse, axis=axis)


def _sort(*arrays: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    """The arrays sorted: the permutation is a constant, and derivatives follow the elements that it moves."""
    plain = [lax.stop_gradient(x) for x in arrays]
    positions = lax.broadcasted_iota(int, arrays[0].shape, dimension)
    order = lax.sort((*plain, positions), dimension=dimension, is_stable=is_stable, num_keys=num_keys)[-1]
    return [jnp.take_along_axis(x, order, dimension) for x in arrays]


def _top_k(x: Any, k: int, axis: int = -1, **_: Any) -> list[Any]:
    order = lax.top_k(lax.stop_gradient(x), k, axis=axis)[1]
    return [jnp.take_along_axis(x, order, axis), order]


def _scan(
    *arrays: Any, jaxpr: Any, length: int, num_consts: int, num_carry: int, reverse: bool, **_: Any
) -> list[Any]:
    """A loop of known length; it is unrolled."""
    body = jaxpr_as_fun(jaxpr)
    consts, carry = arrays[:num_consts], list(arrays[num_consts : num_consts + num_carry])
    rows: list[list[Any]] = []
    for i in reversed(range(length)) if reverse else range(length):
        results = body(*consts, *carry, *(x[i] for x in arrays[num_consts + num_carry :]))
        carry, row = list(results[:num_carry]), results[num_carry:]
        rows.append(row)
    if not rows:
        return carry + [jnp.zeros((0, *row.shape), row.dtype) for row in jaxpr.out_avals[num_carry:]]
    rows = rows[::-1] if reverse else rows
    return carry + [jnp.stack(column) for column in zip(*rows, strict=True)]


def _cond(index: Any, *arrays: Any, branches: Any, branches_platforms: Any = None, **_: Any) -> list[Any]:
    """One branch where the index is known; where JAX traces it all are computed and a result is selected.

    Of branches for several platforms the default is taken.
    """
    if branches_platforms is not None:
        return list(jaxpr_as_fun(branches[branches_platforms.index(None)])(*arrays))
    if not isinstance(index, jax.core.Tracer):
        return list(jaxpr_as_fun(branches[min(max(int(index), 0), len(branches) - 1)])(*arrays))
    results = [jaxpr_as_fun(branch)(*arrays) for branch in branches]
    which = index if index.dtype == bool else jnp.clip(index, 0, len(branches) - 1)
    return [lax.select_n(which, *cases) for cases in zip(*results, strict=True)]


def _tile(x: Any, reps: tuple[int, ...]) -> Any:
    shape = [n for pair in zip(reps, x.shape, strict=True) for n in pair]
    wide = lax.broadcast_in_dim(x, shape, tuple(range(1, 2 * x.ndim, 2)))
    return wide.reshape([r * n for r, n in zip(reps, x.shape, strict=True)])


def _stack(*arrays: Any, axis: int) -> Any:
    return lax.concatenate([lax.expand_dims(x, (axis,)) for x in arrays], axis)


def _unstack(x: Any, axis: int, **_: Any) -> list[Any]:
    return [lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])]


def _scatter_sub(x: Any, indices: Any, y: Any, dimension_numbers: Any, mode: Any = None, **_: Any) -> Any:
    return lax.scatter_add(x, indices, -y, dimension_numbers, mode=mode)


# Operations rewritten with others in jax.numpy, (*arrays, **params) -> result, and then replayed in their turn.
REWRITTEN: dict[str, Callable[..., Any]] = {
    "reduce_prod": lambda x, axes, **_: _product(x, axes),
    "cumprod": _scan_by(jnp.multiply),
    "cummax": _scan_by(jnp.maximum),
    "cummin": _scan_by(jnp.minimum),
    "cumlogsumexp": _scan_by(jnp.logaddexp),
    "sort": _sort,
    "top_k": _top_k,
    "scan": _scan,
    "cond": _cond,
    "tile": _tile,
    "stack": _stack,
    "unstack": _unstack,
    "scatter-sub": _scatter_sub,
    "optimization_barrier": lambda *arrays, **_: list(arrays),
}
