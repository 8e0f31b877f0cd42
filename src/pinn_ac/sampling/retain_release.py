"""Points that stay while their residual is large."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Box, Guides, Sampler, draw_points
from pinn_ac.sampling.sobol import sobol_points


@dataclass(frozen=True)
class RetainRelease(Sampler):
    """Retain, resample, release (Daw et al. 2023, algorithm 1).

    At each draw the points whose |f| is above the mean of all stay, and the others give way to Sobol points.
    Points gather where the residual stays large and are released where it has fallen.
    """

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)

    def draw(
        self, box: Box, seed: int, index: int, guides: Guides, previous: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """The points of `previous` above its mean |f|, then new ones, `count` in all."""
        retained = np.empty((0, 2))
        if previous:
            points = np.asarray(previous["residual"], np.float64)
            size = guides.residual(points)
            retained = points[size > size.mean()]  # never all of them; none if one is not finite
        # A draw of another size has a stream of its own: it may come twice at one index, and must not repeat points.
        stream = "training" if count == self.num_points else f"training of {count}"
        drawn = draw_points(self, box, seed, stream, index, count=count - len(retained))
        return {**drawn, "residual": np.concatenate([retained, drawn["residual"]])}
