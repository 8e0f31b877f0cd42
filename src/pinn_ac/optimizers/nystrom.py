"""Randomised low-rank approximations of symmetric matrices that are known by their products, and their use."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Product = Callable[[jax.Array], jax.Array]
"""v ↦ Av for a symmetric matrix A, (P,) to (P,)."""


class LowRank(NamedTuple):
    """U diag(values) Uᵀ with orthonormal columns U, (P, s), and values ≥ 0, (s,), the largest first."""

    vectors: jax.Array
    values: jax.Array


class Solution(NamedTuple):
    """What conjugate gradients have found, (P,), and how many products with the matrix that took."""

    x: jax.Array
    products: jax.Array


def nystrom(times: Product, sketch: jax.Array) -> LowRank:
    """The Nyström approximation (AQ)(QᵀAQ)⁺(AQ)ᵀ of A on the range of a sketch, which has the basis Q, (P, s).

    It is computed for A + νI, and ν taken off the eigenvalues again; those that would be negative become zero. ν is
    the rounding of AQ, √P eps ‖AQ‖, and more by twice as much as QᵀAQ has negative eigenvalues, so that those of an A
    that is not positive stay as far from zero as they are. For the exact A, positive semidefinite and of rank s or
    less, the approximation is A.

    Source: Frangella, Tropp, Udell 2023, arXiv:2110.02820, algorithm 2.1; Rathore et al. 2024, arXiv:2402.01868,
    algorithm 5, where, as in its code, the additional shift is missing in AQ + νQ.

    Args:
        times: v ↦ Av.
        sketch: any matrix (P, s), s ≤ P; as a rule with independent normal entries.
    """
    Q = jnp.linalg.qr(sketch)[0]
    Y = jax.lax.map(times, Q.T).T
    core, vectors = jnp.linalg.eigh(0.5 * (Q.T @ Y + Y.T @ Q))
    rounding = jnp.sqrt(jnp.asarray(len(Q), Q.dtype)) * jnp.finfo(Q.dtype).eps * jnp.linalg.norm(Y)
    shift = rounding + 2 * jnp.maximum(0, -core[0])
    above = jnp.maximum(core + shift, jnp.finfo(Q.dtype).tiny)
    B = ((Y + shift * Q) @ vectors) / jnp.sqrt(above)
    U, singular, _ = jnp.linalg.svd(B, full_matrices=False)
    return LowRank(U, jnp.maximum(0, singular**2 - shift))


def precondition(low: LowRank, damping: jax.Array, v: jax.Array) -> jax.Array:
    """P⁻¹v with P⁻¹ = (λ_s + μ) U (Λ + μI)⁻¹ Uᵀ + I − UUᵀ, where λ_s is the least of Λ and μ the damping.

    If U and Λ are the s largest eigenpairs of A, P⁻¹(A + μI) has λ_s + μ in place of their eigenvalues λ + μ.
    """
    along = low.vectors.T @ v
    factors = (low.values[-1] + damping) / (low.values + damping) - 1
    return v + low.vectors @ (factors * along)


def conjugate_gradients(
    times: Product,
    b: jax.Array,
    start: jax.Array,
    inverse: Product,
    iterations: int,
    tolerance: float,
) -> Solution:
    """x with Ax = b by preconditioned conjugate gradients, up to where A turns out not to be positive.

    They end when ‖b − Ax‖ ≤ tolerance ‖b‖, after so many iterations, or at a direction p with pᵀAp ≤ 0, along which
    they do not go (Nocedal and Wright 2006, section 7.1). JAX's own would go on.

    Args:
        times: v ↦ Av.
        b: (P,).
        start: the first x, (P,).
        inverse: the preconditioner, v ↦ P⁻¹v.
        iterations: at most.
        tolerance: of the residual, relative.
    """

    class Iterate(NamedTuple):
        x: jax.Array
        residual: jax.Array
        direction: jax.Array
        square: jax.Array
        iterations: jax.Array
        positive: jax.Array

    def unfinished(now):
        far = jnp.linalg.norm(now.residual) > tolerance * jnp.linalg.norm(b)
        return far & (now.iterations < iterations) & now.positive

    def advance(now):
        image = times(now.direction)
        curvature = now.direction @ image
        positive = curvature > 0
        length = jnp.where(positive, now.square / jnp.where(positive, curvature, 1), 0)
        residual = now.residual - length * image
        z = inverse(residual)
        square = residual @ z
        direction = z + square / now.square * now.direction
        return Iterate(now.x + length * now.direction, residual, direction, square, now.iterations + 1, positive)

    residual = b - times(start)
    z = inverse(residual)
    first = Iterate(start, residual, z, residual @ z, jnp.zeros((), int), jnp.ones((), bool))
    end = jax.lax.while_loop(unfinished, advance, first)
    return Solution(end.x, end.iterations + 1)
