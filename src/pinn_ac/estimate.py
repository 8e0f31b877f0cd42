"""How far a field is from the solution, told from its residual alone: no reference is needed.

The error e = u* − u of a field u with residual f obeys the defect equation, which is exact,

    e_t = D e_xx + R e (1 − 3u² − 3ue − e²) − f,   e(0, x) = u₀(x) − u(0, x),   e and e_x periodic in x.

Solving it to a few percent gives the first digit of an error of any size, since it is e that is
discretised and not u + e: an error of 1e-8 costs as little as one of 1e-1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft

from pinn_ac.errors import is_whole, require
from pinn_ac.problem import Problem
from pinn_ac.reference.etd import phi_functions
from pinn_ac.reference.march import intervals

HALVINGS = 6
"""The first cell of a window is cut in two this many times, toward its start: there f may change like √t."""

AGREEMENT = 1.3
"""Largest ratio of the estimates at full and at half resolution that makes the former trustworthy.

Less than √2, which the norm of a feature of one cell changes by as the cell is halved.
"""

ROUNDING = 1e-13
"""Relative errors below are made of roundings, of which two resolutions draw different ones."""

MOST_POINTS = 2**23
"""Times × places, about ten seconds' worth of derivatives."""

SPIKE = 8.0
"""How many times its neighbours a value of f must be to be a spike; a resolved peak is not twice them."""

SLACK = 1.01
"""What the maximum principle is relaxed by, as it is there to keep a march stable and not to correct it."""


