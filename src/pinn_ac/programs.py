"""What a run computes over and over, each compiled once for all windows of time and all seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field
from pinn_ac.derivatives import Engine
from pinn_ac.loss import Batch, Objective
from pinn_ac.parallel import on_host
from pinn_ac.residual import CHUNK, splitting_slope

QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiles in half of the time what then takes twice as long: for programs that run rarely."""


@dataclass(frozen=True, eq=False)
class Programs:
    """Compiled functions of parameters, points and the `condition` that a window of time begins with (or None).

    `prepare`, `means` and `loss` are computed by all devices of the run together, the others by each process alone.

    Args:
        field: on the first window.
        engine: differentiates it.
        objective: of one window.
    """

    field: Field
    engine: Engine
    objective: Objective

    @cached_property
    def prepare(self) -> Callable[..., Batch]:
        """(points as drawn, condition) → batch."""
        compiled, shards = jax.jit(self.objective.prepare), self.objective.shards
        return lambda points, condition: compiled(shards.divided(points), shards.replicated(condition))

    @cached_property
    def loss(self) -> Callable[..., float]:
        """(params, batch) → L, from the means: one program to compile less."""
        total = self.objective.total
        return lambda params, batch: total({name: float(mean) for name, mean in self.means(params, batch).items()})

    @cached_property
    def means(self) -> Callable[..., dict[str, jax.Array]]:
        """(params, batch) → each term's mean."""
        compiled, shards = jax.jit(self.objective.means, compiler_options=QUICKLY), self.objective.shards
        return lambda params, batch: compiled(shards.replicated(params), batch)

    @cached_property
    def residual(self) -> Callable[..., jax.Array]:
        """(condition, params, points) → |f|, (n,)."""
        prepare = self.objective.terms["residual"].prepare

        def residual(condition, params, points):
            return jnp.abs(self.objective.vector("residual", params, {"residual": prepare(points, condition)}))

        return _alone(residual)

    @cached_property
    def slope(self) -> Callable[..., jax.Array]:
        """(condition, points) → |∂x| of the splitting solution, (n,)."""

        def slope(condition, points):
            return splitting_slope(self.field.starting_from(condition).problem, self.engine, points)

        return _once_a_window(slope)

    @cached_property
    def layer(self) -> Callable[..., jax.Array]:
        """(condition, points) → how dense the layers about kinks are, (n,)."""

        def layer(condition, points):
            return self.field.starting_from(condition).problem.kink_layer(*points.T)

        return jax.jit(layer)

    @cached_property
    def at_end(self) -> Callable[..., jax.Array]:
        """(params, condition, ξ) → u at a window's end and at ξ ∈ [−1, 1] of the domain, (n,)."""
        (left, right), end = self.field.problem.domain, jnp.asarray(self.field.problem.horizon)

        def at_end(params, condition, xi):
            field, x = self.field.starting_from(condition), 0.5 * (left + right) + 0.5 * (right - left) * xi
            return jax.lax.map(lambda x: field(params, end, x), x, batch_size=CHUNK)

        return _alone(at_end)

    @cached_property
    def backgrounds(self) -> Callable[..., jax.Array]:
        """(condition, t, x) → the field's background at each point, (n, features + 1)."""

        def backgrounds(condition, t, x):
            field = self.field.starting_from(condition)
            return jax.lax.map(lambda point: field.background(*point), (t, x), batch_size=CHUNK)

        return _once_a_window(backgrounds)

    @cached_property
    def on_backgrounds(self) -> Callable[..., jax.Array]:
        """(params, t, backgrounds) → u, (n,)."""
        return _alone(jax.vmap(self.field.on_background, in_axes=(None, 0, 0)))


def _once_a_window(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a condition and points, compiled quickly where that is no series, whose many terms take long."""
    quickly, thoroughly = jax.jit(f, compiler_options=QUICKLY), jax.jit(f)
    return lambda condition, *points: (quickly if condition is None else thoroughly)(condition, *points)


def _alone(f: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for this process alone, whose arguments may lie on several devices."""
    compiled = jax.jit(f)
    return lambda *arguments: compiled(*map(on_host, arguments))
