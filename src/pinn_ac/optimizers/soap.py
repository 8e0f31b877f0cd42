"""SOAP: Adam in the eigenbases of Shampoo's preconditioners."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.errors import is_whole, require
from pinn_ac.optimizers.first_order import FirstOrder
from pinn_ac.optimizers.schedules import require_decay

Matrices = tuple[jax.Array, ...]
"""A square matrix for each axis of an array."""


class SOAPState(NamedTuple):
    """What the transformation remembers. Lists have an entry for each parameter array, in the order of the tree.

    steps: so far; the first one prepares the bases and moves nothing.
    first: moving averages of the gradients, like the parameters.
    second: moving averages of their squares in the bases, like the parameters.
    factors: moving averages of G Gᵀ over each axis of the gradient G; of an array with fewer than two axes none.
    bases: their eigenvectors, as columns.
    """

    steps: jax.Array
    first: Any
    second: list[jax.Array]
    factors: list[Matrices]
    bases: list[Matrices]


@dataclass(frozen=True)
class SOAP(FirstOrder):
    """SOAP (Vyas et al. 2024, arXiv:2409.11321, algorithm 3) for PINNs: Adam in the eigenbases of Shampoo.

    With the gradient G of a weight matrix, its eigenbases Q_L and Q_R, and k counted from the second step on

        G' = Q_Lᵀ G Q_R,   M ← b1 M + (1 − b1) G,   V ← b2 V + (1 − b2) G'²,
        update −η Q_L [M̂'/(√V̂ + 10⁻⁸)] Q_Rᵀ   with M̂' = Q_Lᵀ M Q_R/(1 − b1ᵏ) and V̂ = V/(1 − b2ᵏ),
        L ← b2 L + (1 − b2) G Gᵀ,   R ← b2 R + (1 − b2) Gᵀ G,

    and every `refresh_every` steps Q_L becomes the orthogonal factor of L Q_L, and Q_R that of R Q_R: one step of a
    power iteration, with the columns in the order of their eigenvalues qᵀLq and V in the same order. The first step
    computes L, R and their eigenvectors, and moves nothing. Vectors and scalars have no bases: for them this is Adam.
    Where the first gradient has a lower rank than its matrix, rounding chooses the rest of the bases: a run repeats
    bit for bit, but on another number of devices it takes other steps.

    V is advanced at every step. (The JAX package that was current when Wang et al. published, SOAP_JAX of September
    2024, threw the new V away at steps without a refresh, so it advanced at one step of `refresh_every`; it rotated
    vectors too, where its later versions and the authors of SOAP do not.) There is no weight decay.

    For PINNs: Wang, Bhartari, Li and Perdikaris 2025, arXiv:2502.00604, whose constants are the defaults; they have
    learning_rate=1e-3, warmup_steps=5000, schedule="exponential", decay_rate=0.9, decay_steps=5000. Their code
    (jaxpi, branch pirate) has b1=0.9.

    Args:
        learning_rate, schedule, final_lr_fraction, steps, warmup_steps, decay_rate, decay_steps, combine: see
            :class:`~pinn_ac.optimizers.first_order.FirstOrder`.
        b1: decay rate of the first moment M, in [0, 1).
        b2: decay rate of the second moment V and of L and R, in [0, 1).
        refresh_every: steps between two refreshes of the bases, at least 1.

    Raises:
        InputError: see :class:`~pinn_ac.optimizers.first_order.FirstOrder`; or a number out of range.

    Example:
        >>> optimizer = SOAP(learning_rate=1e-3, steps=2000, refresh_every=2).build(objective)
        >>> state, info = optimizer.step(optimizer.init(params), batch)
    """

    b1: float = 0.99
    b2: float = 0.999
    refresh_every: int = 2

    name: ClassVar[str] = "soap"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_decay("b1", self.b1)
        require_decay("b2", self.b2)
        require(
            is_whole(self.refresh_every, 1),
            f"optimizer.refresh_every is {self.refresh_every}: give a whole number from 1.",
        )

    def transformation(self) -> optax.GradientTransformation:
        """Gradient → update, in optax's terms."""
        scale = scale_by_soap(self.b1, self.b2, self.refresh_every)
        return optax.chain(scale, optax.scale_by_learning_rate(self.rates()))


def scale_by_soap(b1: float, b2: float, refresh_every: int, eps: float = 1e-8) -> optax.GradientTransformation:
    """SOAP without a learning rate, for arrays with any number of axes; see :class:`SOAP`."""

    def init(params: Any) -> SOAPState:
        leaves = jax.tree.leaves(params)
        factors = [tuple(jnp.zeros((n, n), leaf.dtype) for n in _sizes(leaf)) for leaf in leaves]
        bases = [tuple(jnp.eye(n, dtype=leaf.dtype) for n in _sizes(leaf)) for leaf in leaves]
        zeros = [jnp.zeros_like(leaf) for leaf in leaves]
        return SOAPState(jnp.zeros((), int), jax.tree.map(jnp.zeros_like, params), zeros, factors, bases)

    def update(gradient: Any, state: SOAPState, params: Any = None) -> tuple[Any, SOAPState]:
        leaves, tree = jax.tree.flatten(gradient)
        factors = [
            tuple(b2 * L + (1 - b2) * _outer(G, axis) for axis, L in enumerate(of_leaf))
            for G, of_leaf in zip(leaves, state.factors, strict=True)
        ]

        def prepare(_: None) -> tuple[Any, SOAPState]:
            bases = [tuple(jnp.linalg.eigh(L)[1][:, ::-1] for L in of_leaf) for of_leaf in factors]
            return jax.tree.map(jnp.zeros_like, gradient), state._replace(factors=factors, bases=bases)

        def move(_: None) -> tuple[Any, SOAPState]:
            M = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.first, gradient)
            rotated = [rotate(G, Qs) for G, Qs in zip(leaves, state.bases, strict=True)]
            V = [b2 * v + (1 - b2) * G**2 for v, G in zip(state.second, rotated, strict=True)]
            k = state.steps
            updates = [
                rotate(rotate(m, Qs) / (1 - b1**k) / (jnp.sqrt(v / (1 - b2**k)) + eps), Qs, back=True)
                for m, v, Qs in zip(jax.tree.leaves(M), V, state.bases, strict=True)
            ]
            V, bases = jax.lax.cond(
                k % refresh_every == 0, refreshed, lambda V, _, bases: (V, bases), V, factors, state.bases
            )
            return jax.tree.unflatten(tree, updates), state._replace(first=M, second=V, factors=factors, bases=bases)

        updates, state = jax.lax.cond(state.steps == 0, prepare, move, None)
        return updates, state._replace(steps=state.steps + 1)

    return optax.GradientTransformation(init, update)


