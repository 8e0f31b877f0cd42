"""Conjugate gradients on the normal equations, which need products with J and Jᵀ and hold no matrix."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.optimizers.least_squares.system import Model, System, sums_of_squares


class Preconditioner(NamedTuple):
    """λD, and the diagonal S with which S (JᵀJ + λ D) S has a unit diagonal."""

    damped: jax.Array
    scale: jax.Array


class _Iterate(NamedTuple):
    x: jax.Array
    residual: jax.Array
    direction: jax.Array
    square: jax.Array
    iterations: jax.Array


@dataclass(frozen=True)
class ConjugateGradients:
    """Conjugate gradients (Hestenes and Stiefel 1952), preconditioned by the diagonal.

    Args:
        model: the residuals and products with their Jacobian.
        iterations: the most iterations of one solve.
        tolerance: a solve ends when the preconditioned residual has fallen to this share of its first norm.
    """

    model: Model
    iterations: int
    tolerance: float
    whole = False
    compiled = True

    def gather(self, params: Any, batch: Any) -> System:
        """The system without any matrix: r, and Jᵀr and diag JᵀJ summed over chunks."""
        r, (g, squares) = self.model.accumulated(params, batch, sums_of_squares)
        return System(params, batch, r, g, squares)

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system as it is: there is nothing to prepare."""
        return system

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> Preconditioner:
        """The preconditioner."""
        diagonal = system.squares + damping * D
        # A parameter without effect has a zero column and a zero entry of Jᵀw, so it gets no step.
        return Preconditioner(
            damping * D, jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1)), 1)
        )

    def solve(self, factor: Preconditioner, system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ, to the tolerance."""
        push, pull = self.model.products(system)

        def advance(now):
            v = factor.scale * now.direction
            image = factor.scale * (pull(push(v)) + factor.damped * v)
            length = now.square / (now.direction @ image)
            residual = now.residual - length * image
            square = residual @ residual
            direction = residual + square / now.square * now.direction
            return _Iterate(now.x + length * now.direction, residual, direction, square, now.iterations + 1)

        first = factor.scale * (pull(w) if b is None else b)
        start = _Iterate(jnp.zeros_like(first), first, first, first @ first, jnp.zeros((), int))
        goal = self.tolerance**2 * start.square
        end = jax.lax.while_loop(lambda now: (now.square > goal) & (now.iterations < self.iterations), advance, start)
        return factor.scale * end.x
