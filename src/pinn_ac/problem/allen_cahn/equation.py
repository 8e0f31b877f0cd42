"""The Allen–Cahn equation on a periodic interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.problem.initial_conditions import InitialCondition, XSquaredCosine
from pinn_ac.problem.problem import Problem, largest_value

REACTIONS = 5.0
"""The largest reaction rate in natural units: the lecture's."""
EXCESS = 3.0
"""The largest excess at which the whole reaction flow is used; measured: at an excess of 2 the whole flow ends with
1.3e-5 and the stopped one with 8e-5, at 7 with 2.5e-1 and 4e-3."""


@dataclass(frozen=True)
class AllenCahn(Problem):
    """u_t − D u_xx + R u³ − R u = 0 on [a, b) × [0, T], with u(0, x) = u₀(x), periodic in x.

    t and x may have any units, u has none. Networks are trained on the same problem in natural units
    (:attr:`natural`). The defaults are the lecture's problem, whose units are the natural ones.

    Args:
        diffusivity: D > 0.
        reaction_rate: R ≥ 0.
        domain, horizon, initial_condition: of :class:`~pinn_ac.problem.Problem`; by default u₀ = x² cos πx.

    Raises:
        InputError: a coefficient is out of range or not finite, or the domain is empty.

    >>> AllenCahn(diffusivity=1e-3).residual({"u": 1.0, "t": 0.0, "xx": 0.0}, {})
    0.0
    """

    diffusivity: float = 1e-4
    reaction_rate: float = 5.0
    initial_condition: InitialCondition = field(default_factory=XSquaredCosine, kw_only=True)

    orders: ClassVar[tuple[str, ...]] = ("t", "xx")
    dimensions: ClassVar[Mapping[str, tuple[int, int]]] = {"diffusivity": (2, -1), "reaction_rate": (0, -1)}
    symmetries: ClassVar[frozenset[str]] = frozenset({"even", "odd", "sign"})
    most_growth: ClassVar[float] = 1 + EXCESS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_number("diffusivity", above=0.0)
        self.require_number("reaction_rate", least=0.0)

    def residual(self, u: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """f = u_t − D u_xx + R u³ − R u, the lecture's f(x, t)."""
        return u["t"] - self.diffusivity * u["xx"] + self.reaction_rate * (u["u"] ** 3 - u["u"])

    @property
    def time_unit(self) -> float:
        """T, or 5/R where that is less; 1 for the lecture's problem.

        In 5/R the reaction grows e⁵-fold. Not simply T, or t would stay small in each window of a long horizon.
        """
        rate = self.nominal.reaction_rate
        return min(self.horizon, REACTIONS / rate) if rate else self.horizon

    @property
    def diffusion(self) -> Any:
        return self.diffusivity

    @property
    def growth(self) -> float:
        """R T, the e-folds of the reaction, to 12 digits: what it decides must not depend on a rounding error."""
        return float(f"{self.nominal.reaction_rate * self.horizon:.11e}")

    @property
    def interface_width(self) -> float | None:
        """√(2D/R) in ξ, the width of the stationary interface tanh(ξ/w); None without a reaction."""
        plain = self.nominal
        return math.sqrt(2 * plain.unit_diffusivity / plain.reaction_rate) if plain.reaction_rate else None

    @property
    def steepening(self) -> float:  # type: ignore[override]
        """e^{RT}: the reaction alone makes slopes so much steeper, at most."""
        return math.exp(min(self.growth, 700.0))

    @property
    def excess(self) -> float:
        """R (T − t₁): by how many e-folds the flow of the reaction alone makes interfaces too thin.

        Alone it steepens an interface of slope s to a width e^{−Rt}/s. Diffusion holds it at δ = √(2D/R), which
        it reaches at t₁ = ln(1/(δs))/R, or not before t₁ = 1/R.
        """
        plain = self.nominal
        if plain.reaction_rate == 0:
            return -1.0
        width = math.sqrt(2 * plain.diffusivity / plain.reaction_rate) * plain.steepest_slope
        return plain.growth - max(1.0, -math.log(width))

    def reaction(self, u: Any) -> Any:
        """R (u − u³)."""
        return self.reaction_rate * (u * (1 - u * u))

    def reaction_defect(self, u: Any, e: Any) -> Any:
        """R e (1 − 3u² − 3ue − e²)."""
        return self.reaction_rate * e * (1 - 3 * u**2 - 3 * u * e - e**2)

    def energy_density(self, u: Any, u_x: Any) -> Any:
        """e = D u_x²/2 + R (1 − u²)²/4; its integral over x never grows along a solution."""
        return 0.5 * self.diffusivity * u_x**2 + 0.25 * self.reaction_rate * (1 - u**2) ** 2

    @property
    def bound(self) -> float | None:
        """max(1, max |u₀|): |u| > 1 decays by the reaction, and diffusion smooths."""
        return max(1.0, largest_value(self.initial_condition))

    def react(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(t, w) = w / √(e^{−2Rt} + w²(1 − e^{−2Rt})): the exact flow of u' = R(u − u³) from u(0) = w.

        Multiplied through by e^{−Rt}, so that no horizon overflows.
        """
        decay = jnp.exp(-2 * self.reaction_rate * jnp.asarray(t))
        # Once e^{−2Rt} has underflown, w = 0 would give 0/0; below this floor, which rounding absorbs until then,
        # the third derivative in w would overflow.
        decay = decay + math.sqrt(float(jnp.finfo(jnp.result_type(decay, w)).tiny))
        return w / jnp.sqrt(decay + w**2 * (1 - decay))

    @cached_property
    def longest_flow(self) -> float | None:
        """The time after which the flow of the reaction alone stops, for :meth:`flow`; None if it never does.

        A flow that goes on a little after t₁ (see :attr:`excess`) is still the better start; where the horizon would
        let it make interfaces more than e^`EXCESS` times too thin, it stops at t₁.
        """
        plain = self.nominal
        # The first condition is never false where the second is true; it spares the initial condition of a window of
        # time, which is traced, the question.
        if plain.growth <= 1 + EXCESS or plain.excess <= EXCESS:
            return None
        return plain.horizon - plain.excess / plain.reaction_rate

    def flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(τ(t), w) with τ = t, or where the horizon is long, τ = t at first and constant in the end.

        τ = −ln(e^{−2Rt} + e^{−2RT₁})/(2R), less its value at 0, with T₁ = `longest_flow`.
        """
        t = jnp.asarray(t)
        if self.longest_flow is None:
            return self.react(t, w)
        twice = 2 * self.reaction_rate
        # Not `jnp.logaddexp`, which stops jax.experimental.jet.
        rest = (jnp if isinstance(twice, jax.Array) else math).exp(-twice * self.longest_flow)  # type: ignore[attr-defined]
        return self.react(jnp.log((1 + rest) / (jnp.exp(-twice * t) + rest)) / twice, w)

    def approximation(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Φ(t, g), one step of Lie splitting (heat, then reaction): what is known of u before any training."""
        return self.flow(t, self.lift(t, x))
