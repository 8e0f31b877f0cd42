"""Marching the modes through time: once with a step control, which leaves a schedule, then along it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pinn_ac.errors import InputError, require
from pinn_ac.reference.etd import Stepper
from pinn_ac.reference.galerkin import Galerkin, norm

Schedule = list[list[float]]
"""Step lengths, a list for each output interval."""

FINEST = 40
"""Steps are output intervals halved 0 to this many times."""


@dataclass
class Work:
    """A purse of modes × steps, shared by the marches of one solve.

    Args:
        left: how much may still be spent; about 2.5e8 a minute on one core.
    """

    left: float

    def spend(self, modes: int) -> None:
        """Pay for one step.

        Raises:
            InputError: the purse is empty.
        """
        self.left -= modes
        require(
            self.left >= 0,
            "The reference solution of this problem takes more than a minute or two: raise problem.diffusivity, or "
            "lower problem.reaction_rate or problem.horizon, or ask for fewer times.",
        )


def intervals(times: np.ndarray) -> list[float]:
    """Lengths from 0 to each time in turn, rounded to 12 digits without adding up, so that equal ones are equal."""
    lengths, reached = [], 0.0
    for time in times:
        lengths.append(float(f"{time - reached:.11e}"))
        reached += lengths[-1]
    return lengths


def march_controlled(
    system: Galerkin, times: np.ndarray, tolerance: float, emit: Callable[[np.ndarray], None], work: Work
) -> Schedule:
    """March from t = 0, with each step's estimated local error below `tolerance` relative to the solution.

    Args:
        system: the modes and their rates.
        times: positive and ascending; at each, `emit` gets the coefficients.
        tolerance: of the third-order error estimate; the fourth-order solution is far better.
        emit: takes the coefficients.
        work: pays for the steps.

    Returns:
        The steps taken.

    Raises:
        InputError: the steps are too many or too short.
    """
    stepper = Stepper(system.linear, system.reaction)
    c = system.start()
    rate, step, schedule = system.reaction(c), 0.0, []
    for length in intervals(times):
        halvings = _halvings(length, step) if step else FINEST // 2
        position, steps = 0, []
        while position < 2**FINEST:
            step = length / 2**halvings
            work.spend(system.modes)
            with np.errstate(over="ignore", invalid="ignore"):  # of a step that is far too long
                new, new_rate, error = stepper.advance(c, rate, step)
                share = norm(error) / max(norm(new), 1e-300)
            if not share <= tolerance:  # NaN too
                halvings += 1
                _require_step(halvings)
                continue
            c, rate, position = new, new_rate, position + 2 ** (FINEST - halvings)
            steps.append(step)
            # The estimate falls 16-fold with half the step; a longer one must start at a multiple of itself.
            if share < tolerance / 40 and halvings > 0 and position % 2 ** (FINEST - halvings + 1) == 0:
                halvings -= 1
        step = length / 2**halvings
        emit(c)
        schedule.append(steps)
    return schedule


def march(system: Galerkin, schedule: Schedule, emit: Callable[[np.ndarray], None], work: Work) -> None:
    """March along a schedule; `emit` gets the coefficients at the end of each of its intervals."""
    stepper = Stepper(system.linear, system.reaction)
    c = system.start()
    rate = system.reaction(c)
    for steps in schedule:
        for step in steps:
            work.spend(system.modes)
            c, rate, _ = stepper.advance(c, rate, step)
        emit(c)


def split(schedule: Schedule, parts: int) -> Schedule:
    """Every step cut into equal parts."""
    return [[step / parts for step in steps for _ in range(parts)] for steps in schedule]


def count(schedule: Schedule) -> int:
    """How many steps it has."""
    return sum(map(len, schedule))


def _halvings(length: float, step: float) -> int:
    return int(np.clip(np.ceil(np.log2(length / step) - 1e-6), 0, FINEST))


def _require_step(halvings: int) -> None:
    if halvings > FINEST:
        raise InputError(
            "The reference solver cannot follow this problem's start with any step: lower "
            "problem.initial_condition's amplitude or problem.reaction_rate."
        )
