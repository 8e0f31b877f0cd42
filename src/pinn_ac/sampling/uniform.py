"""Independent uniform points."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Sampler


@dataclass(frozen=True)
class Uniform(Sampler):
    """Monte Carlo."""

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return generator.random((count, dimension))
