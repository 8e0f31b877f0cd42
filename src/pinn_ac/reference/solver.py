"""The reference solution: solved twice, and refined until the two agree."""

import logging
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import InputError, require
from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.march import Schedule, Work, count, march, march_controlled, split
from pinn_ac.reference.resolution import MOST_MODES, modes_needed

logger = logging.getLogger(__name__)

RELATIVE_L2 = 1e-10
"""Largest estimated relative L2 error of a reference, over all times."""

LARGEST = 1e-8
"""Largest estimated error of a reference at any point, relative to its largest value."""

TOLERANCE = 1e-10
"""Step control of the coarsest march; it gives a relative L2 error of about 1e-11 on the default problem."""

ROUNDS = 4
WORK = 4e8


@dataclass(frozen=True)
class Reference:
    """u on a grid in time and space, float64, with an estimate of its error.

    Args:
        t: times, shape (n_t,).
        x: x_j = a + (b − a) j/n_x, shape (n_x,).
        u: shape (n_t, n_x).
        estimated_error: relative L2 difference from the solution with fewer modes and twice the step.
        label: the method, its resolution and this estimate, in words.
    """

    t: np.ndarray
    x: np.ndarray
    u: np.ndarray
    estimated_error: float
    label: str


def solve(problem: Problem, times: np.ndarray | None = None, points: int = 512) -> Reference:
    """Solve the problem by Fourier–Galerkin and ETDRK4, in float64 whatever JAX's precision is.

    A first march finds the steps by a local error control. A second halves them and has half as many modes again.
    Their difference estimates (and bounds, while the order holds) the error of the second; until it is small
    enough, the second becomes the first.

    Args:
        problem: any variant.
        times: ascending, ≥ 0, also beyond the horizon; by default 201 from 0 to the horizon.
        points: n_x of the output grid; the series is evaluated there, so any number is as exact as another.

    Raises:
        InputError: times or points are none of these; the problem needs more modes or steps than a minute or two
            allow; or refinement does not bring the estimate below `RELATIVE_L2` and `LARGEST`.
    """
    times = check_times(problem, times)
    is_count = isinstance(points, int | np.integer) and not isinstance(points, bool) and points > 0
    require(is_count, f"The reference's points are {points}: give a whole number from 1.")
    x = problem.domain[0] + problem.period * np.arange(points) / points
    later = times[times > 0]
    if len(later) == 0:
        return Reference(times, x, _initial_rows(problem, times, points), 0.0, "the initial condition itself")
    solution = _refine(problem, later, points)
    u = np.concatenate([_initial_rows(problem, times, points), solution.rows[:, :: solution.finer]])
    label = (
        f"Fourier ETDRK4, {solution.modes} modes, {count(solution.schedule)} steps, "
        f"estimated relative L2 error {solution.error:.1e}"
    )
    return Reference(times, x, u, solution.error, label)


def check_times(problem: Problem, times: np.ndarray | None) -> np.ndarray:
    """The times as float64, shape (n_t,); by default 201 from 0 to the horizon.

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
    modes: int
    schedule: Schedule
    rows: np.ndarray
    finer: int
    error: float = np.inf
    largest: float = np.inf

    def compare(self, coarser: "_Solution") -> None:
        difference, scale = self.rows - coarser.rows, np.abs(self.rows).max()
        self.error = float(np.linalg.norm(difference) / np.linalg.norm(self.rows))
        self.largest = float(np.abs(difference).max() / scale)


def _refine(problem: Problem, times: np.ndarray, points: int) -> _Solution:
    finer = -(-256 // points)  # compared on at least 256 points, however few are wanted
    work = Work(WORK)
    solution = _first(problem, times, points * finer, work)
    solution.finer = finer
    for _ in range(ROUNDS):
        coarser = solution
        solution = _finer(problem, coarser, points * finer, work)
        solution.compare(coarser)
        logger.debug("reference: %d modes, %.1e, %.1e", solution.modes, solution.error, solution.largest)
        if solution.error <= RELATIVE_L2 and solution.largest <= LARGEST:
            return solution
        if not solution.error < coarser.error / 3:
            break
    raise InputError(
        f"The reference solution of this problem cannot be found to {RELATIVE_L2:.0e} (refinement leaves "
        f"{solution.error:.0e}), for it amplifies rounding errors or moves too fast: shorten problem.horizon, lower "
        "problem.reaction_rate or raise problem.diffusivity."
    )


def _first(problem: Problem, times: np.ndarray, points: int, work: Work) -> _Solution:
    system = Galerkin(problem, modes_needed(problem, float(times[0])))
    rows: list[np.ndarray] = []
    schedule = march_controlled(system, times, TOLERANCE, lambda c: rows.append(system.sample(c, points)), work)
    return _Solution(system.modes, schedule, np.array(rows), 1)


def _finer(problem: Problem, coarser: _Solution, points: int, work: Work) -> _Solution:
    modes = min(coarser.modes * 3 // 2, 2 * MOST_MODES)
    system, rows, schedule = Galerkin(problem, modes), list[np.ndarray](), split(coarser.schedule, 2)
    march(system, schedule, lambda c: rows.append(system.sample(c, points)), work)
    return _Solution(modes, schedule, np.array(rows), coarser.finer)


def _initial_rows(problem: Problem, times: np.ndarray, points: int) -> np.ndarray:
    """u₀ itself for t = 0, shape (1, points), or (0, points) when the times start later."""
    if times[0] > 0:
        return np.empty((0, points))
    with jax.enable_x64(True):
        xi = jnp.asarray(-1 + 2 * np.arange(points) / points)
        return np.asarray(problem.initial_condition(xi), float)[None]
