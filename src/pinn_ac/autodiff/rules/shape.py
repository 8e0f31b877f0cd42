"""Rows of the table: functions that move, copy or sum elements. Nearly all are linear and need only a transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import Primitive, unwrap
from ..table import zeros_like
from .builders import linear, mul, piecewise_linear


def _sum_broadcast(g: Any, i: int, x: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Any:
    """The adjoint of a broadcast: the sum over the axes that were added and over those that had length 1."""
    old = np.shape(x) if not hasattr(x, "shape") else x.shape
    kept = {d for d, n in zip(broadcast_dimensions, old, strict=True) if shape[d] == n}
    axes = tuple(d for d in range(len(shape)) if d not in kept)
    g = reduce_sum(g, axes=axes) if axes else g
    return g if g.shape == old else reshape(g, new_sizes=old)


def _inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(permutation))


def _expand_sum(g: Any, i: int, x: Any, axes: Sequence[int]) -> Any:
    kept = tuple(d for d in range(len(x.shape)) if d not in axes)
    return broadcast_in_dim(g, shape=x.shape, broadcast_dimensions=kept)


broadcast_in_dim: Primitive = linear(
    "broadcast_in_dim",
    lambda x, shape, broadcast_dimensions: lax.broadcast_in_dim(jnp.asarray(x), shape, broadcast_dimensions),
    _sum_broadcast,
    ("shape", "broadcast_dimensions"),
)
reshape: Primitive = linear(
    "reshape",
    lambda x, new_sizes: lax.reshape(x, new_sizes),
    lambda g, i, x, new_sizes: reshape(g, new_sizes=x.shape),
    ("new_sizes",),
)
transpose: Primitive = linear(
    "transpose",
    lambda x, permutation: lax.transpose(x, permutation),
    lambda g, i, x, permutation: transpose(g, permutation=_inverse(permutation)),
    ("permutation",),
)
reduce_sum: Primitive = linear("reduce_sum", lambda x, axes: jnp.sum(x, axis=tuple(axes)), _expand_sum, ("axes",))
cumsum: Primitive = linear(
    "cumsum",
    lambda x, axis, reverse: lax.cumsum(x, axis=axis, reverse=reverse),
    lambda g, i, x, axis, reverse: cumsum(g, axis=axis, reverse=not reverse),
    ("axis", "reverse"),
)
rev: Primitive = linear(
    "rev",
    lambda x, dimensions: lax.rev(x, dimensions),
    lambda g, i, x, dimensions: rev(g, dimensions=dimensions),
    ("dimensions",),
)
copy: Primitive = linear("copy", lambda x: x, lambda g, i, x: g)


def _piece(g: Any, i: int, *arrays: Any, dimension: int) -> Any:
    start = sum(a.shape[dimension] for a in arrays[:i])
    lower, upper = [0] * len(g.shape), list(g.shape)
    lower[dimension], upper[dimension] = start, start + arrays[i].shape[dimension]
    return slice_(g, start_indices=tuple(lower), limit_indices=tuple(upper), strides=None)


concatenate: Primitive = linear(
    "concatenate",
    lambda *arrays, dimension: lax.concatenate([jnp.asarray(a, jnp.result_type(*arrays)) for a in arrays], dimension),
    _piece,
    ("dimension",),
    range,
)


def _unslice(g: Any, i: int, x: Any, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    steps = strides or (1,) * len(g.shape)
    ends = [s + (m - 1) * t + 1 if m else s for s, m, t in zip(start_indices, g.shape, steps, strict=True)]
    config = tuple((s, n - e, t - 1) for s, e, n, t in zip(start_indices, ends, x.shape, steps, strict=True))
    return pad(g, jnp.zeros((), g.dtype), padding_config=config)


slice_: Primitive = linear(
    "slice",
    lambda x, start_indices, limit_indices, strides: lax.slice(x, start_indices, limit_indices, strides),
    _unslice,
    ("start_indices", "limit_indices", "strides"),
)


def _unpad(g: Any, i: int, x: Any, value: Any, padding_config: Any) -> Any:
    trimmed = pad(g, jnp.zeros((), g.dtype), padding_config=tuple((-lo, -hi, 0) for lo, hi, _ in padding_config))
    steps = tuple(inner + 1 for *_, inner in padding_config)
    whole = any(s != 1 for s in steps)
    inside = (
        slice_(trimmed, start_indices=(0,) * len(steps), limit_indices=trimmed.shape, strides=steps)
        if whole
        else trimmed
    )
    if i == 0:
        return inside
    everything = tuple(range(len(steps)))
    return reduce_sum(g, axes=everything) - reduce_sum(inside, axes=everything)


pad: Primitive = linear(
    "pad",
    lambda x, value, padding_config: lax.pad(x, jnp.asarray(value, x.dtype), padding_config),
    _unpad,
    ("padding_config",),
    lambda n: (0, 1),
)
dynamic_slice: Primitive = linear(
    "dynamic_slice",
    lambda x, *start, slice_sizes: lax.dynamic_slice(x, start, slice_sizes),
    lambda g, i, x, *start, slice_sizes: dynamic_update_slice(zeros_like(x), g, *start),
    ("slice_sizes",),
)
dynamic_update_slice: Primitive = linear(
    "dynamic_update_slice",
    lambda x, update, *start: lax.dynamic_update_slice(x, update, start),
    lambda g, i, x, update, *start: (
        dynamic_slice(g, *start, slice_sizes=update.shape)
        if i
        else dynamic_update_slice(g, zeros_like(update), *start)
    ),
    (),
    lambda n: (0, 1),
)


def _scatter_numbers(d: Any) -> lax.ScatterDimensionNumbers:
    return lax.ScatterDimensionNumbers(
        update_window_dims=d.offset_dims,
        inserted_window_dims=d.collapsed_slice_dims,
        scatter_dims_to_operand_dims=d.start_index_map,
        operand_batching_dims=d.operand_batching_dims,
        scatter_indices_batching_dims=d.start_indices_batching_dims,
    )


def _gather_jvp(t: Sequence[Any], out: Any, x: Any, indices: Any, **how: Any) -> Any:
    """The same elements of the tangent; where an index is out of bounds the result is `fill_value`, a constant."""
    return gather(t[0], indices, **{**how, "fill_value": 0})


def _ungather(
    g: Any,
    i: int,
    out: Any,
    x: Any,
    indices: Any,
    dimension_numbers: Any,
    slice_sizes: Any,
    mode: Any,
    fill_value: Any,
) -> Any:
    return scatter_add(zeros_like(x), indices, g, dimension_numbers=_scatter_numbers(dimension_numbers), mode=mode)


def _unscatter(g: Any, indices: Any, updates: Any, dimension_numbers: Any, mode: Any) -> Any:
    """The elements of g at the positions to which the updates were written."""
    d = dimension_numbers
    window = iter(updates.shape[k] for k in d.update_window_dims)
    narrow = (*d.inserted_window_dims, *d.operand_batching_dims)
    sizes = tuple(1 if axis in narrow else next(window) for axis in range(len(g.shape)))
    numbers = lax.GatherDimensionNumbers(
        offset_dims=d.update_window_dims,
        collapsed_slice_dims=d.inserted_window_dims,
        start_index_map=d.scatter_dims_to_operand_dims,
        operand_batching_dims=d.operand_batching_dims,
        start_indices_batching_dims=d.scatter_indices_batching_dims,
    )
    return gather(g, indices, dimension_numbers=numbers, slice_sizes=sizes, mode=mode, fill_value=0)


gather: Primitive = piecewise_linear(
    "gather",
    lambda x, indices, dimension_numbers, slice_sizes, mode, fill_value: lax.gather(
        x, indices, dimension_numbers, slice_sizes, mode=mode, fill_value=fill_value
    ),
    _gather_jvp,
    _ungather,
    ("dimension_numbers", "slice_sizes", "mode", "fill_value"),
)
scatter_add: Primitive = linear(
    "scatter-add",
    lambda x, indices, updates, dimension_numbers, mode: lax.scatter_add(
        x, indices, updates, dimension_numbers, mode=mode
    ),
    lambda g, i, x, indices, updates, dimension_numbers, mode: (
        g if i == 0 else _unscatter(g, indices, updates, dimension_numbers, mode)
    ),
    ("dimension_numbers", "mode"),
    lambda n: (0, 2),
)


def _kept_updates(g: Any, indices: Any, updates: Any, dimension_numbers: Any, mode: Any) -> Any:
    """1 for each update that is in the result, 0 for one in whose place another was written."""
    numbers = jnp.arange(1, math.prod(updates.shape) + 1).reshape(updates.shape)
    result = lax.scatter(jnp.zeros(g.shape, numbers.dtype), indices, numbers, dimension_numbers, mode=mode)
    return (_unscatter(result, indices, updates, dimension_numbers, mode) == numbers).astype(g.dtype)


def _unscatter_set(g: Any, i: int, x: Any, indices: Any, updates: Any, dimension_numbers: Any, mode: Any) -> Any:
    if i == 2:
        found = _unscatter(g, indices, updates, dimension_numbers, mode)
        return mul(found, _kept_updates(g, indices, updates, dimension_numbers, mode))
    kept = lax.scatter(
        jnp.ones(g.shape, g.dtype), indices, jnp.zeros(updates.shape, g.dtype), dimension_numbers, mode=mode
    )
    return mul(g, kept)


scatter: Primitive = linear(
    "scatter",
    lambda x, indices, updates, dimension_numbers, mode: lax.scatter(
        x, indices, updates, dimension_numbers, mode=mode
    ),
    _unscatter_set,
    ("dimension_numbers", "mode"),
    lambda n: (0, 2),
)


def _extreme(name: str, evaluate: Any) -> Any:
    """The row of `reduce_max` or `reduce_min`: all elements that attain the extreme share the slope equally."""

    def weights(out: Any, x: Any, axes: Any) -> Any:
        x, shape = unwrap(x), [1 if d in axes else n for d, n in enumerate(x.shape)]
        hits = (x == unwrap(out).reshape(shape)).astype(x.dtype)
        return hits / jnp.sum(hits, axis=tuple(axes), keepdims=True)

    return piecewise_linear(
        name,
        lambda x, axes: evaluate(x, axis=tuple(axes)),
        lambda t, out, x, axes: reduce_sum(mul(t[0], weights(out, x, axes)), axes=axes),
        lambda g, i, out, x, axes: mul(_expand_sum(g, 0, x, axes), weights(out, x, axes)),
        ("axes",),
    )


reduce_max: Primitive = _extreme("reduce_max", jnp.max)
reduce_min: Primitive = _extreme("reduce_min", jnp.min)
