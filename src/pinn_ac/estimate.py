"""The error of a field, estimated from its residual alone, without a reference solution.

For an equation u_t = L u + N(u), with a linear part L and a nonlinear term N(u) = reaction(u) − ∂x flux(u), the error
e = u* − u of a field u with residual f = u_t − L u − N(u) obeys the defect equation, which is exact:

    e_t = L e + [N(u + e) − N(u)] − f,   e(0, x) = u₀(x) − u(0, x),   e periodic in x.

Solving it to a few percent gives the first digit of an error of any size: since e is discretised and not u + e, an
error of 1e-8 costs as little as one of 1e-1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import fft

from pinn_ac.errors import is_whole, require
from pinn_ac.problem import Problem
from pinn_ac.reference.consistency import require_spectral
from pinn_ac.reference.etd import phi_functions
from pinn_ac.reference.even import even_places, initial_shape, initial_values, on_circle
from pinn_ac.reference.grids import (
    MOST_POINTS,
    fastest_decay_on_grid,
    halvings_of,
    points_needed,
    steps_needed,
    time_grids,
)
from pinn_ac.reference.march import intervals

AGREEMENT = 1.3
"""Largest ratio of the estimates at full and at half resolution for which the estimate is called reliable.

It is less than √2, the factor by which the norm of a feature of one cell changes when the cell is halved.
"""

ROUNDING = 1e-13
"""Smaller relative errors consist of rounding errors, which differ between two resolutions."""

SPIKE = 8.0
"""A value of f this many times larger than its neighbours is a spike; a resolved peak is less than twice as large."""

TIMES = 201
"""Even times of [0, T] over which errors are averaged."""

SLACK = 1.01
"""Factor on the bound of the solutions: the bound keeps the march stable, and is not meant to correct it."""


class Estimate(float):
    """A relative L2 error that was estimated without a reference: a float that knows whether to believe it.

    Args:
        value: ‖u − u*‖₂/‖u*‖₂ as estimated; NaN where the estimate is not finite.
        reliable: the estimate agrees with the one on half of the points.

    >>> estimate = Estimate(3e-9, reliable=True)
    >>> estimate < 1e-8, estimate.reliable
    (True, True)
    """

    reliable: bool

    def __new__(cls, value: float, reliable: bool) -> "Estimate":
        """A float with an attribute."""
        estimate = super().__new__(cls, value)
        estimate.reliable = reliable
        return estimate

    def __getnewargs__(self) -> tuple[float, bool]:  # type: ignore[override]
        """What a copy and a pickle are made of."""
        return float(self), self.reliable


def estimate_error(
    problem: Problem,
    derivatives: Callable[[Any, Any], dict[str, np.ndarray]],
    breaks: Sequence[float] = (),
    points: int | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """The relative L2 error of a field, estimated from its residual on a grid of `steps` times and `points` in x.

    The defect equation is solved three times: on the whole grid, and on every other time with the even and with the
    odd points in x. Where f has features that fall between the points, the three solutions differ. If they do, all is
    repeated once on a grid twice as fine.

    Two kinds of values of f are not used, since they say nothing about its integral, of which e is made. At the start
    of a time window f is never used: where u₀ has a kink, u_t and u_xx are singular at t = 0, and their computed
    difference is rounding error. And a moving feature of the network that is thinner than a cell may or may not hit a
    point of the grid (see :func:`without_spikes`). Where the problem has a bound of its solutions, u + e, being one,
    is kept within it.

    Args:
        problem: the equation, its domain and its initial condition; it must have the capability "spectral". Between
            walls all is done on the circle that they reflect the domain to.
        derivatives: (t, x) → "u" and "residual" of the broadcast shape, as `Solution.derivatives` gives them.
        breaks: ascending times in (0, T) at which the field may jump, as where its time windows meet.
        points: of the grid in x, even, from 8; by default as many as resolve an interface of the equation.
        steps: of the grid in t over the whole horizon, from 2; by default see :func:`steps_needed`.

    Returns:
        estimated_relative_l2: ‖e‖₂ / ‖u + e‖₂ over 201 even times and one period; None if it is not finite.
        estimate_unreliable: True where the estimates of the last repetition differ by more than a factor of
            `AGREEMENT`, or one is not finite.

    Raises:
        InputError: the problem lacks the capability, or its residual is another equation; or breaks, points or steps
            are none of these.

    Example, of a field that is 1 % too large:

    >>> import numpy as np, pinn_ac
    >>> from pinn_ac.problem import Cosine
    >>> heat = pinn_ac.Burgers(viscosity=0.1, speed=0.0, initial_condition=Cosine())
    >>> def derivatives(t, x):
    ...     u = 1.01 * np.exp(-0.1 * np.pi**2 * t) * np.cos(np.pi * x)
    ...     return {"u": u, "residual": 0 * u}
    >>> f"{estimate_error(heat, derivatives)['estimated_relative_l2']:.4f}"
    '0.0100'
    """
    require_spectral(problem, "The error estimate", "define them, or compare with data of your own")
    _check(problem, breaks, points, steps)
    if problem.has_walls:
        problem, derivatives = problem.circle, on_circle(problem, derivatives)
    points = points or points_needed(problem)
    steps = steps or steps_needed(problem, points)
    windows, start = _sampled(problem, derivatives, breaks, points, steps)
    with np.errstate(over="ignore", invalid="ignore"):  # values that are not finite are reported as unreliable
        found = [relative_l2(problem, windows, start)]
        for first in (0, 1):
            found.append(relative_l2(problem, [one.coarsened(first) for one in windows], halved(start, first)))
        finer = 2 ** (1 + len(problem.axes)) * points ** len(problem.axes) * steps
        if not agree(*found) and np.isfinite(found[0]) and finer <= MOST_POINTS:
            found = [relative_l2(problem, *_sampled(problem, derivatives, breaks, 2 * points, 2 * steps)), found[0]]
    return as_metrics(found[0], agree(*found))


def as_metrics(estimate: float, reliable: bool) -> dict[str, Any]:
    """An estimate as two entries of a run's metrics, see :func:`estimate_error`."""
    return {
        "estimated_relative_l2": estimate if np.isfinite(estimate) else None,
        "estimate_unreliable": not reliable,
    }


