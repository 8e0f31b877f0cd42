"""What the self-scaled quasi-Newton methods have in common: a dense inverse Hessian, its update, and the step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.fingerprint import fingerprint
from pinn_ac.optimizers.line_search import Found, strong_wolfe
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable


class SelfScaledState(NamedTuple):
    """Parameters, the inverse Hessian there, and what is known of the objective.

    inverse_hessian: H, (P, P).
    fresh: H counts as a multiple of the identity, whatever the array holds.
    value, gradient: the loss and its gradient (P,) at the parameters, on the batch with the fingerprint `batch`.
    batch: that fingerprint, (2,).
    evaluations: of value and gradient, so far.
    resets: how often H was discarded for a multiple of the identity.
    """

    params: Any
    inverse_hessian: jax.Array
    fresh: jax.Array
    value: jax.Array
    gradient: jax.Array
    batch: jax.Array
    evaluations: jax.Array
    resets: jax.Array


class Curvature(NamedTuple):
    """Three numbers of a step s with the change of gradient y: ρ = 1/sᵀy, h = ρ yᵀHy, b = ρ sᵀH⁻¹s.

    a = bh − 1 ≥ 0 by the Cauchy–Schwarz inequality; here it is never below the rounding of the
    precision. `size` is P.
    """

    a: jax.Array
    b: jax.Array
    h: jax.Array
    size: int


Rule = Callable[[Curvature], tuple[jax.Array | float, jax.Array | float]]
"""Curvature → (θ, τ): the member of Broyden's family, and the scale by which the old H is divided."""


def updated(
    H: jax.Array, s: jax.Array, y: jax.Array, Hy: jax.Array, phi: jax.Array, tau: jax.Array | float
) -> jax.Array:
    """[H − Hy yᵀH/(yᵀHy) + φ (yᵀHy) v vᵀ]/τ + ρ s sᵀ with v = ρs − Hy/(yᵀHy): it maps y to s.

    With τ = 1, φ = 1 is BFGS and φ = 0 is DFP. The result is symmetric to the last bit.

    Args:
        H: inverse Hessian, (P, P).
        s: step, (P,).
        y: change of the gradient, (P,).
        Hy: (P,).
        phi: φ.
        tau: τ > 0.
    """
    rho, yHy = 1 / (s @ y), y @ Hy
    v = rho * s - Hy / yHy
    # The scalars are divided first: a division for each of the P² entries would take longer than all the rest.
    weights = -1 / (tau * yHy), phi * yHy / tau, rho
    return H * (1 / tau) + _square(Hy) * weights[0] + _square(v) * weights[1] + _square(s) * weights[2]


@dataclass(frozen=True)
class SelfScaled:
    """A quasi-Newton method whose inverse Hessian H each step updates, with a strong-Wolfe line search.

    The first H is the identity, divided by the length of the gradient if that is above one; before its first update
    it becomes sᵀy/yᵀy I (Nocedal and Wright 2006, eq. 6.20). H is kept when the points change; the value and the
    gradient of the loss are kept as long as they do not. A step without positive curvature, sᵀy ≤ eps ‖s‖‖y‖, leaves
    H as it is. Where gᵀHg is not positive, or the line search finds no lower point, H starts anew.

    Subclasses give `rule`, which chooses the update.

    Args:
        linesearch_steps: most evaluations in one line search.
        c1: of the Wolfe condition of sufficient decrease, in (0, 1).
        c2: of the Wolfe condition of curvature, in (c1, 1).
        steps: how many steps a stage of training takes.

    Raises:
        InputError: a number out of range.
    """

    linesearch_steps: int = 20
    c1: float = 1e-4
    c2: float = 0.9
    steps: int = 3000

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name in ("linesearch_steps", "steps"):
            value = getattr(self, name)
            require(is_whole(value, 1), f"optimizer.{name} is {value}: give a whole number from 1.")
        require(is_number(self.c1) and 0 < self.c1 < 1, f"optimizer.c1 is {self.c1}: give a number in (0, 1).")
        require(
            is_number(self.c2) and self.c1 < self.c2 < 1,
            f"optimizer.c2 is {self.c2}: give a number between c1 = {self.c1} and 1.",
        )

    @staticmethod
    def rule(curvature: Curvature) -> tuple[jax.Array | float, jax.Array | float]:
        """θ and τ of the update (:data:`Rule`) after a step with this curvature."""
        raise NotImplementedError

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        return kept(objective, _self_scaled, self.rule, self.linesearch_steps, self.c1, self.c2)


