"""Levenberg–Marquardt on the residual vector."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.least_squares import LeastSquares, Model
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, Trainable

SCALINGS = ("more", "marquardt", "plain")
PROBE = 0.1
"""The share of a step at which its second derivative is taken."""
WORTH_IT = 0.99
"""A shorter step is taken if it lowers the loss that the longer one reaches to this share: near a minimum all losses
are one number but for rounding, and there the longest step is the best."""


class LevenbergMarquardtState(NamedTuple):
    """Parameters, damping λ, the largest diag JᵀJ so far, and evaluations of the residuals so far."""

    params: Any
    damping: jax.Array
    largest: jax.Array
    evaluations: jax.Array


def levenberg_marquardt(
    objective: Trainable,
    steps: int,
    damping: float = 1e-2,
    cut: float = 10.0,
    rise: float = 3.0,
    tries: int = 10,
    least_damping: float = 1e-15,
    scaling: str = "more",
    floor: float = 1e-4,
    geodesic: float = 0.75,
    halvings: int = 3,
    solver: str = "auto",
    chunk: int | None = None,
    accumulate: bool | None = None,
    cg_iterations: int = 300,
    cg_tolerance: float = 1e-4,
    normal_precision: str = "same",
) -> Optimizer:
    """Levenberg–Marquardt: (JᵀJ + λ D) δ₁ = −Jᵀr, and a step h δ₁ + h² δ₂, h = 1, ½, ¼, …, that lowers ‖r‖².

    δ₂ is the geodesic acceleration (JᵀJ + λ D) δ₂ = −½ Jᵀr_vv (Transtrum and Sethna 2012, arXiv:1201.5885), where
    r_vv is the second derivative of r along δ₁: the step follows a curve on which the residuals are nearly straight.
    Where 2h ‖D^½ δ₂‖ is more than `geodesic` times ‖D^½ δ₁‖ the model does not hold that far.

    An evaluation of r takes a tenth of the time of another λ, so the curve is searched before λ is changed: from
    h = 1 down, as long as shorter is better. How far the model holds tells what becomes of λ: h = 1 divides it by
    `cut`, the shortest h leaves it, those between divide it by powers of `cut` in even steps. Where no h lowers ‖r‖²,
    or JᵀJ + λ D is not positive definite in rounding, the try has failed, and λ is multiplied by `rise`, up to 1/√eps
    of the precision, for the next. A step whose every try fails stays where it is and keeps the raised λ.

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
        floor: no entry of D is below so much of their mean: a parameter that the residuals hardly depend on would
            run away, saturate its unit, and be lost.
        geodesic: largest share 2h ‖D^½ δ₂‖/‖D^½ δ₁‖; 0 for δ₁ alone.
        halvings: of h, at most.
        solver, chunk, accumulate, cg_iterations, cg_tolerance, normal_precision: of
            :class:`~pinn_ac.optimizers.least_squares.LeastSquares`.

    Raises:
        InputError: the norm is not "mse", a number is out of range, or `scaling` is unknown.
    """
    del steps
    rules = _Rules(damping, cut, rise, tries, least_damping, scaling, floor, geodesic, halvings)
    require(
        objective.norm == "mse",
        "optimizer=levenberg_marquardt minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
    )
    road = solver, chunk, accumulate, cg_iterations, cg_tolerance, normal_precision
    least_squares = kept(objective, LeastSquares, *road)
    at_step, bend = kept(least_squares.model, _at_step), kept(least_squares.model, _bend)

    def init(params):
        size = sum(leaf.size for leaf in jax.tree.leaves(params))
        return LevenbergMarquardtState(
            params, jnp.asarray(damping, float), jnp.zeros(size, float), jnp.zeros((), int)
        )

    def step(state, batch):
        method = least_squares.method(state.params, batch)
        system = method.linearize(state.params, batch)
        state, loss, D = rules.measure(state, system.r, system.squares)
        system = method.reduce(system, D)
        # A factor for each λ: one that serves all (eigenvalues, tridiagonal, QR) takes as long as many of them.
        for _ in range(tries):
            factor = method.factor(system, state.damping, D)
            velocity = -method.solve(factor, system, system.r, system.g)
            acceleration = jnp.zeros_like(velocity)
            if geodesic:
                ahead = at_step(state.params, PROBE, velocity, acceleration, batch).r
                acceleration = -method.solve(factor, system, bend(system.place, velocity, ahead))
            lengths = rules.lengths(D, velocity, acceleration)
            path = ((h, at_step(state.params, h, velocity, acceleration, batch)) for h in lengths)
            best, asked = _lowest(path, float(loss))
            state = rules.changed(state, rise if best is None else rules.change(best[0]), asked + bool(geodesic))
            if best is not None:
                return state._replace(params=best[1].params), Outcome(loss, state.evaluations)
        return state, Outcome(loss, state.evaluations)

    def retreat(state):
        return state._replace(damping=jnp.maximum(1e3 * state.damping, damping))

    return Optimizer(init, step, lambda state: state.params, retreat, is_one_program=False)


class Place(NamedTuple):
    """Parameters, the residuals there, (n,), and the sum of their squares."""

    params: Any
    r: jax.Array
    loss: jax.Array


def _at_step(model: Model) -> Callable[..., Place]:
    """(params, h, δ₁, δ₂, batch) → where h δ₁ + h² δ₂ leads. One program for all who ask: it is long to compile."""

    @jax.jit
    def at_step(params, h, velocity, acceleration, batch):
        flat, unravel = ravel_pytree(params)
        params = unravel(flat + h * velocity + h**2 * acceleration)
        r = model.residuals(params, batch)
        return Place(params, r, r @ r)

    return at_step


def _lowest(path: Iterable[tuple[float, Place]], loss: float) -> tuple[tuple[float, Place] | None, int]:
    """The first of the path below `loss` that is not followed by a better one, and how many were looked at.

    None where there is none; a loss that is not finite is not below.
    """
    best, asked = None, 0
    for h, place in path:
        asked += 1
        found = float(place.loss)
        if found < loss:
            best, loss = (h, place), WORTH_IT * found
        elif best is not None:
            break
    return best, asked


def _bend(model: Model) -> Callable[..., jax.Array]:
    """(system, δ₁, r a share `PROBE` of δ₁ ahead) → ½ r_vv, (n,), with r_vv the second derivative of r along δ₁."""

    @jax.jit
    def bend(system, velocity, ahead):
        push, _ = model.products(system)
        return ((ahead - system.r) / PROBE - push(velocity)) / PROBE

    return bend


@dataclass(frozen=True)
class _Rules:
    """The settings of `levenberg_marquardt`, and what they decide in a step."""

    damping: float
    cut: float
    rise: float
    tries: int
    least_damping: float
    scaling: str
    floor: float
    geodesic: float
    halvings: int

    def __post_init__(self) -> None:
        for name, least in (("damping", 0), ("least_damping", 0), ("cut", 1), ("rise", 1)):
            value = getattr(self, name)
            require(
                is_number(value) and value > least,
                f"optimizer.{name} is {value}: give a {f'number above {least}' if least else 'positive number'}.",
            )
        require(is_whole(self.tries, 1), f"optimizer.tries is {self.tries}: give a whole number from 1.")
        known = ", ".join(SCALINGS)
        require(self.scaling in SCALINGS, f"optimizer.scaling is {self.scaling!r}: choose one of {known}.")
        share = is_number(self.floor) and 0 <= self.floor <= 1
        require(share, f"optimizer.floor is {self.floor}: give a number from 0 to 1.")
        require(
            is_number(self.geodesic) and self.geodesic >= 0,
            f"optimizer.geodesic is {self.geodesic}: give a positive number, or 0 to do without.",
        )
        require(is_whole(self.halvings, 0), f"optimizer.halvings is {self.halvings}: give a whole number from 0.")

    @partial(jax.jit, static_argnums=0)
    def measure(
        self, state: LevenbergMarquardtState, r: jax.Array, squares: jax.Array
    ) -> tuple[LevenbergMarquardtState, jax.Array, jax.Array]:
        """The state that has seen diag JᵀJ here, the loss, and D."""
        squares = jnp.maximum(squares, self.floor * jnp.mean(squares))
        largest = jnp.fmax(state.largest, squares)  # not finite for once, as before a retreat, is forgotten
        choices = {"more": largest, "marquardt": squares, "plain": jnp.full_like(squares, jnp.mean(squares))}
        state = state._replace(largest=largest, evaluations=state.evaluations + 1)
        return state, r @ r, choices[self.scaling]

    def lengths(self, D: jax.Array, velocity: Any, acceleration: Any) -> list[float]:
        """The h to try, longest first: those for which the model holds."""
        bent = 2 * float(_bent(D, velocity, acceleration))
        return [h for h in (0.5**k for k in range(self.halvings + 1)) if h * bent <= self.geodesic]

    def change(self, h: float) -> float:
        """What λ is multiplied by after a success with this h."""
        return self.cut ** -(1 + math.log2(h) / max(self.halvings, 1))

    @partial(jax.jit, static_argnums=0)
    def changed(self, state: LevenbergMarquardtState, change: float, evaluations: int) -> LevenbergMarquardtState:
        """The state with λ multiplied by `change`, after so many more evaluations."""
        # Beyond it a step would be lost in rounding, and λ so large would hold up new points for long.
        most = jnp.maximum(1 / jnp.finfo(state.damping.dtype).eps ** 0.5, state.damping)
        damping = jnp.clip(state.damping * change, self.least_damping, most)
        return state._replace(damping=damping, evaluations=state.evaluations + evaluations)


@jax.jit
def _bent(D: jax.Array, velocity: Any, acceleration: Any) -> jax.Array:
    """‖D^½ δ₂‖/‖D^½ δ₁‖; 0 where there is no acceleration."""
    return jnp.sqrt((D @ acceleration**2) / jnp.maximum(D @ velocity**2, jnp.finfo(D.dtype).tiny))
