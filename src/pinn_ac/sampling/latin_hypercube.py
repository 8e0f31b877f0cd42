"""Latin hypercube points."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Sampler


@dataclass(frozen=True)
class LatinHypercube(Sampler):
    """One point in each of `count` slices of every coordinate."""

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        from scipy.stats import qmc  # here, since it takes long to import and a march needs none of it

        return qmc.LatinHypercube(dimension, rng=generator).random(count)
