"""The lift near one point as a polynomial whose derivatives are known, so that differentiating it costs nothing."""

from dataclasses import dataclass
from typing import Any

import jax

from pinn_ac.problem.double_series import LocalPlane
from pinn_ac.problem.initial_conditions import InitialCondition
from pinn_ac.problem.problem import Problem

LOCAL_ORDERS = frozenset({"t", "x", "xx", "y", "yy"})
"""The derivatives that the polynomial has right."""


@dataclass(frozen=True)
class LocalCondition:
    """An initial condition whose heat flow is replaced by its Taylor polynomial about one point.

    At that point the polynomial has the heat flow's value, its first derivative in the variance and its first two in
    ξ, and the polynomial of the slope has those of the slope: the heat flow comes with all of them in closed form.
    Everything else is the condition's own.

    Args:
        condition: the initial condition.
        variance, xi: the point.
        derivatives: the heat flow's derivatives in ξ there, of order 0 to 3.
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


def with_local_lift(problem: Problem, t: jax.Array, x: jax.Array) -> Problem:
    """The problem for code that differentiates its lift at (t, x) at most once in t and twice in x, or in y.

    A problem without diffusion has no lift, and is returned as it is.
    """
    if problem.diffusion is None:
        return problem
    if len(problem.axes) == 2:
        return _in_plane(problem, t, x)
    condition, (variance, xi) = problem.initial_condition, problem.heat_coordinates(t, x)
    derivatives = condition.heat_flow(variance, xi, problem.largest_variance)
    local = LocalCondition(condition, variance, xi, derivatives)
    return problem.with_initial_condition(local)


def _in_plane(problem: Any, t: jax.Array, x: jax.Array) -> Any:
    condition, (variance, xi) = problem.initial_condition, problem.heat_coordinates(t, x)
    local = LocalPlane(condition, variance, xi, condition.heat_derivatives(variance, xi))
    return problem.with_initial_condition(local)
