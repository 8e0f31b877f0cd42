"""vRBA, variational residual-based attention: multipliers from the derivative of a convex potential."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.weighting.pointwise import PointState, relative
from pinn_ac.weighting.rba import TERM, Attention, require_rates
from pinn_ac.weighting.weighting import Measured, Points

POTENTIALS = ("quadratic", "power", "exponential", "logarithm", "cosh")


@dataclass(frozen=True)
class VRBA(Attention):
    """Variational residual-based attention (Toscano, Chen, Oommen, Darbon and Karniadakis 2025, arXiv:2509.14198).

    Minimising a convex functional Φ of the residual is a minimisation of squares with weights that follow Φ'. At step
    k = 0, 1, … the multiplier of every point of the residual becomes

        λ_i ← γ λ_i + η (φ q_i/max_j q_j + 1 − φ),    γ = 1 − η/λ_max,

    so λ ≤ λ_max, and the term is (1/n) Σ_i φ(λ_i r_i): a point's weight is λ_i² with `loss=mse`, λ_i with `loss=l1`.
    No gradient goes through λ. With s = |r|/max|r| and b = log(k + 2)/c the shares q/max q of the potentials are

    - "quadratic", Φ = r²/2: s, which makes this RBA;
    - "power", Φ = |r|^p/p: s^{p−1};
    - "exponential", Φ = e^{β|r|}: e^{b(s−1)}, β = b/max|r|;
    - "logarithm", q = log(1 + β|r|): log(1 + b s)/log(1 + b);
    - "cosh", Φ = cosh βr: sinh(b s)/sinh b.

    The paper has η = 0.01, λ = 0.1 at the start, λ_max from 10 to 20, φ = 1, p = 4, and beside it a weight of the
    initial condition that is a smoothed ratio of gradient norms, near to `rule=residual` of gradient_norm. This is
    its first stage, with Adam. In its second, with a quasi-Newton method, the points are drawn in proportion to
    powers of λ and not weighed; and the super-exponential potential, whose β solves an equation, is not here.

    Published for the problem of docs/methods.md, both stages, an MLP 3×30 in float64, the best iterate of one seed:
    relative L2 error 1.88e-6 (quadratic), 2.50e-6 (exponential), 4.94e-6 (logarithm), 7.40e-6 (power), 7.86e-6 (cosh)
    and 8.97e-6 without; with Adam alone, MLP 6×64, float32: 4.68e-4 (quadratic), 4.39e-4 (exponential) and 1.98e-3
    without.

    Where other points are drawn, each takes the λ of the nearest point before.

    Args:
        potential: one of those above.
        eta: η > 0.
        most: λ_max ≥ η.
        start: λ ≥ 0 before the first step.
        mixing: φ in [0, 1].
        exponent: p > 1 of "power".
        strength: c > 0 of "exponential", "logarithm" and "cosh".
        until: steps after which all points of the residual have the weight 1 again and λ stays as it is, so that a
            method that wants one objective can follow (experiment=vrba_ssbroyden); None for never.

    Raises:
        InputError: a number out of range, or an unknown potential.

    Example:
        >>> VRBA(potential="exponential", most=20.0).eta
        0.01
    """

    potential: str = "quadratic"
    eta: float = 0.01
    most: float = 10.0
    start: float = 0.1
    mixing: float = 1.0
    exponent: float = 4.0
    strength: float = 1.0
    until: int | None = None

    def __post_init__(self) -> None:
        require(
            self.potential in POTENTIALS,
            f"weighting.potential is {self.potential!r}: choose one of {', '.join(POTENTIALS)}.",
        )
        require_rates(self.eta, self.start)
        most, mixing = self.most, self.mixing
        require(
            is_number(most) and most >= self.eta, f"weighting.most is {most}: give a number from weighting.eta on."
        )
        require(is_number(mixing) and 0 <= mixing <= 1, f"weighting.mixing is {mixing}: give a number from 0 to 1.")
        for name, least in (("exponent", 1), ("strength", 0)):
            value = getattr(self, name)
            require(is_number(value) and value > least, f"weighting.{name} is {value}: give a number above {least}.")
        require(
            self.until is None or is_whole(self.until, 1),
            f"weighting.until is {self.until}: give a whole number from 1, or null.",
        )

    def update(
        self, state: PointState, measured: Measured, points: Points
    ) -> tuple[PointState, Mapping[str, jax.Array]]:
        """The renewed multipliers, and λ^p as the weights of the points, with p = 2 for squares."""
        before = state.values[TERM]

        def renewed() -> tuple[jax.Array, jax.Array]:
            share = self.share(relative(measured.residuals(TERM)), state.steps)
            target = self.mixing * share + 1 - self.mixing
            multipliers = (1 - self.eta / self.most) * before + self.eta * target
            return multipliers, multipliers**measured.power

        if self.until is None:
            multipliers, weights = renewed()
        else:  # afterwards nothing is evaluated for it
            ended = before, jnp.ones_like(before)
            multipliers, weights = jax.lax.cond(state.steps < self.until, renewed, lambda: ended)
        return state._replace(steps=state.steps + 1, values={TERM: multipliers}), {TERM: weights}

    def share(self, s: jax.Array, steps: jax.Array) -> jax.Array:
        """q/max q of each point, from its s = |r|/max|r| and the number of steps before."""
        b = jnp.log(steps.astype(s.dtype) + 2) / self.strength
        if self.potential == "quadratic":
            return s
        if self.potential == "power":
            return s ** (self.exponent - 1)
        if self.potential == "exponential":
            return jnp.exp(b * (s - 1))
        if self.potential == "logarithm":
            return jnp.log1p(b * s) / jnp.log1p(b)
        # sinh(b s)/sinh b, without the overflow of either
        return jnp.exp(b * (s - 1)) * jnp.expm1(-2 * b * s) / jnp.expm1(-2 * b)
