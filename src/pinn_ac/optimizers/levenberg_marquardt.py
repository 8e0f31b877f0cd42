"""Levenberg–Marquardt on the residual vector."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.normal_equations import gram, solve_damped
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, Trainable


class LevenbergMarquardtState(NamedTuple):
    """Parameters, damping λ, and evaluations of the residuals so far."""

    params: Any
    damping: jax.Array
    evaluations: jax.Array


class _Trial(NamedTuple):
    flat: jax.Array
    damping: jax.Array
    tries: jax.Array
    accepted: jax.Array


def levenberg_marquardt(
    objective: Trainable,
    steps: int,
    damping: float = 1e-2,
    cut: float = 10.0,
    rise: float = 3.0,
    tries: int = 10,
    least_damping: float = 1e-15,
) -> Optimizer:
    """Levenberg–Marquardt (Marquardt 1963): (JᵀJ + λ diag JᵀJ) δ = −Jᵀr, the first δ that lowers ‖r‖² is taken.

    A success divides λ by `cut`; each failed try multiplies it by `rise`, up to 1/√eps of the precision. A step
    whose every try fails stays where it is and keeps the raised λ.

    Args:
        objective: its `residuals` are squared and summed, so its norm must be "mse".
        steps: not needed by the method, which has no schedule.
        damping: the first λ.
        cut: > 1.
        rise: > 1.
        tries: most values of λ tried in one step.
        least_damping: λ never falls below it.

    Raises:
        InputError: the norm is not "mse", or a number is out of range.
    """
    del steps
    require(
        objective.norm == "mse",
        "optimizer=levenberg_marquardt minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
    )
    for name, value in (("damping", damping), ("least_damping", least_damping)):
        require(is_number(value) and value > 0, f"optimizer.{name} is {value}: give a positive number.")
    for name, value in (("cut", cut), ("rise", rise)):
        require(is_number(value) and value > 1, f"optimizer.{name} is {value}: give a number above 1.")
    require(is_whole(tries, 1), f"optimizer.tries is {tries}: give a whole number from 1.")

    def init(params):
        return LevenbergMarquardtState(params, jnp.asarray(damping, float), jnp.zeros((), int))

    @jax.jit
    def linearize(state, batch):
        flat, unravel = ravel_pytree(state.params)
        r, J = objective.residuals_and_jacobian(flat, unravel, batch)
        return r @ r, r @ J, J

    @jax.jit
    def descend(state, batch, loss, g, A):
        flat, unravel = ravel_pytree(state.params)
        # Beyond it a step would be lost in rounding, and λ so large would hold up new points for long.
        most = jnp.maximum(1 / jnp.finfo(flat.dtype).eps ** 0.5, state.damping)

        def attempt(trial):
            candidate = flat + solve_damped(A, g, trial.damping)
            lowered = jnp.sum(objective.residuals(unravel(candidate), batch) ** 2)
            better = lowered < loss  # false for a candidate that is not finite
            return _Trial(
                jnp.where(better, candidate, flat),
                jnp.where(
                    better, jnp.maximum(trial.damping / cut, least_damping), jnp.minimum(trial.damping * rise, most)
                ),
                trial.tries + 1,
                better,
            )

        start = _Trial(flat, state.damping, jnp.zeros((), int), jnp.zeros((), bool))
        end = jax.lax.while_loop(lambda trial: ~trial.accepted & (trial.tries < tries), attempt, start)
        evaluations = state.evaluations + 1 + end.tries
        return LevenbergMarquardtState(unravel(end.flat), end.damping, evaluations), Outcome(loss, evaluations)

    def step(state, batch):
        loss, g, J = linearize(state, batch)
        return descend(state, batch, loss, g, gram(J))

    def retreat(state):
        return state._replace(damping=jnp.maximum(1e3 * state.damping, damping))

    return Optimizer(init, step, lambda state: state.params, retreat)
