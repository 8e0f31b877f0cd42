"""One session of a march: window after window, attempts and rounds, what is saved and what is told."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn_ac.estimate import ErrorSoFar
from pinn_ac.estimate import Window as Sampled
from pinn_ac.marching.control import LADDER, MOST_ATTEMPTS, Choice, Controller
from pinn_ac.marching.pieces import Piece, with_room
from pinn_ac.marching.progress import Progress, errors_after, estimate_or_infinity, pieces_of
from pinn_ac.marching.window import Attempt, WindowProblem
from pinn_ac.tracking import say_to_all
from pinn_ac.training import Diverged, Stopped, StopSignals, Stopwatch, TrainingState, stacked, unstacked

if TYPE_CHECKING:
    from pinn_ac.marching.march import March

AT_REST = 1e-7
"""The solution has settled where its rate of change, squared, is less than this share of what the flows would make of
it. Before, windows with the flows are the more accurate ones; measured."""
REST_TRIED = 4
"""One of so many windows tries whether a solution has settled; where it has not, it costs an attempt."""
MOST_ROUNDS = 3
"""Marches through all of the time, each with a smaller share for each window, until the whole meets the tolerance."""
SETTLED, LATE = 14.0, 8
"""R t from which on a solution is carried in long windows, about, and how many these are; to plan the time by."""
SAVING = 0.05
"""Of the time of a march, at most, that goes to its checkpoints, about."""
OF_ALL = 0.1
"""The part of the whole solution's size by which the error of a window is measured at least."""
LEAST_HURRIED = 256
"""The smallest network that the clock makes a march take, unless it has a smaller one: these save little time."""
COST = 1.5
"""The power of the number of features with which the time of a window grows, about; measured."""


