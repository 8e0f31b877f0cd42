"""Ansätze: how a network N becomes a field u(t, x).

What is trained is the field of a problem in natural units (`AllenCahn.natural`), so that t N means the same in all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from pinn_ac.problem import AllenCahn, InitialCondition

__all__ = ["Ansatz", "Embedding", "Field", "Lifted", "Network", "Parameters", "ReactionFlow", "Soft"]

Parameters = Any
Network = Callable[[Parameters, jax.Array], jax.Array]


class Embedding(Protocol):
    """What of a point the network sees."""

    def __call__(self, problem: AllenCahn, t: jax.Array, x: jax.Array) -> jax.Array:
        """The features z, of shape (d,), at one point."""
        ...

    def even(self, problem: AllenCahn) -> bool:
        """z is the same at ξ and −ξ, so u too: half of the domain tells all."""
        ...


class Ansatz(Protocol):
    """One formula for u from the lift g and the network's value N."""

    @property
    def exact_at_start(self) -> bool:
        """u(0, x) = u₀(x) whatever the network is; otherwise the loss needs an initial term."""
        ...

    def combine(self, problem: AllenCahn, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        """u(t, x) from g(t, x) and N."""
        ...


@dataclass(frozen=True)
class Soft:
    """u = N: nothing is built in but the embedding's periodicity; u₀ is learned from a loss term."""

    exact_at_start = False

    def combine(self, problem: AllenCahn, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return n


@dataclass(frozen=True)
class Lifted:
    """u = g + t N, with g = exp(tD∂²)u₀.

    g, not u₀, since a kink of u₀ would stay in u for all time.
    """

    exact_at_start = True

    def combine(self, problem: AllenCahn, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return g + t * n


@dataclass(frozen=True)
class ReactionFlow:
    """u = Φ(t, g + t N), with Φ the exact flow of the reaction (stopped in time on long horizons, `AllenCahn.flow`).

    The stiff reaction leaves the residual: with w = g + t N and q = e^{−2Rt} + w²(1 − e^{−2Rt}),
    f = Φ_w [w_t − D w_xx + 3D w (1 − e^{−2Rt})/q · w_x²].
    """

    exact_at_start = True

    def combine(self, problem: AllenCahn, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return problem.flow(t, g + t * n)


class Field(NamedTuple):
    """A batchless field (params, t, x) → u.

    What depends on the point alone, the lift and the network's features, is its *background*: it can be
    computed once for a set of points and be handed to :meth:`on_background` every time the parameters change.
    """

    problem: AllenCahn
    embedding: Embedding
    network: Network
    ansatz: Ansatz

    def starting_from(self, condition: InitialCondition | None) -> "Field":
        """The same field with another initial condition; with None, itself."""
        if condition is None:
            return self
        return self._replace(problem=replace(self.problem, initial_condition=condition))

    def background(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """(g, z_1, …, z_d) at one point."""
        g = self.problem.lift(t, x)
        return jnp.concatenate([jnp.reshape(g, (1,)), self.embedding(self.problem, t, x)])

    @property
    def features(self) -> int:
        """How many the network sees."""
        point = jax.ShapeDtypeStruct((), float)
        return jax.eval_shape(self.background, point, point).size - 1

    def on_background(self, params: Parameters, t: jax.Array, background: jax.Array) -> jax.Array:
        """u at one point whose background is known."""
        return self.ansatz.combine(self.problem, t, background[0], self.network(params, background[1:]))

    def __call__(self, params: Parameters, t: jax.Array, x: jax.Array) -> jax.Array:
        """u(t, x) at one point."""
        return self.on_background(params, t, self.background(t, x))
