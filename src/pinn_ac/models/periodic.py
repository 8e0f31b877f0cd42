"""The embedding that makes every network periodic in x."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_truth, is_whole, require
from pinn_ac.problem import Problem


@dataclass(frozen=True)
class Periodic:
    """z = (2t/T − 1, cos πξ, …, cos mπξ, sin πξ, …, sin mπξ), with ξ in [−1, 1] the unit coordinate.

    Where the equation and u₀ are even in ξ, so is u. Then the sines are left out, which makes every network even, and
    collocation points need to cover only half of the domain. In the plane the waves of ξ come first, then those of η.

    Args:
        modes: m ≥ 1.
        symmetry: whether to do so; with False the sines stay.

    Raises:
        InputError: `modes` is not a whole number from 1, or `symmetry` not a truth value.

    >>> import jax.numpy as jnp
    >>> from pinn_ac import Burgers
    >>> Periodic(modes=2)(Burgers(), jnp.asarray(1.0), jnp.asarray(0.0)).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """

    modes: int = 1
    symmetry: bool = True

    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(is_whole(self.modes, 1), f"embedding.modes is {self.modes}: give a whole number from 1.")
        require(is_truth(self.symmetry), f"embedding.symmetry is {self.symmetry}: give true or false.")

    @property
    def separable(self) -> bool:
        """Whether the first feature depends on t alone and the others on x alone."""
        return True

    def even(self, problem: Problem) -> bool:
        """Whether z(t, −ξ) = z(t, ξ): `symmetry` is True, and both the equation and u₀ are even."""
        return self.symmetry and "even" in problem.symmetries and getattr(problem.initial_condition, "even", False)

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """z, of shape (1 + m,) or (1 + 2m,), in the plane (1 + 4m,), at one point."""
        time = jnp.reshape(2 * t / problem.horizon - 1, (1,))
        phases, k = jnp.pi * problem.to_unit(x), jnp.arange(1, self.modes + 1, dtype=jnp.result_type(float))
        angles = phases * k if phases.ndim == 0 else jnp.ravel(phases[:, None] * k)
        waves = [jnp.cos(angles)] if self.even(problem) else [jnp.cos(angles), jnp.sin(angles)]
        return jnp.concatenate([time, *waves])
