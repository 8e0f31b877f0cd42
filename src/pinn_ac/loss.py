"""Named terms, each a vector over points, and the objective that they add up to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.chunks import length, summed
from pinn_ac.derivatives import Engine
from pinn_ac.errors import is_number, require
from pinn_ac.gradients import Gradient
from pinn_ac.parallel import CONDITION, ONE_DEVICE, Shards
from pinn_ac.problem import InitialCondition
from pinn_ac.residual import prepare as prepare_points
from pinn_ac.residual import residual

Batch = Mapping[str, Any]
NAMES = ("residual", "initial")
"""Every term that a field may need."""
MOST_PREPARED = 2**18
"""Points a device up to which a batch holds what depends on them alone, about 200 bytes each."""
MOST_AT_ONCE = 2**16
"""Points up to which the loss and its gradient are computed at once, and not summed over chunks of so many."""


class Term(NamedTuple):
    """One term of the loss.

    prepare: (points as drawn, an initial condition in place of the problem's own or None) → the pytree of what
        depends on these alone, with a leading axis of n.
    at_point: (params, one point's leaves) → the scalar that should vanish there.
    """

    prepare: Callable[..., Any]
    at_point: Callable[[Parameters, Any], jax.Array]


class Bare(NamedTuple):
    """In a batch whose points are yet to be prepared: the condition that this takes."""

    condition: InitialCondition | None


class Part(NamedTuple):
    """Some rows of the residual vector as functions of flat parameters (P,) and m prepared points.

    residuals: (flat, points) → r, (m,).
    rows: (flat, points) → r and J, (m, P).
    linearize: (flat, points) → r, v ↦ Jv and w ↦ Jᵀw.
    """

    residuals: Callable[[jax.Array, Any], jax.Array]
    rows: Callable[[jax.Array, Any], tuple[jax.Array, jax.Array]]
    linearize: Callable[[jax.Array, Any], tuple[jax.Array, Callable, Callable]]


def build_terms(field: Field, engine: Engine) -> dict[str, Term]:
    """The terms that this field needs: the residual, and u(0, x) − u₀(x) unless the ansatz has it built in."""

    def prepare(points: jax.Array, condition: InitialCondition | None = None) -> Any:
        return prepare_points(field.starting_from(condition), engine, points)

    terms = {
        "residual": Term(
            prepare=prepare,
            at_point=lambda params, point: residual(field, engine, params, point),
        )
    }
    if not field.ansatz.exact_at_start:
        terms["initial"] = Term(
            prepare=prepare,
            at_point=lambda params, point: (
                field.on_background(params, point.t, point.background["u"]) - point.background["u"][0]
            ),
        )
    return terms


@dataclass(frozen=True)
class Objective:
    """L = Σ_k weight_k · (1/n_k) Σ_i |r_ki| (`norm` "l1", the lecture's) or r_ki² (`norm` "mse").

    r is that of a field in natural units (`Problem.natural`), so that terms weigh the same whatever the user's are.

    Args:
        terms: name → term.
        weights: name → weight ≥ 0; a term without one has weight 1.
        norm: "l1" or "mse".
        gradient: who differentiates with respect to the parameters.
        shards: the devices that share the points.
        most_prepared: points that a batch holds prepared.
        most_at_once: points of a term that a device computes the loss of at once.
    """

    terms: Mapping[str, Term]
    weights: Mapping[str, float]
    norm: str
    gradient: Gradient
    shards: Shards = ONE_DEVICE
    most_prepared: int = MOST_PREPARED
    most_at_once: int = MOST_AT_ONCE

    def __post_init__(self) -> None:
        require(self.norm in ("l1", "mse"), f"loss.norm is {self.norm!r}: choose l1 or mse.")
        mapped = isinstance(self.weights, Mapping)
        require(mapped, f"loss.weights is {self.weights}: give some by loss.weights.residual=1, or none by {{}}.")
        for name, weight in self.weights.items():
            require(
                name in (*NAMES, *self.terms),
                f"loss.weights.{name} is the weight of no term: the terms are {', '.join(NAMES)}.",
            )
            positive = is_number(weight) and weight >= 0
            require(positive, f"loss.weights.{name} is {weight}: give zero or a positive number.")

    def weight(self, name: str) -> float:
        """The weight of a term."""
        return self.weights.get(name, 1.0)

    def prepare(self, points: Mapping[str, jax.Array], condition: InitialCondition | None = None) -> Batch:
        """What the terms need of newly drawn points, computed once for them; `NAME_weights` go with their term.

        Of very many points only they themselves are kept, and the condition with them.

        Args:
            points: name → (n, 2), with columns t and x.
            condition: where a window of time begins, in place of the problem's own initial condition.
        """
        chosen = {name: points[name] for name in self.terms}
        weights = {f"{name}_weights": points[f"{name}_weights"] for name in chosen if f"{name}_weights" in points}
        if sum(map(length, chosen.values())) > self.shards.count * self.most_prepared:
            return chosen | weights | {CONDITION: Bare(condition)}

        def prepared(condition, points):
            return {name: self.terms[name].prepare(points[name], condition) for name in points}

        return self.shards.rows(prepared)(condition, chosen) | weights

    def means(self, params: Parameters, batch: Batch) -> dict[str, jax.Array]:
        """Each term's mean, by the weights of its points where they have some, without its own."""
        return self.shards.averaged(self._means)(params, batch)

    def total(self, means: Mapping[str, Any]) -> Any:
        """L from its terms' means."""
        return sum(self.weight(name) * mean for name, mean in means.items())

    def loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """L."""
        return self.shards.averaged(self._loss)(params, batch)

    def value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """L and ∂L/∂params."""
        return self.shards.averaged(self._value_and_grad)(params, batch)

    def vector(self, name: str, params: Parameters, batch: Batch) -> jax.Array:
        """r_k, of shape (n_k,), on one device."""
        return self._at(name, params, batch[name], batch.get(CONDITION))

    def residuals(self, params: Parameters, batch: Batch) -> jax.Array:
        """√(weight_k/n_k) r_k, one term after the other: its sum of squares is the loss of `norm` "mse".

        Where points have weights w_i, with the factor √w_i. On one device.
        """
        flat, unravel = ravel_pytree(params)
        found = [
            self.part(name, unravel, length(batch[name]), batch.get(CONDITION)).residuals(
                flat, self.points(name, batch)
            )
            for name in self.terms
        ]
        return jnp.concatenate(found)

    def residuals_and_jacobian(self, flat: jax.Array, unravel: Callable, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """The residuals (n,) and their Jacobian (n, P) in the parameters `unravel(flat)`, on one device."""
        found = [
            self.part(name, unravel, length(batch[name]), batch.get(CONDITION)).rows(flat, self.points(name, batch))
            for name in self.terms
        ]
        vectors, rows = zip(*found, strict=True)
        return jnp.concatenate(vectors), jnp.concatenate(rows)

    def points(self, name: str, batch: Batch) -> tuple[Any, jax.Array | None]:
        """What a batch holds of a term: its prepared points, and their weights if they have some."""
        return batch[name], batch.get(f"{name}_weights")

    def part(self, name: str, unravel: Callable, count: int, bare: Bare | None = None) -> Part:
        """The term `name` of `residuals` at any of its `count` `points`; `bare` of a batch that is."""
        term, scale = self.terms[name], (self.weight(name) / count) ** 0.5

        def at_point(flat, point):
            place, weight = point
            factor = scale if weight is None else scale * jnp.sqrt(weight)
            return factor * term.at_point(unravel(flat), place)

        def ready(points):
            place, weights = points
            return self._ready(name, place, bare), weights

        def residuals(flat, points):
            return jax.vmap(at_point, in_axes=(None, 0))(flat, ready(points))

        def rows(flat, points):
            def row(point):
                return self.gradient.value_and_grad(lambda p: at_point(p, point), flat)

            return jax.vmap(row)(ready(points))

        def linearize(flat, points):
            prepared = ready(points)
            return self.gradient.linearize(lambda p: jax.vmap(at_point, in_axes=(None, 0))(p, prepared), flat)

        return Part(residuals, rows, linearize)

    def _means(self, params: Parameters, batch: Batch) -> dict[str, jax.Array]:
        """`means` over the points of one device."""
        bare = batch.get(CONDITION)

        def mean(name):
            points = self.points(name, batch)
            total = summed(lambda piece: self._total(name, params, piece, bare), points, self.most_at_once)
            return total / length(points)

        return {name: mean(name) for name in self.terms}

    def _loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """`loss` over the points of one device."""
        return self.total(self._means(params, batch))

    def _value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """`value_and_grad` over the points of one device, which keeps of a chunk no more than its sums."""
        bare = batch.get(CONDITION)

        def over(name):
            points = self.points(name, batch)
            scale = self.weight(name) / length(points)

            def of(piece):
                ready = self._ready(name, piece[0], bare), piece[1]
                return self.gradient.value_and_grad(lambda p: scale * self._total(name, p, ready, None), params)

            return summed(of, points, self.most_at_once)

        return jax.tree.map(lambda *terms: sum(terms), *map(over, self.terms))

    def _total(self, name: str, params: Parameters, points: Any, bare: Bare | None) -> jax.Array:
        """Σ of a term's measure over some of its `points`."""
        place, weights = points
        sizes = (jnp.abs if self.norm == "l1" else jnp.square)(self._at(name, params, place, bare))
        return jnp.sum(sizes if weights is None else weights * sizes)

    def _at(self, name: str, params: Parameters, place: Any, bare: Bare | None) -> jax.Array:
        points = self._ready(name, place, bare)
        return jax.vmap(self.terms[name].at_point, in_axes=(None, 0))(params, points)

    def _ready(self, name: str, place: Any, bare: Bare | None) -> Any:
        """Prepared points as they are, bare ones prepared now."""
        return place if bare is None else self.terms[name].prepare(place, bare.condition)
