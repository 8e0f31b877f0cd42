"""The field and its residual at prepared points, and the rows of the Jacobian in the output weights."""

import math
import operator
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Field
from pinn_ac.compilation import LITTLE, SOME, compiled
from pinn_ac.derivatives import Engine
from pinn_ac.gradients import Gradient
from pinn_ac.marching.lift import CHUNK, Lift, in_chunks
from pinn_ac.problem import FourierCondition, InitialCondition, Problem
from pinn_ac.problem.local_lift import LocalCondition
from pinn_ac.residual import closure, monomials, residual_of

ON_GRID = 1e-6
"""How near to a point of a grid a place has to be to be taken for it, as a share of the distance between two."""

Jet = Mapping[str, jax.Array]
"""A function of (t, x) near a point: "u" and its derivatives by their names."""


class Prepared(NamedTuple):
    """Points and what is known at them before anything is solved for.

    t, x: (n,).
    g: jet of the lift, each (n,).
    z: jet of the features, each (n, d).
    """

    t: jax.Array
    x: jax.Array
    g: Jet
    z: Jet


@dataclass(frozen=True, eq=False)
class Kernel:
    """Compiled functions of a field with drawn features; they serve every window.

    A residual depends on N through the derivatives of N at the point alone, its *jet*, and these are linear in the
    output weights c: those of Σ c_k φ_k are Σ c_k times those of φ_k. So with the jets of all φ_k computed once,
    ∂r/∂c_k is a sum of products, over the derivatives in the jet, of ∂r/∂(that derivative of N) and that of φ_k.

    Args:
        field: in natural units; its network is not used.
        engine: differentiates in t and x.
        gradient: differentiates the residual with respect to the jet of N.
        coefficients: name → coefficient in natural units, in place of those of the field's problem, as an argument of
            what is compiled; None for the field's own. See :meth:`at`.
    """

    field: Field
    engine: Engine
    gradient: Gradient
    coefficients: Mapping[str, Any] | None = None

    def at(self, coefficients: Mapping[str, Any]) -> "Kernel":
        """The kernel of the same field with other coefficients; all those of one kernel share what is compiled."""
        base = self if self.coefficients is not None else replace(self, coefficients=dict(coefficients))
        _ = (
            base.closed_form,
            base._background,
            base._features,
            base._linearized,
            base._formed,
            base._sampled,
            base.inputs,
        )
        vars(base).setdefault("_kept", {})
        other = copy(base)
        object.__setattr__(other, "coefficients", {k: jnp.asarray(v, float) for k, v in coefficients.items()})
        return other

    @property
    def problem(self) -> Problem:
        """That of a window, with these coefficients."""
        return with_values(self.field.problem, self.coefficients)

    @cached_property
    def even(self) -> bool:
        """The field is even in ξ."""
        return self.field.embedding.even(self.field.problem)

    @property
    def half(self) -> bool:
        """The field is known from its values at ξ ≥ 0."""
        return self.field.half

    @property
    def origin(self) -> jax.Array:
        """x = 0."""
        axes = self.field.problem.axes
        return jnp.zeros(() if len(axes) == 1 else len(axes))

    @cached_property
    def orders(self) -> tuple[str, ...]:
        """The derivatives in a jet besides the value."""
        return closure(self.field.problem.orders)

    @cached_property
    def inputs(self) -> int:
        """d, the number of features of a point; asking the field for it traces its lift."""
        return self.field.features

    @cached_property
    def closed_form(self) -> Any:
        """(variance, ξ) → the heat flow of the problem's own initial condition, and its derivatives in ξ."""
        problem = self.field.problem
        largest = problem.largest_variance if self.coefficients is None else math.inf

        def closed_form(variance, xi):
            return jax.vmap(lambda v, x: problem.initial_condition.heat_flow(v, x, largest))(variance, xi)

        return compiled(closed_form, LITTLE)

    @cached_property
    def _background(self) -> Any:
        def background(coefficients, pace, slope, t, x, lift):
            paced = with_values(self.field.problem, coefficients).at_pace(pace)
            nothing = jnp.zeros(1)
            start = FourierCondition(nothing, nothing, slope, self.even)

            def about(t, x, lift):
                variance, xi = paced.heat_coordinates(t, x)
                local = LocalCondition(cast(InitialCondition, start), variance, xi, tuple(lift))
                here = self.field._replace(problem=paced.with_initial_condition(local))
                return self.engine(here.background, t, x, self.orders)

            return jax.vmap(about, in_axes=(0, 0, 1), out_axes=-1)(t, x, lift)

        return compiled(background, SOME)

    def prepare(self, lift: Lift, t: np.ndarray, columns: np.ndarray) -> Prepared:
        """The points (t_i, ξ_{columns[i, j]}), line by line; the first again, up to a multiple of `CHUNK`."""
        derivatives = lift.at(t, columns, self.closed_form).reshape(4, -1)
        left, right = self.field.problem.domain
        x = (left + (right - left) * (columns / lift.points)).ravel()
        return self.prepared(lift, np.repeat(t, columns.shape[1]), x, derivatives)

    def prepare_at(self, lift: Lift, t: np.ndarray, x: np.ndarray) -> Prepared:
        """The points (t_i, x_j) of any x, (q,), line by line; filled up likewise."""
        left, right = self.field.problem.domain
        places = lift.points * (x - left) / (right - left)
        columns = places.round().astype(int)
        if np.abs(places - columns).max(initial=0.0) <= ON_GRID:
            return self.prepare(lift, t, np.broadcast_to(columns, (len(t), len(x))))
        derivatives = lift.at_places(t, 2 * places / lift.points - 1, self.closed_form)
        return self.prepared(lift, np.repeat(t, len(x)), np.tile(x, len(t)), derivatives.reshape(4, -1))

    def prepared(self, lift: Lift, times: np.ndarray, x: np.ndarray, derivatives: np.ndarray) -> Prepared:
        """The points (t_i, x_i), each (n,), where the lift has these derivatives in ξ, (4, n); filled up likewise."""
        slope, pace = (jnp.asarray(value, float) for value in (lift.condition.steepest_slope, lift.pace))
        # The last chunk is filled up with points from the beginning.
        filled = np.arange(-(-len(times) // CHUNK) * CHUNK) % len(times)
        times, x, derivatives = times[filled], x[filled], derivatives[:, filled]
        jets = in_chunks(
            lambda *point: self._background(self.coefficients, pace, slope, *point), CHUNK, times, x, derivatives
        )
        g = {name: jnp.asarray(values[0]) for name, values in jets.items()}
        z = {name: jnp.asarray(self.field.inputs(values.T)) for name, values in jets.items()}
        return Prepared(jnp.asarray(times), jnp.asarray(x), g, z)

    def phi(self, A: jax.Array, b: jax.Array, z: jax.Array) -> jax.Array:
        """φ_k = tanh(A_k·z + b_k), (K,), for features z, (d,), of a point."""
        return jnp.tanh(A @ z + b)

    def features(self, piece: Any, points: Prepared) -> Jet:
        """The jets of all φ_k, each (n, K); n is a multiple of `CHUNK`."""
        A, b = jnp.asarray(piece.A), jnp.asarray(piece.b)
        return _joined([self._features(A, b, part.z) for part in _parts(points)])

    @cached_property
    def _features(self) -> Any:
        def features(A, b, z):
            def at_point(jet):
                def phi(t, x):
                    return self.phi(A, b, monomials(jet, t, x, self.orders))

                return self.engine(phi, jnp.zeros(()), self.origin, self.orders)

            return jax.vmap(at_point)(z)

        return compiled(features, SOME)

    def _near(self, problem: Problem, t: jax.Array, x: jax.Array, g: Jet, jet: Jet) -> Any:
        """(s, y) → u about the point (t, x), where the lift and N have these jets."""
        formed = self.field._replace(problem=problem).formed

        def u(s, y):
            lift, n = (monomials(one, s - t, y - x, self.orders) for one in (g, jet))
            return formed(s, lift, n, problem.to_unit(y))

        return u

    @cached_property
    def _linearized(self) -> Any:
        def linearized(coefficients, pace, t, x, g, jet):
            problem = with_values(self.field.problem, coefficients).at_pace(pace)

            def at_point(t, x, g, jet):
                def residual(jet):
                    found = self.engine(self._near(problem, t, x, g, jet), t, x, problem.orders)
                    return residual_of(problem, found, t, x)

                r, slopes = self.gradient.value_and_grad(residual, jet)
                return r, self._near(problem, t, x, g, jet)(t, x), slopes

            return jax.vmap(at_point)(t, x, g, jet)

        return compiled(linearized, LITTLE)

    def linearized(self, pace: Any, points: Prepared, jet: Jet) -> tuple[jax.Array, jax.Array, Jet]:
        """The residual r, u, and ∂r/∂(each derivative of N), all (n,), where N has this jet."""
        pace = jnp.asarray(pace, float)
        found = [
            self._linearized(self.coefficients, pace, part.t, part.x, part.g, here)
            for part, here in zip(_parts(points), _parts(jet), strict=True)
        ]
        return _joined(found)

    @cached_property
    def _formed(self) -> Any:
        def formed(coefficients, pace, t, x, g, n):
            problem = with_values(self.field.problem, coefficients).at_pace(pace)
            at_point = self.field._replace(problem=problem).formed
            return jax.vmap(lambda t, x, g, n: at_point(t, g, n, problem.to_unit(x)))(t, x, g, n)

        return compiled(formed, LITTLE)

    def field_values(self, lift: Lift, piece: Any, t: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """u alone at the points (t_i, ξ_{columns[i, j]}), of their shape (m, q); far quicker than `values`."""
        points, pace = self.prepare(lift, t, columns), jnp.asarray(piece.pace, float)
        weights, found = tuple(jnp.asarray(part) for part in (piece.A, piece.b, piece.c)), []
        for part in _parts(points):
            n = _network(weights, part.z["u"])
            found.append(
                np.asarray(self._formed(self.coefficients, pace, part.t, part.x, part.g["u"], n), np.float64)
            )
        return np.concatenate(found)[: columns.size].reshape(columns.shape)

    def values(self, lift: Lift, piece: Any, t: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and the residual at the points (t_i, ξ_{columns[i, j]}), each of their shape (m, q)."""
        return self.values_of(piece, self.prepare(lift, t, columns), columns.shape)

    def values_at(self, lift: Lift, piece: Any, t: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same at the points (t_i, x_j) of any x, (q,), each (m, q)."""
        return self.values_of(piece, self.prepare_at(lift, t, x), (len(t), len(x)))

    def values_of(self, piece: Any, points: Prepared, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The same at prepared points; those beyond the number that the shape has are left out."""
        found = []
        for part, jet in self._network_jets(piece, points):
            r, u, _ = self.linearized(piece.pace, part, jet)
            found.append((np.asarray(u, np.float64), np.asarray(r, np.float64)))
        count = math.prod(shape)
        u, r = (np.concatenate(parts)[:count].reshape(shape) for parts in zip(*found, strict=True))
        return u, r

    def _network_jets(self, piece: Any, points: Prepared) -> Iterator[tuple[Prepared, Jet]]:
        """The parts of the points, and the jet of N in each."""
        A, b, c = (jnp.asarray(leaf) for leaf in (piece.A, piece.b, piece.c))
        for part in _parts(points):
            yield part, jet_of(self._features(A, b, part.z), c)

    @cached_property
    def _sampled(self) -> Any:
        def sampled(coefficients, pace, t, x, g, jet):
            problem = with_values(self.field.problem, coefficients).at_pace(pace)

            def at_point(t, x, g, jet):
                found = self.engine(self._near(problem, t, x, g, jet), t, x, dict.fromkeys((*problem.orders, "x")))
                return jnp.stack([found["u"], found["x"], residual_of(problem, found, t, x)])

            return jax.vmap(at_point, out_axes=-1)(t, x, g, jet)

        return compiled(sampled, LITTLE)

    def sampled(self, lift: Lift, piece: Any, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """u, its slope in x and the residual at the points (t_i, x_j), (3, m, q)."""
        pace = jnp.asarray(piece.pace, float)
        parts = [
            np.asarray(self._sampled(self.coefficients, pace, part.t, part.x, part.g, jet), np.float64)
            for part, jet in self._network_jets(piece, self.prepare_at(lift, t, x))
        ]
        return np.concatenate(parts, axis=1)[:, : len(t) * len(x)].reshape(3, len(t), len(x))


@jax.jit
def _network(piece: Any, z: jax.Array) -> jax.Array:
    """N at features z, (n, d)."""
    A, b, c = piece
    return jnp.tanh(z @ A.T + b) @ c


def with_values(problem: Problem, coefficients: Mapping[str, Any] | None) -> Problem:
    """The problem, with these coefficients where there are any."""
    return problem if coefficients is None else problem.with_coefficients(coefficients)


def _parts(tree: Any) -> list[Any]:
    """The parts of `CHUNK` points each."""
    count = len(jax.tree.leaves(tree)[0])
    if count == CHUNK:
        return [tree]
    return [jax.tree.map(lambda leaf, at=at: leaf[at : at + CHUNK], tree) for at in range(0, count, CHUNK)]


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


@jax.jit
def jet_of(features: Jet, c: jax.Array) -> Jet:
    """The jet of Σ_k c_k φ_k, each (n,)."""
    return {name: values @ c for name, values in features.items()}


@jax.jit
def jacobian(features: Jet, slopes: Jet) -> jax.Array:
    """∂r/∂c, (n, K)."""
    products = [slopes[name][:, None] * values for name, values in features.items()]
    return reduce(operator.add, products)