@dataclass
class Session:
    """One session of a march."""

    march: "March"
    signals: StopSignals
    watch: Stopwatch
    seconds_before: float
    compile_seconds_before: float
    keeps: bool = True  # what it reaches, in checkpoints
    behind: bool = False  # the clock took a part of what the tolerance asks of the last window
    saved: float = 0.0  # when, by `watch`
    took: float = 0.0  # seconds, to save it

    def seconds(self) -> float:
        return self.seconds_before + self.watch.seconds

    @property
    def left(self) -> float:
        """Seconds of the clock, if there is one."""
        return math.inf if self.march.seconds is None else self.march.seconds - self.seconds()

    def save(self, state: TrainingState) -> TrainingState:
        """Write a checkpoint, with the clocks as they are now."""
        compiled = self.compile_seconds_before + self.watch.compile_seconds
        state = state._replace(seconds=self.seconds(), compile_seconds=compiled)
        if self.march.checkpoints is not None and self.keeps:
            self.march.checkpoints.save(stacked([*unstacked(state.finished), state.best_params]), state)
        return state

    def save_if_cheap(self, state: TrainingState) -> TrainingState:
        """The same, unless it would take more than a share `SAVING` of the time: checkpoints hold all windows."""
        begun = self.watch.seconds
        if begun - self.saved < self.took / SAVING:
            return state
        state = self.save(state)
        self.saved = self.watch.seconds
        self.took = self.saved - begun
        return state

    def to_the_end(self, state: TrainingState) -> TrainingState:
        """From the state's time to the horizon."""
        while state.optimizer.time < self.march.problem.horizon * (1 - 1e-12):
            self._stop_if_asked(state)
            state = self.window(state)
            if state.optimizer.time < self.march.problem.horizon * (1 - 1e-12):
                state = self.save_if_cheap(state)
        progress = state.optimizer
        errors = self.march.believed(progress.errors, pieces_of(state), self.left > 0)
        return state._replace(optimizer=progress._replace(errors=errors))

    def repeats(self, state: TrainingState) -> bool:
        """Whether another round is needed and has time."""
        march, progress = self.march, state.optimizer
        missed = not estimate_or_infinity(state) <= march.tolerance
        if not missed or progress.rounds + 1 >= MOST_ROUNDS:
            return False
        in_time = march.seconds is None or 2 * self.seconds() < march.seconds
        march.hurried |= not in_time
        return in_time

    def another_round(self, finished: TrainingState) -> TrainingState | None:
        """What comes of one after a finished one; None if nothing does.

        Its windows are not saved: they would take the place of the finished march, which is what there is to show
        unless they turn out better. A run that is stopped among them begins the round anew, with the same bits.
        """
        self.keeps = False
        try:
            return self.to_the_end(self.tightened(finished))
        except Diverged as error:
            self._say(f"{error} What was found before is kept.")
            return None
        finally:
            self.keeps = True

    def tightened(self, state: TrainingState) -> TrainingState:
        """Before the first window of another round."""
        march, progress = self.march, state.optimizer
        factor = min(max(2 * estimate_or_infinity(state) / march.tolerance, 2.0), 100.0)
        tolerance = min(progress.tolerance / factor, march.tolerance)
        self._say(
            f"The estimated error of all windows together, {estimate_or_infinity(state):.1e}, is above the tolerance "
            f"{march.tolerance:.1e}: all are solved again, each {progress.tolerance / tolerance:.2g} times as "
            "accurately."
        )
        fresh = march.fresh(tolerance, progress.rounds + 1)
        return state._replace(optimizer=fresh, best_params=march.blank(), finished=())

    def window(self, state: TrainingState) -> TrainingState:
        """One window more."""
        march, progress, costs = self.march, state.optimizer, self.march.costs
        controller = march.controller(progress.tolerance)
        pieces = pieces_of(state)
        begun = time.monotonic() - self.watch.compile_seconds
        problem, empty = self._start(pieces)
        choice = controller.fitted(Choice(progress.length, progress.rung), progress.time)
        best: tuple[float, Attempt, Sampled, Choice] | None = None
        flows = not pieces or (float(pieces[-1].pace) != 0 and len(pieces) % REST_TRIED != 0)
        for number in range(MOST_ATTEMPTS):
            if best is None or math.isfinite(best[0]):  # else what is shorter has to stay so
                choice, hurried = self._in_time(choice, controller, progress.time)
            for_rest = controller.is_for_rest(choice.length)
            pace = 0.0 if for_rest or (not flows and has_settled(problem, choice.length)) else 1.0
            attempt, sampled, error = self._attempt(problem, empty, choice, pace, number, progress)
            state = state._replace(step=state.step + attempt.iterations)
            if best is None or error < best[0]:
                best = error, attempt, sampled, choice
            if controller.accepts(error) or (hurried and math.isfinite(error)):
                break
            turned = not (pace or for_rest)
            flows = flows or turned
            following = choice if turned else controller.after_failure(choice, error)
            if following is None or number + 1 == MOST_ATTEMPTS:
                break
            if self.left <= 0 and math.isfinite(best[0]):
                hurried = True
                break
            self._say_rejected(progress.time, choice, error, controller, following)
            choice = controller.fitted(following, progress.time)
        assert best is not None
        march.hurried |= hurried
        error, attempt, sampled, choice = best
        self.behind = hurried and not controller.accepts(error)
        if not math.isfinite(error):
            self.save(state)
            raise Diverged(f"The window from t = {self._in_units(progress.time):.4g} on cannot be solved.")
        state = self._accepted(state, pieces, best, controller, hurried)
        costs.pop(choice.rung, None)  # the newest is the last
        costs[choice.rung] = (time.monotonic() - self.watch.compile_seconds - begun) / (number + 1)
        self._log(problem, state, attempt, choice)
        return state

    def _start(self, pieces: tuple[Piece, ...]) -> tuple[WindowProblem, Piece]:
        """The window that follows the pieces, and an empty piece with its condition."""
        march, empty = self.march, self.march.blank()
        if not pieces:
            condition: Any = march.problem.initial_condition
        else:
            last, is_first = pieces[-1], len(pieces) == 1
            begun_at = march.problem.initial_condition if is_first else last.condition(march.kernel.even)
            condition = march.carried(march.window(len(pieces) - 1, begun_at), last)
            empty = empty.beginning_at(condition)
        return march.window(len(pieces), condition), empty

    def _attempt(
        self, problem: WindowProblem, empty: Piece, choice: Choice, pace: float, number: int, progress: Progress
    ) -> tuple[Attempt, Sampled, float]:
        march = self.march
        attempt = problem.attempt(empty, choice.length, pace, choice.units, number)
        cells = march.cells_in(choice.length, pace)
        with np.errstate(over="ignore", invalid="ignore"):
            sampled = problem.sampled(attempt.piece, march.points, cells)
            nothing = ErrorSoFar.at_start(np.zeros_like(sampled.u[0]), sampled.u[0])
            error = self._relative(nothing.after(march.problem, sampled), progress, progress.time + choice.length)
        return attempt, sampled, error if math.isfinite(attempt.loss) and math.isfinite(error) else math.inf

    def _relative(self, alone: ErrorSoFar, progress: Progress, end: float) -> float:
        """The error at the end of a window, as a share of u there; where u decays, of `OF_ALL` of its size in all.

        The tolerance is one of all times together, and nobody needs the digits of a u that is nearly gone; unless the
        reaction makes it grow again, and its error with it, for which that size is taken as so much smaller.
        """
        problem = self.march.problem
        growth = problem.growth * max(1 - end / problem.horizon, 0.0)
        least = OF_ALL * progress.errors[0].least_size * math.exp(-growth)
        size = float(np.sqrt(np.mean((alone.u + alone.e) ** 2)))
        return float(np.sqrt(np.mean(alone.e**2))) / least if size < least else alone.now

    def _in_time(self, choice: Choice, controller: Controller, now: float) -> tuple[Choice, bool]:
        """The choice, or one that is quick enough for what is left of the clock; whether it had to be.

        Where the clock does not leave time for windows of this length and size, those that are left have one attempt
        each: the best for which there is time, from the usual length on; past the end of the clock the longest that a
        window may have. So it goes on until such a window is as accurate as it should be.
        """
        march = self.march
        if march.seconds is None or not march.costs:
            return choice, False
        left = self.left
        usual = max(choice.length, controller.usual if left > 0 else controller.longest)
        growth, ends, late = march.problem.growth, controller.end, 0
        if growth > SETTLED:
            ends, late = max(now, SETTLED / growth * ends), LATE
        newest, cost = next(reversed(march.costs.items()))

        def in_time(one: Choice) -> bool:
            windows = (ends - now) / one.length + late
            return windows * march.costs.get(one.rung, cost * (one.units / LADDER[newest]) ** COST) <= left

        if not self.behind and in_time(choice):
            return choice, False
        quick = next((rung for rung, units in enumerate(LADDER) if units >= LEAST_HURRIED), 0)
        better = controller.better_and_better(Choice(usual, min(quick, choice.rung)))
        fits = [one for one in better if in_time(one)]
        return controller.fitted(fits[-1] if fits else better[0], now), True

    def _accepted(
        self,
        state: TrainingState,
        pieces: tuple[Piece, ...],
        best: tuple[float, Attempt, Sampled, Choice],
        controller: Controller,
        hurried: bool,
    ) -> TrainingState:
        error, attempt, sampled, choice = best
        march, progress = self.march, state.optimizer
        real = np.asarray(attempt.piece.start).dtype
        piece = with_room(attempt.piece._replace(start=np.asarray(progress.time, real)), LADDER[-1])
        at_rest = float(piece.pace) == 0
        following = controller.after_success(choice, error, at_rest)
        if hurried:
            following = Choice((1 + at_rest) * choice.length, progress.rung)
        errors = errors_after(progress.errors, march.problem, sampled, progress.time)
        end = progress.time + choice.length
        if end >= march.problem.horizon * (1 - 1e-9):
            end = march.problem.horizon
        mean = float(np.mean(np.square(sampled.f)))
        optimizer = Progress(
            errors,
            end,
            following.length,
            following.rung,
            progress.tolerance,
            progress.rounds,
            progress.held_out + choice.length * mean,
        )
        return state._replace(
            optimizer=optimizer,
            best_params=piece,
            best_loss=optimizer.held_out / end,
            finished=stacked(pieces) if pieces else (),
        )

    # --- what is told -------------------------------------------------------------------------------------------

    def _in_units(self, t: float) -> float:
        return float(t) * self.march.user.time_unit

    def _say(self, sentence: str) -> None:
        say_to_all(self.march.trackers, sentence)

    def _say_rejected(
        self, now: float, choice: Choice, error: float, controller: Controller, following: Choice
    ) -> None:
        what = f"{following.units} features instead of {choice.units}"
        if following == choice:
            what = "the flows, as one of a solution that still moves"
        elif following.length < choice.length:
            what = f"half the length, {self._in_units(following.length):.3g}"
        start = self._in_units(now)
        self._say(
            f"The window from t = {start:.4g} on has an estimated error of {error:.1e}, above its share "
            f"{controller.share:.1e} of the tolerance: it is tried with {what}."
        )

    def _log(self, problem: WindowProblem, state: TrainingState, attempt: Attempt, choice: Choice) -> None:
        march, progress = self.march, state.optimizer
        figures: Mapping[str, float] = {
            "seconds": self.seconds(),
            "loss": attempt.loss,
            "evaluations": state.step,  # each iteration evaluates the residuals and their Jacobian once
            "validation_loss": state.best_loss,
            "time": progress.time,
            "units": float(choice.units),
            "estimate": progress.errors[0].relative_l2,
            "done": progress.time / march.problem.horizon,
            **march.error_in(problem, state.best_params),
        }
        for tracker in march.trackers:
            tracker.log(state.step, "gauss_newton", figures)

    def _stop_if_asked(self, state: TrainingState) -> None:
        if self.signals.received:
            self.save(state)
            raise Stopped(self.signals.received)


def has_settled(problem: WindowProblem, length: float) -> bool:
    """Whether, in a window of this length, a solution is nearer to what it was than to what the flows make of it."""
    flowing, at_rest = (problem.residual_of_nothing(length, pace) for pace in (1.0, 0.0))
    return at_rest <= AT_REST * flowing
