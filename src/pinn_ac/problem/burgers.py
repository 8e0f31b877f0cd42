"""Burgers' equation on a periodic interval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pinn_ac.problem.initial_conditions import InitialCondition, Sine, largest_value
from pinn_ac.problem.problem import Problem


@dataclass(frozen=True)
class Burgers(Problem):
    """u_t + c u u_x − ν u_xx = 0 on [a, b) × [0, T], with u(0, x) = u₀(x), periodic in x.

    The default is the usual test problem: ν = 0.01/π and u₀ = −sin πx, whose slope at x = 0 grows to −152 at
    t = 0.51 (C. Basdevant et al., Computers & Fluids 14 (1986) 23–41).

    Args:
        viscosity: ν > 0.
        speed: c, the factor of the convective term; 1 unless u is counted in another unit than length over time.
        domain, horizon, initial_condition, boundary, boundary_values: of :class:`~pinn_ac.problem.Problem`.

    Raises:
        InputError: a coefficient is out of range or not finite, or the domain is empty.

    >>> Burgers().residual({"u": 2.0, "t": -6.0, "x": 3.0, "xx": 0.0}, {})
    0.0
    """

    viscosity: float = 0.003183098861837907
    speed: float = 1.0
    initial_condition: InitialCondition = field(default_factory=lambda: Sine(-1.0), kw_only=True)

    orders: ClassVar[tuple[str, ...]] = ("t", "x", "xx")
    dimensions: ClassVar[Mapping[str, tuple[int, int]]] = {"viscosity": (2, -1), "speed": (1, -1)}
    symmetries: ClassVar[frozenset[str]] = frozenset({"odd"})
    degree: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_number("viscosity", above=0.0)

    def residual(self, u: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """f = u_t + c u u_x − ν u_xx."""
        return u["t"] + self.speed * u["u"] * u["x"] - self.viscosity * u["xx"]

    @property
    def diffusion(self) -> Any:
        return self.viscosity

    @property
    def interface_width(self) -> float | None:
        """w = 2ν/(|c| U) in ξ, with U = max |u₀|: a shock between U and −U is −U tanh(x/w)."""
        plain = self.nominal
        speed = abs(plain.speed) * largest_value(self.initial_condition)
        return 2 * plain.viscosity / speed * (2 / self.period) if speed else None

    @property
    def steepening(self) -> float:  # type: ignore[override]
        """1/(1 − |c| s T), s = max |u₀'|: what convection alone does to slopes; infinite from t = 1/(|c| s) on."""
        plain = self.nominal
        left = 1 - abs(plain.speed) * plain.steepest_slope * plain.horizon
        return 1 / left if left > 0 else math.inf

    def flux(self, u: Any) -> Any:
        """c u²/2."""
        return 0.5 * self.speed * u * u

    def flux_defect(self, u: Any, e: Any) -> Any:
        """c (u e + e²/2)."""
        return self.speed * e * (u + 0.5 * e)

    def energy_density(self, u: Any, u_x: Any) -> Any:
        """u²/2; its integral falls at the rate ν ∫ u_x² dx."""
        return 0.5 * u * u

    @property
    def bound(self) -> float | None:
        """max |u₀|, by the maximum principle."""
        return self.largest_initial_value