def rotate(array: jax.Array, bases: Matrices, back: bool = False) -> jax.Array:
    """Σ_i array_i… Q_ij for every axis and its basis Q, or with Qᵀ in place of Q: for a matrix Q_LᵀGQ_R and back."""
    for Q in bases:
        array = jnp.tensordot(array, Q, axes=(0, 1 if back else 0))  # which puts the new axis last
    return array


def refreshed(
    V: Sequence[jax.Array], factors: Sequence[Matrices], bases: Sequence[Matrices]
) -> tuple[list[jax.Array], list[Matrices]]:
    """V and the bases after one step of the power iteration, ordered by eigenvalues, the largest first."""
    new_V, new_bases = [], []
    for v, of_leaf, old in zip(V, factors, bases, strict=True):
        new = []
        for axis, (L, Q) in enumerate(zip(of_leaf, old, strict=True)):
            order = jnp.argsort(-jnp.sum(Q * (L @ Q), axis=0))
            v = jnp.take(v, order, axis=axis)
            new.append(jnp.linalg.qr(L @ Q[:, order])[0])
        new_V.append(v)
        new_bases.append(tuple(new))
    return new_V, new_bases


def _sizes(leaf: jax.Array) -> tuple[int, ...]:
    """Of the axes that get a basis."""
    return leaf.shape if leaf.ndim > 1 else ()


def _outer(G: jax.Array, axis: int) -> jax.Array:
    """Σ over all other axes of G_i… G_j…: for a matrix G Gᵀ and Gᵀ G."""
    others = [other for other in range(G.ndim) if other != axis]
    return jnp.tensordot(G, G, axes=(others, others))
