"""Points of a regular grid."""

import math
from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.sampler import Sampler


@dataclass(frozen=True)
class Grid(Sampler):
    """A square grid of at least `count` cells, thinned to `count`, shifted as a whole by a random offset each draw.

    The offset is less than a cell, and points that leave the cube at one side return at the other.
    """

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        side = math.ceil(count ** (1 / dimension) - 1e-9)
        axes = np.meshgrid(*[np.arange(side) / side] * dimension, indexing="ij")
        points = np.column_stack([axis.ravel() for axis in axes])
        kept = points[np.linspace(0, len(points) - 1, count).round().astype(int)]
        return (kept + generator.random(dimension) / side) % 1.0
