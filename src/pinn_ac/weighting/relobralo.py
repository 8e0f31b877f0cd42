"""ReLoBRaLo: terms are weighed by how little their losses have fallen, since the step before and since the start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.seeds import named_key
from pinn_ac.weighting.balancing import Numbers, named, ones, spread
from pinn_ac.weighting.weighting import Measured, Points

TINY = 1e-12
"""Added to the loss that another is divided by."""


class ProgressState(NamedTuple):
    """Updates so far; name of a term → λ_k, its loss at the start, its loss at the step before; the run's seed."""

    steps: jax.Array
    weights: Numbers
    first: Numbers
    last: Numbers
    seed: jax.Array


@dataclass(frozen=True)
class ReLoBRaLo:
    """Relative loss balancing with random lookback (Bischof and Kraus 2021, arXiv:2110.09813).

    With L_k(t) the mean of term k at step t, without `loss.weights`, m terms and the temperature T,

        λ̂_k(t; t') = m softmax_k( L_k(t) / (T L_k(t') + 10⁻¹²) ),
        λ(t) = α (ρ λ(t−1) + (1 − ρ) λ̂(t; 0)) + (1 − α) λ̂(t; t−1),

    with ρ drawn in each step, 1 with probability E[ρ] and 0 otherwise: a lookback to the start. λ = 1 at step 0, and
    α is 0 at step 1. So the λ_k always add up to m. No gradient goes through them.

    The published code has α = 0.999, T = 1 and E[ρ] = 1, the paper E[ρ] of about 0.999. The published runs on
    the problem of docs/methods.md have other domains, weights and sub-terms: there is no value to compare with.

    Args:
        memory: α in [0, 1].
        temperature: T > 0; the larger, the more alike the weights.
        remembering: E[ρ] in [0, 1].

    Raises:
        InputError: a number out of range.

    Example:
        >>> ReLoBRaLo(memory=0.99, temperature=0.1).remembering
        0.999
    """

    memory: float = 0.999
    temperature: float = 1.0
    remembering: float = 0.999

    balances: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("memory", "remembering"):
            value = getattr(self, name)
            require(is_number(value) and 0 <= value <= 1, f"weighting.{name} is {value}: give a number from 0 to 1.")
        T = self.temperature
        require(is_number(T) and T > 0, f"weighting.temperature is {T}: give a positive number.")

    def init(self, points: Points, seed: int = 0) -> ProgressState:
        """λ_k = 1."""
        return ProgressState(
            jnp.zeros((), int), ones(points), ones(points), ones(points), jnp.asarray(seed, jnp.uint32)
        )

    def renew(self, state: ProgressState, points: Points) -> ProgressState:
        """The state as it is: it holds nothing of single points."""
        return state

    def update(
        self, state: ProgressState, measured: Measured, points: Points
    ) -> tuple[ProgressState, Mapping[str, jax.Array]]:
        """The state after the losses of this step, and λ_k at every point of term k."""
        names = measured.terms
        now = jnp.stack([measured.mean(name) for name in names])
        weights, first, last = (
            jnp.stack([of[name] for name in names]) for of in (state.weights, state.first, state.last)
        )
        begins = state.steps == 0
        first, last = jnp.where(begins, now, first), jnp.where(begins, now, last)
        alpha = jnp.where(begins, 1.0, jnp.where(state.steps == 1, 0.0, self.memory))
        key = jax.random.fold_in(named_key(state.seed, "lookback"), state.steps)
        before = jnp.where(jax.random.bernoulli(key, self.remembering), weights, self._target(now, first))
        weights = (alpha * before + (1 - alpha) * self._target(now, last)).astype(now.dtype)
        found = dict(zip(names, weights, strict=True))
        first_, last_ = dict(zip(names, first, strict=True)), dict(zip(names, now, strict=True))
        return ProgressState(state.steps + 1, found, first_, last_, state.seed), spread(found, points)

    def figures(self, state: ProgressState) -> Mapping[str, jax.Array]:
        """The λ_k."""
        return named(state.weights)

    def _target(self, now: jax.Array, before: jax.Array) -> jax.Array:
        return len(now) * jax.nn.softmax(now / (self.temperature * before + TINY))
