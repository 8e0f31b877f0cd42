"""How the reference converges: its error against the number of modes, and against the step."""

import math
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.march import Schedule, Work, count, march, march_controlled, split
from pinn_ac.reference.resolution import modes_needed
from pinn_ac.reference.solver import TOLERANCE, check_times, solve

COARSE_TOLERANCE = 3e-8
"""Step control of the coarsest steps of the study in time."""


@dataclass(frozen=True)
class Level:
    """One solution of a study and its error against the finest.

    Args:
        modes: its Fourier modes.
        steps: its time steps.
        relative_l2: over all output times > 0.
        max_error: over the same.
        order: log₂ of the last error over this one, for half the step; NaN on the first level and in space.
    """

    modes: int
    steps: int
    relative_l2: float
    max_error: float
    order: float = math.nan


def refine_time(problem: Problem, halvings: int = 5, points: int = 512) -> list[Level]:
    """Errors of a schedule whose every step is halved again and again, at fixed modes.

    Each is against the one halved twice more often than the last; for ETDRK4 the order tends to 4.
    """
    times = check_times(problem, None)[1:]
    system = Galerkin(problem, modes_needed(problem, float(times[0])))
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
    """Errors of 1/8, 1/4, 1/2, 3/4 and 1 of the solver's modes, along its steps, against twice its modes."""
    times = check_times(problem, None)[1:]
    needed = modes_needed(problem, float(times[0]))
    schedule = march_controlled(Galerkin(problem, needed), times, TOLERANCE, lambda c: None, Work(math.inf))
    finest = _rows(Galerkin(problem, 2 * needed), schedule, points)
    levels = []
    for eighths in (1, 2, 4, 6, 8):
        system = Galerkin(problem, needed * eighths // 8)
        levels.append(Level(system.modes, count(schedule), *_errors(_rows(system, schedule, points), finest)))
    return levels


def study(problem: Problem, console: Console | None = None) -> None:
    """Print both refinements, and what the solver says of its own solution.

    Raises:
        InputError: as :func:`solve`.
    """
    console = console or Console()
    console.print(solve(problem).label)
    console.print(_table("More modes, the same steps", refine_space(problem)))
    console.print(_table("Shorter steps, the same modes", refine_time(problem)))


def _rows(system: Galerkin, schedule: Schedule, points: int) -> np.ndarray:
    rows: list[np.ndarray] = []
    march(system, schedule, lambda c: rows.append(system.sample(c, points)), Work(math.inf))
    return np.array(rows)


def _errors(rows: np.ndarray, finest: np.ndarray) -> tuple[float, float]:
    """Relative L2 and largest error; infinite where the march diverged."""
    difference = rows - finest
    if not np.isfinite(difference).all():
        return math.inf, math.inf
    return float(np.linalg.norm(difference) / np.linalg.norm(finest)), float(np.abs(difference).max())


def _table(title: str, levels: list[Level]) -> Table:
    table = Table(title=title)
    for heading in ("modes", "steps", "relative L2 error", "max error", "order"):
        table.add_column(heading, justify="right")
    for level in levels:
        order = "" if math.isnan(level.order) else f"{level.order:.2f}"
        table.add_row(str(level.modes), str(level.steps), f"{level.relative_l2:.1e}", f"{level.max_error:.1e}", order)
    return table