def _self_scaled(objective: Trainable, rule: Rule, linesearch_steps: int, c1: float, c2: float) -> Optimizer:
    def init(params):
        flat, _ = ravel_pytree(params)
        nothing, none = jnp.zeros((), flat.dtype), jnp.zeros((), int)
        eye, unseen = jnp.eye(flat.size, dtype=flat.dtype), jnp.zeros(2, jnp.uint32)
        return SelfScaledState(params, eye, jnp.ones((), bool), nothing, 0 * flat, unseen, none, none)

    @jax.jit
    def step(state, batch):
        flat, unravel = ravel_pytree(state.params)

        def value_and_grad(flat):
            value, gradient = objective.value_and_grad(unravel(flat), batch)
            return value, ravel_pytree(gradient)[0]

        seen = fingerprint(batch)
        new = (seen != state.batch).any()
        value, gradient = jax.lax.cond(new, value_and_grad, lambda _: (state.value, state.gradient), flat)
        before = _Inverse(state.inverse_hessian, state.fresh, 1 / jnp.maximum(1, jnp.linalg.norm(gradient)))
        descends = gradient @ before.times(gradient) > 0  # false also for NaN
        H = before._replace(fresh=before.fresh | ~descends)
        found = strong_wolfe(value_and_grad, flat, value, gradient, -H.times(gradient), c1, c2, linesearch_steps)
        moved = found.length > 0
        inverse_hessian, learned = _learn(H, rule, found, found.flat - flat, gradient)
        discarded = (H.fresh | ~moved) & ~state.fresh
        after = SelfScaledState(
            params=unravel(found.flat),
            inverse_hessian=inverse_hessian,
            fresh=~moved | (H.fresh & ~learned),
            value=found.value,
            gradient=found.gradient,
            batch=seen,
            evaluations=state.evaluations + new + found.evaluations,
            resets=state.resets + discarded,
        )
        return after, StepInfo(value, after.evaluations)

    def on_nonfinite(state):
        return state._replace(fresh=jnp.ones((), bool), resets=state.resets + 1)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)


class _Inverse(NamedTuple):
    """H: the matrix, or `scale` times the identity where it is fresh."""

    matrix: jax.Array
    fresh: jax.Array
    scale: jax.Array

    def times(self, vector: jax.Array) -> jax.Array:
        return jnp.where(self.fresh, self.scale * vector, self.matrix @ vector)

    def dense(self) -> jax.Array:
        return jnp.where(self.fresh, self.scale * jnp.eye(len(self.matrix), dtype=self.matrix.dtype), self.matrix)


def _learn(H: _Inverse, rule: Rule, found: Found, s: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """H after the step s, and whether the step had positive curvature and changed H."""
    eps = jnp.finfo(s.dtype).eps
    y = found.gradient - gradient
    sy, Hy = s @ y, H.times(y)
    learned = sy > eps * jnp.linalg.norm(s) * jnp.linalg.norm(y)
    # The step went along −Hg, so H⁻¹s is −αg.
    h, b = (y @ Hy) / sy, -found.length * (s @ gradient) / sy
    rescaling = jnp.where(H.fresh, 1 / h, 1.0)  # a fresh H becomes sᵀy/yᵀy times the identity, so that h = 1
    a = jnp.maximum(b * h - 1, eps)
    theta, tau = rule(Curvature(a, b / rescaling, h * rescaling, len(s)))
    phi = (1 - theta) / (1 + theta * a)
    new = updated(H._replace(scale=H.scale * rescaling).dense(), s, y, Hy * rescaling, phi, tau)
    return jnp.where(learned, new, H.dense()), learned


def _square(vector: jax.Array) -> jax.Array:
    return vector[:, None] * vector[None, :]
