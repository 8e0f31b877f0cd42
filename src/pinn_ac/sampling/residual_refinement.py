"""Points that are added where the residual is large."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.sampling.growing import Growing
from pinn_ac.sampling.residual_distribution import require_density, residual_density
from pinn_ac.sampling.sampler import POOL, Box, Guides, draw_points


@dataclass(frozen=True)
class ResidualRefinement(Growing):
    """RAR-D, residual-based adaptive refinement with distribution (Wu, Zhu, Tan, Kartha and Lu 2023,
    arXiv:2207.10289, algorithm 3): each draw adds points of the density

        p ∝ |f|^k / mean |f|^k + c

    and takes none away. See :class:`Growing` for how many, and for how one program serves all sizes. The paper has
    k = 2 and c = 0, and for a reaction with diffusion grows 1,000 points to 2,000 in 100 rounds, of 1,000 steps of
    Adam and 1,000 of L-BFGS each; the script published with it passes k and c in the wrong order, k = 0 and c = 2,
    which adds points evenly. The paper draws independently from 100,000 candidates; here Sobol points are thinned.

    Args:
        start: the share of the points that is there at first.
        rounds: draws in which the others are added.
        power: k > 0.
        offset: c ≥ 0, the share of even points.
        pool: candidates for each of `num_points`, at each of which the residual is computed.

    Raises:
        InputError: a number out of range.

    Example:
        >>> sampler = ResidualRefinement(2000, resample_every=2000, start=0.5, rounds=100)
    """

    power: float = 2.0
    offset: float = 0.0
    pool: int = POOL

    def __post_init__(self) -> None:
        super().__post_init__()
        require_density(self.power, self.offset)

    def found(self, box: Box, seed: int, index: int, guides: Guides, wanted: int, count: int) -> np.ndarray:
        """`wanted` points (m, 2) of the density, out of `pool · count` candidates."""
        density, stream = residual_density(guides, self.power, self.offset), self.stream(count)
        pool = self.pool * count
        return draw_points(self, box, seed, stream, index, density, wanted, pool)["residual"]
