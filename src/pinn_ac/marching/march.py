"""A march through time with error control: a run that chooses its windows and networks to meet a tolerance."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np

from pinn_ac.errors import require
from pinn_ac.estimate import ErrorSoFar, as_metrics, halved, initial_values, points_needed, steps_needed
from pinn_ac.evaluation import relative_error
from pinn_ac.marching.control import LADDER, STRETCH, Controller
from pinn_ac.marching.kernel import Kernel
from pinn_ac.marching.pieces import Piece, blank, on_its_rung
from pinn_ac.marching.progress import (
    USUAL,
    Errors,
    Progress,
    errors_after,
    estimate_from,
    estimate_or_infinity,
    grid_of,
    modes_of,
    plain,
    usual_length,
)
from pinn_ac.marching.session import MOST_ROUNDS, Session
from pinn_ac.marching.window import AT_ONCE, Settings, WindowProblem
from pinn_ac.problem import Problem, transfer
from pinn_ac.reference import Reference
from pinn_ac.reference.grids import PER_GROWTH
from pinn_ac.tracking import Tracker
from pinn_ac.training import Checkpoints, StopSignals, Stopwatch, TrainingState, with_plain_counters
from pinn_ac.training import blank as blanks

LONGEST = 1.25
"""R times the longest length of a window in which the reaction changes the solution."""
CELLS = 24
"""Steps of time in a window, at least, for the estimate of its error."""
AT_REST_PER_GROWTH = 4
"""Of them in the time in which a disturbance may grow e-fold, where the solution has settled."""
MOST_AGAIN, MOST_DOUBLINGS = 2**24, 2
"""Times × points of all windows together at which an estimate that is not reliable is found again, at most, and how
often the grid is doubled for it."""
REACHED = 1e-6
"""Of the horizon, that may lie beyond the last window by the rounding of single precision."""
ROWS, COLUMNS = 8, 256
"""Times and points at which a window is compared with the reference."""


@dataclass
class March:
    """Solves one window of time after the other, each as accurately as its share of the tolerance asks.

    The error of a window is estimated from its residual (see `pinn_ac.estimate`). A window whose error is too large
    is rejected, and tried with more features or half the length. At the end the errors of all windows, carried to the
    horizon, are the estimate of the whole; where that misses the tolerance, all is repeated with smaller shares.

    Args:
        problem: in natural units.
        kernel: of its field.
        settings: of its windows.
        tolerance: a bound on the estimated relative L2 error.
        seed: of the run.
        trackers, checkpoints, seconds: as of a :class:`~pinn_ac.training.Trainer`. When the clock runs short, what is
            left is solved with the largest networks that there is time for.
        reference: the true solution, in the user's units; None for no errors in the history.
        stated: the problem in the user's units; None where these are the natural ones.
        most_modes: of the series that a window begins at; None for as many as nearly double precision asks for.
        costs: rung → seconds that an attempt of this size took last.

    `hurried` tells whether the clock has taken a part of what the tolerance asks for: a window, or another round.
    """

    problem: Problem
    kernel: Kernel
    settings: Settings
    tolerance: float
    seed: int
    trackers: Sequence[Tracker] = ()
    checkpoints: Checkpoints | None = None
    seconds: float | None = None
    reference: Reference | None = None
    stated: Problem | None = None
    most_modes: int | None = None
    costs: dict[int, float] = field(default_factory=dict)
    hurried: bool = field(default=False, init=False)

    @property
    def user(self) -> Problem:
        """The problem in the user's units."""
        return self.stated or self.problem

    # --- sizes that follow from the problem ----------------------------------------------------------------------

    @cached_property
    def usual(self) -> float:
        """The usual length of a window."""
        return usual_length(self.problem)

    @cached_property
    def modes(self) -> int:
        """Of the series that a window begins at."""
        needed = modes_of(self.problem)
        return needed if self.most_modes is None else min(needed, self.most_modes)

    @cached_property
    def grid(self) -> int:
        """Points of the period from which collocation points are taken."""
        return grid_of(self.modes)

    @cached_property
    def points(self) -> int:
        """Of the estimate's grid in x."""
        return min(points_needed(self.problem), self.grid)

    @cached_property
    def steps(self) -> int:
        """Of the estimate's grid in t, over the whole horizon.

        Twice as many as a reaction asks for; a window has `CELLS` of them at least, which is what resolves its field.
        """
        if self.problem.growth and self.problem.flux(0.0) is None:
            return round(2 * PER_GROWTH * self.problem.growth)
        return steps_needed(self.problem, self.points)

    def controller(self, tolerance: float) -> Controller:
        """For a tolerance."""
        growth = LONGEST / USUAL if self.problem.growth else 1.0
        most = self._most_cells / (self.steps_at_rest * (1 + STRETCH)) * self.problem.horizon
        usual = self.usual
        return Controller(float(tolerance), usual, growth * usual, self.problem.horizon, most=max(most, usual))

    @property
    def cells(self) -> int:
        """Steps of time in a window, at least, for the estimate of its error."""
        return CELLS

    @property
    def steps_at_rest(self) -> int:
        """Of the estimate's grid in t, over the whole horizon, for a solution that has settled.

        What is left is a slow drift, and errors that decay at the rate 2R, for which steps of 1/(4R) are short.
        """
        if self.problem.growth and self.problem.flux(0.0) is None:
            return max(1, min(self.steps, math.ceil(AT_REST_PER_GROWTH * self.problem.growth)))
        return max(1, self.steps)

    @property
    def _most_cells(self) -> int:
        """Steps of time in a window, at most."""
        return max(self.cells, AT_ONCE // self.points ** len(self.problem.axes))

    def cells_in(self, length: float, pace: float = 1.0) -> int:
        """Steps of time in a window of this length, whose lift and flow go at this pace."""
        steps = self.steps if pace else self.steps_at_rest
        return max(self.cells, min(round(steps * length / self.problem.horizon), self._most_cells))

    # --- windows ---------------------------------------------------------------------------------------------------

    def window(self, index: int, condition: Any) -> WindowProblem:
        """The window of this number, which begins at the condition."""
        return WindowProblem(self.kernel, condition, index, self.seed, self.grid, self.settings)

    def carried(self, window: WindowProblem, piece: Piece) -> Any:
        """Where the next window begins: what the piece is at the end of this one."""
        return transfer(window.end(piece), self.modes, self.kernel.even, self.problem)

    def error_in(self, window: WindowProblem, piece: Piece) -> dict[str, float]:
        """The relative L2 error in a window, at a few times of the reference; empty without one."""
        reference = self.reference
        if reference is None:
            return {}
        start, length = float(piece.start), float(piece.length)
        stride = max(1, len(reference.x) // COLUMNS)
        t, x = self.user.to_natural(np.asarray(reference.t), np.asarray(reference.x)[::stride])
        rows, local = rows_in(t, start, length)
        if not len(rows):
            return {}
        u, _ = self.kernel.values_at(window.lift(float(piece.pace)), piece, local, x)
        exact = reference.u[rows][:, ::stride]
        return {"window_relative_l2": relative_error(u, exact)}

    # --- the estimate, once more -------------------------------------------------------------------------------

    def doubled_points(self, doublings: int) -> int:
        """Of the estimate's grid in x after so many doublings, as far as there are values."""
        return min(self.points << doublings, self.grid)

    def errors_of(self, pieces: Sequence[Piece], doublings: int = 0) -> Errors:
        """The errors of all windows: those that were found when they were solved, or those on a finer grid.

        The first one is twice as fine in x and t, the second four times as fine in x alone, which costs about as
        much: where the first is too coarse it is so in x.
        """
        points, cells = self.doubled_points(doublings), 1 + (doublings == 1)
        errors = self._errors_at_start(points)
        for index, piece in enumerate(pieces):
            condition = piece.condition(self.kernel.even) if index else self.problem.initial_condition
            steps = cells * self.cells_in(float(piece.length), float(piece.pace))
            sampled = self.window(index, condition).sampled(on_its_rung(piece), points, steps)
            errors = errors_after(errors, self.problem, sampled, float(piece.start))
        return errors

    def believed(self, errors: Errors, pieces: Sequence[Piece], has_time: bool = True) -> Errors:
        """The errors of all windows, by which a march is said to meet its tolerance, or not.

        Where the estimate meets it but is not reliable, it is found again on finer grids, until it is or the next
        grid is too large. Where it is not reliable then, either, the largest of the estimates stands for all of them.
        """
        value, is_reliable = estimate_from(errors)
        if is_reliable or not value <= self.tolerance:
            return errors
        cells = sum(2 * self.cells_in(float(piece.length), float(piece.pace)) for piece in pieces)
        for doublings in range(1, MOST_DOUBLINGS + 1):
            points = self.doubled_points(doublings) ** len(self.problem.axes)
            if not has_time or cells * points > MOST_AGAIN:
                break
            errors = _with_sums(errors, self.errors_of(pieces, doublings))
            if estimate_from(errors)[1]:
                return errors
        largest = max(errors, key=lambda one: one.relative_l2 if math.isfinite(one.relative_l2) else math.inf)
        return _with_sums(errors, (largest, *errors[1:]))

    def estimate_again(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The estimate of these windows, as entries of a run's metrics: what was found when they were solved.

        Not known where they do not reach the horizon, as those of a run that was stopped.
        """
        if float(pieces[-1].start) + float(pieces[-1].length) < self.problem.horizon * (1 - REACHED):
            return as_metrics(math.nan, False)
        return as_metrics(*estimate_from(self.believed(self.errors_of(pieces), pieces)))

    # --- begin, resume, run ----------------------------------------------------------------------------------------

    def blank(self) -> Piece:
        """A piece of zeros."""
        return blank(LADDER[-1], self.kernel.inputs, self.modes, len(self.problem.axes))

    def fresh(self, tolerance: float, rounds: int) -> Progress:
        """Before the first window."""
        first = self.controller(tolerance).first(self.settings.units)
        return Progress(self._errors_at_start(self.points), 0.0, first.length, first.rung, tolerance, rounds, 0.0)

    def _errors_at_start(self, points: int) -> Errors:
        u = initial_values(self.problem, points)
        whole, even, odd = (ErrorSoFar.at_start(np.zeros_like(one), one) for one in (u, halved(u, 0), halved(u, 1)))
        return whole, even, odd

    def begin(self) -> TrainingState:
        """The state before the first window."""
        return TrainingState(self.fresh(self.tolerance, 0), self.blank())

    def resume(self, params: Any) -> TrainingState:
        """The state of the newest readable checkpoint."""
        progress, piece = self.fresh(self.tolerance, 0), self.blank()

        def template(window: int, stage: int) -> TrainingState:
            return TrainingState(progress, piece, finished=blanks(window, piece))

        require(self.checkpoints is not None, "This run keeps no checkpoints, so it cannot resume: start a new run.")
        assert self.checkpoints is not None
        with jax.enable_x64(True):  # times and errors are double in any run
            state = with_plain_counters(self.checkpoints.restore("state", template))
        progress = plain(state.optimizer)
        if progress.tolerance > self.tolerance:  # a smaller one is asked for now
            progress = progress._replace(rounds=0)
        return state._replace(optimizer=progress)

    def run(self, state: TrainingState, signals: StopSignals | None = None) -> TrainingState:
        """March from `state` to the horizon, as often as the tolerance asks; the end is saved.

        Args:
            state: where to begin.
            signals: of whoever listens for them already.

        Raises:
            Stopped: a signal arrived; the state is saved.
            Diverged: a window could not be solved at all.
        """
        with nullcontext(signals) if signals else StopSignals() as heard, Stopwatch() as watch:
            session = Session(self, heard, watch, state.seconds, state.compile_seconds)
            best = session.save(session.to_the_end(state))
            while session.repeats(best):
                again = session.another_round(best)
                if again is None:
                    break
                if not estimate_or_infinity(again) < estimate_or_infinity(best):
                    # What both took, in a checkpoint that is the newest; a run that resumes tries no more.
                    best = best._replace(step=again.step, optimizer=best.optimizer._replace(rounds=MOST_ROUNDS - 1))
                    break
                best = session.save(again)
            return session.save(best)


def rows_in(t: np.ndarray, start: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """A few of the times t that lie in a window: their indices, and the times from its start."""
    inside = np.flatnonzero((t > start) & (t <= (start + length) * (1 + 1e-12)))
    if not len(inside):
        return inside, np.empty(0)
    rows = inside[np.unique(np.linspace(0, len(inside) - 1, ROWS).round().astype(int))]
    return rows, np.clip(t[rows] - start, 0, length)


def _with_sums(errors: Errors, found: Errors) -> Errors:
    """The errors with the sums over time of others, which may have been found on other grids."""
    whole, even, odd = (
        one._replace(errors=other.errors, wholes=other.wholes) for one, other in zip(errors, found, strict=True)
    )
    return whole, even, odd
