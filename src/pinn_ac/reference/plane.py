"""The reference solution in two dimensions: Fourier–Galerkin and ETDRK4, refined until two solutions agree."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from scipy import fft

from pinn_ac.errors import InputError, require
from pinn_ac.problem.double_series import grid_values, trimmed
from pinn_ac.reference.consistency import require_spectral
from pinn_ac.reference.etd import Stepper
from pinn_ac.reference.march import intervals
from pinn_ac.reference.resolution import relative_change

logger = logging.getLogger(__name__)

RELATIVE_L2 = 1e-9
"""Largest estimated relative L2 error that a reference in the plane may have, over all times."""
TRUNCATION = 3e-10
"""Relative size of the modes that the first march leaves out of an interface, about."""
PER_GROWTH = 56
"""Steps of the first march in which a disturbance may grow e-fold."""
FEWEST_STEPS = 24
FINER = 1.25
"""The factor by which each further march has more modes; it has twice the steps."""
LEAST_MODES, MOST_MODES = 24, 1000
"""Along an axis; the grid of the most has 4000 × 4000 points, of which a march holds ten arrays, a gigabyte."""
MOST_MARCHES = 5
MOST_WORK = 1e10
"""Points of the grid × steps of all marches together: about a quarter of an hour on two cores."""
TOLD = 3e8
"""A march of so much work, half a minute or so, is logged before it begins."""


@dataclass(frozen=True)
class PlaneReference:
    """u on a grid in t, x and y, in float64, with an estimate of its error.

    Args:
        t: times, (n_t,).
        x, y: x_i = a + (b − a) i/n and y_j = c + (d − c) j/n, each (n,).
        u: (n_t, n, n).
        estimated_error: relative L2 difference from what fewer modes and twice the step give.
        label: a sentence with the method, its resolution and this estimate.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    estimated_error: float
    label: str


