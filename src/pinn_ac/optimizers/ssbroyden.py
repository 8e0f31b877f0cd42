"""The self-scaled Broyden method."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.self_scaled import Curvature, SelfScaled


def scaling(curvature: Curvature) -> tuple[jax.Array, jax.Array]:
    """θ and τ from a, b and h.

    With c = √(a/(1 + a)), ρ⁻ = min(1, h(1 − c)), θ⁻ = (ρ⁻ − 1)/a and θ⁺ = 1/ρ⁻:
    θ = max(θ⁻, min(θ⁺, (1 − b)/b)). With σ = 1 + θa, σ̂ = σ^{1/(1−P)} and ρ̂ = min(1, 1/b):
    τ = min(ρ̂σ̂, σ) where θ ≤ 0, else ρ̂ min(σ̂, 1/θ).
    """
    a, b, h, size = curvature
    c = jnp.sqrt(a / (1 + a))
    # 1 − c, written so that nothing cancels as c nears one for large a.
    rho_minus = jnp.minimum(1, h / ((1 + a) * (1 + c)))
    theta = jnp.maximum((rho_minus - 1) / a, jnp.minimum(1 / rho_minus, (1 - b) / b))
    sigma = 1 + theta * a  # ≥ ρ⁻ > 0, since θ ≥ θ⁻
    sigma_hat = sigma ** (1 / min(1 - size, -1))
    rho_hat = jnp.minimum(1, 1 / b)
    tau = jnp.where(
        theta <= 0,
        jnp.minimum(rho_hat * sigma_hat, sigma),
        rho_hat * jnp.minimum(sigma_hat, 1 / jnp.where(theta > 0, theta, 1)),
    )
    return theta, tau


@dataclass(frozen=True)
class SSBroyden(SelfScaled):
    """Broyden's family with a member θ and a scale τ chosen at each step (Al-Baali and Khalfan 2005).

    For PINNs: Urbán, Stefanou and Pons 2024, arXiv:2405.04230, of whose three variants it is SSBroyden2, the one that
    they recommend. :func:`scaling` has the formulas of θ and τ. The method holds a dense matrix of P × P numbers, for
    P parameters, and wants points that stay for a while.

    Args:
        linesearch_steps, c1, c2, steps: see :class:`SelfScaled`, which also says how H starts and when it is reset.

    Raises:
        InputError: a number out of range.

    Example:
        >>> optimizer = SSBroyden().build(objective)
    """

    name: ClassVar[str] = "ssbroyden"
    rule = staticmethod(scaling)