@dataclass(frozen=True)
class Window:
    """The field in an interval of time in which it has no jump.

    Args:
        t: (m,), ascending, a grid of :func:`time_grids`.
        u: (m, n), the field at n even points of one period.
        f: (m, n), its residual.
        walls: whether ξ = −1 and ξ = 0 are among the points, as of a grid that has not been halved to its odd points.
    """

    t: np.ndarray
    u: np.ndarray
    f: np.ndarray
    walls: bool = True

    def coarsened(self, first: int = 0) -> "Window":
        """The same on cells of twice the length, the first halved as often, and every other point from `first` on."""
        halvings = halvings_of(self.t)
        keep = np.r_[0, 2 : halvings + 2, halvings + 2 : len(self.t) : 2]
        found = from_values(self.t[keep], halved(self.u[keep], first, 1), halved(self.f[keep], first, 1))
        return replace(found, walls=self.walls and first == 0)


def halved(values: np.ndarray, first: int, skipped: int = 0) -> np.ndarray:
    """Every other value from `first` on along all axes but the `skipped` first ones."""
    return values[(slice(None),) * skipped + (slice(first, None, 2),) * (values.ndim - skipped)]


def from_values(t: np.ndarray, u: np.ndarray, f: np.ndarray) -> Window:
    """The window of these values, with f at its start replaced by f at the end of the first step."""
    return Window(t, u, np.concatenate([f[1:2], f[1:]]))


def without_spikes(f: np.ndarray) -> np.ndarray:
    """f, (m, n) or (m, n, n), with every spike replaced by the median of its four neighbours along t.

    A spike is more than `SPIKE` times as large as all but one of its four nearest neighbours along t, and along x as
    well: a thin feature of the network that moves through the grid and hits a point here and there. Its height times
    the area of a cell is not its integral, which is at most a small jump of u and often nothing, since u_t and u_xx
    have both signs there. A feature that stays at the same x for several steps, however thin, is not a spike.
    """
    spike, medians = np.ones(f.shape, bool), []
    for axis, ends in enumerate(("reflect", *["wrap"] * (f.ndim - 1))):
        padded = np.pad(np.moveaxis(f, axis, 0), ((2, 2), *[(0, 0)] * (f.ndim - 1)), mode=ends)  # type: ignore[call-overload]
        neighbours = np.stack([padded[start : start + f.shape[axis]] for start in (0, 1, 3, 4)])
        all_but_one = np.partition(np.abs(neighbours), 2, axis=0)[2]
        spike &= np.abs(f) > SPIKE * np.moveaxis(all_but_one, 0, axis)
        medians.append(np.moveaxis(np.median(neighbours, axis=0), 0, axis))
    return np.where(spike, medians[0], f)


