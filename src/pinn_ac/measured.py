"""What a weighting may ask of an objective, computed when it asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Parameters
from pinn_ac.batch import Batch
from pinn_ac.chunks import joined, length

if TYPE_CHECKING:
    from pinn_ac.loss import Objective

MOST_ENTRIES = 2**22
"""Entries of the Jacobian that are held at once where only the lengths of its rows are wanted."""


@dataclass(frozen=True)
class ObjectiveMeasured:
    """:class:`~pinn_ac.weighting.Measured` of an objective at some parameters on a batch.

    Nothing is kept from one question to the next, so that a weighting may ask inside a branch of `jax.lax.cond`.
    """

    objective: "Objective"
    params: Parameters
    batch: Batch

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms."""
        return tuple(self.objective.terms)

    @property
    def power(self) -> int:
        """p of φ(r) = |r|^p."""
        return 1 if self.objective.norm == "l1" else 2

    def weighted(self, weights: Mapping[str, jax.Array]) -> "ObjectiveMeasured":
        """The same with the weights of the points of some terms multiplied by these."""
        return replace(self, batch=self.batch.weighted(weights))

    def weights(self, name: str) -> jax.Array:
        """w_i at every point of a term, (n,)."""
        points = self.batch.terms[name]
        return jnp.ones(length(points), float) if points.weight is None else points.weight

    def residuals(self, name: str) -> jax.Array:
        """r_i at every point of a term, (n,)."""

        def of_chunk(params, piece, context):
            return self.objective._residuals(name, params, piece.prepared, context)

        return self._at_points(name, of_chunk, self.objective.most_at_once)

    def losses(self, name: str) -> jax.Array:
        """w_i φ(r_i) at every point of a term, (n,)."""
        return self.objective._shares(self.residuals(name), self.batch.terms[name].weight)

    def mean(self, name: str) -> jax.Array:
        """The mean of a term."""
        return jnp.mean(self.losses(name))

    def gradient(self, name: str) -> Parameters:
        """∂/∂params of the mean of a term."""

        def of_device(whole, points):
            params, context = whole
            return self.objective._term_value_and_grad(name, 1.0, params, points, context)[1]

        over_all = self.objective.shards.averaged(of_device)
        return over_all((self.params, self.batch.context), self.batch.terms[name])

    def squared_row_norms(self, name: str) -> jax.Array:
        """‖∂r_i/∂params‖² at every point of a term, (n,)."""
        term, gradient = self.objective.terms[name], self.objective.gradient

        def of_chunk(params, piece, context):
            def at_point(point):
                row = gradient.value_and_grad(lambda p: term.at_point(p, point), params)[1]
                return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(row))

            return jax.vmap(at_point)(self.objective._prepared(name, piece.prepared, context))

        parameters = sum(leaf.size for leaf in jax.tree.leaves(self.params))
        return self._at_points(name, of_chunk, max(1, MOST_ENTRIES // parameters))

    def _at_points(self, name: str, of_chunk: Callable[..., jax.Array], size: int) -> jax.Array:
        """of_chunk(params, points, context) at all points of a term, `size` of them at a time on each device."""

        def of_device(whole, points):
            params, context = whole
            return joined(lambda piece: of_chunk(params, piece, context), points, size)

        whole = self.params, self.batch.context
        return self.objective.shards.rows(of_device)(whole, self.batch.terms[name])