def estimate_error(
    problem: Problem,
    derivatives: Callable[[Any, Any], dict[str, np.ndarray]],
    breaks: Sequence[float] = (),
    places: int | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """The relative L2 error of a field, estimated from its residual on a grid of `steps` × `places`.

    The march is repeated on every other time and the even places, and on every other time and the odd ones: where
    f has features that fall between the points, the three differ. If they do, it is done once more on a grid twice as
    fine.

    Two kinds of samples of f say nothing about its integral, which is what e is made of. At the very start of a
    window f is never used: where u₀ has a kink, u_t and u_xx are singular at t = 0 and their difference there is a
    rounding of something huge. And a moving feature of the network that is thinner than a cell may or may not meet
    a point of the grid (see :func:`without_spikes`). The march itself knows that |u + e|, being a solution, stays
    below the bound of the maximum principle.

    Args:
        problem: the equation; it gives R, D, u₀ and the domain.
        derivatives: (t, x) → `u` and `residual` of the broadcast shape, as `Run.derivatives` gives them.
        breaks: ascending times in (0, T) at which the field may jump, as one made of time windows does.
        places: even, from 8; by default as many as resolve an interface of the equation.
        steps: from 2, over the whole horizon; by default at least 400, and 16 in every time 1/R.

    Returns:
        estimated_relative_l2: ‖e‖₂ / ‖u + e‖₂ over 201 even times and one period; None if it is not finite.
        estimate_unreliable: even so fewer points give `AGREEMENT` times as much, or as little, or something is not
            finite.

    Raises:
        InputError: breaks, places or steps are none of these.
    """
    _check(problem, breaks, places, steps)
    places = places or places_needed(problem)
    steps = steps or steps_needed(problem, places)
    windows, start = _sampled(problem, derivatives, breaks, places, steps)
    with np.errstate(over="ignore", invalid="ignore"):  # of samples that are not finite, which the caller sees
        found = [relative_l2(problem, windows, start)]
        for first in (0, 1):
            found.append(relative_l2(problem, [one.coarsened(first) for one in windows], start[first::2]))
        if not _agree(*found) and np.isfinite(found[0]) and 4 * places * steps <= MOST_POINTS:
            found = [relative_l2(problem, *_sampled(problem, derivatives, breaks, 2 * places, 2 * steps)), found[0]]
    return {
        "estimated_relative_l2": found[0] if np.isfinite(found[0]) else None,
        "estimate_unreliable": not _agree(*found),
    }


def places_needed(problem: Problem) -> int:
    """A power of two from 512 to 8192 that resolves an interface tanh(x/√(2D/R)) to e^{−12} or better."""
    if problem.reaction_rate == 0:
        return 512
    to_pole = np.pi / 2 * np.sqrt(2 * problem.diffusivity / problem.reaction_rate)
    wanted = 12 * problem.period / (np.pi * to_pole)
    return int(2 ** np.clip(np.ceil(np.log2(wanted)), 9, 13))


def steps_needed(problem: Problem, places: int) -> int:
    """16 in every time 1/R, in which e may grow e-fold; at least 400, which resolve f in time."""
    wanted = np.ceil(16 * problem.growth)
    return int(np.clip(wanted, 400, MOST_POINTS // places))


def time_grids(horizon: float, breaks: Sequence[float], steps: int) -> list[np.ndarray]:
    """The times of each window: an even number of even cells, the first halved `HALVINGS` times toward its start.

    A break's own time belongs to neither of its windows: each stays a few roundings away from it, in double
    precision, by which a field of any precision tells its windows apart.
    """
    inside = 4 * float(np.finfo(float).eps) * horizon
    ends = [0.0, *breaks, horizon]
    grids = []
    for left, right in pairwise(ends):
        cells = 2 * max(1, round(steps * (right - left) / (2 * horizon)))
        even = np.linspace(left, right, cells + 1)
        first = left + (even[1] - left) * 0.5 ** np.arange(HALVINGS, 0, -1)
        t = np.concatenate([even[:1], first, even[1:]])
        t[0] += inside * (left > 0)
        t[-1] -= inside * (right < horizon)
        grids.append(t)
    return grids


@dataclass(frozen=True)
class Window:
    """A stretch of time without a jump in the field.

    Args:
        t: (m,), ascending, a grid of :func:`time_grids`.
        u: (m, n), the field at n even places of one period.
        f: (m, n), its residual.
    """

    t: np.ndarray
    u: np.ndarray
    f: np.ndarray

    def coarsened(self, first: int = 0) -> "Window":
        """Cells of twice the length, the first halved as often, and every other place from the first or second on."""
        keep = np.r_[0, 2 : HALVINGS + 2, HALVINGS + 2 : len(self.t) : 2]
        return from_values(self.t[keep], self.u[keep, first::2], self.f[keep, first::2])


def from_values(t: np.ndarray, u: np.ndarray, f: np.ndarray) -> Window:
    """The window of these values, but for f at its start, which its first step's end gives."""
    return Window(t, u, np.concatenate([f[1:2], f[1:]]))


def without_spikes(f: np.ndarray) -> np.ndarray:
    """f, (m, n), with every spike replaced by the median of its four neighbours along t.

    A spike is `SPIKE` times all but one of its four nearest neighbours along t, and along x as well: a thin feature
    of the network that crosses the grid and meets a point here and there. A cell's area times its height is not its
    integral, which is at most a small jump of u and often nothing, since u_t and u_xx have both signs there.
    What stays in its place for several steps, however narrow, is no spike.
    """
    spike, medians = np.ones(f.shape, bool), []
    for axis, ends in ((0, "reflect"), (1, "wrap")):
        padded = np.pad(np.moveaxis(f, axis, 0), ((2, 2), (0, 0)), mode=ends)  # type: ignore[call-overload]
        neighbours = np.stack([padded[start : start + f.shape[axis]] for start in (0, 1, 3, 4)])
        all_but_one = np.partition(np.abs(neighbours), 2, axis=0)[2]
        spike &= np.abs(f) > SPIKE * np.moveaxis(all_but_one, 0, axis)
        medians.append(np.moveaxis(np.median(neighbours, axis=0), 0, axis))
    return np.where(spike, medians[0], f)


def relative_l2(problem: Problem, windows: Sequence[Window], start: np.ndarray) -> float:
    """‖e‖₂ / ‖u + e‖₂ over 201 even times, with e = `start`, (n,), at t = 0."""
    times, errors, wholes = [], [], []
    e, before = start, windows[0].u[0]
    for window in windows:
        e = e + before - window.u[0]
        for t, u, e in zip(window.t, window.u, march(problem, window, e), strict=True):  # noqa: B020
            times.append(t)
            errors.append(np.mean(e**2))
            wholes.append(np.mean((u + e) ** 2))
        before = window.u[-1]
    even = np.linspace(0.0, problem.horizon, 201)
    error, whole = (np.interp(even, times, squares).sum() for squares in (errors, wholes))
    return float(np.sqrt(error / whole)) if whole > 0 else float(np.sqrt(error))


def march(problem: Problem, window: Window, e: np.ndarray) -> Iterator[np.ndarray]:
    """e, (n,), at every time of a window, by Fourier series in x and ETD2RK in t.

    With c the coefficients of e, L = −Dk² and N all else, a step of length h takes

        a = e^{hL} c + h φ_1(hL) N(t, c),   c ← a + h φ_2(hL) [N(t + h, a) − N(t, c)].

    Diffusion is exact, so a kink in e is no harm; f is taken as linear in t over a step.

    Source: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430–455, equation (22).
    """
    places, f, largest = len(e), without_spikes(window.f), SLACK * (problem.bound or np.inf)
    linear = -problem.diffusivity * (2 * np.pi / problem.period * np.arange(places // 2 + 1)) ** 2

    @cache
    def weights(step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi_1, phi_2, _ = phi_functions(step * linear)
        return np.exp(step * linear), step * phi_1, step * phi_2

    def bounded(e: np.ndarray, i: int) -> np.ndarray:
        u = window.u[i]
        whole = u + e
        return e if np.abs(whole).max() <= largest else np.clip(whole, -largest, largest) - u

    def rate(e: np.ndarray, i: int) -> np.ndarray:
        u = window.u[i]
        return fft.rfft(problem.reaction_rate * e * (1 - 3 * u**2 - 3 * u * e - e**2) - f[i])

    yield e
    c = fft.rfft(e)
    for i, step in enumerate(intervals(window.t[1:] - window.t[0])):
        decay, first, second = weights(step)
        old = rate(e, i)
        a = decay * c + first * old
        new = rate(bounded(fft.irfft(a, places), i + 1), i + 1)
        e = bounded(fft.irfft(a + second * (new - old), places), i + 1)
        c = fft.rfft(e)
        yield e


def _sampled(
    problem: Problem,
    derivatives: Callable[[Any, Any], dict[str, np.ndarray]],
    breaks: Sequence[float],
    places: int,
    steps: int,
) -> tuple[list[Window], np.ndarray]:
    """The field and its residual on a grid, and the error that it starts with."""
    x = problem.domain[0] + problem.period * np.arange(places) / places
    windows = [_sample(derivatives, t, x) for t in time_grids(problem.horizon, breaks, steps)]
    return windows, _initial_condition(problem, places) - windows[0].u[0]


def _agree(*estimates: float) -> bool:
    at_least = np.maximum(estimates, ROUNDING)
    return bool(at_least.max() <= AGREEMENT * at_least.min()) and bool(np.isfinite(estimates).all())


def _sample(derivatives: Callable[[Any, Any], dict[str, np.ndarray]], t: np.ndarray, x: np.ndarray) -> Window:
    values = derivatives(t[:, None], x[None, :])
    return from_values(t, *(np.asarray(values[name], np.float64) for name in ("u", "residual")))


def _initial_condition(problem: Problem, places: int) -> np.ndarray:
    """u₀ on the grid, in double precision whatever the run's is."""
    with jax.enable_x64(True):
        return np.asarray(problem.initial_condition(jnp.asarray(-1 + 2 * np.arange(places) / places)), float)


def _check(problem: Problem, breaks: Sequence[float], places: int | None, steps: int | None) -> None:
    ends = np.array([0.0, *breaks, problem.horizon])
    require(
        bool((np.diff(ends) > 0).all()),
        f"breaks are {list(breaks)}: give ascending times between 0 and {problem.horizon}.",
    )
    even = places is None or (is_whole(places, 8) and places % 2 == 0)
    require(even, f"places is {places}: give an even whole number from 8.")
    require(steps is None or is_whole(steps, 2), f"steps is {steps}: give a whole number from 2.")
