"""How the public functions read `argnums` and `has_aux`, and how a Jacobian is cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .graph import Graph, trace


def bound(
    f: Callable[..., Any], argnums: int | Sequence[int], args: Sequence[Any], kwargs: dict
) -> Callable[..., Any]:
    """f as a function of the arguments at `argnums` alone, with all others fixed."""
    positions = [argnums] if isinstance(argnums, int) else list(argnums)

    def partial(*chosen: Any) -> Any:
        full = list(args)
        for i, x in zip(positions, chosen, strict=True):
            full[i] = x
        return f(*full, **kwargs)

    return partial


def traced(f: Callable[..., Any], primals: Sequence[Any], has_aux: bool) -> tuple[Graph, Any]:
    """The graph of f at `primals`, and with `has_aux` the auxiliary result that f returned beside its value."""
    if not has_aux:
        return trace(f, *primals), None
    extra: list[Any] = []

    def main(*args: Any) -> Any:
        y, aux = f(*args)
        extra.append(aux)
        return y

    graph = trace(main, *primals)
    return graph, graph.lowered(extra[0])


def chosen_of(args: Sequence[Any], argnums: int | Sequence[int]) -> tuple[Any, ...]:
    """The arguments at `argnums`. Raises ValueError if there are not that many."""
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in positions:
        if not -len(args) <= i < len(args):
            raise ValueError(f"argnums names argument {i}, but only {len(args)} positional arguments were given")
    return tuple(args[i] for i in positions)


def picked(trees: Sequence[Any], argnums: int | Sequence[int]) -> Any:
    """The result for the one argument if `argnums` is an int, and a tuple of results otherwise."""
    return trees[0] if isinstance(argnums, int) else tuple(trees)


def blocks_along_leading_axis(stacked: Any, leaves: Sequence[Any]) -> list[Any]:
    """Cut the leading axis of `stacked`, which runs over the entries of all `leaves`, into one block for each leaf.

    The block of a leaf of shape s has the shape s + stacked.shape[1:].
    """
    blocks, start = [], 0
    for leaf in leaves:
        piece = stacked[start : start + leaf.size]
        blocks.append(piece.reshape((*leaf.shape, *stacked.shape[1:])))
        start += leaf.size
    return blocks
