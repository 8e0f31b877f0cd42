"""The linear model r + Jδ of the residuals at given parameters, with J held whole or computed chunk by chunk."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pinn_ac.batch import Batch, Points
from pinn_ac.chunks import chunked, joined, length, pieces, summed
from pinn_ac.compute import on_cpu
from pinn_ac.optimizers.least_squares.gram import is_in_host_memory
from pinn_ac.optimizers.optimizer import Trainable
from pinn_ac.parallel import Shards

Product = Callable[[jax.Array], jax.Array]
Terms = Mapping[str, Points]
Measure = Callable[[jax.Array, jax.Array], Any]
"""(r, J) of some residuals → sums over them."""


def sums_of_squares(r: jax.Array, J: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Jᵀr and diag JᵀJ."""
    return r @ J, jnp.sum(J * J, axis=0)


class System(NamedTuple):
    """r + Jδ at `params`, of n residuals in P parameters.

    params, batch: where the residuals are linearized.
    r: residuals, (n,).
    g: Jᵀr, (P,).
    squares: diag JᵀJ, (P,).
    J: (n, P), or None where it is never held whole.
    matrix: what the solver computes from J once for every λ, or None.
    """

    params: Any
    batch: Batch
    r: jax.Array
    g: Any
    squares: jax.Array
    J: Any = None
    matrix: Any = None

    @property
    def for_products(self) -> "System":
        """What products with J need. A compiled function cannot take g and `matrix`, which may be NumPy's arrays."""
        return self._replace(g=None, matrix=None)


