"""Self-adaptive weights: multipliers of points that ascend the loss which the network descends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.seeds import host_generator
from pinn_ac.weighting.pointwise import PointState, begun, carried
from pinn_ac.weighting.weighting import Measured, Points

MASKS = ("square", "linear", "sigmoid")


@dataclass(frozen=True)
class SelfAdaptive:
    """Self-adaptive PINN (McClenny and Braga-Neto 2020, arXiv:2009.04544), min over params, max over λ, of

        L = Σ_k weight_k (1/n_k) Σ_i g(λ_ki) w_ki φ(r_ki),

    with a multiplier λ for every point of the residual and of the initial condition. The network descends by its
    optimizer, and each step is also one of ascent for λ by an Adam of its own, along g'(λ_ki) w_ki φ(r_ki)/n_k at the
    parameters where the step begins (∂L/∂λ_ki without weight_k, a factor that Adam would take out again). At the
    start λ is uniform in [0, 1] for the residual and in [0, 100] for the initial condition; other terms have no λ.

    The mask g is "square", λ² (the published code for the problem of docs/methods.md), "linear", λ, or "sigmoid",
    1/(1 + e^{−λ}). Its derivative is not negative where λ is not, so no multiplier ever falls. Adam divides by the
    root of the mean square of what it ascends along, plus 10⁻⁸: every multiplier grows by about the learning rate in
    each step, whatever the size of the residual, as long as g'(λ_ki) w_ki φ(r_ki)/n_k is well above 10⁻⁸. With n =
    20,000 points, λ = 1 and the square mask that takes r² well above 10⁻⁴; below, it grows in proportion to r².

    Published for the problem of docs/methods.md: relative L2 error 2.10e-2 ± 1.21e-2 over ten runs of an MLP 4×128 on
    20,000 fixed points and 512 initial ones, float32, `loss.weights.initial=1`: 10,000 steps of Adam with β₁ = 0.99,
    then 10,000 of L-BFGS with λ as it is (`ascent_steps=10000`).

    The paper's points are fixed: `sampler.resample_every=0`. Where others are drawn, each takes λ and its moments
    from the nearest point before.

    Args:
        learning_rate: of the ascent.
        b1, b2: decay rates of its first and second moments, in [0, 1).
        mask: g, "square", "linear" or "sigmoid".
        residual, initial: λ starts uniform between 0 and this at the points of the term.
        ascent_steps: steps after which λ stays as it is, and nothing is evaluated for it; None for never.

    Raises:
        InputError: a number out of range, or an unknown mask.

    Example:
        >>> SelfAdaptive(ascent_steps=10_000).initial
        100.0
    """

    learning_rate: float = 0.005
    b1: float = 0.99
    b2: float = 0.999
    mask: str = "square"
    residual: float = 1.0
    initial: float = 100.0
    ascent_steps: int | None = None

    STARTS: ClassVar[tuple[str, ...]] = ("residual", "initial")

    def __post_init__(self) -> None:
        for name in ("learning_rate", *self.STARTS):
            value = getattr(self, name)
            require(is_number(value) and value > 0, f"weighting.{name} is {value}: give a positive number.")
        for name in ("b1", "b2"):
            value = getattr(self, name)
            require(is_number(value) and 0 <= value < 1, f"weighting.{name} is {value}: give a number in [0, 1).")
        require(self.mask in MASKS, f"weighting.mask is {self.mask!r}: choose one of {', '.join(MASKS)}.")
        require(
            self.ascent_steps is None or is_whole(self.ascent_steps, 0),
            f"weighting.ascent_steps is {self.ascent_steps}: give a whole number from 0, or null.",
        )

    def init(self, points: Points, seed: int = 0) -> PointState:
        """λ at random, by the run's seed, with Adam's moments at 0, for each of the terms that have multipliers."""
        values = {}
        for name in filter(points.__contains__, self.STARTS):
            drawn = host_generator(seed, f"multipliers of {name}", 0).random(len(points[name]))
            multipliers = jnp.asarray(getattr(self, name) * drawn, float)
            values[name] = (multipliers, jnp.zeros_like(multipliers), jnp.zeros_like(multipliers))
        return begun(points, values)

    def renew(self, state: PointState, points: Points) -> PointState:
        """Each new point has λ and the moments of the nearest point before."""
        return carried(state, points)

    def update(
        self, state: PointState, measured: Measured, points: Points
    ) -> tuple[PointState, Mapping[str, jax.Array]]:
        """λ after a step of ascent, and g(λ) before it: the network and the multipliers step at the same time."""
        multipliers, m, v = ({name: value[k] for name, value in state.values.items()} for k in range(3))

        def risen() -> dict[str, tuple[jax.Array, jax.Array, jax.Array]]:
            losses = {name: measured.losses(name) for name in multipliers}
            uphill = {name: self._slope(lam) * losses[name] / len(lam) for name, lam in multipliers.items()}
            adam = optax.scale_by_adam(self.b1, self.b2)
            step, (_, first, second) = adam.update(uphill, optax.ScaleByAdamState(state.steps, m, v))
            return {
                name: (lam + self.learning_rate * step[name], first[name], second[name])
                for name, lam in multipliers.items()
            }

        if self.ascent_steps is None:
            values = risen()
        else:  # afterwards nothing is evaluated for it
            values = jax.lax.cond(state.steps < self.ascent_steps, risen, lambda: dict(state.values))
        weights = {name: self._mask(lam) for name, lam in multipliers.items()}
        return state._replace(steps=state.steps + 1, values=values), weights

    def figures(self, state: PointState) -> Mapping[str, jax.Array]:
        """The mean multiplier of each term, and the largest one of all."""
        means = {f"multiplier_{name}": jnp.mean(value[0]) for name, value in state.values.items()}
        return means | {"multiplier_most": jnp.max(jnp.stack([jnp.max(value[0]) for value in state.values.values()]))}

    def _mask(self, multipliers: jax.Array) -> jax.Array:
        """g."""
        if self.mask == "sigmoid":
            return jax.nn.sigmoid(multipliers)
        return jnp.square(multipliers) if self.mask == "square" else multipliers

    def _slope(self, multipliers: jax.Array) -> jax.Array:
        """g'."""
        if self.mask == "sigmoid":
            share = jax.nn.sigmoid(multipliers)
            return share * (1 - share)
        return 2 * multipliers if self.mask == "square" else jnp.ones_like(multipliers)
