"""The linear model r + Jδ of the residuals at one place, with J whole or in chunks that are never held together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.optimizers.least_squares.chunks import joined, length, pieces, summed
from pinn_ac.optimizers.optimizer import Trainable

Product = Callable[[jax.Array], jax.Array]


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
    on_host: `factor` and `solve` are NumPy's, and not to be compiled.
    """

    whole: bool
    on_host: bool

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

    def residuals(self, params: Any, batch: Any) -> jax.Array:
        """r, (n,)."""
        return self._joined(params, batch, lambda part, flat, points: part.residuals(flat, points))

    def whole(self, params: Any, batch: Any) -> System:
        """The system with J."""
        r, J = self._joined(params, batch, lambda part, flat, points: part.rows(flat, points))
        return System(params, batch, r, r @ J, jnp.sum(J * J, axis=0), J)

    def chunks(self, params: Any, batch: Any) -> Iterator[tuple[jax.Array, jax.Array]]:
        """r and J of one chunk after the other, for a loop on the host."""
        size = self._size(sum(leaf.size for leaf in jax.tree.leaves(params)))
        for name in self.objective.terms:
            points = self.objective.points(name, batch)
            for piece in pieces(points, size):
                yield self._rows(params, piece, name, length(points))

    def products(self, system: System) -> tuple[Product, Product]:
        """v ↦ Jv and w ↦ Jᵀw; where there is no J, by forward and reverse mode."""
        J = system.J
        if J is not None:
            return lambda v: J @ v, lambda w: w @ J

        def push(v):
            return self._joined(
                system.params, system.batch, lambda part, flat, points: part.linearize(flat, points)[1](v)
            )

        return push, lambda w: self._pull(system, w)

    def _pull(self, system: System, w: jax.Array) -> jax.Array:
        flat, unravel = ravel_pytree(system.params)
        total, start = jnp.zeros_like(flat), 0
        for name in self.objective.terms:
            points = self.objective.points(name, system.batch)
            part = self.objective.part(name, unravel, length(points))

            def pulled(both, part=part):
                return part.linearize(flat, both[0])[2](both[1])

            total += summed(pulled, (points, w[start : start + length(points)]), self._size(flat.size))
            start += length(points)
        return total

    def _joined(self, params: Any, batch: Any, f: Callable[[Any, jax.Array, Any], Any]) -> Any:
        """f(part, flat parameters, points) of every term, one after the other."""
        flat, unravel = ravel_pytree(params)
        found = []
        for name in self.objective.terms:
            points = self.objective.points(name, batch)
            part = self.objective.part(name, unravel, length(points))
            found.append(joined(partial(f, part, flat), points, self._size(flat.size)))
        return jax.tree.map(lambda *blocks: jnp.concatenate(blocks), *found)

    @cached_property
    def _rows(self) -> Callable:
        """r and J at some of a term's `count` points."""

        @partial(jax.jit, static_argnums=(2, 3))
        def rows(params, points, name, count):
            flat, unravel = ravel_pytree(params)
            return self.objective.part(name, unravel, count).rows(flat, points)

        return rows

    def _size(self, parameters: int) -> int:
        """Points at a time: on a CPU as many as stay in its caches, elsewhere as many as make a gigabyte of J."""
        if self.chunk is not None:
            return self.chunk
        # Measured with 4096×1001 on a CPU: 16.5 ms by 512, 21.2 ms at once.
        return 512 if jax.default_backend() == "cpu" else max(512, 2**27 // parameters)
