"""The linear model r + Jδ of the residuals at one place, with J whole or in chunks that are never held together."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pinn_ac.chunks import gathered, joined, length, pieces, summed
from pinn_ac.compute import on_cpu
from pinn_ac.optimizers.least_squares.gram import is_in_host_memory
from pinn_ac.optimizers.optimizer import Trainable
from pinn_ac.parallel import CONDITION, Shards

Product = Callable[[jax.Array], jax.Array]
Measure = Callable[[jax.Array, jax.Array], Any]
"""(r, J) of some residuals → what is a sum over them."""


def sums_of_squares(r: jax.Array, J: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Jᵀr and diag JᵀJ."""
    return r @ J, jnp.sum(J * J, axis=0)


class System(NamedTuple):
    """r + Jδ at `params`, of n residuals in P parameters.

    params, batch: where.
    r: residuals, (n,).
    g: Jᵀr, (P,).
    squares: diag JᵀJ, (P,).
    J: (n, P), or None where it is never held whole.
    matrix: what the solver makes of J once for every λ, or None.
    """

    params: Any
    batch: Any
    r: jax.Array
    g: Any
    squares: jax.Array
    J: Any = None
    matrix: Any = None

    @property
    def place(self) -> "System":
        """The same for a compiled function that wants neither g nor the matrix, which may be NumPy's."""
        return self._replace(g=None, matrix=None)


class Solver(Protocol):
    """One road to δ = argmin ‖Jδ − w‖² + λ ‖D^½ δ‖², in stages.

    whole: it needs J.
    compiled: `factor` and `solve` are to be; they are not where they choose between the host and the device.
    """

    whole: bool
    compiled: bool

    def reduce(self, system: System, D: jax.Array) -> System:
        """With `matrix`, the work that all λ share; on the host, so that its products can be BLAS's."""
        ...

    def factor(self, system: System, damping: jax.Array, D: jax.Array) -> Any:
        """The work that all right-hand sides of one λ share."""
        ...

    def solve(self, factor: Any, system: System, w: jax.Array, b: Any = None) -> jax.Array:
        """δ, from w and from b = Jᵀw where the caller has it already."""
        ...


