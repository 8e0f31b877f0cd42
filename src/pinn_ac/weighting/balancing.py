"""What weightings share that give every term of the loss one weight, by a size that each term has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.weighting.weighting import Measured, Points

FLOOR = 1e-5
"""The part of the mean size that is added to a term's size, so that a term without any gets no infinite weight."""

Numbers = Mapping[str, jax.Array]


class BalanceState(NamedTuple):
    """Updates so far, and name of a term → λ_k."""

    steps: jax.Array
    weights: Numbers


def ones(points: Points) -> dict[str, jax.Array]:
    """Weight 1 for every term."""
    return {name: jnp.ones((), float) for name in points}


def spread(weights: Numbers, points: Points) -> dict[str, jax.Array]:
    """The weights of terms as weights of their points."""
    return {name: jnp.full(len(points[name]), weight) for name, weight in weights.items()}


def named(weights: Numbers) -> dict[str, jax.Array]:
    """The weights of terms, for the history."""
    return {f"weight_{name}": weight for name, weight in weights.items()}


def shared_out(sizes: Numbers, total: Any) -> dict[str, jax.Array]:
    """total/(s_k + 10⁻⁵ s̄) for each size s_k, with s̄ their mean; 1 for all where all vanish."""
    mean = sum(sizes.values()) / len(sizes)
    flat = mean <= 0
    whole = jnp.where(flat, 1, total)
    return {name: whole / jnp.where(flat, 1, size + FLOOR * mean) for name, size in sizes.items()}


@dataclass(frozen=True)
class Balancing:
    """λ_k ← m λ_k + (1 − m) λ̂_k every so many steps, from λ_k = 1; subclasses give the λ̂_k by `targets`.

    Args:
        momentum: m in [0, 1).
        every: how many steps from one renewal to the next; the first one is before the first step.

    Raises:
        InputError: a number out of range.
    """

    momentum: float = 0.9
    every: int = 1000

    balances: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            is_number(self.momentum) and 0 <= self.momentum < 1,
            f"weighting.momentum is {self.momentum}: give a number from 0 and below 1.",
        )
        require(is_whole(self.every, 1), f"weighting.every is {self.every}: give a whole number from 1.")

    def targets(self, measured: Measured) -> Numbers:
        """Name of a term → λ̂_k."""
        raise NotImplementedError

    def init(self, points: Points, seed: int = 0) -> BalanceState:
        """λ_k = 1."""
        return BalanceState(jnp.zeros((), int), ones(points))

    def renew(self, state: BalanceState, points: Points) -> BalanceState:
        """The state as it is: it holds nothing of single points."""
        return state

    def update(
        self, state: BalanceState, measured: Measured, points: Points
    ) -> tuple[BalanceState, Mapping[str, jax.Array]]:
        """The state, its λ_k renewed where that is due, and λ_k at every point of term k."""

        def renewed() -> dict[str, jax.Array]:
            targets = self.targets(measured)
            return {
                name: (self.momentum * weight + (1 - self.momentum) * targets[name]).astype(weight.dtype)
                for name, weight in state.weights.items()
            }

        weights = jax.lax.cond(state.steps % self.every == 0, renewed, lambda: dict(state.weights))
        return BalanceState(state.steps + 1, weights), spread(weights, points)

    def figures(self, state: BalanceState) -> Mapping[str, jax.Array]:
        """The λ_k."""
        return named(state.weights)
