"""The embedding that gives a network what operator splitting already knows of the solution."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pinn_ac.errors import require
from pinn_ac.models.periodic import Periodic
from pinn_ac.problem import Problem

KNOWN = ("flow", "heat", "slope")
"""What can be given: Φ(t, g), g, and g_x."""


@dataclass(frozen=True)
class Splitting(Periodic):
    """The periodic features, then Φ(t, g), g and (g_x/s)², with g the heat flow of u₀ and s its steepest slope.

    Φ(t, g), by `Problem.flow`, is one step of Lie splitting: first the heat flow, then the reaction. The leading
    correction to it is proportional to g_x², in the plane to |∇g|², which takes its place. Where :meth:`even` does
    not hold, g_x/s is given too, in the plane both of ∇g/s. A network of these features can be smooth in them even
    where u has thin interfaces.

    Args:
        modes, symmetry, time: see :class:`Periodic`.
        known: what is given, in this order: of "flow", Φ(t, g); "heat", g; and "slope", g_x.

    Raises:
        InputError: another name, or see :class:`Periodic`.

    >>> import jax.numpy as jnp
    >>> from pinn_ac import Burgers
    >>> t, x = jnp.asarray(0.0), jnp.asarray(0.25)
    >>> [round(value, 3) for value in Splitting(known=("heat",))(Burgers(), t, x).tolist()]  # 2t/T − 1, cos, sin, g
    [-1.0, 0.707, 0.707, -0.707]
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
        """The lift for anything that is given, and the flow of the reaction for "flow"."""
        return ("lift",) * bool(self.known) + ("flow",) * ("flow" in self.known)

    @property
    def separable(self) -> bool:
        """What is known of the solution depends on both t and x."""
        return not self.known

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """z at one point: the periodic features, and up to four more."""
        g = problem.lift(t, x) if self.known else jnp.zeros(())
        features = {
            "flow": lambda: [problem.paced_flow(t, g)],
            "heat": lambda: [g],
            "slope": lambda: self._slope(problem, t, x),
        }
        given = [jnp.reshape(value, (-1,)) for name in self.known for value in features[name]()]
        return jnp.concatenate([Periodic.__call__(self, problem, t, x), *given])

    def _slope(self, problem: Problem, t: jax.Array, x: jax.Array) -> list[jax.Array]:
        slope = problem.lift(t, x, order=1) / problem.steepest_slope
        if slope.ndim:
            return [slope @ slope, slope]
        return [slope**2] if self.even(problem) else [slope**2, slope]
