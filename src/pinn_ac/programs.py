"""The jitted functions of a run, each compiled once for all time windows and all seeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac import marching
from pinn_ac.ansatz import Field, Parameters
from pinn_ac.batch import Batch, Points, coordinates, without_memory
from pinn_ac.compilation import LITTLE, SOME, compiled, compiled_by_condition, kept
from pinn_ac.derivatives import Engine
from pinn_ac.errors import InputError
from pinn_ac.loss import Objective
from pinn_ac.parallel import on_host
from pinn_ac.residual import CHUNK, approximation_slope, derivatives_at
from pinn_ac.weighting import Weighting

FIT = (21, 512)
"""Times and places of a window at which a network's start is fitted."""


@dataclass(frozen=True, eq=False)
class Programs:
    """Compiled functions of parameters, points and the initial condition of a time window (`condition`, or None).

    `prepare`, `means`, `loss` and `weigh` are computed by all devices of the run together, the others by each process
    alone. None stands for the problem's own initial condition, that of the first window.

    Args:
        network: of one window.
        field: of the first window, in natural units, as are the points.
        engine: differentiates the field in t and x.
        objective: of one window.
        weighting: changes the weights of points before each step; None leaves them as they are.
    """

    network: Any
    field: Field
    engine: Engine
    objective: Objective
    weighting: Weighting | None = None

    @cached_property
    def initial_params(self) -> Callable[[jax.Array], Parameters]:
        """key → the network's parameters before training, in the run's precision.

        A user's network may make them in another: Flax's layers make single precision if they are told nothing.
        """

        def in_own_precision(leaf):
            return leaf.astype(float) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        init = compiled(lambda key, z: jax.tree.map(in_own_precision, self.network.init(key, z)), LITTLE)
        return lambda key: init(key, jnp.zeros(self.field.features))

    def fitted(self, params: Parameters, condition: Any) -> Parameters:
        """The parameters, fitted to where the window begins if the network's start is a fit.

        N is fitted to u₀ at `FIT` times and places of the window. With an ansatz that has u₀ built in, N = 0 gives
        u(0, x) = u₀(x), and it is 0 before the fit.
        """
        if self.field.ansatz.exact_at_start or not getattr(self.network, "is_fitted", False):
            return params
        problem, (times, places) = self.field.problem, FIT
        t, x = np.linspace(0.0, problem.horizon, times), problem.places(places)
        grid = np.repeat(t, len(x)), np.concatenate([x] * times)
        backgrounds = self.backgrounds(condition, *(jnp.asarray(axis, float) for axis in grid))
        start = jnp.tile(backgrounds[: len(x), 0], times)  # the lift at t = 0 is u₀
        return self.network.fitted(params, self.field.inputs(backgrounds), start)

    @cached_property
    def prepare(self) -> Callable[..., Batch]:
        """(points as drawn, condition) → batch."""
        shards = self.objective.shards
        prepare = compiled_by_condition(lambda condition, points: self.objective.prepare(points, condition), SOME)
        return lambda drawn, condition: prepare(shards.replicated(condition), shards.divided(without_memory(drawn)))

    @cached_property
    def kernel(self) -> marching.Kernel:
        """What a march computes with; it is compiled where it is used."""
        return marching.kernel_for(self.field, self.engine, self.objective.gradient)

    @cached_property
    def loss(self) -> Callable[..., float]:
        """(params, batch) → L, computed from `means`, which saves the compilation of another program."""
        total = self.objective.total
        return lambda params, batch: total({name: float(mean) for name, mean in self.means(params, batch).items()})

    @cached_property
    def means(self) -> Callable[..., dict[str, jax.Array]]:
        """(params, batch) → each term's mean."""
        means, shards = compiled(self.objective.means, LITTLE), self.objective.shards
        return lambda params, batch: means(shards.replicated(params), batch)

    @cached_property
    def weigh(self) -> Callable[..., tuple[Any, Batch]]:
        """(state of the weighting, params, batch, points as drawn) → (its new state, the batch with new weights).

        The weights of the weighting multiply those that the batch has. One program for all steps on batches of one
        shape.

        Raises:
            InputError: there is no weighting.
        """
        weighting, shards = self.weighting, self.objective.shards
        if weighting is None:
            raise InputError("There is no weighting: choose one, such as weighting=causal.")

        def weigh(state, params, batch, points):
            state, weights = weighting.update(state, self.objective.measured(params, batch), points)
            return shards.everywhere(state), batch.weighted(weights)

        jitted, drawn = compiled(weigh, SOME), self.objective.drawn
        return lambda state, params, batch, points: jitted(
            shards.replicated(state), shards.replicated(params), batch, shards.divided(drawn(points))
        )

    @cached_property
    def residual(self) -> Callable[..., jax.Array]:
        """(condition, params, points) → |f|, (n,)."""
        prepare = self.objective.terms["residual"].prepare

        def residual(condition, params, points):
            return jnp.abs(self.objective.vector("residual", params, Points(prepare(points, condition))))

        return _alone(residual)

    @cached_property
    def slope(self) -> Callable[..., jax.Array]:
        """(condition, points) → |∂ξ| of what is known of u before training, (n,)."""

        def slope(condition, points):
            return approximation_slope(self.field.starting_from(condition).problem, self.engine, points)

        return compiled_by_condition(slope, LITTLE)

    @cached_property
    def layer(self) -> Callable[..., jax.Array]:
        """(condition, points) → the density that follows the layers about kinks of the initial condition, (n,)."""

        def layer(condition, points):
            return self.field.starting_from(condition).problem.kink_layer(*coordinates(points))

        return compiled_by_condition(layer, LITTLE)

    @cached_property
    def at_end(self) -> Callable[..., jax.Array]:
        """(params, condition, ξ) → u at the end of the window, at ξ ∈ [−1, 1] across the domain, (n,)."""
        end = jnp.asarray(self.field.problem.horizon)

        def at_end(params, condition, xi):
            field = self.field.starting_from(condition)
            return jax.lax.map(lambda xi: field(params, end, xi), xi, batch_size=CHUNK)

        return _alone(at_end)

    @cached_property
    def backgrounds(self) -> Callable[..., jax.Array]:
        """(condition, t, ξ) → the field's background at each point, (n, features + 1)."""

        def backgrounds(condition, t, x):
            field = self.field.starting_from(condition)
            return jax.lax.map(lambda point: field.background(*point), (t, x), batch_size=CHUNK)

        return compiled_by_condition(backgrounds, LITTLE)

    @cached_property
    def on_backgrounds(self) -> Callable[..., jax.Array]:
        """(params, t, backgrounds) → u, (n,)."""
        return _alone(jax.vmap(self.field.on_background, in_axes=(None, 0, 0)), LITTLE)

    @cached_property
    def values(self) -> Callable[..., dict[str, jax.Array]]:
        """(condition, params, t, ξ) → u at each point, (n,), by its name."""
        return self._at_points(lambda field, params, t, x: {"u": field(params, t, x)})

    def derivatives(self, orders: tuple[str, ...]) -> Callable[..., dict[str, jax.Array]]:
        """(condition, params, t, ξ) → "u", the derivatives of `orders` and the "residual" at each point, (n,).

        The residual is there where the orders are enough for it.
        """
        return kept(self, _derivatives, orders)

    def _at_points(self, at_point: Callable[..., Any]) -> Callable[..., Any]:
        """(condition, params, t, x) → `at_point` of the field that begins there, over vectors t and x."""

        @jax.jit
        def at_points(condition, params, t, x):
            start = self.field.starting_from(condition)
            # Chunks keep the arrays small where the lift is a long series; that of a later window is always short.
            size = CHUNK if condition is not None else 8 * CHUNK
            return jax.lax.map(lambda point: at_point(start, params, *point), (t, x), batch_size=size)

        return at_points


def _derivatives(programs: Programs, orders: tuple[str, ...]) -> Callable[..., dict[str, jax.Array]]:
    def at_point(field, params, t, x):
        return derivatives_at(field, programs.engine, params, t, x, orders)

    return programs._at_points(at_point)


def _alone(f: Callable[..., Any], options: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """`f` compiled for this process alone; its arguments may lie on several devices."""
    alone = compiled(f, options)
    return lambda *arguments: alone(*map(on_host, arguments))
