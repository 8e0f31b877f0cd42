"""Named terms, each a vector over points, and the objective that they add up to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.derivatives import Engine
from pinn_ac.errors import is_number, require
from pinn_ac.gradients import Gradient
from pinn_ac.problem import InitialCondition
from pinn_ac.residual import expand, residual

Batch = Mapping[str, Any]
NAMES = ("residual", "initial")
"""Every term that a field may need."""


class Term(NamedTuple):
    """One term of the loss.

    prepare: (points as drawn, an initial condition in place of the problem's own or None) → the pytree of what
        depends on these alone, with a leading axis of n.
    at_point: (params, one point's leaves) → the scalar that should vanish there.
    """

    prepare: Callable[..., Any]
    at_point: Callable[[Parameters, Any], jax.Array]


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
        return expand(field.starting_from(condition), engine, points)

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
                field.on_background(params, point.t, point.background.u) - point.background.u[0]
            ),
        )
    return terms


@dataclass(frozen=True)
class Objective:
    """L = Σ_k weight_k · (1/n_k) Σ_i |r_ki| (`norm` "l1", the lecture's) or r_ki² (`norm` "mse").

    Args:
        terms: name → term.
        weights: name → weight ≥ 0; a term without one has weight 1.
        norm: "l1" or "mse".
        gradient: who differentiates with respect to the parameters.
    """

    terms: Mapping[str, Term]
    weights: Mapping[str, float]
    norm: str
    gradient: Gradient

    def __post_init__(self) -> None:
        require(self.norm in ("l1", "mse"), f"loss.norm is {self.norm!r}: choose l1 or mse.")
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

        Args:
            points: name → (n, 2), with columns t and x.
            condition: where a window of time begins, in place of the problem's own initial condition.
        """
        batch = {name: term.prepare(points[name], condition) for name, term in self.terms.items()}
        names = [f"{name}_weights" for name in self.terms]
        return batch | {name: points[name] for name in names if name in points}

    def vector(self, name: str, params: Parameters, batch: Batch) -> jax.Array:
        """r_k, of shape (n_k,)."""
        return jax.vmap(self.terms[name].at_point, in_axes=(None, 0))(params, batch[name])

    def means(self, params: Parameters, batch: Batch) -> dict[str, jax.Array]:
        """Each term's mean, by the weights of its points where they have some, without its own."""
        measure = jnp.abs if self.norm == "l1" else jnp.square

        def mean(name):
            sizes, weights = measure(self.vector(name, params, batch)), batch.get(f"{name}_weights")
            return jnp.mean(sizes if weights is None else weights * sizes)

        return {name: mean(name) for name in self.terms}

    def loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """L."""
        means = self.means(params, batch)
        return sum((self.weight(name) * mean for name, mean in means.items()), start=jnp.zeros(()))

    def value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """L and ∂L/∂params."""
        return self.gradient.value_and_grad(lambda p: self.loss(p, batch), params)

    def residuals(self, params: Parameters, batch: Batch) -> jax.Array:
        """√(weight_k/n_k) r_k, one term after the other: its sum of squares is the loss of `norm` "mse".

        Where points have weights w_i, with the factor √w_i.
        """
        return jnp.concatenate([self._scaled(name, self.vector(name, params, batch), batch) for name in self.terms])

    def residuals_and_jacobian(self, flat: jax.Array, unravel: Callable, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """The residuals (n,) and their Jacobian (n, P) in the parameters `unravel(flat)`."""
        found = []
        for name in self.terms:
            points = self.points(name, batch)
            found.append(self.part(name, unravel, _count(points)).rows(flat, points))
        vectors, rows = zip(*found, strict=True)
        return jnp.concatenate(vectors), jnp.concatenate(rows)

    def points(self, name: str, batch: Batch) -> tuple[Any, jax.Array | None]:
        """What a batch holds of a term: its prepared points, and their weights if they have some."""
        return batch[name], batch.get(f"{name}_weights")

    def part(self, name: str, unravel: Callable, count: int) -> Part:
        """The term `name` of `residuals` at any of its `count` `points`."""
        term, scale = self.terms[name], (self.weight(name) / count) ** 0.5

        def at_point(flat, point):
            place, weight = point
            factor = scale if weight is None else scale * jnp.sqrt(weight)
            return factor * term.at_point(unravel(flat), place)

        def residuals(flat, points):
            return jax.vmap(at_point, in_axes=(None, 0))(flat, points)

        def rows(flat, points):
            def row(point):
                return self.gradient.value_and_grad(lambda p: at_point(p, point), flat)

            return jax.vmap(row)(points)

        def linearize(flat, points):
            return self.gradient.linearize(lambda p: residuals(p, points), flat)

        return Part(residuals, rows, linearize)

    def _scaled(self, name: str, values: jax.Array, batch: Batch) -> jax.Array:
        scaled = values * (self.weight(name) / values.shape[0]) ** 0.5
        weights = batch.get(f"{name}_weights")
        return scaled if weights is None else scaled * jnp.sqrt(weights)


def _count(points: Any) -> int:
    return jax.tree.leaves(points)[0].shape[0]
