"""The self-scaled BFGS method."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.self_scaled import Curvature, SelfScaled


def scaling(curvature: Curvature) -> tuple[float, jax.Array]:
    """θ = 0, which is BFGS, and τ = min(1, 1/b)."""
    return 0.0, jnp.minimum(1, 1 / curvature.b)


@dataclass(frozen=True)
class SSBFGS(SelfScaled):
    """BFGS whose old inverse Hessian is divided by τ = min(1, 1/b) before each update (Al-Baali 1998).

    b = sᵀH⁻¹s/sᵀy is above one where the curvature of the model along the step s is above that of the loss. The
    method holds a dense matrix of P × P numbers, for P parameters, and wants points that stay for a while.

    Args:
        linesearch_steps, c1, c2, steps: see :class:`SelfScaled`, which also says how H starts and when it is reset.

    Raises:
        InputError: a number out of range.

    Example:
        >>> optimizer = SSBFGS().build(objective)
    """

    name: ClassVar[str] = "ssbfgs"
    rule = staticmethod(scaling)
