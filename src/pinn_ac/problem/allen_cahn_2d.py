"""The Allen–Cahn equation on a periodic rectangle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pinn_ac.problem.allen_cahn import AllenCahn
from pinn_ac.problem.initial_conditions_2d import Fourier2D
from pinn_ac.problem.plane import InPlane


@dataclass(frozen=True)
class AllenCahn2D(InPlane, AllenCahn):
    """u_t − D (u_xx + u_yy) + R u³ − R u = 0 on a rectangle × [0, T], u(0, x, y) = u₀(x, y), periodic in x and y.

    t, x and y may have any units, x and y the same; u has none.

    Args:
        diffusivity: D > 0.
        reaction_rate: R ≥ 0.
        domain: ((a, b), (c, d)), one period in x and one in y.
        horizon: T > 0.
        initial_condition: u₀ as a function of (ξ, η) in [−1, 1)², the rectangle scaled to that square: one of
            `Fourier2D`, `Disc`, `Star`, `Random2D` and `Tabulated2D` of `pinn_ac.problem`; by default
            u₀ = 0.5 sin πξ sin πη + 0.3 cos(πξ + 2πη).

    Raises:
        InputError: a coefficient is out of range or not finite, the rectangle is empty, or u₀ is one of a line.

    A front u = tanh(s/w), w = √(2D/R), is stationary where it is straight, and moves with the normal velocity −Dκ
    where its curvature is κ ≪ 1/w; so a disc of radius r₀ shrinks as r² = r₀² − 2Dt (Allen and Cahn, Acta Metall. 27
    (1979) 1085–1095).

    >>> AllenCahn2D().residual({"u": 1.0, "t": 0.0, "xx": 0.0, "yy": 0.0}, {})
    0.0
    """

    diffusivity: float = 1e-3
    domain: Any = ((-1.0, 1.0), (-1.0, 1.0))
    initial_condition: Any = field(default_factory=Fourier2D, kw_only=True)

    orders: ClassVar[tuple[str, ...]] = ("t", "xx", "yy")

    def residual(self, u: Mapping[str, Any], point: Mapping[str, Any]) -> Any:
        """f = u_t − D (u_xx + u_yy) + R u³ − R u."""
        return u["t"] - self.diffusivity * (u["xx"] + u["yy"]) + self.reaction_rate * (u["u"] ** 3 - u["u"])

    def energy_density(self, u: Any, u_x: Any, u_y: Any = 0.0) -> Any:
        """e = D |∇u|²/2 + R (1 − u²)²/4; its integral over the rectangle never grows along a solution."""
        return super().energy_density(u, 0.0) + 0.5 * self.diffusivity * (u_x**2 + u_y**2)

    @property
    def bound(self) -> float | None:
        """max(1, max |u₀|)."""
        return max(1.0, self.initial_condition.largest)