def relative_l2(problem: Problem, windows: Sequence[Window], start: np.ndarray) -> float:
    """‖e‖₂ / ‖u + e‖₂ over 201 even times, with e = `start`, (n,), at t = 0."""
    error = ErrorSoFar.at_start(start, windows[0].u[0])
    for window in windows:
        error = error.after(problem, window)
    return error.relative_l2


class ErrorSoFar(NamedTuple):
    """The error e of a field, followed through one window of time after the other.

    e: (n,), in the plane (n, n), the error at the end of the last window.
    u: of e's shape, the field there.
    errors, wholes: (`TIMES`,), the means over x of e² and (u + e)² at even times of [0, T]; zero where no window has
        come to.
    """

    e: np.ndarray
    u: np.ndarray
    errors: np.ndarray
    wholes: np.ndarray

    @classmethod
    def at_start(cls, e: np.ndarray, u: np.ndarray) -> "ErrorSoFar":
        """Before the first window, where the error is e and the field u."""
        return cls(e, u, np.zeros(TIMES), np.zeros(TIMES))

    def after(self, problem: Problem, window: Window) -> "ErrorSoFar":
        """The same after the window that follows. Where two windows meet, the field's jump is part of its error."""
        e, errors, wholes = self.e + self.u - window.u[0], [], []
        with jax.enable_x64(True):  # a problem may define its terms with jax.numpy
            for u, e in zip(window.u, march(problem, window, e), strict=True):  # noqa: B020
                errors.append(np.mean(e**2))
                wholes.append(np.mean((u + e) ** 2))
        even = np.linspace(0.0, problem.horizon, TIMES)
        # What lies in it, and its end but for rounding, which may be that of single precision; a time that two
        # windows meet at is that of the later one.
        inside = (even >= window.t[0] * (1 - 1e-12)) & (even <= window.t[-1] * (1 + 1e-6))
        filled = [
            np.where(inside, np.interp(even, window.t, squares), before)
            for squares, before in ((errors, self.errors), (wholes, self.wholes))
        ]
        return ErrorSoFar(e, window.u[-1], *filled)

    @property
    def relative_l2(self) -> float:
        """‖e‖₂ / ‖u + e‖₂ over the even times so far."""
        error, whole = self.errors.sum(), self.wholes.sum()
        return float(np.sqrt(error / whole)) if whole > 0 else float(np.sqrt(error))

    @property
    def size(self) -> float:
        """The root mean square of u + e over the even times so far."""
        return float(np.sqrt(self.wholes[self.wholes > 0].mean())) if self.wholes.any() else 0.0

    @property
    def least_size(self) -> float:
        """What the root mean square of u + e over all of [0, T] is at least, as far as it is known."""
        squares = self.wholes.sum() if self.wholes.any() else np.mean((self.u + self.e) ** 2)
        return float(np.sqrt(squares / TIMES))

    @property
    def now(self) -> float:
        """‖e‖₂ / ‖u + e‖₂ at the end of the last window."""
        error, whole = np.mean(self.e**2), np.mean((self.u + self.e) ** 2)
        return float(np.sqrt(error / whole)) if whole > 0 else float(np.sqrt(error))


