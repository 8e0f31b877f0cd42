"""Levenberg–Marquardt on the residual vector."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.normal_equations import damped_solver, gram
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, Trainable

SCALINGS = ("more", "marquardt", "plain")
PROBE = 0.1
"""h, the share of a step at which its second derivative is taken."""


class LevenbergMarquardtState(NamedTuple):
    """Parameters, damping λ, the largest diag JᵀJ so far, and evaluations of the residuals so far."""

    params: Any
    damping: jax.Array
    largest: jax.Array
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
    scaling: str = "more",
    geodesic: float = 0.75,
) -> Optimizer:
    """Levenberg–Marquardt: (JᵀJ + λ D) δ₁ = −Jᵀr, and the first step that lowers ‖r‖² is taken.

    A success divides λ by `cut`; each failed try multiplies it by `rise`, up to 1/√eps of the precision. A step
    whose every try fails stays where it is and keeps the raised λ. A matrix that is not positive definite in
    rounding is a failed try too.

    The step is δ₁ + δ₂ with the geodesic acceleration (JᵀJ + λ D) δ₂ = −½ Jᵀr_vv (Transtrum and Sethna 2012,
    arXiv:1201.5885), where r_vv is the second derivative of r along δ₁. Where 2‖D^½ δ₂‖ is more than `geodesic`
    times ‖D^½ δ₁‖ the model does not hold that far, and the try has failed. It costs a second evaluation of r a try.

    Every λ has its own Cholesky factor: a factorization that serves them all (by eigenvalues, a tridiagonal
    matrix or QR) takes as long as 8 to 28 of them at P = 1001.

    Args:
        objective: its `residuals` are squared and summed, so its norm must be "mse".
        steps: not needed by the method, which has no schedule.
        damping: the first λ.
        cut: > 1.
        rise: > 1.
        tries: most values of λ tried in one step.
        least_damping: λ never falls below it.
        scaling: D: "more" the largest diag JᵀJ of all steps so far (Moré 1978), "marquardt" diag JᵀJ
            (Marquardt 1963), "plain" its mean times I (Levenberg 1944).
        geodesic: largest share 2‖D^½ δ₂‖/‖D^½ δ₁‖; 0 for δ₁ alone.

    Raises:
        InputError: the norm is not "mse", a number is out of range, or `scaling` is unknown.
    """
    del steps
    _check(objective, damping, cut, rise, tries, least_damping, scaling, geodesic)

    def init(params):
        size = sum(leaf.size for leaf in jax.tree.leaves(params))
        return LevenbergMarquardtState(
            params, jnp.asarray(damping, float), jnp.zeros(size, float), jnp.zeros((), int)
        )

    @jax.jit
    def linearize(state, batch):
        flat, unravel = ravel_pytree(state.params)
        r, J = objective.residuals_and_jacobian(flat, unravel, batch)
        return r, r @ J, J

    @jax.jit
    def descend(state, batch, r, g, J, A):
        flat, unravel = ravel_pytree(state.params)
        loss, diagonal = r @ r, jnp.diagonal(A)
        largest = jnp.fmax(state.largest, diagonal)  # not finite for once, as before a retreat, is forgotten
        D = {"more": largest, "marquardt": diagonal, "plain": jnp.full_like(diagonal, jnp.mean(diagonal))}[scaling]
        # Beyond it a step would be lost in rounding, and λ so large would hold up new points for long.
        most = jnp.maximum(1 / jnp.finfo(flat.dtype).eps ** 0.5, state.damping)

        def residuals(candidate):
            return objective.residuals(unravel(candidate), batch)

        def propose(damping):
            """The step, and whether the model holds as far as it goes."""
            solve = damped_solver(A, damping, D)
            velocity = -solve(g)
            if not geodesic:
                return velocity, jnp.ones((), bool)
            bend = (residuals(flat + PROBE * velocity) - r) / PROBE - J @ velocity  # ½ h r_vv
            acceleration = -solve((bend / PROBE) @ J)
            return velocity + acceleration, 4 * (D @ acceleration**2) <= geodesic**2 * (D @ velocity**2)

        def attempt(trial):
            shift, holds = propose(trial.damping)
            candidate = flat + shift
            # False for a candidate that is not finite.
            better = holds & (jnp.sum(residuals(candidate) ** 2) < loss)
            lower, higher = jnp.maximum(trial.damping / cut, least_damping), jnp.minimum(trial.damping * rise, most)
            return _Trial(
                jnp.where(better, candidate, flat), jnp.where(better, lower, higher), trial.tries + 1, better
            )

        start = _Trial(flat, state.damping, jnp.zeros((), int), jnp.zeros((), bool))
        end = jax.lax.while_loop(lambda trial: ~trial.accepted & (trial.tries < tries), attempt, start)
        evaluations = state.evaluations + 1 + end.tries * (2 if geodesic else 1)
        after = LevenbergMarquardtState(unravel(end.flat), end.damping, largest, evaluations)
        return after, Outcome(loss, evaluations)

    def step(state, batch):
        r, g, J = linearize(state, batch)
        return descend(state, batch, r, g, J, gram(J))

    def retreat(state):
        return state._replace(damping=jnp.maximum(1e3 * state.damping, damping))

    return Optimizer(init, step, lambda state: state.params, retreat)


def _check(objective, damping, cut, rise, tries, least_damping, scaling, geodesic) -> None:
    require(
        objective.norm == "mse",
        "optimizer=levenberg_marquardt minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
    )
    for name, value in (("damping", damping), ("least_damping", least_damping)):
        require(is_number(value) and value > 0, f"optimizer.{name} is {value}: give a positive number.")
    for name, value in (("cut", cut), ("rise", rise)):
        require(is_number(value) and value > 1, f"optimizer.{name} is {value}: give a number above 1.")
    require(is_whole(tries, 1), f"optimizer.tries is {tries}: give a whole number from 1.")
    require(scaling in SCALINGS, f"optimizer.scaling is {scaling!r}: choose one of {', '.join(SCALINGS)}.")
    require(
        is_number(geodesic) and geodesic >= 0,
        f"optimizer.geodesic is {geodesic}: give a positive number, or 0 to do without.",
    )
