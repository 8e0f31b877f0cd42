"""What a sampler is, and how its points of the unit cube become points of the problem."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pinn_ac.errors import is_truth, is_whole, require
from pinn_ac.seeds import host_generator

POOL = 8
"""Candidates a point, where points are concentrated by a density."""

Box = tuple[tuple[float, float], ...]
"""The ranges of t, of x and, in the plane, of y."""
Density = Callable[[np.ndarray], np.ndarray]


class Guides(NamedTuple):
    """What adaptive samplers may ask of the run: functions of points (n, 2), with columns (t, x), to (n,) ≥ 0.

    Points and values have natural units (`Problem.natural`): x runs over [−1, 1], t from the window's start.

    residual: |f| with the parameters as they are at the draw.
    slope: |u_x| of the approximate solution that is known before training.
    layer: the density that follows the layers about the kinks of u₀; zero where it has none.
    """

    residual: Density
    slope: Density
    layer: Density


@dataclass(frozen=True)
class Sampler:
    """A way to spread points over the unit cube; subclasses give `unit_points`, those that concentrate a `density`.

    Args:
        num_points: collocation points of the residual; None leaves the number to the run.
        num_initial: points at t = 0, for an ansatz that learns the initial condition.
        resample_every: steps between draws; 0 keeps the first points for ever.
    """

    num_points: int = 4096
    num_initial: int = 512
    resample_every: int = 100

    pool = POOL
    importance = False
    hides = False
    """Whether the weights of its points hide some of the time window, so that a loss with them is not that of all."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that it needs of a problem, of `problem.CAPABILITIES`."""
        return ()

    def __post_init__(self) -> None:
        for name, least in (("num_points", 1), ("num_initial", 1), ("resample_every", 0), ("pool", 2)):
            value = getattr(self, name)
            left_open = name == "num_points" and value is None
            require(
                left_open or is_whole(value, least), f"sampler.{name} is {value}: give a whole number from {least}."
            )
        truth = is_truth(self.importance)
        require(truth, f"sampler.importance is {self.importance}: choose true or false.")

    def require_draws(self) -> None:
        """Refuse `resample_every` zero, for samplers that do nothing but at a draw.

        Raises:
            InputError: it is zero.
        """
        require(
            self.resample_every > 0,
            "sampler.resample_every is 0, with which this sampler never acts: give 1 or more, or take sampler=sobol.",
        )

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        raise NotImplementedError

    def density(self, guides: Guides) -> Density | None:
        """The density of its points; None for an even one."""
        return None

    def draw(
        self, box: Box, seed: int, index: int, guides: Guides, previous: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """Draw number `index` of a run's training, of `count` points, as :func:`draw_points` gives it.

        A sampler may remember numbers from one draw to the next: arrays of any shape, under names that begin with
        `batch.MEMORY`, beside the points. It finds them in `previous`, and checkpoints hold them.

        Args:
            box, seed, index, count: see :func:`draw_points`.
            guides: what is known of the run now.
            previous: the draw before, in the run's precision; empty at a time window's first.
        """
        return draw_points(self, box, seed, "training", index, self.density(guides), count)

    def stream(self, count: int) -> str:
        """The stream of a draw of `count` points that must not repeat points of another size at the same index."""
        return "training" if count == self.num_points else f"training of {count}"


def draw_points(
    sampler: Sampler,
    box: Box,
    seed: int,
    stream: str,
    index: int,
    density: Density | None = None,
    count: int | None = None,
    pool: int | None = None,
) -> dict[str, np.ndarray]:
    """Draw number `index`: `residual` (n, 2) with columns (t, x) in `box`, `initial` (m, 2) with t = 0.

    In the plane there is a column more, y.

    With `sampler.importance` also `residual_weights` (n,) ∝ 1/density, of mean 1: means weighted by them are those
    of evenly spread points.

    Args:
        sampler: how to spread them.
        box: the ranges of t and of x; of a run, in natural units (`Problem.natural`).
        seed: the run's root seed.
        stream: "training" or "validation", whose draws have nothing in common.
        index: a draw depends on these three alone, so that a resumed run draws what it would have drawn.
        density: (n, 2) → (n,), zero or positive; where given, the points are those of a pool `sampler.pool` times as
            large, thinned in proportion to it by systematic sampling along a path through the box. None is taken
            twice: a candidate so weighty that it would be is taken for sure, and the others share what is left.
        count: how many points of the residual; by default the sampler's `num_points`.
        pool: how many candidates, where there is a density; by default `sampler.pool` times `count`.
    """
    count = sampler.num_points if count is None else count
    interior = host_generator(seed, f"{stream} points", index)
    candidates = count if density is None else pool or sampler.pool * count
    low, high = np.asarray(box).T
    points = low + (high - low) * sampler.unit_points(candidates, len(box), interior)
    weights = {}
    if density is not None:
        # In the order of their sequence every eighth Sobol point lies in the same strip of the cube: lay them along
        # a path through it, so that neighbours in the order are neighbours in the plane.
        points = points[_serpentine(points, low, high, count)]
        chances = _chances(np.asarray(density(points), np.float64), count)
        chosen = _systematic(chances, count, interior.random())
        points = points[chosen]
        if sampler.importance:
            weights = {"residual_weights": (1 / chances[chosen]) / np.mean(1 / chances[chosen])}
    start = host_generator(seed, f"{stream} points at the start", index)
    x = low[1:] + (high[1:] - low[1:]) * sampler.unit_points(sampler.num_initial, len(box) - 1, start)
    return {"residual": points, "initial": np.column_stack([np.full(len(x), low[0]), x]), **weights}


def wall_points(sampler: Sampler, box: Box, seed: int, stream: str, index: int) -> np.ndarray:
    """`sampler.num_initial` points (t, x) at both ends of the box in x, by turns, for walls where u is held."""
    generator = host_generator(seed, f"{stream} points at the walls", index)
    (start, end), walls = box
    t = start + (end - start) * sampler.unit_points(sampler.num_initial, 1, generator).ravel()
    return np.column_stack([t, np.resize(walls, len(t))])


def _serpentine(points: np.ndarray, low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """The order of points along strips of t, up and down in x by turns; as many as each will keep points.

    In the plane along strips of t and of x, up and down in y.
    """
    *across, along = ((points - low) / (high - low)).T
    strips = [np.floor(one * count ** (1 / len(low))) for one in across]
    turn = sum(strips) % 2
    return np.lexsort((np.where(turn, -along, along), *reversed(_turned(strips))))


def _turned(strips: list[np.ndarray]) -> list[np.ndarray]:
    """The numbers of the strips, each counted down by turns of those before it."""
    turned, before = [], np.zeros(len(strips[0]))
    for strip in strips:
        turned.append(np.where(before % 2, -strip, strip))
        before = before + strip
    return turned


def _chances(weights: np.ndarray, count: int) -> np.ndarray:
    """The chance of each candidate to be among the `count` chosen: in proportion to its weight, but at most 1.

    Their sum is `count`. Where fewer than `count` have a weight, the others share the rest evenly.
    """
    chances, shared = np.ones(len(weights)), np.ones(len(weights), bool)
    while shared.any():
        rest = count - np.count_nonzero(~shared)
        within = weights[shared] if weights[shared].sum() > 0 else np.ones(np.count_nonzero(shared))
        chances[shared] = rest * within / within.sum()
        if chances.max() <= 1:
            break
        shared &= chances <= 1
        chances[~shared] = 1
    return chances


def _systematic(weights: np.ndarray, count: int, offset: float) -> np.ndarray:
    """`count` indices in proportion to `weights`: equally spaced marks on their cumulative sum."""
    cumulative = np.cumsum(weights)
    marks = (np.arange(count) + offset) / count * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, marks), len(weights) - 1)
