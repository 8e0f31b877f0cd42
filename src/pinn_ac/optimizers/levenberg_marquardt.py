"""Levenberg–Marquardt on the residual vector."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.least_squares import LeastSquares, Model, SolverSettings
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable

SCALINGS = ("more", "marquardt", "plain")
PROBE = 0.1
"""The fraction of a step at which the finite difference of its second derivative is taken."""
WORTH_IT = 0.99
"""A shorter step is preferred if it lowers the loss to this share of what the longer step reaches: near a minimum all
losses are equal but for rounding, and there the longest step is the best."""


class LevenbergMarquardtState(NamedTuple):
    """Parameters, damping λ, the largest diag JᵀJ so far, and evaluations of the residuals so far."""

    params: Any
    damping: jax.Array
    largest: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Levenberg–Marquardt: (JᵀJ + λ D) δ₁ = −Jᵀr, and a step h δ₁ + h² δ₂, h = 1, ½, ¼, …, that lowers ‖r‖².

    r is the residual vector, (n,), J its Jacobian, (n, P), D a positive diagonal and λ the damping. δ₂ is the
    geodesic acceleration (JᵀJ + λ D) δ₂ = −½ Jᵀr_vv (Transtrum and Sethna 2012, arXiv:1201.5885), where r_vv is the
    second derivative of r along δ₁: the step follows a curve along which the residuals are nearly linear. A step is
    tried only if 2h ‖D^½ δ₂‖ ≤ `max_acceleration` ‖D^½ δ₁‖; beyond, the expansion in h cannot be trusted.

    An evaluation of r costs a tenth of another λ, so the curve is searched before λ is changed: from h = 1 down, as
    long as shorter is better. The h that was taken then decides the next λ: h = 1 divides λ by `damping_decrease`,
    the shortest h leaves it, and those between divide it by powers of `damping_decrease` in even steps. Where no h
    lowers ‖r‖², or JᵀJ + λ D is not positive definite in rounding, the trial has failed: λ is multiplied by
    `damping_increase`, up to 1/√eps of the precision, for the next trial. A step whose trials all fail stays where it
    is and keeps the raised λ.

    Args:
        damping: the first λ > 0.
        damping_decrease: > 1.
        damping_increase: > 1.
        max_damping_trials: the most values of λ tried in one step.
        min_damping: λ never falls below it.
        scaling: D: "more" the largest diag JᵀJ of all steps so far (Moré 1978), "marquardt" diag JᵀJ
            (Marquardt 1963), "plain" the mean of diag JᵀJ times I (Levenberg 1944).
        min_scaling: the least entry of D as a share of the mean of diag JᵀJ. A parameter that the residuals hardly
            depend on would otherwise take a huge step, saturate its unit, and be lost.
        max_acceleration: the largest 2h ‖D^½ δ₂‖/‖D^½ δ₁‖; 0 leaves δ₂ out.
        max_backtracks: how often h is halved at most.
        solver, chunk, accumulate, cg_iterations, cg_tolerance, normal_precision: see
            :class:`~pinn_ac.optimizers.least_squares.SolverSettings`.
        steps: how many steps a stage of training takes.

    Raises:
        InputError: a number out of range, or an unknown name; from `build`: the norm of the objective is not "mse".

    Example:
        >>> optimizer = LevenbergMarquardt(damping=1e-3).build(objective)
        >>> state = optimizer.init(params)
        >>> state, info = optimizer.step(state, batch)
    """

    damping: float = 1e-2
    damping_decrease: float = 10.0
    damping_increase: float = 3.0
    max_damping_trials: int = 10
    min_damping: float = 1e-15
    scaling: str = "more"
    min_scaling: float = 1e-4
    max_acceleration: float = 0.75
    max_backtracks: int = 3
    solver: str = "auto"
    chunk: int | None = None
    accumulate: bool | None = None
    cg_iterations: int = 300
    cg_tolerance: float = 1e-4
    normal_precision: str = "same"
    steps: int = 150

    name: ClassVar[str] = "levenberg_marquardt"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "cut": "damping_decrease",
            "rise": "damping_increase",
            "tries": "max_damping_trials",
            "least_damping": "min_damping",
            "floor": "min_scaling",
            "geodesic": "max_acceleration",
            "halvings": "max_backtracks",
        }
    )

    def __post_init__(self) -> None:
        for name, least in (("damping", 0), ("min_damping", 0), ("damping_decrease", 1), ("damping_increase", 1)):
            value = getattr(self, name)
            require(
                is_number(value) and value > least,
                f"optimizer.{name} is {value}: give a {f'number above {least}' if least else 'positive number'}.",
            )
        for name, smallest in (("max_damping_trials", 1), ("max_backtracks", 0), ("steps", 1)):
            value = getattr(self, name)
            require(is_whole(value, smallest), f"optimizer.{name} is {value}: give a whole number from {smallest}.")
        known = ", ".join(SCALINGS)
        require(self.scaling in SCALINGS, f"optimizer.scaling is {self.scaling!r}: choose one of {known}.")
        share = is_number(self.min_scaling) and 0 <= self.min_scaling <= 1
        require(share, f"optimizer.min_scaling is {self.min_scaling}: give a number from 0 to 1.")
        require(
            is_number(self.max_acceleration) and self.max_acceleration >= 0,
            f"optimizer.max_acceleration is {self.max_acceleration}: give a positive number, or 0 to do without.",
        )
        _ = self.solver_settings  # for its checks

    @property
    def solver_settings(self) -> SolverSettings:
        """How the damped systems are solved."""
        return SolverSettings(
            self.solver,
            self.chunk,
            self.accumulate,
            self.cg_iterations,
            self.cg_tolerance,
            self.normal_precision,
        )

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        require(
            objective.norm == "mse",
            "optimizer=levenberg_marquardt minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
        )
        least_squares = kept(objective, LeastSquares, self.solver_settings)
        at_step = kept(least_squares.model, _at_step)
        directional_curvature = kept(least_squares.model, _directional_curvature)

        def init(params):
            size = sum(leaf.size for leaf in jax.tree.leaves(params))
            damping = jnp.asarray(self.damping, float)
            return LevenbergMarquardtState(params, damping, jnp.zeros(size, float), jnp.zeros((), int))

        def step(state, batch):
            solver = least_squares.compiled_solver(state.params, batch)
            system = solver.linearize(state.params, batch)
            state, loss, D = self._measure(state, system.r, system.squares)
            system = solver.reduce(system, D)
            # Each λ is factored anew: a factorization that serves all λ (eigenvalues, tridiagonal, QR) takes as long
            # as many of them.
            for _ in range(self.max_damping_trials):
                factor = solver.factor(system, state.damping, D)
                velocity = -solver.solve(factor, system, system.r, system.g)
                acceleration = jnp.zeros_like(velocity)
                if self.max_acceleration:
                    ahead = at_step(state.params, PROBE, velocity, acceleration, batch).r
                    curvature = directional_curvature(system.for_products, velocity, ahead)
                    acceleration = -solver.solve(factor, system, curvature)
                lengths = self._lengths(D, velocity, acceleration)
                trials = ((h, at_step(state.params, h, velocity, acceleration, batch)) for h in lengths)
                best, count = _first_minimum(trials, float(loss))
                change = self.damping_increase if best is None else self._change(best[0])
                tried, state = state, self._with_damping(state, change, count + bool(self.max_acceleration))
                if best is not None:
                    return state._replace(params=best[1].params), StepInfo(loss, state.evaluations)
                if state.damping == tried.damping:  # as large as it gets: the next trial would be the same
                    break
            return state, StepInfo(loss, state.evaluations)

        def on_nonfinite(state):
            return state._replace(damping=jnp.maximum(1e3 * state.damping, self.damping))

        return Optimizer(init, step, lambda state: state.params, on_nonfinite, is_one_program=False)

    @partial(jax.jit, static_argnums=0)
    def _measure(
        self, state: LevenbergMarquardtState, r: jax.Array, squares: jax.Array
    ) -> tuple[LevenbergMarquardtState, jax.Array, jax.Array]:
        """The state that has seen diag JᵀJ here, the loss, and D."""
        squares = jnp.maximum(squares, self.min_scaling * jnp.mean(squares))
        largest = jnp.fmax(state.largest, squares)  # ignores NaN, as there may be before `on_nonfinite`
        choices = {"more": largest, "marquardt": squares, "plain": jnp.full_like(squares, jnp.mean(squares))}
        state = state._replace(largest=largest, evaluations=state.evaluations + 1)
        return state, r @ r, choices[self.scaling]

    def _lengths(self, D: jax.Array, velocity: Any, acceleration: Any) -> list[float]:
        """The h to try, longest first: those at which the acceleration is within its bound."""
        ratio = 2 * float(_acceleration_ratio(D, velocity, acceleration))
        halved = (0.5**k for k in range(self.max_backtracks + 1))
        return [h for h in halved if h * ratio <= self.max_acceleration]

    def _change(self, h: float) -> float:
        """What λ is multiplied by after a successful step of length h."""
        return self.damping_decrease ** -(1 + math.log2(h) / max(self.max_backtracks, 1))

    @partial(jax.jit, static_argnums=0)
    def _with_damping(
        self, state: LevenbergMarquardtState, change: float, evaluations: int
    ) -> LevenbergMarquardtState:
        """The state with λ multiplied by `change`, after this many more evaluations."""
        # With a larger λ a step would be lost in rounding, and it would take long to come down for new points.
        most = jnp.maximum(1 / jnp.finfo(state.damping.dtype).eps ** 0.5, state.damping)
        damping = jnp.clip(state.damping * change, self.min_damping, most)
        return state._replace(damping=damping, evaluations=state.evaluations + evaluations)


