"""The Allen–Cahn equation on a periodic interval: coefficients, residual, energy and reaction flow."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import numbers, require
from pinn_ac.problem.initial_conditions import InitialCondition, XSquaredCosine

REACTIONS = 5.0
"""R in natural units, at most: the lecture's."""
EXCESS = 3.0
"""Measured: at an excess of 2 the whole flow is better (1.3e-5, 8e-5 if stopped), at 7 worse (2.5e-1, 4e-3)."""


@dataclass(frozen=True)
class AllenCahn:
    """u_t − D u_xx + R u³ − R u = 0 on [a, b) × [0, T], with u(0, x) = u₀(x) and u, u_x periodic.

    t and x may have any units, u has none. Networks are trained on the same problem in natural units
    (:attr:`natural`). The defaults are the lecture's problem, whose units are the natural ones.

    Args:
        diffusivity: D > 0.
        reaction_rate: R ≥ 0.
        domain: (a, b) with a < b; one period.
        horizon: T > 0.
        initial_condition: u₀ as a function of ξ = 2(x − (a+b)/2)/(b − a) in [−1, 1), the domain scaled to
            the lecture's own; on the default domain ξ is x.

    Raises:
        InputError: a coefficient is out of range or not finite, or the domain is empty.
    """

    diffusivity: float = 1e-4
    reaction_rate: float = 5.0
    domain: tuple[float, float] = (-1.0, 1.0)
    horizon: float = 1.0
    initial_condition: InitialCondition = field(default_factory=XSquaredCosine)

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", numbers("problem.domain", self.domain))
        _require_number("diffusivity", self.diffusivity, positive=True)
        _require_number("reaction_rate", self.reaction_rate, positive=False)
        _require_number("horizon", self.horizon, positive=True)
        require(
            callable(self.initial_condition),
            f"problem.initial_condition is {self.initial_condition!r}: choose one by problem/initial_condition=NAME.",
        )
        ends_are_numbers = len(self.domain) == 2 and all(math.isfinite(end) for end in self.domain)
        require(
            ends_are_numbers and self.domain[0] < self.domain[1],
            f"problem.domain is {list(self.domain)}: give two finite numbers, the left end below the right one.",
        )

    @property
    def period(self) -> float:
        """b − a."""
        return self.domain[1] - self.domain[0]

    @property
    def length_unit(self) -> float:
        """The natural unit of length: half of the domain, so that x is ξ; 1 for the lecture's problem."""
        return self.period / 2

    @property
    def time_unit(self) -> float:
        """The natural unit of time: T, or 5/R where that is less; 1 for the lecture's problem.

        In 5/R the reaction grows e⁵-fold. Not simply T, or t would stay small in each window of a long horizon.
        """
        return min(self.horizon, REACTIONS / self.reaction_rate) if self.reaction_rate else self.horizon

    @cached_property
    def natural(self) -> "AllenCahn":
        """The same problem in natural units, on [−1, 1) and with R ≤ 5: its u at (t/`time_unit`, ξ) is u at (t, x).

        Problems that differ in their units alone have the same one, but for the rounding of its coefficients.
        """
        return replace(
            self,
            diffusivity=self.unit_diffusivity * self.time_unit,
            reaction_rate=self.reaction_rate * self.time_unit,
            domain=(-1.0, 1.0),
            horizon=self.horizon / self.time_unit,
        )

    def to_natural(self, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t/`time_unit`, ξ) in NumPy's double precision, whatever a run's is; ξ in [−1, 1], wrapped periodically."""
        xi = (x - 0.5 * (self.domain[0] + self.domain[1])) * (2 / self.period)
        return t / self.time_unit, xi - 2 * np.round(xi / 2)

    def from_natural(self, t: np.ndarray, xi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(t, x) of a point in natural units."""
        return t * self.time_unit, 0.5 * (self.domain[0] + self.domain[1]) + 0.5 * self.period * xi

    @property
    def growth(self) -> float:
        """R T, the number of e-folds of the reaction, to 12 digits: what it decides must not hang on a rounding."""
        return float(f"{self.reaction_rate * self.horizon:.11e}")

    @property
    def unit_diffusivity(self) -> float:
        """D in the unit coordinate ξ: D (2/(b − a))²."""
        return self.diffusivity * (2 / self.period) ** 2

    @property
    def steepest_slope(self) -> float:
        """max |u₀'(x)|; 1 for a constant."""
        return self.initial_condition.steepest_slope * 2 / self.period

    def to_unit(self, x: jax.Array) -> jax.Array:
        """ξ in [−1, 1] for any x, wrapped periodically."""
        xi = (jnp.asarray(x) - 0.5 * (self.domain[0] + self.domain[1])) * (2 / self.period)
        return xi - 2 * jnp.round(xi / 2)

    def heat_coordinates(self, t: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What a heat flow depends on at (t, x): the variance 2Dt, with the D of ξ, and ξ."""
        return 2 * self.unit_diffusivity * jnp.asarray(t), self.to_unit(x)

    @property
    def largest_variance(self) -> float:
        """Of a heat flow up to the horizon."""
        return 2 * self.unit_diffusivity * self.horizon

    def residual(self, u: jax.Array, u_t: jax.Array, u_xx: jax.Array) -> jax.Array:
        """f = u_t − D u_xx + R u³ − R u, the lecture's f(x, t); zero for a solution."""
        return u_t - self.diffusivity * u_xx + self.reaction_rate * (u**3 - u)

    def energy_density(self, u: jax.Array, u_x: jax.Array) -> jax.Array:
        """e = D u_x²/2 + R (1 − u²)²/4; its integral over x never grows along a solution."""
        return 0.5 * self.diffusivity * u_x**2 + 0.25 * self.reaction_rate * (1 - u**2) ** 2

    def react(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(t, w) = w / √(e^{−2Rt} + w²(1 − e^{−2Rt})): the exact flow of u' = R(u − u³) from u(0) = w.

        Multiplied through by e^{−Rt}, so that no horizon overflows.
        """
        decay = jnp.exp(-2 * self.reaction_rate * jnp.asarray(t))
        # Once e^{−2Rt} has underflown, w = 0 would give 0/0; below this floor, which rounding absorbs until then,
        # the third derivative in w would overflow.
        decay = decay + math.sqrt(float(jnp.finfo(jnp.result_type(decay, w)).tiny))
        return w / jnp.sqrt(decay + w**2 * (1 - decay))

    @property
    def excess(self) -> float:
        """R (T − t₁): how many e-folds the flow of the reaction alone makes interfaces too thin by.

        Alone it steepens an interface of slope s to a width e^{−Rt}/s. Diffusion holds it at δ = √(2D/R), which
        it reaches at t₁ = ln(1/(δs))/R, or not before t₁ = 1/R.
        """
        if self.reaction_rate == 0:
            return -1.0
        width = math.sqrt(2 * self.diffusivity / self.reaction_rate) * self.steepest_slope
        return self.growth - max(1.0, -math.log(width))

    @cached_property
    def longest_flow(self) -> float | None:
        """The time after which the flow of the reaction alone stops, for :meth:`flow`; None if it never does.

        A flow that goes on a little after t₁ (see :attr:`excess`) is still the better start; where the horizon would
        let it make interfaces more than e^`EXCESS` times too thin, it stops at t₁.
        """
        # The first condition is never false where the second is true; it spares a carried condition the question.
        if self.growth <= 1 + EXCESS or self.excess <= EXCESS:
            return None
        return self.horizon - self.excess / self.reaction_rate

    def flow(self, t: jax.Array, w: jax.Array) -> jax.Array:
        """Φ(τ(t), w) with τ = t, or where the horizon is long, τ = t at first and constant in the end.

        τ = −ln(e^{−2Rt} + e^{−2RT₁})/(2R), less its value at 0, with T₁ = `longest_flow`.
        """
        t = jnp.asarray(t)
        if self.longest_flow is None:
            return self.react(t, w)
        twice = 2 * self.reaction_rate
        rest = math.exp(-twice * self.longest_flow)  # not `jnp.logaddexp`, which stops jax.experimental.jet
        return self.react(jnp.log((1 + rest) / (jnp.exp(-twice * t) + rest)) / twice, w)

    def lift(self, t: jax.Array, x: jax.Array, order: int = 0) -> jax.Array:
        """g = exp(tD∂²)u₀ (`order` 0) or g_x (`order` 1): u₀ at t = 0, smooth and periodic for t > 0."""
        flow = self.initial_condition.heat_flow(*self.heat_coordinates(t, x), self.largest_variance)
        return flow[order] * (2 / self.period) ** order

    def splitting(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Φ(t, g), one step of Lie splitting (heat, then reaction): what is known of u before any training."""
        return self.flow(t, self.lift(t, x))

    def kink_layer(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """Σ exp(−d²/(16s))/√s over the kinks of u₀, with d the distance in ξ to each; 0 where u₀ has none.

        s = Dt + 1e-8 with the D of ξ: a density as wide as the layer that diffusion makes of the kink, of the same
        integral over ξ at every time, 4√π a kink.
        """
        xi = self.to_unit(x)
        s = self.unit_diffusivity * jnp.asarray(t) + 1e-8
        layers = jnp.zeros_like(s * xi)
        for kink in self.initial_condition.kinks:
            distance = xi - kink - 2 * jnp.round((xi - kink) / 2)
            layers = layers + jnp.exp(-(distance**2) / (16 * s)) / jnp.sqrt(s)
        return layers


def _require_number(name: str, value: float, positive: bool) -> None:
    wanted = "a positive number" if positive else "zero or a positive number"
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    in_range = is_number and (value > 0 or (value == 0 and not positive))
    require(in_range, f"problem.{name} is {value}: give {wanted}.")
