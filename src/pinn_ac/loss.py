"""The loss: named terms, each a vector of residuals at points, and the objective that they add up to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.ansatz import Change, Field, Parameters
from pinn_ac.batch import Batch, Points
from pinn_ac.chunks import length, summed
from pinn_ac.derivatives import Engine
from pinn_ac.errors import is_number, require
from pinn_ac.gradients import Gradient
from pinn_ac.measured import ObjectiveMeasured
from pinn_ac.parallel import ONE_DEVICE, Shards
from pinn_ac.problem import InitialCondition
from pinn_ac.residual import prepare as prepare_points
from pinn_ac.residual import residual, residual_slope, residuals, slope_orders, value

NAMES = ("residual", "initial", "boundary")
"""Every term that a field may need."""
SLOPES = MappingProxyType({"residual_t": "t", "residual_x": "x"})
"""Every term of a slope of the residual, and the axis of that; they are there where they have a weight."""
WEIGHTS = "_weights"
"""Drawn points named `NAME_weights` are the weights of the points of term NAME."""
MOST_PREPARED = 2**18
"""Points per device up to which a batch keeps what depends on them alone, about 200 bytes for each."""
MOST_AT_ONCE = 2**16
"""Points up to which the loss and its gradient are computed at once; more are summed over chunks of this many."""


class Term(NamedTuple):
    """One term of the loss.

    prepare: (points as drawn (n, 2), an initial condition in place of the problem's own or None) → what depends on
        these alone, a pytree whose arrays have a leading axis of n.
    at_point: (params, what was prepared for one point) → the scalar that should vanish there.
    drawn: the name of the drawn points that it is evaluated at; None for its own.
    at_points: (params, what was prepared for n points) → the same at all of them, (n,), where that has a quicker way
        than one by one; None where it has none.
    """

    prepare: Callable[..., Any]
    at_point: Callable[[Parameters, Any], jax.Array]
    drawn: str | None = None
    at_points: Callable[[Parameters, Any], jax.Array] | None = None


class Unprepared(NamedTuple):
    """Context of a batch that keeps the coordinates of its points alone, since there are very many of them.

    `condition` is the initial condition of the time window, with which each chunk of points is prepared when its
    turn comes; None for the problem's own.
    """

    condition: InitialCondition | Change | None


class Part(NamedTuple):
    """The rows of the residual vector that one term has, as functions of flat parameters (P,) and m of its points.

    residuals: (flat, points) → r, (m,).
    rows: (flat, points) → r and its Jacobian J, (m, P).
    linearize: (flat, points) → r, v ↦ Jv and w ↦ Jᵀw.
    """

    residuals: Callable[[jax.Array, Points], jax.Array]
    rows: Callable[[jax.Array, Points], tuple[jax.Array, jax.Array]]
    linearize: Callable[[jax.Array, Points], tuple[jax.Array, Callable, Callable]]


def build_terms(field: Field, engine: Engine, slopes: Iterable[str] = ()) -> dict[str, Term]:
    """The terms that this field needs: the residual, and u(0, x) − u₀(x) unless the ansatz has it built in.

    Where that has not, and u is held at walls, also u − b there.

    Args:
        field: in natural units.
        engine: differentiates it.
        slopes: names of :data:`SLOPES`, the further terms ∂f/∂t and ∂f/∂x at the points of the residual.
    """

    def prepare(
        points: jax.Array, condition: InitialCondition | Change | None = None, axis: str | None = None
    ) -> Any:
        orders = None if axis is None else slope_orders(field.problem, axis)
        if isinstance(condition, Change):
            return prepare_points(field, engine, points, orders, condition.coefficients)
        return prepare_points(field.starting_from(condition), engine, points, orders)

    terms = {
        "residual": Term(
            prepare=prepare,
            at_point=lambda params, point: residual(field, engine, params, point),
            at_points=None
            if field.factors is None
            else lambda params, points: residuals(field, engine, params, points),
        )
    }
    if not field.ansatz.exact_at_start:
        terms["initial"] = Term(
            prepare=prepare,
            at_point=lambda params, point: value(field, params, point) - point.background["u"][0],
        )
        if field.problem.is_mirrored:
            first, last = field.problem.held_at
            terms["boundary"] = Term(
                prepare=prepare,
                at_point=lambda params, point: value(field, params, point) - jnp.where(point.x < 0.5, first, last),
            )
    for name in slopes:
        axis = SLOPES[name]
        terms[name] = Term(
            prepare=partial(prepare, axis=axis),
            at_point=partial(residual_slope, field, engine, axis=axis),
            drawn="residual",
        )
    return terms


@dataclass(frozen=True)
class Loss:
    """What of the residuals is minimised: the norm of each term, and how much each term weighs.

    The gradient-enhanced loss (gPINN: Yu, Lu, Meng and Karniadakis 2021, arXiv:2111.02801) has two terms more, the
    slopes of the residual f at its own points,

        L = … + weight_t mean((∂f/∂t)²) + weight_x mean((∂f/∂x)²),

    which vanish for the solution as f does, and take derivatives of u of one order more. The paper has both weights
    1e-4 for an easier equation of this kind (D = 10⁻³, u(±1) = −1); there is no published value for this one, where
    |u_xxx| is of the order 10⁶ in an interface and the weights must be chosen anew. Weightings that are for points of
    the residual (causal, rba, vrba, self_adaptive) leave these terms as they are.

    Args:
        norm: "mse", the mean square of each term, or "l1", the mean absolute value, the lecture's.
        weights: name of a term → weight ≥ 0. The terms are "residual" and, for an ansatz without u(0, x) = u₀(x)
            built in, "initial" and at walls where u is held "boundary", each of weight 1 where it is not named; and
            "residual_t", ∂f/∂t, and "residual_x", ∂f/∂x, each there only where it has a weight above zero.

    Raises:
        InputError: an unknown norm, the name of no term, or a negative weight.

    >>> Loss("l1", {"initial": 10.0}).norm
    'l1'
    """

    norm: str = "mse"
    weights: Mapping[str, float] = field(
        default_factory=lambda: {"residual": 1.0, "initial": 100.0, "boundary": 100.0}
    )

    def __post_init__(self) -> None:
        _require_usable(self.norm, self.weights, (*NAMES, *SLOPES))

    @property
    def slopes(self) -> tuple[str, ...]:
        """The names of the slopes of the residual that are terms."""
        return tuple(name for name in SLOPES if self.weights.get(name, 0) > 0)


def _require_usable(norm: str, weights: Mapping[str, float], terms: Iterable[str]) -> None:
    require(norm in ("l1", "mse"), f"loss.norm is {norm!r}: choose l1 or mse.")
    mapped = isinstance(weights, Mapping)
    require(mapped, f"loss.weights is {weights}: give some by loss.weights.residual=1, or none by {{}}.")
    for name, weight in weights.items():
        require(
            name in terms,
            f"loss.weights.{name} is the weight of no term: the terms are {', '.join(dict.fromkeys(terms))}.",
        )
        positive = is_number(weight) and weight >= 0
        require(positive, f"loss.weights.{name} is {weight}: give zero or a positive number.")


@dataclass(frozen=True)
class Objective:
    """L = Σ_k weight_k · (1/n_k) Σ_i w_ki φ(r_ki) with φ(r) = |r| (`norm` "l1", the lecture's) or r² (`norm` "mse").

    r_ki is the residual of term k at its point i, and w_ki the weight of that point in the batch, 1 unless the batch
    has one. The field is in natural units (`Problem.natural`), so the weights of the terms mean the same whatever
    the user's units are.

    Args:
        terms: name → term.
        weights: name → weight_k ≥ 0; a term without one has weight 1.
        norm: "l1" or "mse".
        gradient: the engine that differentiates with respect to the parameters.
        shards: the devices that share the points.
        most_prepared: points per device that a batch keeps prepared; of more it keeps the coordinates alone.
        most_at_once: points of a term that a device evaluates at once; more are taken in chunks.

    Raises:
        InputError: an unknown norm, a weight of no term, or one that is negative or no number.
    """

    terms: Mapping[str, Term]
    weights: Mapping[str, float]
    norm: str
    gradient: Gradient
    shards: Shards = ONE_DEVICE
    most_prepared: int = MOST_PREPARED
    most_at_once: int = MOST_AT_ONCE

    def __post_init__(self) -> None:
        _require_usable(self.norm, self.weights, (*NAMES, *SLOPES, *self.terms))

    def weight(self, name: str) -> float:
        """weight_k of the term `name`."""
        return self.weights.get(name, 1.0)

    def prepare(self, points: Mapping[str, jax.Array], condition: InitialCondition | Change | None = None) -> Batch:
        """The batch of newly drawn points, with all that the terms need of them computed once.

        Of very many points only the coordinates are kept, and the condition with them (:class:`Unprepared`).

        Args:
            points: name of a term → its points (n, 2), with columns t and x; `NAME_weights` → the weights (n,) of the
                points of term NAME, if they have some. What belongs to no term of this objective is left out.
            condition: the initial condition of the time window, in place of the problem's own, or another change.
        """
        chosen = self.drawn(points)
        if sum(map(length, chosen.values())) > self.shards.count * self.most_prepared:
            return self._batch(chosen, points, Unprepared(condition))

        def prepared(condition, points):
            return {name: self.terms[name].prepare(points[name], condition) for name in points}

        return self._batch(self.shards.rows(prepared)(condition, chosen), points, None)

    def drawn(self, points: Mapping[str, Any]) -> dict[str, Any]:
        """Name of each term → its points, of those that were drawn."""
        return {name: points[term.drawn or name] for name, term in self.terms.items()}

    def _batch(self, prepared: Mapping[str, Any], points: Mapping[str, jax.Array], context: Any) -> Batch:
        weights = {name: points.get((term.drawn or name) + WEIGHTS) for name, term in self.terms.items()}
        return Batch({name: Points(of, weights[name]) for name, of in prepared.items()}, context)

    def means(self, params: Parameters, batch: Batch) -> dict[str, jax.Array]:
        """(1/n_k) Σ_i w_ki φ(r_ki) of each term, without the weight of the term."""
        return self._averaged(self._means)(params, batch)

    def total(self, means: Mapping[str, Any]) -> Any:
        """L from its terms' means."""
        return sum(self.weight(name) * mean for name, mean in means.items())

    def loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """L."""
        return self._averaged(self._loss)(params, batch)

    def value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """L and ∂L/∂params."""
        return self._averaged(self._value_and_grad)(params, batch)

    def terms_and_grads(self, params: Parameters, batch: Batch) -> dict[str, tuple[jax.Array, Parameters]]:
        """weight_k times the mean of each term, and its gradient: they add up to :meth:`value_and_grad`."""
        found = self._averaged(self._terms_and_grads)(params, batch)
        return {name: found[name] for name in self.terms}  # JAX has sorted the names

    def vector(self, name: str, params: Parameters, points: Points) -> jax.Array:
        """r_k at prepared points of the term `name`, of shape (n_k,), on one device and without any weight."""
        return self._residuals(name, params, points.prepared, None)

    def residuals(self, params: Parameters, batch: Batch) -> jax.Array:
        """√(weight_k w_ki / n_k) r_ki of all terms in turn: with `norm` "mse" its sum of squares is L. One device."""
        flat, unravel = ravel_pytree(params)
        found = [
            self.part(name, unravel, length(points), batch.context).residuals(flat, points)
            for name, points in self.in_order(batch.terms)
        ]
        return jnp.concatenate(found)

    def residuals_and_jacobian(self, flat: jax.Array, unravel: Callable, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """:meth:`residuals` (n,) and their Jacobian (n, P) in the flat parameters, params = unravel(flat)."""
        found = [
            self.part(name, unravel, length(points), batch.context).rows(flat, points)
            for name, points in self.in_order(batch.terms)
        ]
        vectors, rows = zip(*found, strict=True)
        return jnp.concatenate(vectors), jnp.concatenate(rows)

    def in_order(self, points: Mapping[str, Points]) -> list[tuple[str, Points]]:
        """(name, points) of each term, in the order in which the residual vector has them."""
        return [(name, points[name]) for name in self.terms]

    def part(self, name: str, unravel: Callable, count: int, context: Any = None) -> Part:
        """The rows of :meth:`residuals` that belong to the term `name`, for any of its points.

        Args:
            name: of the term.
            unravel: flat parameters (P,) → params.
            count: n_k, by which the whole term is divided, however few of its points are asked for.
            context: of the batch.
        """
        term, scale = self.terms[name], (self.weight(name) / count) ** 0.5

        def at_point(flat, point):
            factor = scale if point.weight is None else scale * jnp.sqrt(point.weight)
            return factor * term.at_point(unravel(flat), point.prepared)

        def ready(points):
            return points._replace(prepared=self._prepared(name, points.prepared, context))

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

    def measured(self, params: Parameters, batch: Batch) -> ObjectiveMeasured:
        """What a weighting may ask of this objective at these parameters, computed when it asks."""
        return ObjectiveMeasured(self, params, batch)

    def _averaged(self, f: Callable[..., Any]) -> Callable[[Parameters, Batch], Any]:
        """f(params, terms, context), means over the points of one device, as the means over those of all devices."""
        over_all = self.shards.averaged(lambda whole, terms: f(whole[0], terms, whole[1]))
        return lambda params, batch: over_all((params, batch.context), batch.terms)

    def _means(self, params: Parameters, terms: Mapping[str, Points], context: Any) -> dict[str, jax.Array]:
        def mean(name, points):
            total = summed(lambda piece: self._total(name, params, piece, context), points, self.most_at_once)
            return total / length(points)

        return {name: mean(name, points) for name, points in self.in_order(terms)}

    def _loss(self, params: Parameters, terms: Mapping[str, Points], context: Any) -> jax.Array:
        return self.total(self._means(params, terms, context))

    def _value_and_grad(
        self, params: Parameters, terms: Mapping[str, Points], context: Any
    ) -> tuple[jax.Array, Parameters]:
        found = self._terms_and_grads(params, terms, context).values()
        return jax.tree.map(lambda *terms: sum(terms), *found)

    def _terms_and_grads(
        self, params: Parameters, terms: Mapping[str, Points], context: Any
    ) -> dict[str, tuple[jax.Array, Parameters]]:
        return {
            name: self._term_value_and_grad(name, self.weight(name), params, points, context)
            for name, points in self.in_order(terms)
        }

    def _term_value_and_grad(
        self, name: str, weight: float, params: Parameters, points: Points, context: Any
    ) -> tuple[jax.Array, Parameters]:
        """`weight` times the mean of a term, and its gradient; of each chunk of points only its sums are kept."""
        scale = weight / length(points)

        def of(piece):
            ready = piece._replace(prepared=self._prepared(name, piece.prepared, context))
            return self.gradient.value_and_grad(lambda p: scale * self._total(name, p, ready, None), params)

        return summed(of, points, self.most_at_once)

    def _total(self, name: str, params: Parameters, points: Points, context: Any) -> jax.Array:
        """Σ_i w_i φ(r_i) over some points of a term."""
        return jnp.sum(self._shares(self._residuals(name, params, points.prepared, context), points.weight))

    def _shares(self, residuals: jax.Array, weight: jax.Array | None) -> jax.Array:
        """w_i φ(r_i)."""
        sizes = (jnp.abs if self.norm == "l1" else jnp.square)(residuals)
        return sizes if weight is None else weight * sizes

    def _residuals(self, name: str, params: Parameters, points: Any, context: Any) -> jax.Array:
        prepared = self._prepared(name, points, context)
        term = self.terms[name]
        return (term.at_points or jax.vmap(term.at_point, in_axes=(None, 0)))(params, prepared)

    def _prepared(self, name: str, points: Any, context: Any) -> Any:
        """What a batch holds of some points, prepared if it holds their coordinates alone."""
        return points if context is None else self.terms[name].prepare(points, context.condition)
