"""Functions of many points, computed for a chunk of them at a time so that memory stays bounded."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp


def length(points: Any) -> int:
    """n, the length of the leading axis that all arrays in `points` share."""
    return jax.tree.leaves(points)[0].shape[0]


def chunked(f: Callable[[Any], tuple[Any, Any]], points: Any, size: int) -> tuple[Any, Any]:
    """f(points) = (rows, sums), computed for `size` points at a time.

    Args:
        f: its rows have the leading axis of points; its sums are over the points, so those of the chunks add up.
        points: a pytree whose arrays share a leading axis of points.
        size: points in a chunk; the last chunk may have fewer.
    """
    whole, rest = _split(points, size)
    if whole is None:
        return f(rest)
    shapes = jax.eval_shape(f, jax.tree.map(lambda leaf: leaf[0], whole))[1]
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(total, chunk):
        rows, sums = f(chunk)
        return jax.tree.map(jnp.add, total, sums), rows

    sums, stacked = jax.lax.scan(add, start, whole)
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), stacked)
    if rest is None:
        return rows, sums
    last_rows, last_sums = f(rest)
    return (
        jax.tree.map(lambda *pair: jnp.concatenate(pair), rows, last_rows),
        jax.tree.map(jnp.add, sums, last_sums),
    )


def joined(f: Callable[[Any], Any], points: Any, size: int) -> Any:
    """f(points), of which every array has the leading axis of points, computed for `size` points at a time."""
    return chunked(lambda piece: (f(piece), ()), points, size)[0]


def summed(f: Callable[[Any], Any], points: Any, size: int) -> Any:
    """f(points), of which every array is a sum over the points, computed for `size` points at a time."""
    return chunked(lambda piece: ((), f(piece)), points, size)[1]


def pieces(points: Any, size: int) -> Iterator[Any]:
    """The points, `size` of them at a time, for a loop in Python."""
    for start in range(0, length(points), size):
        yield jax.tree.map(lambda leaf, start=start: leaf[start : start + size], points)


def _split(points: Any, size: int) -> tuple[Any, Any]:
    """The full chunks, stacked along a new leading axis, and the points left over; None where there are none."""
    n = length(points)
    full = n // size * size
    if n <= size:
        return None, points
    whole = jax.tree.map(lambda leaf: leaf[:full].reshape(-1, size, *leaf.shape[1:]), points)
    return whole, jax.tree.map(lambda leaf: leaf[full:], points) if n > full else None
