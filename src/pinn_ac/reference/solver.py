"""The reference solution: the problem is solved at two resolutions, which are refined until the solutions agree."""

import logging
from dataclasses import dataclass, replace

import jax
import numpy as np

from pinn_ac.errors import InputError, require
from pinn_ac.problem import Problem
from pinn_ac.problem.initial_conditions import require_known
from pinn_ac.reference.consistency import require_spectral
from pinn_ac.reference.held import system_of
from pinn_ac.reference.march import Schedule, Work, count, march, march_controlled, split
from pinn_ac.reference.resolution import MOST_MODES, WITHOUT, modes_needed, relative_change, settings

logger = logging.getLogger(__name__)

RELATIVE_L2 = 1e-10
"""Largest estimated relative L2 error that a reference may have, over all times."""

LARGEST = 1e-8
"""Largest estimated error that it may have at any point, relative to its largest value."""

TOLERANCE = 1.6e-9
"""Tolerance of the first march's step control; about 1.5e-10 in relative L2 error for the default problem."""

MODES = (1.5, 1.0, 1.5, 1.5, 1.5)
"""By what each refinement multiplies the modes; every one halves the steps. After the last the solver gives up."""

WORK = 5e8
"""The budget of one solve, in modes × steps; see :class:`~pinn_ac.reference.march.Work`."""

NEEDED = ("The reference solution", WITHOUT)
"""For :func:`~pinn_ac.reference.consistency.require_spectral`."""


@dataclass(frozen=True)
class Reference:
    """u on a grid in t and x, in float64, with an estimate of its error.

    Args:
        t: times, shape (n_t,).
        x: even points of the domain (`Problem.grid`), shape (n_x,).
        u: shape (n_t, n_x).
        estimated_error: relative L2 difference from what fewer modes and twice the step give.
        label: a sentence with the method, its resolution and this estimate.
    """

    t: np.ndarray
    x: np.ndarray
    u: np.ndarray
    estimated_error: float
    label: str


def solve(problem: Problem, times: np.ndarray | None = None, points: int = 512) -> Reference:
    """Solve u_t = L u + reaction(u) − ∂x flux(u) by a Fourier–Galerkin method and ETDRK4.

    Everything is computed in float64, whatever JAX's precision is. A first march finds the steps by local error
    control. A second one halves them and has half as many modes again, a third one halves them once more. Two such
    marches, u with steps 2h and v with steps h, give v + (v − u)/15, without the error's term of fourth order in h
    (Richardson 1911). The difference between what the first and second and what the second and third give estimates
    the error of the latter, and bounds it while the order of convergence holds. Until it is small enough, there are
    further marches. The lecture's solution is good to 1e-13, see `tests/reference/test_taylor_series.py`.

    Args:
        problem: any that has the capability "spectral".
        times: ascending, ≥ 0, also beyond the horizon; by default 201 from 0 to the horizon.
        points: n_x of the output grid. The Fourier series is evaluated there, so that their number does not change
            the accuracy.

    Raises:
        InputError: times or points are none of these; the problem lacks the capability, or its residual is another
            equation; it needs more modes or steps than a minute or two allow; or refinement does not bring the
            estimated error below `RELATIVE_L2` and `LARGEST`.

    >>> import numpy as np, pinn_ac
    >>> reference = solve(pinn_ac.Burgers(viscosity=0.05), np.linspace(0.0, 1.0, 3), points=8)
    >>> reference.u.shape
    (3, 8)
    """
    require_spectral(problem, *NEEDED)
    require(
        len(problem.axes) == 1,
        "This solver is for one dimension: take pinn_ac.reference.solve_plane for two.",
    )
    require_known(problem)
    times = check_times(problem, times)
    is_count = isinstance(points, int | np.integer) and not isinstance(points, bool) and points > 0
    require(is_count, f"The reference's points are {points}: give a whole number from 1.")
    if problem.has_walls:
        return _between_walls(problem, times, points)
    x = problem.grid(points)
    later = times[times > 0]
    if len(later) == 0:
        return Reference(times, x, _initial_rows(problem, times, points), 0.0, "the initial condition itself")
    with jax.enable_x64(True):  # a problem may define its terms with jax.numpy
        solution = _refine(problem, later, points)
    u = np.concatenate([_initial_rows(problem, times, points), solution.rows[:, :: solution.finer]])
    label = (
        f"Fourier ETDRK4, extrapolated, {solution.modes} modes, {count(solution.schedule)} steps, "
        f"estimated relative L2 error {solution.error:.1e}"
    )
    return Reference(times, x, u, solution.error, label)


