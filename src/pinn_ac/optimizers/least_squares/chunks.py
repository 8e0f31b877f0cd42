"""What concerns many points, a chunk of them at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp


def length(points: Any) -> int:
    """n, the leading axis that all leaves share."""
    return jax.tree.leaves(points)[0].shape[0]


def joined(f: Callable[[Any], Any], points: Any, size: int) -> Any:
    """f(points), whose result has the points' leading axis, computed for `size` points at a time."""
    whole, rest = _split(points, size)
    if whole is None:
        return f(rest)
    parts = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), jax.lax.map(f, whole))
    return parts if rest is None else jax.tree.map(lambda *pair: jnp.concatenate(pair), parts, f(rest))


def summed(f: Callable[[Any], jax.Array], points: Any, size: int) -> jax.Array:
    """f(points), which is a sum over the points, computed for `size` points at a time."""
    whole, rest = _split(points, size)
    if whole is None:
        return f(rest)
    shape = jax.eval_shape(f, jax.tree.map(lambda leaf: leaf[0], whole))
    start = jnp.zeros(shape.shape, shape.dtype) if rest is None else f(rest)
    return jax.lax.scan(lambda total, chunk: (total + f(chunk), None), start, whole)[0]


def pieces(points: Any, size: int) -> Iterator[Any]:
    """The points, `size` at a time, for a loop on the host."""
    for start in range(0, length(points), size):
        yield jax.tree.map(lambda leaf, start=start: leaf[start : start + size], points)


def _split(points: Any, size: int) -> tuple[Any, Any]:
    """The full chunks, stacked along a new leading axis, and what is left over; None where there is none."""
    n = length(points)
    full = n // size * size
    if n <= size:
        return None, points
    whole = jax.tree.map(lambda leaf: leaf[:full].reshape(-1, size, *leaf.shape[1:]), points)
    return whole, jax.tree.map(lambda leaf: leaf[full:], points) if n > full else None
