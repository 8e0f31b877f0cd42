"""A problem for what differentiates its lift at one point: the heat flow as a polynomial, its derivatives known."""

from dataclasses import dataclass, replace
from typing import Any

import jax

from pinn_ac.problem.allen_cahn.equation import AllenCahn
from pinn_ac.problem.initial_conditions import InitialCondition


@dataclass(frozen=True)
class Expanded:
    """An initial condition whose heat flow is its polynomial about one point; for the rest it is that condition.

    There it has the value, the first derivative in the variance and the first two in ξ of the heat flow, and its
    slope has those of the heat flow's slope, but they cost nothing to take: the heat flow comes with all of them.

    Args:
        condition: expanded.
        variance, xi: where.
        derivatives: of the heat flow in ξ there, the first four from the zeroth on.
    """

    condition: InitialCondition
    variance: jax.Array
    xi: jax.Array
    derivatives: tuple[jax.Array, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.condition, name)

    def __call__(self, xi: jax.Array) -> jax.Array:
        return self.condition(xi)

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """The polynomial and that of the slope; the derivative in the variance is half the second in ξ."""
        del largest
        dx, dv = xi - self.xi, variance - self.variance
        g, g_x, g_xx, g_xxx = self.derivatives
        return g + dx * g_x + 0.5 * (dx**2 + dv) * g_xx, g_x + dx * g_xx + 0.5 * (dx**2 + dv) * g_xxx


def expanded(problem: AllenCahn, t: jax.Array, x: jax.Array) -> AllenCahn:
    """The problem for what differentiates its lift at (t, x), at most once in t and twice in x."""
    condition, (variance, xi) = problem.initial_condition, problem.heat_coordinates(t, x)
    derivatives = condition.heat_flow(variance, xi, problem.largest_variance)
    return replace(problem, initial_condition=Expanded(condition, variance, xi, derivatives))
