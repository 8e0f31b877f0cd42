"""Adaptive activations: slopes of the activation that are trained.

Sources: A. Jagtap, K. Kawaguchi and G. Karniadakis, J. Comput. Phys. 404 (2020) 109136, arXiv 1906.01170 (one slope
for the network); Proc. R. Soc. A 476 (2020) 20200334, arXiv 1909.12228 (one a layer, L-LAAF, or a neuron, N-LAAF).
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.models.choices import completed

SHARED_BY = ("network", "layer", "neuron")
DEFAULTS = {"per": "layer", "factor": 10.0}


class AdaptiveActivation(nn.Module):
    """a(n s z) with a trained slope s, 1/n at the start, so that the network begins as the one without it.

    n scales how fast s is learned: a step of s moves the argument n times as far. The slope-recovery term that the
    authors add to the loss, 1/mean_k exp(mean s_k), is not part of it: the loss is made of residuals at points.

    Args:
        function: a.
        shape: of s: (1,), or the number of units.
        factor: n ≥ 1; 5, 10 and 20 are published.
    """

    function: Callable[[jax.Array], jax.Array]
    shape: tuple[int, ...]
    factor: float

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """a(n s z), of the shape of z."""
        slope = self.param("slope", nn.initializers.constant(1 / self.factor), self.shape, jnp.result_type(float))
        return self.function(self.factor * slope * z)


def adaptive(function: Callable[[jax.Array], jax.Array], per: str, factor: float) -> Callable[[jax.Array], jax.Array]:
    """The activation to be called in each layer of a module that is being traced."""
    if per == "network":
        return AdaptiveActivation(function, (1,), factor)
    return lambda z: AdaptiveActivation(function, z.shape if per == "neuron" else (1,), factor)(z)


def checked(given: Mapping[str, Any] | None) -> None:
    """Refuse a setting `model.adaptive_slopes` that is neither None nor some of `DEFAULTS`.

    Raises:
        InputError: it is refused.
    """
    if given is None:
        return
    chosen = completed("adaptive_slopes", given, DEFAULTS)
    known = chosen["per"] in SHARED_BY
    require(known, f"model.adaptive_slopes.per is {chosen['per']!r}: choose one of {', '.join(SHARED_BY)}.")
    enough = is_number(chosen["factor"]) and chosen["factor"] >= 1
    require(enough, f"model.adaptive_slopes.factor is {chosen['factor']}: give a number from 1.")
