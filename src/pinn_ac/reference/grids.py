"""The grids on which an error is estimated: how many points and steps, and how early the first times are."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pinn_ac.problem import Problem
from pinn_ac.reference.resolution import largest_speed, second_derivatives

HALVINGS, MOST_HALVINGS = 6, 40
"""The first cell of a time window is halved at least and at most so many times toward the window's start, where f may
change like √t, or within the time in which a mode decays."""

PER_DECAY = 4
"""The first time is this part of the time in which the fastest mode that counts decays e-fold, or earlier."""

NEGLIGIBLE = 1e-13
"""Relative size of what modes may leave behind that no time sees."""

MOST_POINTS = 2**23
"""Of the grid, times × points in x; the derivatives at so many take about ten seconds."""

IN_PLANE, PER_WIDTH = (32, 128), 1.2
"""Points along each axis of the plane, least and most, and across the width w of an interface, about.

Where they do not resolve f, the two halves of the grid tell; with 64, that of a width of 0.02 was called unreliable.
"""

PER_GROWTH = 16
"""Time steps in which a disturbance may grow e-fold."""

PER_CROSSING = 2
"""Time steps in which a feature crosses an interface of the equation's own width; see :func:`steps_needed`."""
USUAL, RESOLVED_BY_USUAL = {1: (201, 512), 2: (51, 128)}, 1024
"""Times, and points along each axis, by the dimensions of space; and the points that resolve the thinnest interface
for which these are enough. See :func:`usual_grid`."""


def points_needed(problem: Problem) -> int:
    """A power of two from 512 to 8192 that resolves an interface tanh(ξ/w), w = `interface_width`, to e^{−12}.

    Where no width is known, w is that of the steepest slope of u₀ made steeper by the problem's factor `steepening`.
    In the plane a power of two along each axis, `PER_WIDTH` in the width of the thinnest interface, but no more than
    can be afforded, `IN_PLANE`.
    """
    if len(problem.axes) == 2:
        wanted = PER_WIDTH * 2 / problem.thinnest_interface  # type: ignore[attr-defined]
        return int(np.clip(2 ** np.ceil(np.log2(wanted)), *IN_PLANE))
    width = problem.interface_width
    if width is None:
        width = 2 / (problem.steepest_slope * problem.period * problem.steepening)
    wanted = 12 * 2 / (np.pi * max(np.pi / 2 * width, 1e-6))
    return int(2 ** np.clip(np.ceil(np.log2(wanted)), 9, 13))


