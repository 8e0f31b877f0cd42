"""The table of rules, and the arithmetic of tangents and adjoints that every sweep needs.

The rows are filled in by `rules`. The sweeps and the builders of rows reach them by name, so that neither has to
import the other. In all of this None stands for a tangent, adjoint or Taylor coefficient that is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from .graph import Primitive

TABLE: dict[str, Primitive] = {}
"""Name → primitive, for every operation that the engine can differentiate."""


def total(terms: Sequence[Any]) -> Any:
    """The sum of the terms that are not None; None if there is none."""
    result = None
    for term in terms:
        if term is not None:
            result = term if result is None else TABLE["add"](result, term)
    return result


def scaled(x: Any, factor: float) -> Any:
    """factor · x. None stays None, and a factor of 1 records nothing."""
    return x if x is None or factor == 1 else TABLE["mul"](x, float(factor))


def zeros_like(x: Any) -> Any:
    """A plain array of zeros with the shape and dtype of x."""
    return jnp.zeros(jnp.shape(x), jnp.result_type(x)) if not hasattr(x, "shape") else jnp.zeros(x.shape, x.dtype)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a traced value or a Python number."""
    return tuple(getattr(x, "shape", ()))


def cast_like(x: Any, like: Any) -> Any:
    """x converted to the dtype of `like`; records nothing if it already has that dtype."""
    return x if x.dtype == like.dtype else TABLE["convert_element_type"](x, new_dtype=like.dtype)


def broadcast_like(x: Any, like: Any) -> Any:
    """x broadcast to the shape of `like` and converted to its dtype.

    A tangent needs this where the operation broadcast its argument without saying so.
    """
    if shape_of(x) != like.shape:
        missing = len(like.shape) - len(shape_of(x))
        x = TABLE["broadcast_in_dim"](
            x, shape=like.shape, broadcast_dimensions=tuple(range(missing, len(like.shape)))
        )
    return cast_like(x, like)


def sum_like(x: Any, like: Any) -> Any:
    """x summed over the axes along which `like` was broadcast, and converted to the dtype of `like`.

    This is the transpose of `broadcast_like`: an adjoint needs it where the operation broadcast its argument.
    """
    shape = like.shape
    if shape_of(x) != shape:
        extra = len(x.shape) - len(shape)
        axes = tuple(i for i, n in enumerate(x.shape) if i < extra or n != shape[i - extra])
        x = TABLE["reduce_sum"](x, axes=axes) if axes else x
        x = x if x.shape == shape else TABLE["reshape"](x, new_sizes=shape)
    return cast_like(x, like)
