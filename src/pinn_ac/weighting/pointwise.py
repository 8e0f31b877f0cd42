"""What weightings share whose state belongs to single points, and what becomes of it when others are drawn."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import cKDTree

from pinn_ac.weighting.weighting import Points


class PointState(NamedTuple):
    """What a weighting keeps of points.

    steps: updates so far.
    places: name of a term → the points that the values belong to, (n, 2).
    values: name of a term → a pytree of arrays with a leading axis of n.
    """

    steps: jax.Array
    places: Mapping[str, jax.Array]
    values: Mapping[str, Any]


def begun(points: Points, values: Mapping[str, Any]) -> PointState:
    """The state before the first step, with these values at the points."""
    places = {name: jnp.asarray(points[name], float) for name in values}
    return PointState(jnp.zeros((), int), places, values)


def carried(state: PointState, points: Points) -> PointState:
    """The state at newly drawn points: each takes the values of the point before that is nearest to it.

    A point that was kept has its own. Distances are measured in the ranges of t and x of the points before.
    """
    values, places = {}, {}
    for name, before in state.places.items():
        nearest = nearest_of(before, points[name])
        values[name] = jax.tree.map(lambda leaf, nearest=nearest: jnp.asarray(leaf)[nearest], state.values[name])
        places[name] = jnp.asarray(points[name], float)
    return state._replace(places=places, values=values)


def nearest_of(before: Any, now: Any) -> np.ndarray:
    """The index of the nearest of the points `before` (n, 2), for each of those that are there `now` (m, 2)."""
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    span = np.ptp(old, axis=0)
    span = np.where(span > 0, span, 1.0)
    return cKDTree(old / span).query(new / span)[1]


def relative(values: jax.Array) -> jax.Array:
    """|values| over the largest of them; zeros where all vanish."""
    size = jnp.abs(values)
    most = jnp.max(size)
    return size / jnp.where(most > 0, most, 1)
