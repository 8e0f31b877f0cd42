"""Points that are added where the residual is above a tolerance, while that is so in too much of the domain."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.sampling.growing import Growing
from pinn_ac.sampling.residual_distribution import finite
from pinn_ac.sampling.sampler import Box, Guides
from pinn_ac.sampling.truncated_gaussian import TruncatedGaussian
from pinn_ac.seeds import host_generator


class Failure(NamedTuple):
    """What is known of the failure region: points of it (m, 2), and the estimate of its probability."""

    points: np.ndarray
    probability: float


@dataclass(frozen=True)
class FailureInformed(Growing):
    """FI-PINN, failure-informed adaptive sampling (Gao, Yan and Zhou 2023, arXiv:2210.00279).

    The residual fails where |f| > ε_r. The probability of failure is the share of the domain Ω in which it does,

        P = ∫ I(|f| > ε_r) ω dt dx,    ω = 1/|Ω|.

    Each draw estimates it by self-adaptive importance sampling (the paper's algorithm 2). First N₁ points are spread
    evenly; then, in each of at most `passes` passes,

    * if at least p₀ N₁ of them fail, a Gaussian with the mean and the covariance of those that do, truncated to Ω, is
      the proposal h;
    * if fewer do, the Gaussian is that of the p₀ N₁ points with the largest |f|, and N₁ points of it, truncated to Ω,
      are looked at in the next pass.

    Then N₂ points x_i of h give P̂ = (1/N₂) Σ I(|f(x_i)| > ε_r) ω/h(x_i), without bias. If P̂ < ε_p nothing is added;
    else those x_i that fail are added and never taken away, at most as many as one of the `rounds` allows, so that
    later failures find room. (The paper adds all, and has 10 rounds.) See :class:`Growing` for how many that is, and
    for how one program serves all sizes.

    h is divided by Z, its Gaussian's mass in Ω. The code published with the paper leaves that out, which makes P̂ too
    large by 1/Z where failures lie at an edge of Ω.

    Args:
        start: the share of `num_points` that is there at first.
        rounds: draws in which the others can be added, at least.
        tolerance: ε_r > 0, of |f| in natural units.
        probability: ε_p in (0, 1).
        search: N₁, from 10.
        samples: N₂, from 10.
        elite: p₀ in (0, 1), with p₀ N₁ ≥ 3.
        passes: from 1.

    Raises:
        InputError: a number out of range.

    Example:
        >>> sampler = FailureInformed(tolerance=0.5)
        >>> guides = Guides(lambda points: points[:, 0], None, None)  # fails where t > 0.5
        >>> failure = sampler.failure(((0.0, 1.0), (0.0, 1.0)), guides, np.random.default_rng(0))
        >>> abs(failure.probability - 0.5) < 0.1, bool(failure.points[:, 0].min() > 0.5)
        (True, True)
    """

    rounds: int = 10
    tolerance: float = 0.1
    probability: float = 0.1
    search: int = 300
    samples: int = 1000
    elite: float = 0.1
    passes: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        tolerance = self.tolerance
        require(is_number(tolerance) and tolerance > 0, f"sampler.tolerance is {tolerance}: give a positive number.")
        for name in ("probability", "elite"):
            value = getattr(self, name)
            require(is_number(value) and 0 < value < 1, f"sampler.{name} is {value}: give a number between 0 and 1.")
        for name, least in (("search", 10), ("samples", 10), ("passes", 1)):
            value = getattr(self, name)
            require(is_whole(value, least), f"sampler.{name} is {value}: give a whole number from {least}.")
        require(
            self.elite * self.search >= 3,
            f"sampler.elite times sampler.search is {self.elite * self.search:g}, too few points for a Gaussian: "
            "make it 3 or more.",
        )

    def found(self, box: Box, seed: int, index: int, guides: Guides, wanted: int, count: int) -> np.ndarray:
        """At most `wanted` points that fail, (m, 2); none where P̂ < ε_p."""
        failure = self.failure(box, guides, host_generator(seed, f"failures of {self.stream(count)}", index))
        return failure.points[:wanted] if failure.probability >= self.probability else np.empty((0, 2))

    def failure(self, box: Box, guides: Guides, generator: np.random.Generator) -> Failure:
        """The points of N₂ that fail, and P̂."""

        def size(points: np.ndarray) -> np.ndarray:
            return finite(guides.residual(points))

        proposal = self._proposal(box, size, generator)
        points = proposal.sample(self.samples, generator)
        failing = points[size(points) > self.tolerance]
        (start, end), (left, right) = box
        even = 1 / ((end - start) * (right - left))
        return Failure(failing, float(np.sum(even / proposal.density(failing)) / self.samples))

    def _proposal(
        self, box: Box, size: Callable[[np.ndarray], np.ndarray], generator: np.random.Generator
    ) -> TruncatedGaussian:
        low, high = np.asarray(box).T
        points = low + (high - low) * generator.random((self.search, 2))
        least = math.floor(self.elite * self.search)
        for _ in range(self.passes):
            sizes = size(points)
            failing = np.count_nonzero(sizes > self.tolerance)
            proposal = TruncatedGaussian.of(points[np.argsort(-sizes, kind="stable")[: max(failing, least)]], box)
            if failing >= least:
                break
            points = proposal.sample(self.search, generator)
        return proposal
