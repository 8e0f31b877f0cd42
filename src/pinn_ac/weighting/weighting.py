"""The interface of every weighting, and what it may ask of the objective."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import jax

from pinn_ac.errors import require

State = Any
Points = Mapping[str, jax.Array]
"""Name of a term → its points as drawn, (n, 2) with columns t and x in natural units (`Problem.natural`)."""


class Measured(Protocol):
    """What a weighting may ask of the objective at the present parameters and points, term by term.

    φ(r) is r² or |r|, as the norm of the objective has it, and w_i are the weights that the points have without the
    weighting (1, or 1/density with `sampler.importance`). A term's own weight, `loss.weights.NAME`, is in none of it.
    Each quantity is computed where it is asked for, so that what no weighting needs costs nothing; what is asked for
    inside a branch of `jax.lax.cond` is computed only when that branch is taken.
    """

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms."""
        ...

    @property
    def power(self) -> int:
        """p of φ(r) = |r|^p: a point whose residual is to be multiplied by λ has the weight λ^p."""
        ...

    def weighted(self, weights: Mapping[str, jax.Array]) -> "Measured":
        """The same with the w_i of some terms multiplied: what a weighting sees that follows another."""
        ...

    def weights(self, name: str) -> jax.Array:
        """w_i at every point of the term, (n,)."""
        ...

    def residuals(self, name: str) -> jax.Array:
        """r_i at every point of the term, (n,)."""
        ...

    def losses(self, name: str) -> jax.Array:
        """w_i φ(r_i) at every point of the term, (n,)."""
        ...

    def mean(self, name: str) -> jax.Array:
        """The mean (1/n) Σ_i w_i φ(r_i) of the term."""
        ...

    def gradient(self, name: str) -> Any:
        """The gradient of that mean with respect to the parameters, a pytree like them."""
        ...

    def squared_row_norms(self, name: str) -> jax.Array:
        """‖∂r_i/∂params‖² at every point of the term, (n,): the diagonal of its neural tangent kernel."""
        ...


class Weighting(Protocol):
    """Weights of points that follow the training, as pure functions on pytrees; its settings are a frozen dataclass.

    Before each step of an optimizer the state and the weights are updated at the parameters where the step begins,
    and the weight of each point is multiplied by the one that the weighting gives it. So the loss of the step is

        L = Σ_k weight_k · (1/n_k) Σ_i v_ki w_ki φ(r_ki)

    with v_ki from the weighting, w_ki from the sampler and weight_k from `loss.weights`. The v_ki are constants of
    the step: no gradient goes through them. Least-squares methods see √(v_ki w_ki) r_ki, so the weights act on every
    optimizer alike. A weight of a whole term is the same number at all of its points.

    A weighting whose class has `balances = True` weighs the terms against each other and needs two
    (:func:`require_terms`); its points have the names of all terms of the objective.
    """

    def init(self, points: Points, seed: int) -> State:
        """The state before the first step of a time window, a pytree of arrays.

        Args:
            points: as drawn; of their values nothing may decide about shapes.
            seed: the root of the run's randomness.
        """
        ...

    def renew(self, state: State, points: Points) -> State:
        """The state that goes on with newly drawn points: what belongs to single points begins anew."""
        ...

    def update(self, state: State, measured: Measured, points: Points) -> tuple[State, Mapping[str, jax.Array]]:
        """The new state, and name of a term → v_k, (n_k,); a term that is left out keeps its weights.

        Args:
            state: as `init`, `renew` or the update before has left it.
            measured: see :class:`Measured`.
            points: as drawn, in the order of the weights.
        """
        ...

    def figures(self, state: State) -> Mapping[str, jax.Array]:
        """Name → number, for the history of the run."""
        ...


def require_terms(weighting: Any, terms: Iterable[str]) -> None:
    """Refuse a weighting that balances terms where there is one alone.

    Raises:
        InputError: there is one.
    """
    names = tuple(terms)
    require(
        len(names) > 1 or not getattr(weighting, "balances", False),
        f"The weighting {type(weighting).__name__} balances the terms of the loss, of which there is one alone, "
        f"{', '.join(names)}: choose ansatz=soft embedding=periodic, by which the initial condition is another, or "
        "another weighting.",
    )