class Trial(NamedTuple):
    """Parameters that a step may lead to, the residuals there, (n,), and the sum of their squares."""

    params: Any
    r: jax.Array
    loss: jax.Array


def _at_step(model: Model) -> Callable[..., Trial]:
    """(params, h, δ₁, δ₂, batch) → where h δ₁ + h² δ₂ leads; one program for all uses: it is long to compile."""

    @jax.jit
    def at_step(params, h, velocity, acceleration, batch):
        flat, unravel = ravel_pytree(params)
        params = unravel(flat + h * velocity + h**2 * acceleration)
        r = model.residuals(params, batch)
        return Trial(params, r, r @ r)

    return at_step


def _directional_curvature(model: Model) -> Callable[..., jax.Array]:
    """(system, δ₁, r at `PROBE` δ₁ ahead) → ½ r_vv, (n,), with r_vv the second derivative of r along δ₁."""

    @jax.jit
    def directional_curvature(system, velocity, ahead):
        push, _ = model.products(system)
        return ((ahead - system.r) / PROBE - push(velocity)) / PROBE

    return directional_curvature


def _first_minimum(trials: Iterable[tuple[float, Trial]], loss: float) -> tuple[tuple[float, Trial] | None, int]:
    """The first trial below `loss` that is not followed by a better one, and how many were evaluated.

    None where there is none; a loss that is not finite is not below.
    """
    best, count = None, 0
    for h, trial in trials:
        count += 1
        found = float(trial.loss)
        if found < loss:
            best, loss = (h, trial), WORTH_IT * found
        elif best is not None:
            break
    return best, count


@jax.jit
def _acceleration_ratio(D: jax.Array, velocity: Any, acceleration: Any) -> jax.Array:
    """‖D^½ δ₂‖/‖D^½ δ₁‖; 0 where there is no acceleration."""
    return jnp.sqrt((D @ acceleration**2) / jnp.maximum(D @ velocity**2, jnp.finfo(D.dtype).tiny))
