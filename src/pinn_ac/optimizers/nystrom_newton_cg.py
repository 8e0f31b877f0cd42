"""Nyström–Newton-CG: damped Newton steps by conjugate gradients with a randomised preconditioner."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.nystrom import LowRank, conjugate_gradients, nystrom, precondition
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable

MOST_BACKTRACKS = 40
"""How often a step is shortened before it is given up."""


class NystromState(NamedTuple):
    """Parameters, and what the next step begins with.

    direction: the Newton direction of the step before, (P,), from which conjugate gradients start.
    hessian: the low-rank approximation that preconditions them.
    damping: μ, a thousand times what it was after each loss that was not finite.
    taken: steps so far, from which the random sketches follow.
    evaluations: of the loss, of its gradient, and of products with its Hessian.
    """

    params: Any
    direction: jax.Array
    hessian: LowRank
    damping: jax.Array
    taken: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class NystromNewtonCG:
    """Nyström–Newton-CG (Rathore, Lei, Frangella, Lu, Udell 2024, arXiv:2402.01868, algorithm 4), to follow L-BFGS.

    With the gradient g and the Hessian H of the loss at the parameters θ

        (H + μI) d = g by conjugate gradients, and θ ← θ − t d with the first t of 1, β, β², … for which
        L(θ − t d) ≤ L(θ) − α t gᵀd                                        (Armijo).

    They start from the d of the step before, and are preconditioned by a Nyström approximation of H of rank s, which
    is renewed every F steps (:mod:`pinn_ac.optimizers.nystrom`). Products with H are forward mode by JAX through the
    gradient of the objective, whoever computes that; H itself is never held. It need not be positive: at a direction
    of negative curvature conjugate gradients end, and where gᵀd ≤ 0 the preconditioned gradient takes the place of d.
    The published code goes on in both cases, and may then search along a direction of ascent for ever.

    The published constants are s = 60, F = 20, M = 1000 iterations, ‖g − (H + μI)d‖ ≤ 10⁻¹⁶, which they hardly ever
    reach before their last iteration, α = 0.1, β = 0.5, and a μ that was tuned to each problem; 10⁻⁴ and s = 10 are
    the defaults of their code. `cg_tolerance` is relative to ‖g‖ here, and larger: a step costs less.

    Points should stay for a while: sampler.resample_every=500.

    Args:
        rank: s, at least 1; no more than there are parameters are used.
        refresh_every: F, at least 1.
        damping: μ > 0.
        cg_iterations: M, at least 1.
        cg_tolerance: conjugate gradients end when ‖g − (H + μI)d‖ is below this share of ‖g‖, in (0, 1).
        armijo: α in (0, 1).
        backtrack: β in (0, 1).
        steps: how many steps a stage of training takes.

    Raises:
        InputError: a number out of range.

    Example:
        >>> optimizer = NystromNewtonCG(rank=20).build(objective)
        >>> state, info = optimizer.step(optimizer.init(params), batch)
    """

    rank: int = 60
    refresh_every: int = 20
    damping: float = 1e-4
    cg_iterations: int = 1000
    cg_tolerance: float = 1e-8
    armijo: float = 0.1
    backtrack: float = 0.5
    steps: int = 200

    name: ClassVar[str] = "nystrom_newton_cg"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name in ("rank", "refresh_every", "cg_iterations", "steps"):
            value = getattr(self, name)
            require(is_whole(value, 1), f"optimizer.{name} is {value}: give a whole number from 1.")
        require(
            is_number(self.damping) and self.damping > 0,
            f"optimizer.damping is {self.damping}: give a positive number.",
        )
        for name in ("cg_tolerance", "armijo", "backtrack"):
            value = getattr(self, name)
            require(
                is_number(value) and 0 < value < 1, f"optimizer.{name} is {value}: give a number between 0 and 1."
            )

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        return kept(objective, _nystrom_newton_cg, self)


def _nystrom_newton_cg(objective: Trainable, method: NystromNewtonCG) -> Optimizer:
    def init(params):
        flat, _ = ravel_pytree(params)
        vectors = jnp.zeros((flat.size, min(method.rank, flat.size)), flat.dtype)
        hessian, none = LowRank(vectors, vectors[0]), jnp.zeros((), int)
        return NystromState(params, 0 * flat, hessian, jnp.asarray(method.damping, flat.dtype), none, none)

    @jax.jit
    def step(state, batch):
        flat, unravel = ravel_pytree(state.params)

        def gradient_and_loss(flat):
            loss, gradient = objective.value_and_grad(unravel(flat), batch)
            return ravel_pytree(gradient)[0], loss

        gradient, times, loss = jax.linearize(gradient_and_loss, flat, has_aux=True)
        renews = state.taken % method.refresh_every == 0
        hessian = jax.lax.cond(renews, lambda: _renewed(times, state), lambda: state.hessian)

        def inverse(v):
            return precondition(hessian, state.damping, v)

        found = conjugate_gradients(
            lambda v: times(v) + state.damping * v,
            gradient,
            state.direction,
            inverse,
            method.cg_iterations,
            method.cg_tolerance,
        )
        direction = jnp.where(gradient @ found.x > 0, found.x, inverse(gradient))

        def at(length):
            return objective.loss(unravel(flat - length * direction), batch)

        length, trials = _armijo(at, loss, gradient @ direction, method)
        after = NystromState(
            params=unravel(flat - length * direction),
            direction=direction,
            hessian=hessian,
            damping=state.damping,
            taken=state.taken + 1,
            evaluations=state.evaluations + 1 + found.products + trials + renews * state.hessian.values.size,
        )
        return after, StepInfo(loss, after.evaluations)

    def on_nonfinite(state):
        return state._replace(direction=jnp.zeros_like(state.direction), damping=1e3 * state.damping)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)


def _renewed(times: Any, state: NystromState) -> LowRank:
    """The approximation of the Hessian here, by a sketch that follows from the number of the step."""
    key = jax.random.fold_in(jax.random.key(0), state.taken)
    return nystrom(times, jax.random.normal(key, state.hessian.vectors.shape, state.hessian.vectors.dtype))


def _armijo(at: Any, loss: jax.Array, slope: jax.Array, method: NystromNewtonCG) -> tuple[jax.Array, jax.Array]:
    """The length of the step, 0 where none is found, and how many were tried."""

    def too_long(now):
        length, value, trials = now
        return ~(value <= loss - method.armijo * length * slope) & (trials <= MOST_BACKTRACKS)  # also for NaN

    def shorter(now):
        length, _, trials = now
        length = method.backtrack * length
        return length, at(length), trials + 1

    whole = jnp.ones_like(loss)
    length, value, trials = jax.lax.while_loop(too_long, shorter, (whole, at(whole), jnp.ones((), int)))
    return jnp.where(value <= loss, length, 0), trials
