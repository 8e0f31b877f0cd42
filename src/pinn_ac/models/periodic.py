"""The embedding that makes every network periodic in x."""

from dataclasses import dataclass, field
from typing import ClassVar

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_truth, is_whole, require
from pinn_ac.problem import Problem

TIMES = ("symmetric", "unit")
"""What a network can see of the time: 2t/T − 1, or t/T."""


@dataclass(frozen=True)
class Periodic:
    """z = (τ, cos πξ, …, cos mπξ, sin πξ, …, sin mπξ), with τ the time and ξ in [−1, 1] the place, both scaled.

    Where the equation and u₀ are even in ξ, so is u. Then the sines are left out, which makes every network even, and
    collocation points need to cover only half of the domain. In the plane the waves of ξ come first, then those of η.

    Args:
        modes: m ≥ 1.
        symmetry: whether to do so; with False the sines stay.
        time: what τ is, with T the horizon, or the length of a time window: "symmetric", 2t/T − 1, from −1 to 1; or
            "unit", t/T, from 0 to 1. Most published codes give the network t itself, which is "unit" where T = 1.

    Raises:
        InputError: `modes` is not a whole number from 1, `symmetry` not a truth value, or `time` another name.

    >>> import jax.numpy as jnp
    >>> from pinn_ac import Burgers
    >>> Periodic(modes=2)(Burgers(), jnp.asarray(1.0), jnp.asarray(0.0)).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    >>> Periodic(time="unit")(Burgers(), jnp.asarray(0.0), jnp.asarray(0.0)).tolist()
    [0.0, 1.0, 0.0]
    """

    modes: int = 1
    symmetry: bool = True
    time: str = field(default="symmetric", kw_only=True)

    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(is_whole(self.modes, 1), f"embedding.modes is {self.modes}: give a whole number from 1.")
        require(is_truth(self.symmetry), f"embedding.symmetry is {self.symmetry}: give true or false.")
        require(self.time in TIMES, f"embedding.time is {self.time}: choose among {', '.join(TIMES)}.")

    @property
    def separable(self) -> bool:
        """Whether the first feature depends on t alone and the others on x alone."""
        return True

    def even(self, problem: Problem) -> bool:
        """Whether z(t, −ξ) = z(t, ξ): `symmetry` is True, and both the equation and u₀ are even."""
        return self.symmetry and "even" in problem.symmetries and getattr(problem.initial_condition, "even", False)

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """z, of shape (1 + m,) or (1 + 2m,), in the plane (1 + 4m,), at one point."""
        share = t / problem.horizon if self.time == "unit" else 2 * t / problem.horizon - 1
        time = jnp.reshape(share, (1,))
        phases, k = jnp.pi * problem.to_unit(x), jnp.arange(1, self.modes + 1, dtype=jnp.result_type(float))
        angles = phases * k if phases.ndim == 0 else jnp.ravel(phases[:, None] * k)
        waves = [jnp.cos(angles)] if self.even(problem) else [jnp.cos(angles), jnp.sin(angles)]
        return jnp.concatenate([time, *waves])
