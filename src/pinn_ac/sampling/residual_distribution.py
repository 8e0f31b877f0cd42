"""Points that gather where the residual is large."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.errors import is_number, require
from pinn_ac.sampling.sampler import POOL, Density, Guides, Sampler
from pinn_ac.sampling.sobol import sobol_points


@dataclass(frozen=True)
class ResidualDistribution(Sampler):
    """The residual-based adaptive distribution: p ∝ |f|^k / mean |f|^k + c over a pool.

    Source: Wu, Zhu, Tan, Kartha and Lu 2023, arXiv:2207.10289, eq. 2, which recommends k = c = 1 and draws
    independently, by their p, from 100,000 candidates; here Sobol points are thinned.

    Args:
        power: k > 0.
        offset: c ≥ 0, the share of even points.
        pool: candidates a point, at each of which the residual is computed.
        importance: weight the residuals by 1/density, so that their mean stays that of even points.
    """

    power: float = 1.0
    offset: float = 1.0
    pool: int = POOL
    importance: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_density(self.power, self.offset)

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)

    def density(self, guides: Guides) -> Density:
        """|f|^k / mean |f|^k + c; where f is not finite, which the training will see to, c alone."""
        return residual_density(guides, self.power, self.offset)


def require_density(power: float, offset: float) -> None:
    """Refuse a power or an offset that makes no density.

    Raises:
        InputError: k ≤ 0, or c < 0, or no number.
    """
    require(is_number(power) and power > 0, f"sampler.power is {power}: give a positive number.")
    require(is_number(offset) and offset >= 0, f"sampler.offset is {offset}: give zero or a positive number.")


def residual_density(guides: Guides, power: float, offset: float) -> Density:
    """Points → |f|^k / mean |f|^k + c, with k the `power` and c the `offset`; c alone where f is not finite."""

    def density(points: np.ndarray) -> np.ndarray:
        size = finite(guides.residual(points))
        raised = (size / (size.max() or 1.0)) ** power
        return raised / (raised.mean() or 1.0) + offset

    return density


def finite(size: np.ndarray) -> np.ndarray:
    """|f| with zero where it is not finite, which the training will see to."""
    return np.nan_to_num(size, nan=0.0, posinf=0.0)