@dataclass(frozen=True)
class PlaneGalerkin:
    """c_kl' = L(k, l) c_kl + [reaction(u)]_kl for the waves |k|, |l| ≤ m of u on the unit square.

    The reaction is evaluated on (degree + 1) m points or more along each axis, on which no product of `degree` waves
    is mistaken for one of those that are kept.

    Args:
        problem: with the capability "spectral" and no flux.
        modes: m.
    """

    problem: Any
    modes: int

    @cached_property
    def points(self) -> int:
        """Of the grid along an axis, even."""
        return 2 * fft.next_fast_len(-(-((self.problem.degree + 1) * self.modes + 1) // 2), real=True)

    @cached_property
    def linear(self) -> np.ndarray:
        """L, (2m + 1, m + 1)."""
        k = np.r_[0 : self.modes + 1, -self.modes : 0]
        along = 2 * np.pi / self.problem.sides
        return np.asarray(self.problem.symbol(along[0] * k[:, None], along[1] * k[None, : self.modes + 1]), float)

    def nonlinear(self, c: np.ndarray) -> np.ndarray:
        """The coefficients of reaction(u)."""
        return self.coefficients(np.asarray(self.problem.reaction(self.values(c, self.points)), float))

    def values(self, c: np.ndarray, points: int) -> np.ndarray:
        """u, (points, points), points > 2m, at ξ_i = −1 + 2i/n."""
        whole = np.zeros((points, points // 2 + 1), complex)
        whole[np.r_[0 : self.modes + 1, points - self.modes : points], : self.modes + 1] = c
        return fft.irfft2(whole, (points, points), workers=2) * points**2

    def coefficients(self, u: np.ndarray) -> np.ndarray:
        """c of u, (n, n), n ≥ 2m + 1."""
        n = len(u)
        kept = np.r_[0 : self.modes + 1, n - self.modes : n]
        return fft.rfft2(u, workers=2)[kept, : self.modes + 1] / n**2

    def start(self) -> np.ndarray:
        """c of the initial condition, less what of it has higher waves."""
        n = max(2 * self.modes + 2, len(self.problem.initial_condition.matrix))
        return self.coefficients(grid_values(np.asarray(self.problem.initial_condition.matrix, float), n + n % 2))

    def sample(self, c: np.ndarray, points: int) -> np.ndarray:
        """u on a grid of any number of points along an axis."""
        finer = -(-(2 * self.modes + 1) // points)
        return self.values(c, points * finer)[::finer, ::finer]

    def march(self, times: np.ndarray, counts: Sequence[int]) -> Iterator[np.ndarray]:
        """c at each of the ascending times > 0, with so many equal steps to each from the one before."""
        stepper = Stepper(self.linear, self.nonlinear)
        state = stepper.begin(self.start())
        for length, count in zip(intervals(times), counts, strict=True):
            for _ in range(count):
                state, _ = stepper.advance(state, float(f"{length / count:.13e}"))
            yield state.c


def solve_plane(problem: Any, times: np.ndarray | None = None, points: int = 128) -> PlaneReference:
    """Solve u_t = L u + reaction(u) on a periodic rectangle by a dealiased Fourier–Galerkin method and ETDRK4.

    Everything is computed in float64. Each further march has `FINER` times the modes and half of every step. The
    difference between the last two estimates the error of the last, and bounds it while the order of convergence
    holds.

    Args:
        problem: one of the plane, with the capability "spectral".
        times: ascending, ≥ 0; by default 51 from 0 to the horizon.
        points: of the output grid along each axis; their number does not change the accuracy.

    Raises:
        InputError: times or points are none of these; the problem is none of the plane, lacks the capability, or its
            nonlinear term has a flux; two marches need more than `MOST_MODES` or `MOST_WORK`, which is found before
            anything is computed; or refinement does not bring the estimated error below `RELATIVE_L2`.

    >>> import numpy as np, pinn_ac
    >>> reference = solve_plane(pinn_ac.AllenCahn2D(diffusivity=0.1, horizon=0.1), np.array([0.0, 0.1]), points=8)
    >>> reference.u.shape
    (2, 8, 8)
    """
    require(
        len(getattr(problem, "axes", ())) == 2,
        f"This solver is for two dimensions, and {type(problem).__name__} is no problem of these: take "
        "pinn_ac.reference.solve.",
    )
    require_spectral(problem, "The spectral reference solution", "define them, or compare with data of your own")
    require(
        problem.flux(0.0) is None,
        f"The reference in the plane is for a reaction, and {type(problem).__name__} has a flux too: compare with "
        "data of your own.",
    )
    times = np.linspace(0.0, problem.horizon, 51) if times is None else np.asarray(times, float)
    whole = isinstance(points, int | np.integer) and not isinstance(points, bool) and points > 0
    require(bool(whole), f"The reference's points are {points}: give a whole number from 1.")
    ascending = times.ndim == 1 and len(times) > 0 and np.isfinite(times).all() and (np.diff(times) > 0).all()
    require(bool(ascending and times[0] >= 0), "The reference's times must ascend from 0 or later: sort them.")
    x, y = problem.grids(points)
    first = grid_rows(problem, points)[None] if times[0] == 0 else np.empty((0, points, points))
    later = times[times > 0]
    if not len(later):
        return PlaneReference(times, x, y, first, 0.0, "the initial condition itself")
    with jax.enable_x64(True), np.errstate(over="ignore", invalid="ignore"):
        rows, modes, steps, error = _refine(problem, later, points)
    label = (
        f"Fourier ETDRK4 in the plane, {modes} modes along an axis, {steps} steps, "
        f"estimated relative L2 error {error:.1e}"
    )
    return PlaneReference(times, x, y, np.concatenate([first, rows]), error, label)


def grid_rows(problem: Any, points: int) -> np.ndarray:
    """u₀ on the output grid, (points, points)."""
    A = np.asarray(problem.initial_condition.matrix, float)
    finer = -(-len(A) // points)
    finer += finer * points % 2
    return grid_values(A, finer * points)[::finer, ::finer]


def _refine(problem: Any, times: np.ndarray, points: int) -> tuple[np.ndarray, int, int, float]:
    modes, counts = modes_needed_plane(problem), steps_needed_plane(problem, times)
    _require_feasible(problem, modes, counts)
    last, error, before, left = None, np.inf, np.inf, MOST_WORK
    for _ in range(MOST_MARCHES):
        system, steps = PlaneGalerkin(problem, modes), sum(counts)
        work = system.points**2 * steps
        if modes > MOST_MODES or work > left:
            break
        left -= work
        logger.log(
            logging.INFO if work > TOLD else logging.DEBUG,
            "The reference solution is being found: a march of %d modes along an axis, %d steps.", modes, steps,
        )  # fmt: skip
        rows = np.array([system.sample(c, points) for c in system.march(times, counts)])
        if last is not None:
            error, _ = relative_change(rows, last)
            if error <= RELATIVE_L2:
                return rows, modes, steps, error
            if not error < before / 3:
                break
        last, before = rows, error
        modes, counts = finer(modes, counts)
    raise InputError(
        f"The reference solution of this problem cannot be found to {RELATIVE_L2:.0e} (refinement leaves "
        f"{error:.0e}): {INSTEAD}"
    )


INSTEAD = (
    "change problem.diffusivity, problem.reaction_rate or problem.horizon so that it is smoother or shorter, or set "
    "reference=false and train without the true solution."
)


def finer(modes: int, counts: list[int]) -> tuple[int, list[int]]:
    """The modes and the steps of the next march."""
    return round(FINER * modes), [2 * count for count in counts]


def _require_feasible(problem: Any, modes: int, counts: list[int]) -> None:
    """Refuse a problem whose first two marches, which the self-check takes, are too large."""
    marches = (modes, counts), finer(modes, counts)
    work = sum(PlaneGalerkin(problem, m).points ** 2 * sum(steps) for m, steps in marches)
    most, steps = marches[1][0], sum(marches[1][1])
    require(
        most <= MOST_MODES and work <= MOST_WORK,
        f"The reference solution of this problem needs about {most} modes along an axis and {steps} steps, and at "
        f"most {MOST_MODES} modes, and a quarter of an hour or so of work, are done for it: {INSTEAD}",
    )


def modes_needed_plane(problem: Any) -> int:
    """Modes along an axis that the first march has.

    For an interface tanh(ξ/w) they fall like e^{−π² k w/2}, with w of `InPlane.thinnest_interface`. u₀ has its own.
    """
    own = len(trimmed(np.asarray(problem.initial_condition.matrix, float), TRUNCATION)) // 2
    return max(LEAST_MODES, int(np.ceil(-np.log(TRUNCATION) / (0.5 * np.pi**2 * problem.thinnest_interface))), own)


def steps_needed_plane(problem: Any, times: np.ndarray) -> list[int]:
    """Steps of the first march from 0 to the first of the times and from each to the next."""
    steps = max(FEWEST_STEPS, int(np.ceil(PER_GROWTH * problem.growth)))
    return [max(1, int(np.ceil(length / problem.horizon * steps - 1e-9))) for length in intervals(times)]
