"""The self-scaled Broyden method."""

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.optimizer import Optimizer, Trainable
from pinn_ac.optimizers.self_scaled import Curvature, self_scaled


def ssbroyden(
    objective: Trainable,
    steps: int,
    linesearch_steps: int = 20,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> Optimizer:
    """Broyden's family with a member θ and a scale τ chosen at each step (Al-Baali and Khalfan 2005).

    For PINNs: Urbán, Stefanou and Pons 2024, arXiv 2405.04230. See :func:`self_scaled` for what it shares with
    `ssbfgs`. It keeps a dense matrix of P × P numbers.

    Args:
        objective: what to minimise.
        steps: not needed by the method, which has no schedule.
        linesearch_steps: most evaluations of one line search.
        c1: of the Wolfe condition of sufficient decrease.
        c2: of the Wolfe condition of curvature, above c1.

    Raises:
        InputError: a number out of range.
    """
    del steps
    return self_scaled(objective, scaling, linesearch_steps, c1, c2)


def scaling(curvature: Curvature) -> tuple[jax.Array, jax.Array]:
    """θ and τ from a, b and h.

    With c = √(a/(1 + a)), ρ⁻ = min(1, h(1 − c)), θ⁻ = (ρ⁻ − 1)/a and θ⁺ = 1/ρ⁻:
    θ = max(θ⁻, min(θ⁺, (1 − b)/b)). With σ = 1 + θa, σ̂ = σ^{1/(1−P)} and ρ̂ = min(1, 1/b):
    τ = min(ρ̂σ̂, σ) where θ ≤ 0, else ρ̂ min(σ̂, 1/θ).
    """
    a, b, h, size = curvature
    c = jnp.sqrt(a / (1 + a))
    # 1 − c without its cancellation: c nears one as a grows.
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
