"""How the public functions read `argnums`, and how columns or rows of a Jacobian become its blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def bound(
    f: Callable[..., Any], argnums: int | Sequence[int], args: Sequence[Any], kwargs: dict
) -> Callable[..., Any]:
    """f as a function of the arguments at `argnums` alone, the others fixed."""
    positions = [argnums] if isinstance(argnums, int) else list(argnums)

    def partial(*chosen: Any) -> Any:
        full = list(args)
        for i, x in zip(positions, chosen, strict=True):
            full[i] = x
        return f(*full, **kwargs)

    return partial


def chosen_of(args: Sequence[Any], argnums: int | Sequence[int]) -> tuple[Any, ...]:
    """The arguments at `argnums`. Raises ValueError if there are not that many."""
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in positions:
        if not -len(args) <= i < len(args):
            raise ValueError(f"argnums names argument {i}, but only {len(args)} positional arguments were given")
    return tuple(args[i] for i in positions)


def picked(trees: Sequence[Any], argnums: int | Sequence[int]) -> Any:
    """The result for one argument where `argnums` is an int, a tuple of them otherwise."""
    return trees[0] if isinstance(argnums, int) else tuple(trees)


def blocks_along_leading_axis(stacked: Any, leaves: Sequence[Any]) -> list[Any]:
    """An array whose leading axis runs over the entries of all `leaves`: one block for each, in its shape."""
    blocks, start = [], 0
    for leaf in leaves:
        piece = stacked[start : start + leaf.size]
        blocks.append(piece.reshape((*leaf.shape, *stacked.shape[1:])))
        start += leaf.size
    return blocks
