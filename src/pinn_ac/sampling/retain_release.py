"""Points that stay while their residual is large."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Box, Guides, Sampler, draw_points
from pinn_ac.sampling.sobol import sobol_points


@dataclass(frozen=True)
class RetainRelease(Sampler):
    """Retain, resample, release (Daw et al. 2022, arXiv:2207.02338, algorithm 1).

    At each draw the points whose |f| is above the mean of all stay, and the others give way to Sobol points; in the
    paper these are uniform, and there is a draw at every step (`resample_every=1`).
    Points gather where the residual stays large and are released where it has fallen.
    """

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)

    def draw(
        self, box: Box, seed: int, index: int, guides: Guides, previous: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """The points of `previous` above its mean |f|, then new ones, `count` in all."""
        if not previous:
            return self.refilled(box, seed, index, np.empty((0, len(box))), np.empty(0), count)
        points = np.asarray(previous["residual"], np.float64)
        return self.refilled(box, seed, index, points, guides.residual(points), count)

    def refilled(
        self, box: Box, seed: int, index: int, points: np.ndarray, fitness: np.ndarray, count: int
    ) -> dict[str, np.ndarray]:
        """The `points` (n, 2) whose `fitness` (n,) is above its mean, then new ones, `count` in all."""
        # Never all of them; none if one is not finite.
        retained = points[fitness > fitness.mean()] if len(points) else points
        drawn = draw_points(self, box, seed, self.stream(count), index, count=count - len(retained))
        return {**drawn, "residual": np.concatenate([retained, drawn["residual"]])}
