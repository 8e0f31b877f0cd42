"""Where a march is, and the sizes that follow from its problem."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from pinn_ac.errors import require
from pinn_ac.estimate import ErrorSoFar, Window, agree
from pinn_ac.marching.control import SHORTEST
from pinn_ac.marching.pieces import Piece
from pinn_ac.problem import Problem, modes_needed
from pinn_ac.training import TrainingState, unstacked

USUAL = 0.625
"""R times the usual length of a window; measured."""
FEWEST = 8
"""Windows where the problem tells no time of its own."""


SMALL, LARGE = 32, 384
"""Modes along an axis of the plane, at least and at most; a window keeps 8 · 4 · `LARGE`² bytes of the most, 5 MB."""
HELD, CUT_SHARE = 1e-8, 0.1
"""Relative size of what modes of the plane leave out of an interface; as a share of the tolerance, at most."""


Errors = tuple[ErrorSoFar, ErrorSoFar, ErrorSoFar]
"""On the whole grid and on both halves of it."""


class Progress(NamedTuple):
    """Where a march is: the part of its state that is neither a piece nor a counter.

    errors: the error so far, estimated on the whole grid and on both halves of it.
    time: the end of the last window, in natural units.
    length, rung: of the next window, see :class:`~pinn_ac.marching.control.Choice`.
    tolerance: that the controller works with; smaller than the run's in later rounds.
    rounds: finished.
    held_out: the sum over the windows of length times the mean of r² on the estimate's grid.
    """

    errors: Errors
    time: Any
    length: Any
    rung: Any
    tolerance: Any
    rounds: Any
    held_out: Any


def usual_length(problem: Problem) -> float:
    """Of a window, in the problem's time."""
    windows = problem.growth / USUAL if problem.growth else FEWEST
    return problem.horizon / max(windows, 1.0)


def modes_of(problem: Problem) -> int:
    """Modes that hold the solution at the end of the shortest first window; in the plane those along an axis."""
    if len(problem.axes) == 2:
        return plane_modes(problem)
    return modes_needed(problem, SHORTEST * usual_length(problem))


def plane_modes(problem: Any) -> int:
    """Modes along an axis of the series that a window begins at; `LARGE` at most.

    They hold an interface tanh(ξ/w), whose modes k fall like e^{−π² k w/2}, to `HELD`. See :func:`require_modes`.
    """
    own = len(problem.initial_condition.matrix) // 2
    wanted = max(-math.log(HELD) / (0.5 * np.pi**2 * problem.thinnest_interface), min(own, LARGE))
    return int(np.clip(16 * math.ceil(wanted / 16), SMALL, LARGE))


def require_modes(problem: Any, tolerance: float) -> None:
    """Refuse a tolerance that the most modes of the plane cannot meet, since no window's estimate sees what is cut.

    Raises:
        InputError: they leave more than `CUT_SHARE` of it out of the thinnest interface.
    """
    if len(problem.axes) == 1:
        return
    width = problem.thinnest_interface
    left_out = math.exp(-0.5 * np.pi**2 * LARGE * width)
    require(
        left_out <= CUT_SHARE * tolerance,
        f"This problem forms interfaces tanh(s/w), w = {width:.1e} of half of the longer side, and {LARGE} modes "
        f"along an axis, the most that a march has, leave {left_out:.0e} of them out: give a larger diffusivity, a "
        f"smaller reaction rate or domain, or train.tolerance={2 * left_out / CUT_SHARE:.0e}.",
    )


def grid_of(modes: int) -> int:
    """Points of the period from which collocation points are taken."""
    return 1 << (4 * modes - 1).bit_length()


def errors_after(errors: Errors, problem: Problem, sampled: Window, start: float) -> Errors:
    """The errors after one window more, which begins at this time; it is sampled from its own start."""
    late = replace(sampled, t=sampled.t + start)
    whole, even, odd = errors
    with np.errstate(over="ignore", invalid="ignore"):
        return (
            whole.after(problem, late),
            even.after(problem, late.coarsened(0)),
            odd.after(problem, late.coarsened(1)),
        )


def estimate_from(errors: Errors) -> tuple[float, bool]:
    """The relative L2 error so far, and whether it is reliable."""
    found = [one.relative_l2 for one in errors]
    return found[0], agree(*found)


def estimate_of(state: TrainingState) -> tuple[float, bool]:
    """The relative L2 error of the whole march, and whether it is reliable."""
    return estimate_from(state.optimizer.errors)


def estimate_or_infinity(state: TrainingState) -> float:
    """The estimate; infinite where it is not finite."""
    value = estimate_of(state)[0]
    return value if math.isfinite(value) else math.inf


def plain(progress: Progress) -> Progress:
    """What a checkpoint has given back, with Python's numbers for counters."""
    whole, even, odd = (ErrorSoFar(*(np.asarray(leaf) for leaf in one)) for one in progress.errors)
    kinds = {"rung": int, "rounds": int}
    others = {name: kinds.get(name, float)(getattr(progress, name)) for name in Progress._fields[1:]}
    return Progress((whole, even, odd), **others)


def pieces_of(state: TrainingState) -> tuple[Piece, ...]:
    """The windows that are solved."""
    if not state.optimizer.time:
        return ()
    return (*unstacked(state.finished), state.best_params)
