"""Linear least squares by an orthogonal factorization, as accurate as the Jacobian's condition allows, or by JᵀJ."""

import jax
import jax.numpy as jnp

from pinn_ac.parallel import ONE_DEVICE, Shards

SOLVERS = ("qr", "normal")


def least_squares_step(
    J: jax.Array, r: jax.Array, floor: float | jax.Array, shards: Shards = ONE_DEVICE, solver: str = "qr"
) -> jax.Array:
    """The minimiser δ, (P,), of ‖J δ + r‖² + λ² ‖S δ‖².

    S is the diagonal of the lengths of J's columns, and λ = `floor` · ‖J S⁻¹‖. Directions in which ‖J S⁻¹‖ is much
    larger than λ are solved for, and ‖S δ‖ stays below ‖r‖/(2λ) whatever the rank of J is. With λ near the rounding
    error of the precision, and residuals that the columns can nearly cancel, this is as accurate as a truncated
    singular value decomposition, and takes a third of its time.

    `solver` "qr" factorizes J S⁻¹ by Householder's reflections. "normal" has the Cholesky factor of
    S⁻¹JᵀJS⁻¹ + λ² I, which takes somewhat fewer operations and squares the condition of J: half of the digits are
    lost, and λ must be 1.5e-8 ‖J S⁻¹‖ at least (in single precision 3.5e-4).

    Source: Å. Björck, Numerical Methods for Least Squares Problems, SIAM 1996, sections 2.7.2 and 5.3.

    Args:
        J: (n, P), finite; a column of zeros gets δ = 0.
        r: (n,).
        floor: relative; what is less than a twentieth of the rounding error of the precision counts as that, and
            for "normal" what is less than its square root.
        shards: the devices that share the rows of J and r; none of them ever holds the others' (`Shards.triangle`).
        solver: "qr" or "normal".
    """
    return least_squares_steps(J, r[:, None], floor, shards, solver)[:, 0]


def least_squares_steps(
    J: jax.Array, r: jax.Array, floor: float | jax.Array, shards: Shards = ONE_DEVICE, solver: str = "qr"
) -> jax.Array:
    """:func:`least_squares_step` for several right-hand sides, r of shape (n, q): (P, q), by one factorization.

    Args:
        J, floor, shards, solver: as there.
        r: (n, q).
    """
    assert solver in SOLVERS
    P, eps = J.shape[1], jnp.finfo(J.dtype).eps
    lengths = jnp.linalg.norm(J, axis=0)
    lengths = jnp.where(lengths > 0, lengths, 1.0)
    both, identity = jnp.concatenate([J / lengths, r], axis=1), jnp.eye(P, dtype=J.dtype)
    if solver == "normal":
        _, products = shards.sharded(lambda _, own: ((), own.T @ own))((), both)
        A, b = products[:P, :P], products[:P, P:]
        factor = jax.scipy.linalg.cho_factor(A + jnp.maximum(floor**2, eps) * jnp.trace(A) * identity)
        return -jax.scipy.linalg.cho_solve(factor, b) / lengths[:, None]
    whole = shards.triangle(both)[:P]
    damping = jnp.maximum(floor, eps / 20) * jnp.linalg.norm(whole[:, :P])
    rows = jnp.concatenate([damping * identity, jnp.zeros((P, r.shape[1]), J.dtype)], axis=1)
    R = jnp.linalg.qr(jnp.concatenate([whole, rows]), mode="r")[:P]
    return -jax.scipy.linalg.solve_triangular(R[:, :P], R[:, P:]) / lengths[:, None]
