"""RBA, residual-based attention: points whose residual stays large get a larger weight."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.weighting.pointwise import PointState, begun, carried, relative
from pinn_ac.weighting.weighting import Measured, Points

TERM = "residual"


class Attention:
    """What weightings have in common that give every point of the residual a multiplier λ, at first `start`."""

    start: float

    def init(self, points: Points, seed: int = 0) -> PointState:
        """λ as it starts, at every point of the residual."""
        return begun(points, {TERM: jnp.full(len(points[TERM]), self.start, float)})

    def renew(self, state: PointState, points: Points) -> PointState:
        """Each new point has the λ of the nearest point before."""
        return carried(state, points)

    def figures(self, state: PointState) -> Mapping[str, jax.Array]:
        """The mean and the largest of the multipliers."""
        multipliers = state.values[TERM]
        return {"attention_mean": jnp.mean(multipliers), "attention_most": jnp.max(multipliers)}


@dataclass(frozen=True)
class RBA(Attention):
    """Residual-based attention (Anagnostopoulos, Toscano, Stergiopulos and Karniadakis 2023, arXiv:2307.00379).

    Before each step every point of the residual has its multiplier renewed,

        λ_i ← γ λ_i + η |r_i| / max_j |r_j|,

    and the term becomes (1/n) Σ_i φ(λ_i r_i), so a point's weight is λ_i² with `loss=mse` and λ_i with `loss=l1`. No
    gradient goes through λ. Since λ_i ≤ γ λ_i + η, no multiplier passes η/(1 − γ) if none starts above it, and a
    point whose relative residual stays s approaches s η/(1 − γ). The other terms keep their weights.

    The paper has γ = 0.999 and η = 0.01, so λ ≤ 10, beside `loss.weights.initial=100` = 10², and λ = 0 at the start;
    the code published with it has η = 0.001. Published for the problem of docs/methods.md: relative L2 error 4.55e-5
    (the notebook of the paper: 5.47e-5), by a modified MLP 6×128, 300,000 steps of Adam on 25,600 fixed points. PINA
    multiplies r² by λ instead of λ².

    The paper's points are fixed: `sampler.resample_every=0`. Where others are drawn, each takes the λ of the point
    before that is nearest to it, and a point that was kept has its own.

    Args:
        eta: η > 0, the learning rate of the multipliers.
        gamma: γ in [0, 1), how much of them is kept.
        start: λ ≥ 0 before the first step.

    Raises:
        InputError: a number out of range.

    Example:
        >>> round(RBA().bound, 6)
        10.0
    """

    eta: float = 0.01
    gamma: float = 0.999
    start: float = 0.0

    def __post_init__(self) -> None:
        require_rates(self.eta, self.start)
        require(
            is_number(self.gamma) and 0 <= self.gamma < 1,
            f"weighting.gamma is {self.gamma}: give a number from 0 and below 1.",
        )

    @property
    def bound(self) -> float:
        """η/(1 − γ), which no multiplier passes that starts below it."""
        return self.eta / (1 - self.gamma)

    def update(
        self, state: PointState, measured: Measured, points: Points
    ) -> tuple[PointState, Mapping[str, jax.Array]]:
        """The renewed multipliers, and λ^p as the weights of the points, with p = 2 for squares."""
        multipliers = self.gamma * state.values[TERM] + self.eta * relative(measured.residuals(TERM))
        state = state._replace(steps=state.steps + 1, values={TERM: multipliers})
        return state, {TERM: multipliers**measured.power}


def require_rates(eta: object, start: object) -> None:
    """Refuse a learning rate of multipliers that is not positive, or a start that is negative."""
    require(is_number(eta) and eta > 0, f"weighting.eta is {eta}: give a positive number.")  # type: ignore[operator]
    require(is_number(start) and start >= 0, f"weighting.start is {start}: give zero or a positive number.")  # type: ignore[operator]
