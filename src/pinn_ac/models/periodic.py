"""The embedding that makes a network periodic in x."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_whole, require
from pinn_ac.problem import Problem


@dataclass(frozen=True)
class Periodic:
    """z = (2t/T − 1, cos πξ, …, cos mπξ, sin πξ, …, sin mπξ); no sines where `even` holds, so that u is even too.

    Args:
        modes: m ≥ 1.
        symmetry: where u₀ is even, build the evenness of u in.
    """

    modes: int = 1
    symmetry: bool = True

    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(is_whole(self.modes, 1), f"embedding.modes is {self.modes}: give a whole number from 1.")
        require(isinstance(self.symmetry, bool), f"embedding.symmetry is {self.symmetry}: give true or false.")

    def even(self, problem: Problem) -> bool:
        """z(t, −ξ) = z(t, ξ): `symmetry` is wanted, and both u₀ and the equation have it."""
        return self.symmetry and "even" in problem.symmetries and problem.initial_condition.even

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """z, of shape (1 + m,) or (1 + 2m,), at one point."""
        time = jnp.reshape(2 * t / problem.horizon - 1, (1,))
        angles = jnp.pi * problem.to_unit(x) * jnp.arange(1, self.modes + 1, dtype=jnp.result_type(float))
        waves = [jnp.cos(angles)] if self.even(problem) else [jnp.cos(angles), jnp.sin(angles)]
        return jnp.concatenate([time, *waves])