def usual_grid(problem: Problem, times: int | None = None, points: int | None = None) -> tuple[int, int]:
    """The times, and the points along each axis, at which a field is shown and measured; None for `USUAL`.

    On a line they are more where an interface is thinner than those of the lecture's problem: the error of a network
    lies in layers as thin, which 512 points hit or miss. Half of the points that resolve an interface are enough.

    >>> import pinn_ac
    >>> usual_grid(pinn_ac.AllenCahn()), usual_grid(pinn_ac.AllenCahn(diffusivity=1e-6))
    ((201, 512), (201, 4096))
    """
    usual = USUAL[len(problem.axes)]
    if points is None:
        is_known = problem.interface_width is not None or hasattr(problem.circle.initial_condition, "steepest_slope")
        asks = len(problem.axes) == 1 and is_known  # a function alone says nothing of its slopes
        points = usual[1] * (max(1, points_needed(problem) // RESOLVED_BY_USUAL) if asks else 1)
    return usual[0] if times is None else times, points


def steps_needed(problem: Problem, points: int) -> int:
    """At least 400 time steps, which resolve f in time, and more for a fast equation.

    16 in the time in which a disturbance may grow e-fold (`growth` counts these), and `PER_CROSSING` in the time in
    which the fastest values of a flux cross an interface (`interface_width`).
    """
    wanted = PER_GROWTH * problem.growth
    if problem.interface_width is not None:
        crossing = 0.5 * problem.period * problem.interface_width / max(largest_speed(problem), 1e-300)
        wanted = max(wanted, PER_CROSSING * problem.horizon / crossing)
    least = 400 if len(problem.axes) == 1 else 40
    return int(np.clip(np.ceil(wanted), least, MOST_POINTS // points ** len(problem.axes)))


def time_grids(horizon: float, breaks: Sequence[float], steps: int, fastest: float = 0.0) -> list[np.ndarray]:
    """The times of each window: an even number of equal cells, the first halved toward its start.

    It is halved `HALVINGS` times, or as often as it takes for the first time to see what decays at the rate
    `fastest`, see :func:`fastest_decay`.

    The time of a break belongs to neither of its windows: their grids stay a few rounding errors away from it, in
    double precision, by which a field of any precision can tell its windows apart.
    """
    inside = 4 * float(np.finfo(float).eps) * horizon
    ends = [0.0, *breaks, horizon]
    grids = []
    for left, right in pairwise(ends):
        cells = 2 * max(1, round(steps * (right - left) / (2 * horizon)))
        even = np.linspace(left, right, cells + 1)
        decays = PER_DECAY * (even[1] - left) * fastest
        wanted = math.ceil(math.log2(decays)) if decays > 1 else 0
        halvings = min(max(HALVINGS, wanted), MOST_HALVINGS)
        first = left + (even[1] - left) * 0.5 ** np.arange(halvings, 0, -1)
        t = np.concatenate([even[:1], first, even[1:]])
        t[0] += inside * (left > 0)
        t[-1] -= inside * (right < horizon)
        grids.append(t)
    return grids


def halvings_of(t: np.ndarray) -> int:
    """How often the first cell of a grid of :func:`time_grids` is halved."""
    lengths = np.diff(t)
    return int(np.count_nonzero(lengths < 0.75 * lengths.max())) - 1


def fastest_decay(problem: Problem, c: np.ndarray, waves: tuple[np.ndarray, np.ndarray] | None = None) -> float:
    """The rate at which the fastest of those modes decays that leave something behind; 0 where none does.

    A mode c_k that decays at the rate λ_k = −L(k) is a source N''|c_k|² of the others for the time 1/(2λ_k). After
    that it is gone, and a residual that is looked at later shows nothing of it; but what it has moved the others by
    stays. Modes whose sources add up to less than `NEGLIGIBLE` of u do not count.

    Args:
        problem: in natural units.
        c: c_k of u at the start of a window, k = 0, 1, …, (m,); in the plane those of some pairs, (p, q).
        waves: in the plane, k along both axes, (p,) and (q,).
    """
    reaction, flux = second_derivatives(problem.nominal)
    squares = np.abs(np.asarray(c)) ** 2
    if not np.isfinite(squares).all():
        return 0.0
    if waves is None:
        wavenumber = 2 * np.pi / problem.period * np.arange(len(squares))
        rates = -np.asarray(problem.symbol(wavenumber), float)
    else:
        along_x, along_y = 2 * np.pi / problem.sides  # type: ignore[attr-defined]
        wavenumber = np.zeros(squares.shape)
        symbol: Any = problem.symbol
        rates = -np.asarray(symbol(along_x * waves[0][:, None], along_y * waves[1]), float)
    lifetime = np.minimum(problem.horizon, 0.5 / np.maximum(rates, 1e-300))
    moved = (reaction + flux * wavenumber) * squares * lifetime
    order = np.argsort(rates, axis=None)[::-1]
    beyond = np.cumsum(moved.ravel()[order])  # by all that decay as fast
    counts = np.flatnonzero(beyond > NEGLIGIBLE * np.sqrt(squares.sum()))
    return max(float(rates.ravel()[order[counts[0]]]), 0.0) if len(counts) else 0.0


def fastest_decay_on_grid(problem: Problem, u: np.ndarray) -> float:
    """:func:`fastest_decay` of the values u of a field on an even grid, (n,), or in the plane (n, n)."""
    n = len(u)
    if u.ndim == 1:
        return fastest_decay(problem, np.fft.rfft(u) / n)
    return fastest_decay(problem, np.fft.rfft2(u) / n**2, (np.abs(np.fft.fftfreq(n, 1 / n)), np.arange(n // 2 + 1)))
