"""One direction from the gradients of several loss terms that may contradict each other.

G = (g_1, …, g_m) holds the gradients of the weighted terms, (m, P), and Σ g_k is the gradient of the loss.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp

from pinn_ac.errors import require


def pcgrad(G: jax.Array) -> jax.Array:
    """PCGrad: every gradient loses what of it points against another one, and the rest is added up, (P,).

        h_i ← g_i;   for each j ≠ i:   h_i ← h_i − min(0, h_i·g_j) g_j/‖g_j‖²;   Σ_i h_i

    The others come in the order of the terms, where the paper draws it; for two terms there is but one order.

    Source: Yu, Kumar, Gupta, Levine, Hausman, Finn 2020, arXiv:2001.06782, algorithm 1.
    """
    squares = jnp.maximum(jnp.sum(G * G, axis=1), jnp.finfo(G.dtype).tiny)
    total = jnp.zeros_like(G[0])
    for i in range(len(G)):
        h = G[i]
        for j in range(len(G)):
            if j != i:
                h = h - jnp.minimum(0, h @ G[j]) / squares[j] * G[j]
        total = total + h
    return total


def config(G: jax.Array) -> jax.Array:
    """ConFIG: the direction that has one positive cosine with every gradient, (P,).

        d = U(M⁺ 1) with the rows U(g_k) of M,   (Σ_k g_k·d) d      and U(v) = v/‖v‖

    M⁺ is the pseudoinverse, by a QR factorization of Mᵀ, which unlike MMᵀ does not square its condition. A term whose
    gradient is zero has no say. Where the gradients exactly cancel there is no such direction, and no step.

    Source: Liu, Chu, Thuerey 2024, arXiv:2408.11104, eq. 2 and 3. Its variant with momentum, which evaluates one term
    a step, is not here.
    """
    Q, R = jnp.linalg.qr(_unit(G).T)
    d = Q @ (jnp.linalg.pinv(R.T) @ _present(G))
    # A solution of M d = 1 is longer than the rows of M; what is shorter is none.
    d = jnp.where(jnp.linalg.norm(d) > 0.5, _unit(d), 0)
    return jnp.sum(G @ d) * d


def dcgd(G: jax.Array) -> jax.Array:
    """Dual cone gradient descent, centred: the loss' gradient, projected onto the bisector of two gradients, (P,).

        c = U(g_1) + U(g_2),   (c·(g_1 + g_2)/‖c‖²) c

    c has an angle of at most 90° with both, that is, it lies in the cone dual to the one that they span. It is taken
    in every step, also where the gradients do not contradict each other. Where they exactly cancel there is no step.

    Source: Hwang and Lim 2024, arXiv:2409.18426: the variant "center", which its code has as default.
    """
    c = jnp.sum(_unit(G), axis=0)
    return (c @ jnp.sum(G, axis=0)) / jnp.maximum(c @ c, jnp.finfo(G.dtype).tiny) * c


COMBINERS: Mapping[str, Callable[[jax.Array], jax.Array]] = MappingProxyType(
    {"pcgrad": pcgrad, "config": config, "dcgd": dcgd}
)
"""Name → gradients of the terms (m, P) to one direction (P,)."""


def require_combiner(name: str | None) -> None:
    """Refuse the name of no combiner."""
    known = ", ".join(COMBINERS)
    known_name = name is None or (isinstance(name, str) and name in COMBINERS)
    require(known_name, f"optimizer.combine is {name!r}: choose one of {known}, or null.")


def require_terms(name: str, count: int) -> None:
    """Refuse a combiner for a loss with so many terms."""
    require(
        count > 1,
        f"optimizer.combine={name} mediates between several terms of the loss, and this one has the residual alone: "
        "leave it out, or choose ansatz=soft.",
    )
    require(
        name != "dcgd" or count == 2,
        f"optimizer.combine=dcgd is defined for two terms, and this loss has {count}: choose config or pcgrad.",
    )


def _unit(vectors: jax.Array) -> jax.Array:
    """The vectors, along the last axis, with length one; of zero length where they are zero."""
    # Divided by the largest entry first: the squares of small gradients would not be there in single precision.
    largest = jnp.max(jnp.abs(vectors), axis=-1, keepdims=True)
    scaled = vectors / jnp.where(largest > 0, largest, 1)
    lengths = jnp.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / jnp.where(lengths > 0, lengths, 1)


def _present(G: jax.Array) -> jax.Array:
    """1 for each gradient that is not zero, (m,)."""
    return jnp.any(G != 0, axis=1).astype(G.dtype)
