"""The embedding that tells a network what operator splitting already knows of the solution."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.errors import require
from pinn_ac.models.periodic import Periodic
from pinn_ac.problem import Problem

KNOWN = ("flow", "heat", "slope")


@dataclass(frozen=True)
class Splitting(Periodic):
    """The periodic features, then Φ(t, g), g and (g_x/s)², with s the steepest slope of u₀.

    Φ(t, g), `Problem.flow`, is one step of Lie splitting (heat, then reaction); g_x² drives the first correction
    to it, and where `even` does not hold g_x/s stands beside it. A network of these is smooth in its inputs where
    u itself has interfaces of width √(D/R).

    Args:
        modes, symmetry: see :class:`Periodic`.
        known: which of "flow", Φ(t, g), "heat", g, and "slope", g_x, it tells.

    Raises:
        InputError: another name.
    """

    known: tuple[str, ...] = KNOWN

    def __post_init__(self) -> None:
        super().__post_init__()
        listed = isinstance(self.known, list | tuple)
        require(listed, f"embedding.known is {self.known}: give a list of some of {', '.join(KNOWN)}.")
        object.__setattr__(self, "known", tuple(self.known))
        for name in self.known:
            require(name in KNOWN, f"embedding.known holds {name}: choose among {', '.join(KNOWN)}.")

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The lift for whatever is told, and the reaction's flow for "flow"."""
        return ("lift",) * bool(self.known) + ("flow",) * ("flow" in self.known)

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """z at one point: the periodic features and up to four more."""
        g = problem.lift(t, x)
        features = {
            "flow": lambda: [problem.flow(t, g)],
            "heat": lambda: [g],
            "slope": lambda: self._slope(problem, t, x),
        }
        told = [jnp.reshape(value, (1,)) for name in self.known for value in features[name]()]
        return jnp.concatenate([Periodic.__call__(self, problem, t, x), *told])

    def _slope(self, problem: Problem, t: jax.Array, x: jax.Array) -> list[jax.Array]:
        slope = problem.lift(t, x, order=1) / problem.steepest_slope
        return [slope**2] if self.even(problem) else [slope**2, slope]
