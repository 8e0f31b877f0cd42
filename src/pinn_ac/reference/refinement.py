"""How the reference solution converges: its error against the number of modes, and against the time step."""

import math
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from pinn_ac.problem import Problem
from pinn_ac.problem.initial_conditions import require_known
from pinn_ac.reference.consistency import require_spectral
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.held import system_of
from pinn_ac.reference.march import Schedule, Work, count, march, march_controlled, split
from pinn_ac.reference.plane import solve_plane
from pinn_ac.reference.resolution import modes_needed
from pinn_ac.reference.solver import NEEDED, TOLERANCE, check_times, solve

COARSE_TOLERANCE = 3e-8
"""Tolerance of the step control that finds the longest steps of the refinement in time."""


@dataclass(frozen=True)
class Level:
    """One solution of a study and its error against the finest.

    Args:
        modes: its Fourier modes.
        steps: its time steps.
        relative_l2: relative L2 error over all output times > 0.
        max_error: largest error at these times.
        order: of convergence in the step, log₂ of the last level's error over this one's; NaN on the first level and
            where the number of modes is refined.
    """

    modes: int
    steps: int
    relative_l2: float
    max_error: float
    order: float = math.nan


def refine_time(problem: Problem, halvings: int = 5, points: int = 512) -> list[Level]:
    """Errors of a schedule of steps that are halved again and again, with a fixed number of modes.

    Each error is the difference from the solution whose steps are a quarter of the last level's. For ETDRK4 the order
    tends to 4. Between walls all is done on the circle that they reflect the domain to.

    Raises:
        InputError: as :func:`solve`.
    """
    require_spectral(problem, *NEEDED)
    require_known(problem)
    problem, times = problem.circle, check_times(problem, None)[1:]
    system = system_of(problem, modes_needed(problem, float(times[0])))
    schedule = march_controlled(system, times, COARSE_TOLERANCE, lambda c: None, Work(math.inf))
    finest = _rows(system, split(schedule, 2 ** (halvings + 1)), points)
    levels: list[Level] = []
    for halving in range(halvings):
        finer = split(schedule, 2**halving)
        relative_l2, max_error = _errors(_rows(system, finer, points), finest)
        order = math.log2(levels[-1].relative_l2 / relative_l2) if levels and relative_l2 > 0 else math.nan
        levels.append(Level(system.modes, count(finer), relative_l2, max_error, order))
    return levels


def refine_space(problem: Problem, points: int = 512) -> list[Level]:
    """Errors with 1/8, 1/4, 1/2, 3/4 and all of the solver's modes and with its steps, against twice as many modes.

    Raises:
        InputError: as :func:`solve`.
    """
    require_spectral(problem, *NEEDED)
    require_known(problem)
    problem, times = problem.circle, check_times(problem, None)[1:]
    whole = system_of(problem, modes_needed(problem, float(times[0])))
    schedule = march_controlled(whole, times, TOLERANCE, lambda c: None, Work(math.inf))
    finest = _rows(replace(whole, modes=2 * whole.modes), schedule, points)
    levels = []
    for eighths in (1, 2, 4, 6, 8):
        system = replace(whole, modes=whole.modes * eighths // 8)
        levels.append(Level(system.modes, count(schedule), *_errors(_rows(system, schedule, points), finest)))
    return levels


def study(problem: Problem, console: Console | None = None) -> None:
    """Print both refinements, below the label of the solver's own solution; in two dimensions that label alone.

    Raises:
        InputError: as :func:`solve`.
    """
    console = console or Console()
    if len(problem.axes) == 2:
        console.print(solve_plane(problem).label)
        return
    console.print(solve(problem).label)
    console.print(_table("More modes, the same steps", refine_space(problem)))
    console.print(_table("Shorter steps, the same modes", refine_time(problem)))


def _rows(system: Galerkin, schedule: Schedule, points: int) -> np.ndarray:
    rows: list[np.ndarray] = []
    march(system, schedule, lambda c: rows.append(system.sample(c, points)), Work(math.inf))
    return np.array(rows)


def _errors(rows: np.ndarray, finest: np.ndarray) -> tuple[float, float]:
    """Relative L2 error and largest error; infinite where the march diverged."""
    difference = rows - finest
    if not np.isfinite(difference).all():
        return math.inf, math.inf
    return float(np.linalg.norm(difference) / np.linalg.norm(finest)), float(np.abs(difference).max())


def _table(title: str, levels: list[Level]) -> Table:
    table = Table(title=title)
    for heading in ("modes", "steps", "relative L2 error", "largest error", "order"):
        table.add_column(heading, justify="right")
    for level in levels:
        order = "" if math.isnan(level.order) else f"{level.order:.2f}"
        table.add_row(str(level.modes), str(level.steps), f"{level.relative_l2:.1e}", f"{level.max_error:.1e}", order)
    return table