def march(problem: Problem, window: Window, e: np.ndarray) -> Iterator[np.ndarray]:
    """The solution e, (n,), of the defect equation at every time of a window, by Fourier series in x and ETD2RK in t.

    With c the coefficients of e, L(k) the linear part's symbol and R all else, a step of length h takes

        a = e^{hL} c + h φ_1(hL) R(t, c),   c ← a + h φ_2(hL) [R(t + h, a) − R(t, c)].

    The linear part is exact, so that a kink in e does no harm; f is linear in t over a step.

    Of a problem that is mirrored u, f and e are those between the walls, mirrored: it is their odd reflections that
    obey the equation.

    Source: S. M. Cox and P. C. Matthews, J. Comput. Phys. 176 (2002) 430–455, equation (22).
    """
    points, f = len(e), without_spikes(window.f)
    largest = np.inf if problem.bound is None else SLACK * problem.bound
    linear, slope = _linear(problem, points)
    forward, backward = (fft.rfft, fft.irfft) if e.ndim == 1 else (fft.rfft2, lambda c, n: fft.irfft2(c, (n, n)))

    odd: Any = 1.0
    if problem.is_mirrored:
        place = 2 * np.arange(points) + (not window.walls) - points  # n ξ
        odd = np.sign(place) * (np.abs(place) < points)

    @cache
    def weights(step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi_1, phi_2, _ = phi_functions(step * linear)
        return np.exp(step * linear), step * phi_1, step * phi_2

    def bounded(e: np.ndarray, i: int) -> np.ndarray:
        u = window.u[i]
        whole = u + e
        return e if np.abs(whole).max() <= largest else np.clip(whole, -largest, largest) - u

    def rate(e: np.ndarray, i: int) -> np.ndarray:
        local = forward(odd * (np.asarray(problem.reaction_defect(window.u[i], e), float) - f[i]))
        flux = problem.flux_defect(window.u[i], e)
        return local if flux is None else local - slope * fft.rfft(np.asarray(flux, float))

    yield e
    c = forward(odd * e)
    for i, step in enumerate(intervals(window.t[1:] - window.t[0])):
        decay, first, second = weights(step)
        old = rate(e, i)
        a = decay * c + first * old
        new = rate(bounded(odd * backward(a, points), i + 1), i + 1)
        e = bounded(odd * backward(a + second * (new - old), points), i + 1)
        c = forward(odd * e)
        yield e


def _linear(problem: Problem, points: int) -> tuple[np.ndarray, np.ndarray]:
    """L at the waves of an even grid, and the factors of a slope."""
    k = np.arange(points // 2 + 1)
    if len(problem.axes) == 2:
        along_x, along_y = 2 * np.pi / problem.sides  # type: ignore[attr-defined]
        both = np.r_[: points // 2 + 1, -((points - 1) // 2) : 0]
        return np.asarray(problem.symbol(along_x * both[:, None], along_y * k), float), np.empty(0)  # type: ignore[call-arg]
    wavenumber = 2 * np.pi / problem.period * k
    slope = 1j * wavenumber
    slope[-1] = 0  # the highest mode is a cosine that the grid meets at its crests alone, where its slope is 0
    return np.asarray(problem.symbol(wavenumber), float), slope


def _sampled(
    problem: Problem,
    derivatives: Callable[[Any, Any], dict[str, np.ndarray]],
    breaks: Sequence[float],
    points: int,
    steps: int,
) -> tuple[list[Window], np.ndarray]:
    """The field and its residual on a grid, and its error at t = 0."""
    x, at_first = even_places(problem, points), initial_values(problem, points)
    windows, start = [], at_first
    for index in range(len(breaks) + 1):
        t = time_grids(problem.horizon, breaks, steps, fastest_decay_on_grid(problem, start))[index]
        windows.append(_sample(problem, points, derivatives, t, x))
        start = windows[-1].u[-1]
    return windows, at_first - windows[0].u[0]


def agree(*estimates: float) -> bool:
    """Whether estimates of one error at several resolutions are equal to a factor of `AGREEMENT`."""
    at_least = np.maximum(estimates, ROUNDING)
    return bool(at_least.max() <= AGREEMENT * at_least.min()) and bool(np.isfinite(estimates).all())


def _sample(
    problem: Problem,
    points: int,
    derivatives: Callable[[Any, Any], dict[str, np.ndarray]],
    t: np.ndarray,
    x: np.ndarray,
) -> Window:
    values, shape = derivatives(t[:, None], x[None]), (len(t), *initial_shape(problem, points))
    return from_values(t, *(np.asarray(values[name], np.float64).reshape(shape) for name in ("u", "residual")))


def _check(problem: Problem, breaks: Sequence[float], points: int | None, steps: int | None) -> None:
    ends = np.array([0.0, *breaks, problem.horizon])
    require(
        bool((np.diff(ends) > 0).all()),
        f"breaks are {list(breaks)}: give ascending times between 0 and {problem.horizon}.",
    )
    even = points is None or (is_whole(points, 8) and points % 2 == 0)
    require(even, f"points is {points}: give an even whole number from 8.")
    require(steps is None or is_whole(steps, 2), f"steps is {steps}: give a whole number from 2.")
