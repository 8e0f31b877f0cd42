"""The Allen–Cahn equation on an interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.problem.initial_conditions import InitialCondition, XSquaredCosine
from pinn_ac.problem.problem import Problem

REACTIONS = 5.0
"""The largest reaction rate in natural units: the lecture's."""
EXCESS = 3.0
"""The largest excess at which the whole reaction flow is used; measured: at an excess of 2 the whole flow ends with
1.3e-5 and the stopped one with 8e-5, at 7 with 2.5e-1 and 4e-3."""


@dataclass(frozen=True)
class AllenCahn(Problem):
    """u_t − D u_xx + R u³ − R u = 0 on [a, b] × [0, T], with u(0, x) = u₀(x), periodic in x or between walls.

    t and x may have any units; u has none. The defaults are the problem of the lecture, in natural units.

    Args:
        diffusivity: D > 0.
        reaction_rate: R ≥ 0.
        domain, horizon, initial_condition, boundary, boundary_values: see :class:`~pinn_ac.problem.Problem`; by
            default u₀ = x² cos πx.

    Raises:
        InputError: a coefficient is out of range or not finite, or the domain is empty.

    The constants −1, 0 and 1 are solutions:

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
        """T, or 5/R where that is less; 1 for the problem of the lecture.

        In the time 5/R a small u grows e⁵-fold. It is not simply T, because then t would stay small in every time
        window of a long horizon.
        """
        rate, longest = self.nominal.reaction_rate, super().time_unit
        return min(longest, REACTIONS / rate) if rate and self.dimensions is not None else longest

    @property
    def diffusion(self) -> Any:
        return self.diffusivity

    @property
    def growth(self) -> float:
        """R T, rounded to 12 digits, so that what it decides does not depend on the unit of time's rounding error."""
        return float(f"{self.nominal.reaction_rate * self.horizon:.11e}")

    @property
    def interface_width(self) -> float | None:
        """w = √(2D/R) in ξ, the width of the stationary interface tanh(ξ/w); None without a reaction."""
        plain = self.nominal
        return math.sqrt(2 * plain.unit_diffusivity / plain.reaction_rate) if plain.reaction_rate else None

    @property
    def steepening(self) -> float:  # type: ignore[override]
        """e^{RT}: the reaction alone makes slopes steeper by at most this factor."""
        return math.exp(min(self.growth, 700.0))

    @property
    def excess(self) -> float:
        """R (T − t₁): by how many e-folds the flow of the reaction alone makes interfaces too thin.

        The flow alone steepens an interface of slope s to the width e^{−Rt}/s. With diffusion it gets no thinner than
        δ = √(2D/R), a width that the flow reaches at t₁ = ln(1/(δs))/R; t₁ is taken as 1/R where that is later.
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
        return max(1.0, self.largest_initial_value)

    def react(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(t, w) = w / √(e^{−2Rt} + w²(1 − e^{−2Rt})): the exact flow of u' = R(u − u³) from u(0) = w.

        Numerator and denominator are multiplied by e^{−Rt}, so that no time is too long for it.
        """
        decay = jnp.exp(-2 * self.reaction_rate * jnp.asarray(t))
        # Once e^{−2Rt} has underflown, w = 0 would give 0/0. Rounding absorbs this floor until then; with a lower one
        # the third derivative in w would overflow.
        decay = decay + math.sqrt(float(jnp.finfo(jnp.result_type(decay, w)).tiny))
        return w / jnp.sqrt(decay + w**2 * (1 - decay))

    @cached_property
    def longest_flow(self) -> float | None:
        """The time at which :meth:`flow` stops the flow of the reaction; None if it never does.

        A flow that goes on a little after t₁ (see :attr:`excess`) still makes the better ansatz. Where it would make
        interfaces more than e^`EXCESS` times too thin by the horizon, it is stopped at t₁.
        """
        plain = self.nominal
        # The second condition follows from the first. That one is asked all the same: the initial condition of a time
        # window is traced, and then `excess` has no plain number to give.
        if plain.growth <= 1 + EXCESS or plain.excess <= EXCESS:
            return None
        return plain.horizon - plain.excess / plain.reaction_rate

    def flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(τ(t), w) with τ = t; where the horizon is long, with a τ that is t at first and constant in the end.

        That is τ = −ln(e^{−2Rt} + e^{−2RT₁})/(2R), less its value at t = 0, with T₁ = `longest_flow`.
        """
        t = jnp.asarray(t)
        if self.longest_flow is None:
            return self.react(t, w)
        twice = 2 * self.reaction_rate
        # Not `jnp.logaddexp`, which jax.experimental.jet cannot differentiate.
        exp = jnp.exp if isinstance(twice, jax.Array) else math.exp
        rest = exp(-twice * self.longest_flow)
        return self.react(jnp.log((1 + rest) / (jnp.exp(-twice * t) + rest)) / twice, w)

    def approximation(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Φ(t, g), one step of Lie splitting: first the heat flow, then the reaction."""
        return self.paced_flow(t, self.lift(t, x))