class Solver(Protocol):
    """One way to δ = argmin ‖Jδ − w‖² + λ ‖D^½ δ‖², in stages.

    whole: it needs J held whole.
    compiled: `factor` and `solve` are to be compiled; those that choose between the host and the device are not.
    """

    whole: bool
    compiled: bool

    def reduce(self, system: System, D: jax.Array) -> System:
        """The system with `matrix`: the work that all λ share, outside of compiled code so that BLAS can do it."""
        ...

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> Any:
        """The work that all right-hand sides of one λ share."""
        ...

    def solve(self, factor: Any, system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ, from w and from b = Jᵀw where the caller has it already."""
        ...


@dataclass(frozen=True, eq=False)
class Model:
    """The residuals of an objective and their Jacobian, `chunk` points at a time; None chooses the number."""

    objective: Trainable
    chunk: int | None = None

    @property
    def shards(self) -> Shards:
        """The devices that share the residuals; with several the residuals come in the order of devices."""
        return self.objective.shards

    def residuals(self, params: Any, batch: Any) -> jax.Array:
        """r, (n,)."""
        return self._joined(params, batch, lambda part, flat, points: part.residuals(flat, points))

    def whole(self, params: Any, batch: Batch) -> System:
        """The system with J held whole."""
        flat, unravel = ravel_pytree(params)

        def of_all(whole, terms):
            flat, context = whole
            r, J = self._on_each(unravel, lambda part, points: part.rows(flat, points), flat.size, terms, context)
            return (r, J), sums_of_squares(r, J)

        (r, J), (g, squares) = self.shards.sharded(of_all)((flat, batch.context), batch.terms)
        return System(params, batch, r, g, squares, J)

    def accumulated(self, params: Any, batch: Batch, measure: Measure) -> tuple[jax.Array, Any]:
        """r, and the sum over chunks of `measure(r, J)` of each, whose rows are never held together.

        On one CPU by a loop in Python, so that BLAS can do the products in it.
        """
        if self.shards.count > 1 or not on_cpu():
            return self._accumulated(params, batch, measure)
        vectors, total = [], None
        for r, J in self.chunks(params, batch):
            vectors.append(np.asarray(r))  # joined by NumPy: JAX compiles a program for every number of them
            found = measure(r, J)
            total = found if total is None else jax.tree.map(operator.add, total, found)
        return jnp.asarray(np.concatenate(vectors)), total

    def chunks(self, params: Any, batch: Batch) -> Iterator[tuple[jax.Array, jax.Array]]:
        """r and J of one chunk after the other, for a loop in Python."""
        size = self._size(sum(leaf.size for leaf in jax.tree.leaves(params)))
        for name, points in self.objective.in_order(batch.terms):
            for piece in pieces(points, size):
                yield self._rows(params, piece, batch.context, name, length(points))

    def pull(self, system: System, w: Any) -> Any:
        """Jᵀw outside of a compiled function; by BLAS where J lies in the host's memory."""
        if system.J is not None and is_in_host_memory(system.J):
            with np.errstate(over="ignore", invalid="ignore"):  # a trial that is not finite has failed, no more
                return np.asarray(w) @ np.asarray(system.J)
        return self._compiled_pull(system.for_products, w)

    @cached_property
    def _compiled_pull(self) -> Callable[[System, Any], jax.Array]:
        return jax.jit(lambda system, w: self.products(system)[1](w))

    def products(self, system: System) -> tuple[Product, Product]:
        """v ↦ Jv and w ↦ Jᵀw, to be compiled; by forward and reverse mode where J is not held."""
        J = system.J
        if J is not None:
            return lambda v: J @ v, lambda w: w @ J

        def push(v):
            return self._joined(
                system.params, system.batch, lambda part, flat, points, v: part.linearize(flat, points)[1](v), v
            )

        return push, lambda w: self._pull(system, w)

    def _pull(self, system: System, w: jax.Array) -> jax.Array:
        flat, unravel = ravel_pytree(system.params)

        def of_all(whole, divided):
            (flat, context), (terms, w) = whole, divided
            total, start = jnp.zeros_like(flat), 0
            for part, points in self._parts(unravel, terms, context):

                def pulled(both, part=part):
                    return part.linearize(flat, both[0])[2](both[1])

                end = start + length(points)
                total += summed(pulled, (points, w[start:end]), self._size(flat.size))
                start = end
            return (), total

        batch = system.batch
        return self.shards.sharded(of_all)((flat, batch.context), (batch.terms, w))[1]

    def _joined(self, params: Any, batch: Batch, f: Callable[..., Any], *others: Any) -> Any:
        """f(part, flat parameters, points, *others) of every term, one after the other."""
        flat, unravel = ravel_pytree(params)

        def of_all(whole, terms):
            flat, context, *others = whole
            return self._on_each(
                unravel, lambda part, points: f(part, flat, points, *others), flat.size, terms, context
            )

        return self.shards.rows(of_all)((flat, batch.context, *others), batch.terms)

    def _on_each(
        self, unravel: Callable, f: Callable[[Any, Any], Any], parameters: int, terms: Terms, context: Any
    ) -> Any:
        """f(part, points) of every term, one after the other, for the points of one device."""
        size = self._size(parameters)
        found = [joined(partial(f, part), points, size) for part, points in self._parts(unravel, terms, context)]
        return jax.tree.map(lambda *blocks: jnp.concatenate(blocks), *found)

    def _parts(self, unravel: Callable, terms: Terms, context: Any) -> Iterator[tuple[Any, Points]]:
        """Every term's rows as functions, and its points on one device."""
        for name, points in self.objective.in_order(terms):
            yield self.objective.part(name, unravel, self.shards.count * length(points), context), points

    @cached_property
    def _accumulated(self) -> Callable:
        @partial(jax.jit, static_argnums=2)
        def accumulated(params, batch, measure):
            flat, unravel = ravel_pytree(params)

            def of_all(whole, terms):
                flat, context = whole
                vectors, total = [], None
                for part, points in self._parts(unravel, terms, context):

                    def measured(piece, part=part):
                        r, J = part.rows(flat, piece)
                        return r, measure(r, J)

                    r, found = chunked(measured, points, self._size(flat.size))
                    vectors.append(r)
                    total = found if total is None else jax.tree.map(jnp.add, total, found)
                return jnp.concatenate(vectors), total

            return self.shards.sharded(of_all)((flat, batch.context), batch.terms)

        return accumulated

    @cached_property
    def _rows(self) -> Callable:
        """r and J at some of the `count` points of a term."""

        @partial(jax.jit, static_argnums=(3, 4))
        def rows(params, points, context, name, count):
            flat, unravel = ravel_pytree(params)
            return self.objective.part(name, unravel, count, context).rows(flat, points)

        return rows

    def _size(self, parameters: int) -> int:
        """Points at a time: on a CPU as many as fit its caches, elsewhere as many as make a gigabyte of J."""
        if self.chunk is not None:
            return self.chunk
        if not on_cpu():
            return max(512, 2**27 // parameters)
        # Measured with 4096×1001: 16.5 ms by 512, 21.2 ms at once. A power of two, as numbers of points often are.
        return max(512, 1 << max(1, 2**19 // parameters).bit_length() - 1)
