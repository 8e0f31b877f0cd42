"""Latin hypercube points."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from pinn_ac.sampling.sampler import Sampler


@dataclass(frozen=True)
class LatinHypercube(Sampler):
    """One point in each of `count` slices of every coordinate."""

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return qmc.LatinHypercube(dimension, rng=generator).random(count)
