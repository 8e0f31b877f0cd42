"""SoftAdapt: terms are weighed by the rates at which their losses change."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.weighting.balancing import Numbers, named, ones, spread
from pinn_ac.weighting.weighting import Measured, Points

VARIANTS = ("plain", "normalized", "loss_weighted")
TINY = 1e-8
"""Added to what rates are divided by."""
HIGHEST = 5


class RateState(NamedTuple):
    """Updates so far; name of a term → λ_k, and its newest losses, (order + 1,), the newest last."""

    steps: jax.Array
    weights: Numbers
    losses: Numbers


@dataclass(frozen=True)
class SoftAdapt:
    """SoftAdapt (Heydari, Thompson and Mehmood 2019, arXiv:1912.12355).

    With s_k the rate at which the mean L_k of term k, without `loss.weights`, changes from step to step,

        λ_k = e^{β s_k} / Σ_j e^{β s_j},

    so the λ_k add up to one, and a term whose loss rises, or falls least, counts most. s_k is the backward difference
    of `order` n over the newest n + 1 losses (n = 1: L_k(t) − L_k(t−1)); losses before the first are taken to be
    equal to it. No gradient goes through λ. Variants:

    - "plain": as above;
    - "normalized": s_k/(Σ_j |s_j| + 10⁻⁸) in place of s_k;
    - "loss_weighted": L_k λ_k/(Σ_j L_j λ_j + 10⁻⁸) in place of λ_k.

    The paper has β = 0.1. There is no published value for the problem of docs/methods.md. PhysicsNeMo and jinns have
    the softmax of L_k(t)/L_k(t−1), which is `weighting=relobralo weighting.memory=0` up to the factor of the number
    of terms.

    Args:
        sharpness: β; a negative one favours the terms whose losses fall fastest.
        variant: "plain", "normalized" or "loss_weighted".
        order: n, from 1 to 5.

    Raises:
        InputError: a number out of range, or an unknown variant.

    Example:
        >>> [float(c) for c in SoftAdapt(order=2).difference]
        [0.5, -2.0, 1.5]
    """

    sharpness: float = 0.1
    variant: str = "plain"
    order: int = 1

    balances: ClassVar[bool] = True

    def __post_init__(self) -> None:
        beta = self.sharpness
        require(is_number(beta) and beta != 0, f"weighting.sharpness is {beta}: give a number that is not zero.")
        require(
            self.variant in VARIANTS, f"weighting.variant is {self.variant!r}: choose one of {', '.join(VARIANTS)}."
        )
        require(
            is_whole(self.order, 1) and self.order <= HIGHEST,
            f"weighting.order is {self.order}: give a whole number from 1 to {HIGHEST}.",
        )

    @property
    def difference(self) -> np.ndarray:
        """The coefficients of the backward difference, (order + 1,), the newest last.

        ∇ + ∇²/2 + … + ∇ⁿ/n, the derivative of the polynomial through the newest n + 1 values.
        """
        found = np.zeros(self.order + 1)
        for k in range(1, self.order + 1):
            for j in range(k + 1):
                found[self.order - j] += (-1) ** j * math.comb(k, j) / k
        return found

    def init(self, points: Points, seed: int = 0) -> RateState:
        """λ_k = 1, which the first update replaces."""
        losses = {name: jnp.zeros(self.order + 1, float) for name in points}
        return RateState(jnp.zeros((), int), ones(points), losses)

    def renew(self, state: RateState, points: Points) -> RateState:
        """The state as it is: it holds nothing of single points."""
        return state

    def update(
        self, state: RateState, measured: Measured, points: Points
    ) -> tuple[RateState, Mapping[str, jax.Array]]:
        """The state after the losses of this step, and λ_k at every point of term k."""
        losses = {}
        for name in measured.terms:
            now, before = measured.mean(name), state.losses[name]
            losses[name] = jnp.where(state.steps == 0, now, jnp.append(before[1:], now))
        newest = jnp.stack([losses[name][-1] for name in measured.terms])
        rates = jnp.stack([losses[name] for name in measured.terms]) @ jnp.asarray(self.difference, newest.dtype)
        if self.variant == "normalized":
            rates = rates / (jnp.sum(jnp.abs(rates)) + TINY)
        weights = jax.nn.softmax(self.sharpness * rates)
        if self.variant == "loss_weighted":
            weights = newest * weights / (jnp.sum(newest * weights) + TINY)
        found = dict(zip(measured.terms, weights, strict=True))
        return RateState(state.steps + 1, found, losses), spread(found, points)

    def figures(self, state: RateState) -> Mapping[str, jax.Array]:
        """The λ_k."""
        return named(state.weights)
