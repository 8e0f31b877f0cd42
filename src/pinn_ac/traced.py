"""A trained field at one traced point, as a function of JAX operations alone, over all of its time windows."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.errors import InputError
from pinn_ac.experiment import Experiment

Values = dict[str, jax.Array]
AT_END = 1e-6
"""Of the horizon: a time no further beyond a window is at its end but for rounding, also in single precision."""


def traced_point(
    experiment: Experiment, params: Sequence[Any], conditions: Sequence[Any], at_point: Callable[..., Values]
) -> Callable[[jax.Array, jax.Array], Values]:
    """(t, x) in the user's units → `at_point` of the field of the time window that t lies in.

    Args:
        experiment: what was trained.
        params: the network's parameters of each window.
        conditions: the initial condition of each window, None for the first.
        at_point: (field, params, t, x) → named values at a point in natural units, t from the window's start.
    """
    problem, first = experiment.problem, experiment.field
    starts = jnp.asarray(experiment.starts)
    beyond = AT_END * problem.natural.horizon
    # A march that has not come to the horizon stays what it was at its end. Its slopes there are those of the window.
    lengths = jnp.asarray(
        [experiment.length(one) for one in params] if experiment.marches else [jnp.inf] * len(params)
    )

    def local(t, x, index):
        here, place = problem.to_natural_traced(t - starts[index], x)
        return jnp.where(here > lengths[index] + beyond, lengths[index], here), place

    if experiment.windows == 1:
        only = jax.tree.map(jnp.asarray, params[0])
        return lambda t, x: at_point(first, only, *local(t, x, 0))
    stacked, later_conditions = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees) for trees in (params, conditions[1:])
    )
    breaks = jnp.asarray(experiment.breaks)

    def point(t, x):
        index = jnp.sum(t > breaks)
        is_first = index == 0
        network, condition = (
            jax.tree.map(lambda leaf, at=at: leaf[at], tree)
            for tree, at in ((stacked, index), (later_conditions, jnp.maximum(index - 1, 0)))
        )
        here, xi = local(t, x, index)
        # Both fields are evaluated and one is taken; each at a time of its own, so that the other stays finite.
        middle = 0.5 * first.problem.horizon
        in_first = at_point(first, network, jnp.where(is_first, here, middle), xi)
        later = at_point(first.starting_from(condition), network, jnp.where(is_first, middle, here), xi)
        return jax.tree.map(lambda one, other: jnp.where(is_first, one, other), in_first, later)

    return point


def broadcast(xp: Any, *point: Any) -> tuple[Any, ...]:
    """t and x, and y, of one shape, by `xp`, NumPy or JAX's.

    Raises:
        InputError: their shapes do not go together.
    """
    try:
        return tuple(xp.broadcast_arrays(*point))
    except ValueError as error:
        t, *x = (axis.shape for axis in point)
        raise InputError(
            f"t has shape {t} and x {' and y '.join(map(str, x))}: give shapes that go together."
        ) from error


def position(xp: Any, axes: Sequence[Any]) -> Any:
    """x, (n,), or in the plane x and y as (n, 2), by `xp`, NumPy or JAX's."""
    return axes[0] if len(axes) == 1 else xp.stack(axes, -1)


def is_traced(values: Any) -> bool:
    """Whether JAX traces one of them."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))
