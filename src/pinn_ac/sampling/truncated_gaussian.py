"""A Gaussian in the plane, cut off at the edges of a box."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.special import ndtr

from pinn_ac.sampling.sampler import Box

FLOOR = 1e-3
"""The least standard deviation along an axis, as a share of the box: fewer points may all but coincide."""
REACH = 9.0
"""Standard deviations beyond which a Gaussian is nothing in double precision."""
NODES = 200
"""Of Gauss and Legendre, for the mass in the box."""


@cache
def _rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [−1, 1]."""
    return np.polynomial.legendre.leggauss(NODES)


@dataclass(frozen=True, eq=False)
class TruncatedGaussian:
    """h(y) = exp(−(y − μ)ᵀ Σ⁻¹ (y − μ)/2) / (2π √|Σ| Z) in the box, 0 outside, with Z such that ∫ h = 1.

    Args:
        mean: μ (2,), in the box.
        covariance: Σ (2, 2).
        box: the ranges of both coordinates.

    Example:
        >>> half = TruncatedGaussian(np.zeros(2), np.diag([1e-2, 1e-2]), ((0.0, 1.0), (-1.0, 1.0)))
        >>> round(half.mass, 12)  # the mean is in the middle of a side
        0.5
    """

    mean: np.ndarray
    covariance: np.ndarray
    box: Box

    @classmethod
    def of(cls, points: np.ndarray, box: Box) -> "TruncatedGaussian":
        """With the mean and the covariance of `points` (n, 2), n ≥ 2, which lie in the box."""
        low, high = np.asarray(box).T
        return cls(points.mean(0), np.cov(points.T) + np.diag((FLOOR * (high - low)) ** 2), box)

    @cached_property
    def mass(self) -> float:
        """Z: what of the whole Gaussian lies in the box."""
        ((start, end), (left, right)), (t0, x0) = self.box, self.mean
        width = np.sqrt(self.covariance[0, 0])
        a, b = max(start, t0 - REACH * width), min(end, t0 + REACH * width)
        nodes, weights = _rule()
        t = 0.5 * (a + b) + 0.5 * (b - a) * nodes
        z = (t - t0) / width
        slope = self.covariance[0, 1] / self.covariance[0, 0]
        # Given t, x is a Gaussian about x0 + slope (t − t0).
        middle, spread = x0 + slope * (t - t0), np.sqrt(self.covariance[1, 1] - slope * self.covariance[0, 1])
        within = ndtr((right - middle) / spread) - ndtr((left - middle) / spread)
        return float(0.5 * (b - a) * weights @ (np.exp(-0.5 * z**2) / (width * np.sqrt(2 * np.pi)) * within))

    def density(self, points: np.ndarray) -> np.ndarray:
        """h at points (n, 2) of the box."""
        away = points - self.mean
        squares = np.sum(away * np.linalg.solve(self.covariance, away.T).T, axis=1)
        return np.exp(-0.5 * squares) / (2 * np.pi * np.sqrt(np.linalg.det(self.covariance)) * self.mass)

    def sample(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """`count` independent points of h, (count, 2): those of the whole Gaussian that lie in the box."""
        low, high = np.asarray(self.box).T
        root, inside = np.linalg.cholesky(self.covariance), np.empty((0, 2))
        while len(inside) < count:
            points = self.mean + generator.standard_normal((2 * count, 2)) @ root.T
            inside = np.concatenate([inside, points[((points >= low) & (points <= high)).all(1)]])
        return inside[:count]