@dataclass(frozen=True, eq=False)
class Model:
    """The residuals of an objective, `chunk` points at a time; None chooses."""

    objective: Trainable
    chunk: int | None = None

    @property
    def shards(self) -> Shards:
        """The devices that share the residuals. Their order is then that of the devices, not that of the terms."""
        return self.objective.shards

    def residuals(self, params: Any, batch: Any) -> jax.Array:
        """r, (n,)."""
        return self._joined(params, batch, lambda part, flat, points: part.residuals(flat, points))

    def whole(self, params: Any, batch: Any) -> System:
        """The system with J."""
        flat, unravel = ravel_pytree(params)

        def of_all(flat, batch):
            r, J = self._on_each(unravel, lambda part, points: part.rows(flat, points), flat.size, batch)
            return (r, J), sums_of_squares(r, J)

        (r, J), (g, squares) = self.shards.gathered(of_all)(flat, batch)
        return System(params, batch, r, g, squares, J)

    def accumulated(self, params: Any, batch: Any, measure: Measure) -> tuple[jax.Array, Any]:
        """r, and the sum over chunks of `measure(r, J)` of each, whose rows are never held together.

        On one CPU by a loop on the host, so that the products in it can be BLAS's.
        """
        if self.shards.count > 1 or not on_cpu():
            return self._accumulated(params, batch, measure)
        vectors, total = [], None
        for r, J in self.chunks(params, batch):
            vectors.append(np.asarray(r))  # joined by NumPy: JAX compiles a program for every number of them
            found = measure(r, J)
            total = found if total is None else jax.tree.map(operator.add, total, found)
        return jnp.asarray(np.concatenate(vectors)), total

    def chunks(self, params: Any, batch: Any) -> Iterator[tuple[jax.Array, jax.Array]]:
        """r and J of one chunk after the other, for a loop on the host."""
        size = self._size(sum(leaf.size for leaf in jax.tree.leaves(params)))
        for name in self.objective.terms:
            points = self.objective.points(name, batch)
            for piece in pieces(points, size):
                yield self._rows(params, piece, batch.get(CONDITION), name, length(points))

    def pull(self, system: System, w: Any) -> Any:
        """Jᵀw outside of a compiled function; BLAS's where J lies in the host's memory."""
        if system.J is not None and is_in_host_memory(system.J):
            with np.errstate(over="ignore", invalid="ignore"):  # a try that leads to no number has failed, no more
                return np.asarray(w) @ np.asarray(system.J)
        return self._compiled_pull(system.place, w)

    @cached_property
    def _compiled_pull(self) -> Callable[[System, Any], jax.Array]:
        return jax.jit(lambda system, w: self.products(system)[1](w))

    def products(self, system: System) -> tuple[Product, Product]:
        """v ↦ Jv and w ↦ Jᵀw, to be compiled; where there is no J, by forward and reverse mode."""
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

        def of_all(flat, rows):
            total, start = jnp.zeros_like(flat), 0
            for part, points in self._parts(unravel, rows):

                def pulled(both, part=part):
                    return part.linearize(flat, both[0])[2](both[1])

                end = start + length(points)
                total += summed(pulled, (points, rows["w"][start:end]), self._size(flat.size))
                start = end
            return (), total

        return self.shards.gathered(of_all)(flat, {**system.batch, "w": w})[1]

    def _joined(self, params: Any, batch: Any, f: Callable[..., Any], *others: Any) -> Any:
        """f(part, flat parameters, points, *others) of every term, one after the other."""
        flat, unravel = ravel_pytree(params)

        def of_all(whole, batch):
            flat, *others = whole
            return self._on_each(unravel, lambda part, points: f(part, flat, points, *others), flat.size, batch)

        return self.shards.rows(of_all)((flat, *others), batch)

    def _on_each(self, unravel: Callable, f: Callable[[Any, Any], Any], parameters: int, batch: Any) -> Any:
        """f(part, points) of every term, one after the other, for the points of one device."""
        size = self._size(parameters)
        found = [joined(partial(f, part), points, size) for part, points in self._parts(unravel, batch)]
        return jax.tree.map(lambda *blocks: jnp.concatenate(blocks), *found)

    def _parts(self, unravel: Callable, batch: Any) -> Iterator[tuple[Any, Any]]:
        """Every term, and the points of it that one device has."""
        for name in self.objective.terms:
            points = self.objective.points(name, batch)
            count = self.shards.count * length(points)
            yield self.objective.part(name, unravel, count, batch.get(CONDITION)), points

    @cached_property
    def _accumulated(self) -> Callable:
        @partial(jax.jit, static_argnums=2)
        def accumulated(params, batch, measure):
            flat, unravel = ravel_pytree(params)

            def of_all(flat, batch):
                vectors, total = [], None
                for part, points in self._parts(unravel, batch):

                    def measured(piece, part=part):
                        r, J = part.rows(flat, piece)
                        return r, measure(r, J)

                    r, found = gathered(measured, points, self._size(flat.size))
                    vectors.append(r)
                    total = found if total is None else jax.tree.map(jnp.add, total, found)
                return jnp.concatenate(vectors), total

            return self.shards.gathered(of_all)(flat, batch)

        return accumulated

    @cached_property
    def _rows(self) -> Callable:
        """r and J at some of a term's `count` points."""

        @partial(jax.jit, static_argnums=(3, 4))
        def rows(params, points, condition, name, count):
            flat, unravel = ravel_pytree(params)
            return self.objective.part(name, unravel, count, condition).rows(flat, points)

        return rows

    def _size(self, parameters: int) -> int:
        """Points at a time: on a CPU as many as stay in its caches, elsewhere as many as make a gigabyte of J."""
        if self.chunk is not None:
            return self.chunk
        if not on_cpu():
            return max(512, 2**27 // parameters)
        # Measured with 4096×1001: 16.5 ms by 512, 21.2 ms at once. A power of two, as numbers of points often are.
        return max(512, 1 << max(1, 2**19 // parameters).bit_length() - 1)