def _between_walls(problem: Problem, times: np.ndarray, points: int) -> Reference:
    """The solution on the half of the circle, with both ends; on the circle it is as fine as it is there."""
    require(points >= 2, f"The reference's points are {points}: between walls give 2 or more.")
    whole = solve(problem.circle, times, 2 * (points - 1))
    u = np.concatenate([whole.u[:, points - 1 :], whole.u[:, :1]], axis=1)
    return replace(whole, x=problem.grid(points), u=u)


def check_times(problem: Problem, times: np.ndarray | None) -> np.ndarray:
    """The output times as float64, shape (n_t,); by default 201 from 0 to the horizon.

    Raises:
        InputError: they are not ascending numbers ≥ 0.
    """
    if times is None:
        return np.linspace(0.0, problem.horizon, 201)
    times = np.asarray(times, float)
    ascending = times.ndim == 1 and len(times) > 0 and np.isfinite(times).all() and (np.diff(times) > 0).all()
    require(bool(ascending and times[0] >= 0), "The reference's times must ascend from 0 or later: sort them.")
    return times


@dataclass
class _Solution:
    """A march, or the extrapolation of two: u at the output times, on a grid `finer` times finer than wanted."""

    modes: int
    schedule: Schedule
    rows: np.ndarray
    finer: int
    error: float = np.inf
    largest: float = np.inf

    def extrapolated(self, coarser: "_Solution") -> "_Solution":
        """Without the error's term of fourth order, by a march with twice the steps."""
        return replace(self, rows=self.rows + (self.rows - coarser.rows) / 15)

    def compare(self, coarser: "_Solution") -> None:
        """Estimate the errors from the difference to the coarser solution."""
        self.error, self.largest = relative_change(self.rows, coarser.rows)


def _refine(problem: Problem, times: np.ndarray, points: int) -> _Solution:
    finer = -(-256 // points)  # solutions are compared on at least 256 points
    work = Work(WORK)
    march, best = _first(problem, times, points * finer, work), None
    march.finer, last = finer, np.inf
    for growth in MODES:
        coarser, march = march, _finer(problem, march, growth, points * finer, work)
        before, best = best, march.extrapolated(coarser)
        if before is None:
            continue
        best.compare(before)
        logger.debug("reference: %d modes, %.1e, %.1e", best.modes, best.error, best.largest)
        if best.error <= RELATIVE_L2 and best.largest <= LARGEST:
            return best
        if not best.error < last / 3:
            break
        last = best.error
    raise InputError(
        f"The reference solution of this problem cannot be found to {RELATIVE_L2:.0e} (refinement leaves "
        f"{best.error if best else np.inf:.0e}), because it amplifies rounding errors or moves too fast: change "
        f"{settings(problem)} so that it is smoother or shorter, or {WITHOUT}."
    )


def _first(problem: Problem, times: np.ndarray, points: int, work: Work) -> _Solution:
    system = system_of(problem, modes_needed(problem, float(times[0])))
    rows: list[np.ndarray] = []
    schedule = march_controlled(system, times, TOLERANCE, lambda c: rows.append(system.sample(c, points)), work)
    return _Solution(system.modes, schedule, np.array(rows), 1)


def _finer(problem: Problem, coarser: _Solution, growth: float, points: int, work: Work) -> _Solution:
    modes = min(round(coarser.modes * growth), 2 * MOST_MODES)
    system, rows, schedule = system_of(problem, modes), list[np.ndarray](), split(coarser.schedule, 2)
    march(system, schedule, lambda c: rows.append(system.sample(c, points)), work)
    return _Solution(modes, schedule, np.array(rows), coarser.finer)


def _initial_rows(problem: Problem, times: np.ndarray, points: int) -> np.ndarray:
    """u₀ itself if the first time is 0, shape (1, points), else nothing, shape (0, points)."""
    if times[0] > 0:
        return np.empty((0, points))
    return problem.initial_values(points)[None]
