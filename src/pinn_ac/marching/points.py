"""The collocation points of a window: lines of constant time, on each of them more points where u is steep."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.marching.lift import Lift
from pinn_ac.problem import Problem

GOLDEN = (5**0.5 - 1) / 2
EARLY = 0.01
"""In v = (1 − cos πs)/2, evenly spread s in [0, 1]: a sixteenth of the lines."""


@dataclass(frozen=True)
class Lines:
    """Points (t_i, ξ_ij).

    t: (m,).
    columns: (m, q), where ξ_ij = −1 + 2 columns_ij/G on a grid of G points of the period.
    """

    t: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True)
class Spacing:
    """Where points are dense: as 1 + arc_length · |∂ξΦ(t, g)| + layer · kink layer, see `sampling.Monitor`."""

    arc_length: float = 0.3
    layer: float = 0.02


def spread(
    problem: Problem,
    lift: Lift,
    length: float,
    shape: tuple[int, int],
    half: bool,
    generator: np.random.Generator,
    spacing: Spacing,
) -> Lines:
    """The points of a window, on each line equally spaced by a density.

    Points on lines let the heat flow be evaluated by fast Fourier transforms.

    Args:
        problem: in natural units, that of the window.
        lift: g.
        length: of the window.
        shape: how many lines, and points on each.
        half: only ξ ≥ 0.
        generator: where the lines lie, and the first point of each.
        spacing: the density.
    """
    lines, per_line = shape
    # Denser at both ends, as Chebyshev's points are: evenly spread lines leave errors ten times as large at the end.
    v = (1 - np.cos(np.pi * (np.arange(lines) + 0.25 + 0.5 * generator.random(lines)) / lines)) / 2
    t = length * v ** _power(lift, length)
    first = lift.points // 2 if half else 0
    xi = -1 + 2 * np.arange(first, lift.points + 1) / lift.points
    g = lift.lines(t)[0]
    whole = np.concatenate([g, g[:, :1]], axis=1)[:, first:]
    if problem.is_mirrored:
        whole = whole + problem.base(xi)
    if "flow" in problem.capabilities:
        whole = np.asarray(_flow(problem, lift.pace * t[:, None], whole))
    density = 1 + spacing.arc_length * np.abs(np.gradient(whole, 2 / lift.points, axis=1))
    if not lift.exact_series:
        density += spacing.layer * np.asarray(
            problem.kink_layer(jnp.asarray(lift.pace * t[:, None]), jnp.asarray(xi))
        )
    total = np.concatenate(
        [np.zeros((lines, 1)), np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]), axis=1)], axis=1
    )
    offsets = (generator.random() + GOLDEN * np.arange(lines)) % 1
    columns = np.empty((lines, per_line), int)
    for i in range(lines):
        wanted = (np.arange(per_line) + offsets[i]) / per_line * total[i, -1]
        columns[i] = first + np.rint(np.interp(wanted, total[i], np.arange(len(xi)))).astype(int)
    return Lines(t, columns)


def early_power(length: float, fastest: float) -> float:
    """p ≥ 1 with which a share `EARLY` of length · v^p, v in [0, 1], lies before 1/`fastest`."""
    return max(1.0, math.log(max(length * fastest, 1.0)) / -math.log(EARLY))


def _power(lift: Lift, length: float) -> float:
    """Of a window's lines; a kink changes quickly at first."""
    return max(1.0 if lift.exact_series else 2.0, early_power(length, lift.fastest))


@jax.jit
def _flow_of(problem: Problem, t: jax.Array, w: jax.Array) -> jax.Array:
    return problem.flow(t, w)


def _flow(problem: Problem, t: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.asarray(_flow_of(problem.with_initial_condition(None), jnp.asarray(t), jnp.asarray(w)))
