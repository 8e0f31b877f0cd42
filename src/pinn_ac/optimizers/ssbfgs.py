"""The self-scaled BFGS method."""

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.optimizer import Optimizer, Trainable
from pinn_ac.optimizers.self_scaled import Curvature, self_scaled


def ssbfgs(
    objective: Trainable,
    steps: int,
    linesearch_steps: int = 20,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> Optimizer:
    """BFGS whose old inverse Hessian is divided by τ = min(1, 1/b) before each update (Al-Baali 1998).

    b = sᵀH⁻¹s/sᵀy is above one where the model's curvature along the step is above the true one. See
    :func:`self_scaled` for what both methods share. It keeps a dense matrix of P × P numbers.

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


def scaling(curvature: Curvature) -> tuple[float, jax.Array]:
    """θ = 0, BFGS, and τ = min(1, 1/b)."""
    return 0.0, jnp.minimum(1, 1 / curvature.b)
