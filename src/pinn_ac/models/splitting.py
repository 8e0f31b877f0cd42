"""The embedding that tells a network what operator splitting already knows of the solution."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.models.periodic import Periodic
from pinn_ac.problem import AllenCahn


@dataclass(frozen=True)
class Splitting(Periodic):
    """The periodic features, then Φ(t, g), g and (g_x/s)², with s the steepest slope of u₀.

    Φ(t, g), `AllenCahn.flow`, is one step of Lie splitting (heat, then reaction); g_x² drives the first correction
    to it, and where `even` does not hold g_x/s stands beside it. A network of these is smooth in its inputs where
    u itself has interfaces of width √(D/R).
    """

    def __call__(self, problem: AllenCahn, t: jax.Array, x: jax.Array) -> jax.Array:
        """z at one point: the periodic features and three or four more."""
        g = problem.lift(t, x)
        slope = problem.lift(t, x, order=1) / problem.steepest_slope
        known = [problem.flow(t, g), g, slope**2]
        if not self.even(problem):
            known.append(slope)
        return jnp.concatenate([Periodic.__call__(self, problem, t, x), jnp.stack(known)])
