"""Marching the modes through time: with step control, which leaves a schedule of steps, or along a schedule."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pinn_ac.errors import require
from pinn_ac.reference.etd import Stepper
from pinn_ac.reference.galerkin import Galerkin, norm
from pinn_ac.reference.resolution import settings

Schedule = list[list[float]]
"""Step lengths, one list for each interval between output times."""

FINEST = 40
"""A step is the interval between two output times, halved 0 to this many times."""


@dataclass
class Work:
    """A budget of modes × steps, shared by the marches of one solve.

    Args:
        left: how much may still be spent; about 2.5e8 a minute on one core.
    """

    left: float

    def spend(self, system: Galerkin) -> None:
        """Pay for one step.

        Raises:
            InputError: the budget is used up.
        """
        self.left -= system.modes
        require(
            self.left >= 0,
            "The reference solution of this problem takes more than a minute or two: change "
            f"{settings(system.problem)} so that it is smoother or shorter, or ask for fewer times, or set "
            "reference=false and train without the true solution.",
        )


def intervals(times: np.ndarray) -> list[float]:
    """The lengths of the intervals from 0 to the first time and from each time to the next.

    Rounded to 12 digits, so that equal intervals are equal numbers; the rounding errors do not add up.
    """
    lengths, reached = [], 0.0
    for before, time in pairwise([0.0, *times]):
        length = float(f"{time - reached:.11e}")
        lengths.append(length if length > 0 else float(time - before))  # times that are closer than that
        reached += lengths[-1]
    return lengths


def march_controlled(
    system: Galerkin, times: np.ndarray, tolerance: float, emit: Callable[[np.ndarray], None], work: Work
) -> Schedule:
    """March from t = 0, with each step's estimated local error below `tolerance` relative to the solution.

    Args:
        system: the modes and their rates of change.
        times: output times, positive and ascending.
        tolerance: for the third-order error estimate; the error of the fourth-order solution is far smaller.
        emit: called with the coefficients at each output time.
        work: pays for the steps.

    Returns:
        The steps taken.

    Raises:
        InputError: the steps are too many or too short.
    """
    stepper = Stepper(system.linear, system.nonlinear)
    state, step, schedule = stepper.begin(system.start()), 0.0, []
    for length in intervals(times):
        halvings = _halvings(length, step) if step else FINEST // 2
        position, steps = 0, []
        while position < 2**FINEST:
            step = length / 2**halvings
            work.spend(system)
            with np.errstate(over="ignore", invalid="ignore"):  # a step that is far too long overflows
                new, error = stepper.advance(state, step)
                share = norm(error) / max(norm(new.c), 1e-300)
            if not share <= tolerance:  # NaN too
                halvings += 1
                _require_step(halvings, system)
                continue
            state, position = new, position + 2 ** (FINEST - halvings)
            steps.append(step)
            # Half the step makes the estimate 16 times smaller. A longer step must start at a multiple of itself.
            if share < tolerance / 40 and halvings > 0 and position % 2 ** (FINEST - halvings + 1) == 0:
                halvings -= 1
        step = length / 2**halvings
        emit(state.c)
        schedule.append(steps)
    return schedule


def march(system: Galerkin, schedule: Schedule, emit: Callable[[np.ndarray], None], work: Work) -> None:
    """March along a schedule; `emit` is called with the coefficients at the end of each of its intervals."""
    stepper = Stepper(system.linear, system.nonlinear)
    state = stepper.begin(system.start())
    for steps in schedule:
        for step in steps:
            work.spend(system)
            state, _ = stepper.advance(state, step)
        emit(state.c)


def split(schedule: Schedule, parts: int) -> Schedule:
    """The schedule with every step divided into `parts` equal steps."""
    return [[step / parts for step in steps for _ in range(parts)] for steps in schedule]


def count(schedule: Schedule) -> int:
    """The number of steps."""
    return sum(map(len, schedule))


def _halvings(length: float, step: float) -> int:
    return int(np.clip(np.ceil(np.log2(length / step) - 1e-6), 0, FINEST))


def _require_step(halvings: int, system: Galerkin) -> None:
    require(
        halvings <= FINEST,
        "The reference solver cannot follow this problem's start with any step: lower "
        f"problem.initial_condition's amplitude, or change {settings(system.problem)}.",
    )
