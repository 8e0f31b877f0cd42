"""What a sampler is, and how its points of the unit cube become points of the problem."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pinn_ac.errors import is_whole, require
from pinn_ac.seeds import host_generator

POOL = 8
"""Candidates a point, where points are concentrated by a density."""


@dataclass(frozen=True)
class Sampler:
    """A way to spread points over the unit cube; subclasses give `unit_points`.

    Args:
        num_points: collocation points of the residual.
        num_initial: points at t = 0, for an ansatz that learns the initial condition.
        resample_every: steps between draws; 0 keeps the first points for ever.
    """

    num_points: int = 4096
    num_initial: int = 512
    resample_every: int = 100

    def __post_init__(self) -> None:
        for name, least in (("num_points", 1), ("num_initial", 1), ("resample_every", 0)):
            value = getattr(self, name)
            require(is_whole(value, least), f"sampler.{name} is {value}: give a whole number from {least}.")

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        raise NotImplementedError


def draw_points(
    sampler: Sampler,
    box: tuple[tuple[float, float], tuple[float, float]],
    seed: int,
    stream: str,
    index: int,
    density: Callable[[np.ndarray], np.ndarray] | None = None,
    count: int | None = None,
) -> dict[str, np.ndarray]:
    """Draw number `index`: `residual` (n, 2) with columns (t, x) in `box`, `initial` (m, 2) with t = 0.

    Args:
        sampler: how to spread them.
        box: the ranges of t and of x.
        seed: the run's root seed.
        stream: "training" or "validation", whose draws have nothing in common.
        index: a draw depends on these three alone, so that a resumed run draws what it would have drawn.
        density: (n, 2) → (n,), positive; where given, the points are those of a pool `POOL` times as large,
            thinned in proportion to it by systematic sampling along a path through the box.
        count: how many points of the residual; by default the sampler's `num_points`.
    """
    count = sampler.num_points if count is None else count
    interior = host_generator(seed, f"{stream} points", index)
    pool = count if density is None else POOL * count
    low, high = np.asarray(box).T
    points = low + (high - low) * sampler.unit_points(pool, 2, interior)
    if density is not None:
        # In the order of their sequence every eighth Sobol point lies in the same strip of the cube: lay them along
        # a path through it, so that neighbours in the order are neighbours in the plane.
        points = points[_serpentine(points, low, high)]
        points = points[_systematic(density(points), count, interior.random())]
    start = host_generator(seed, f"{stream} points at the start", index)
    x = low[1] + (high[1] - low[1]) * sampler.unit_points(sampler.num_initial, 1, start)
    return {"residual": points, "initial": np.column_stack([np.full_like(x, low[0]), x])}


def _serpentine(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The order of points along strips of t, up and down in x by turns; as many as each will keep points."""
    t, x = ((points - low) / (high - low)).T
    strip = np.floor(t * (len(points) / POOL) ** 0.5)
    return np.lexsort((np.where(strip % 2, -x, x), strip))


def _systematic(weights: np.ndarray, count: int, offset: float) -> np.ndarray:
    """`count` indices in proportion to `weights`: equally spaced marks on their cumulative sum."""
    cumulative = np.cumsum(weights)
    marks = (np.arange(count) + offset) / count * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, marks), len(weights) - 1)
