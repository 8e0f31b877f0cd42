"""Points that are added where they are wanted and never taken away."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.sampling.sampler import Box, Guides, Sampler, draw_points
from pinn_ac.sampling.sobol import sobol_points


@dataclass(frozen=True)
class Growing(Sampler):
    """A set of points that grows from n₀ = ⌈start · N⌉ Sobol points to N = `num_points`.

    Every draw after the first adds up to ⌈(N − n₀)/rounds⌉ points that a subclass gives (:meth:`found`), and takes
    none away. They are all there after `rounds` draws, that is `rounds` times `resample_every` steps.

    **One compiled program serves all sizes.** A batch always has N points. While only n are there, the other places
    repeat them with weight 0, and the n points have weight N/n, so that every mean (1/N) Σ w_i φ(r_i) is the mean
    over the n points. A step costs as much as one on N points from the beginning.

    Args:
        start: n₀/N, above 0 and below 1.
        rounds: draws in which the set fills up, at least.

    Raises:
        InputError: one of them out of range, or `resample_every` zero, with which no point would be added.
    """

    start: float = 0.5
    rounds: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_draws()
        start = self.start
        require(is_number(start) and 0 < start < 1, f"sampler.start is {start}: give a number between 0 and 1.")
        require(is_whole(self.rounds, 1), f"sampler.rounds is {self.rounds}: give a whole number from 1.")

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)

    def found(self, box: Box, seed: int, index: int, guides: Guides, wanted: int, count: int) -> np.ndarray:
        """Points (m, 2) to add at draw `index`, m ≤ `wanted`; `count` is the size that the set grows to."""
        raise NotImplementedError

    def draw(
        self, box: Box, seed: int, index: int, guides: Guides, previous: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """The points of `previous`, and new ones; then repetitions of them with weight zero, `count` in all.

        A draw that is larger than the one before, because the network over-fits, adds so many that the set is as full
        as it was.
        """
        first = math.ceil(self.start * count)
        drawn = draw_points(self, box, seed, self.stream(count), index, count=count)
        points = drawn["residual"][:first]
        if previous:
            points = np.asarray(previous["residual"], np.float64)[np.asarray(previous["residual_weights"]) > 0]
            as_full = math.ceil(len(points) * count / len(previous["residual"]))
            wanted = min(count, as_full + math.ceil((count - first) / self.rounds)) - len(points)
            if wanted > 0:
                points = np.concatenate([points, self.found(box, seed, index, guides, wanted, count)])
        weights = np.where(np.arange(count) < len(points), count / len(points), 0.0)
        return {**drawn, "residual": np.resize(points, (count, len(box))), "residual_weights": weights}
