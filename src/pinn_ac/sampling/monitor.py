"""Points that gather where the solution is known to be steep before it is trained."""

from dataclasses import dataclass

import numpy as np

from pinn_ac.errors import is_number, require
from pinn_ac.sampling.sampler import POOL, Density, Guides, Sampler
from pinn_ac.sampling.sobol import sobol_points


@dataclass(frozen=True)
class Monitor(Sampler):
    """Sobol points thinned to the density 1 + arc_length · slope + layer · kink layer (see :class:`Guides`).

    The first is the monitor function of the arc length of moving meshes (White 1979), the second follows the layer
    that a kink of u₀ leaves. Mild weights are best: strong ones were worse than none.

    Args:
        arc_length: ≥ 0.
        layer: ≥ 0.
        pool: candidates a point.
        importance: weight the residuals by 1/density, so that their mean stays that of even points.
    """

    arc_length: float = 0.3
    layer: float = 0.02
    pool: int = POOL
    importance: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("arc_length", "layer"):
            value = getattr(self, name)
            require(is_number(value) and value >= 0, f"sampler.{name} is {value}: give zero or a positive number.")

    @property
    def needs(self) -> tuple[str, ...]:
        """The lift, for both guides."""
        return ("lift",) if self.arc_length or self.layer else ()

    def unit_points(self, count: int, dimension: int, generator: np.random.Generator) -> np.ndarray:
        """`count` points of [0, 1)^dimension."""
        return sobol_points(count, dimension, generator)

    def density(self, guides: Guides) -> Density:
        """1 + arc_length · slope + layer · kink layer; what has no weight is not computed."""

        def density(points: np.ndarray) -> np.ndarray:
            total = np.ones(len(points))
            for weight, guide in ((self.arc_length, guides.slope), (self.layer, guides.layer)):
                if weight:
                    total += weight * guide(points)
            return total

        return density
