"""Scrambled Sobol points."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Sampler


@dataclass(frozen=True)
class Sobol(Sampler):
    """The first `count` points of a scrambled Sobol sequence, scrambled anew each draw; best a power of two."""

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)


def sobol_points(count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
    """The first `count` points of a scrambled Sobol sequence in [0, 1)^dimension."""
    from scipy.stats import qmc  # here, since it takes long to import and a march needs none of it

    next_power = (count - 1).bit_length()
    return qmc.Sobol(dimension, rng=generator).random_base2(next_power)[:count]
