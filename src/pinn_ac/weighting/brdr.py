"""BRDR, balanced residual decay rates: points whose residual decays slowly get a larger weight."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.errors import is_number, require
from pinn_ac.weighting.pointwise import PointState, begun, carried
from pinn_ac.weighting.weighting import Measured, Points

TINY = 1e-14
"""Added to the root of the mean fourth power."""


class DecayState(NamedTuple):
    """Of single points: name → (M, w); and the scale s of the whole loss."""

    points: PointState
    scale: jax.Array


@dataclass(frozen=True)
class BRDR:
    """Balanced residual decay rate (Chen, Howard and Stinis 2024, arXiv:2407.01613).

    At step k every point of every term, with residual R, has the inverse d of its relative decay rate,

        M ← β_c M + (1 − β_c) R⁴,    d = R² / (√(M/(1 − β_c^k)) + 10⁻¹⁴),
        w ← β_w w + (1 − β_w) d/d̄,

    with d̄ the mean of d over all points of all terms, M = 0 and w = 1 at the start. So w has mean 1 over all points
    at all times: a point whose residual stays at what it was gets weight at the expense of those whose residuals
    decay. The loss is Σ_k weight_k (1/n_k) Σ_i s w_i φ(r_i). The paper has β_c = β_w = 0.999.

    The scale s is 1, unless `learning_rate` is given, as η of the optimizer: then, with ℓ the weighted loss without s
    and without `loss.weights`,

        s ← (1 − η) s + η · 2ℓ/(η ‖∂ℓ/∂params‖²),

    toward the scale at which one step of gradient descent with rate η reaches the minimum of an isotropic quadratic.
    It costs a gradient in each step. Adam takes out a constant factor of the loss, so there it changes little.

    Published for the problem of docs/methods.md: relative L2 error 2.51e-5 ± 0.44e-5 over five seeds, with fixed
    weights 7.15e-4 ± 5.4e-4, by a modified MLP 6×128 and 300,000 steps of Adam on 25,600 fixed points, float32,
    `loss.weights.initial=1`.

    The paper's points are fixed or come in mini-batches of a fixed set: `sampler.resample_every=0`. Where others are
    drawn, each takes M and w of the nearest point before, and all w are divided by their mean.

    Args:
        memory: β_c in [0, 1), of the fourth powers.
        momentum: β_w in [0, 1), of the weights.
        learning_rate: η > 0 for the scale; None for s = 1.

    Raises:
        InputError: a number out of range.

    Example:
        >>> BRDR(memory=0.99, momentum=0.99).learning_rate is None
        True
    """

    memory: float = 0.999
    momentum: float = 0.999
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        for name in ("memory", "momentum"):
            value = getattr(self, name)
            require(is_number(value) and 0 <= value < 1, f"weighting.{name} is {value}: give a number in [0, 1).")
        rate = self.learning_rate
        require(
            rate is None or (is_number(rate) and 0 < rate <= 1),
            f"weighting.learning_rate is {rate}: give a number above 0 and up to 1, or null.",
        )

    def init(self, points: Points, seed: int = 0) -> DecayState:
        """M = 0 and w = 1 at every point, s = 1."""
        values = {name: (jnp.zeros(len(own), float), jnp.ones(len(own), float)) for name, own in points.items()}
        return DecayState(begun(points, values), jnp.ones((), float))

    def renew(self, state: DecayState, points: Points) -> DecayState:
        """Each new point has M and w of the nearest point before, with the w divided by their mean."""
        own = carried(state.points, points)
        mean = _mean({name: w for name, (_, w) in own.values.items()})
        return state._replace(points=own._replace(values={k: (M, w / mean) for k, (M, w) in own.values.items()}))

    def update(
        self, state: DecayState, measured: Measured, points: Points
    ) -> tuple[DecayState, Mapping[str, jax.Array]]:
        """The state after the step's residuals, and s w at every point."""
        own, count = state.points, state.points.steps + 1
        powers, rates = {}, {}
        for name, (before, _) in own.values.items():
            squares = jnp.square(measured.residuals(name))
            powers[name] = self.memory * before + (1 - self.memory) * jnp.square(squares)
            seen = powers[name] / (1 - jnp.power(jnp.asarray(self.memory, before.dtype), count))
            rates[name] = squares / (jnp.sqrt(seen) + TINY)
        mean = _mean(rates)
        relative = {name: jnp.where(mean > 0, rate / jnp.where(mean > 0, mean, 1), 1) for name, rate in rates.items()}
        weights = {
            name: self.momentum * w + (1 - self.momentum) * relative[name] for name, (_, w) in own.values.items()
        }
        scale = self._scale(state.scale, measured.weighted(weights))
        values = {name: (powers[name], weights[name]) for name in weights}
        state = DecayState(own._replace(steps=count, values=values), scale)
        return state, {name: scale * weight for name, weight in weights.items()}

    def figures(self, state: DecayState) -> Mapping[str, jax.Array]:
        """The mean weight of each term, the largest one of all points, and the scale where there is one."""
        weights = {name: w for name, (_, w) in state.points.values.items()}
        found = {f"weight_{name}": jnp.mean(w) for name, w in weights.items()}
        found["weight_most"] = jnp.max(jnp.stack([jnp.max(w) for w in weights.values()]))
        return found if self.learning_rate is None else found | {"weight_scale": state.scale}

    def _scale(self, scale: jax.Array, measured: Measured) -> jax.Array:
        if self.learning_rate is None:
            return scale
        gradients = [measured.gradient(name) for name in measured.terms]
        slope = jax.tree.map(lambda *terms: sum(terms), *gradients)
        steepness = jnp.square(optax.tree.norm(slope))
        loss = jnp.sum(jnp.stack([measured.mean(name) for name in measured.terms]))
        target = 2 * loss / jnp.where(steepness > 0, steepness, 1)
        return jnp.where(steepness > 0, (1 - self.learning_rate) * scale + target, scale)


def _mean(values: Mapping[str, jax.Array]) -> jax.Array:
    """Over all points of all terms."""
    return jnp.mean(jnp.concatenate(list(values.values())))
