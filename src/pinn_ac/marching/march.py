"""A run that chooses its own time windows and networks to meet a tolerance: a march through time with error control."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from pinn_ac.errors import require
from pinn_ac.estimate import ErrorSoFar, agree, points_needed, steps_needed
from pinn_ac.estimate import Window as Sampled
from pinn_ac.marching.control import LADDER, MOST_ATTEMPTS, SHORTEST, Choice, Controller
from pinn_ac.marching.kernel import Kernel
from pinn_ac.marching.pieces import Piece, blank, used, with_room
from pinn_ac.marching.window import Attempt, Settings, WindowProblem
from pinn_ac.problem import Problem, modes_needed, transfer
from pinn_ac.reference import Reference
from pinn_ac.tracking import Tracker
from pinn_ac.training import (
    Checkpoints,
    Diverged,
    Stopped,
    StopSignals,
    Stopwatch,
    TrainingState,
    stacked,
    unstacked,
    with_plain_counters,
)
from pinn_ac.training import blank as blanks

USUAL = 0.625
"""R times the usual length of a window; measured."""
LONGEST = 1.25
"""R times the longest length of a window in which the reaction changes the solution."""
FEWEST = 8
"""Windows where the problem tells no time of its own."""
CELLS = 16
"""Steps of time in a window, at least, for the estimate of its error."""
AT_REST = 1e-7
"""The solution has settled where its rate of change, squared, is less than this share of what the flows would make of
it. Before, windows with the flows are the more accurate ones; measured."""
MOST_ROUNDS = 3
"""Marches through all of the time, each with a smaller share for each window, until the whole meets the tolerance."""
ROWS, COLUMNS = 8, 256
"""Times and points at which a window is compared with the reference."""


class Progress(NamedTuple):
    """Where a march is: the part of its state that is neither a piece nor a counter.

    errors: the error so far, estimated on the whole grid and on both halves of it.
    time: the end of the last window, in natural units.
    length, rung: of the next window, see :class:`~pinn_ac.marching.control.Choice`.
    tolerance: that the controller works with; smaller than the run's in later rounds.
    rounds: finished.
    held_out: the sum over the windows of length times the mean of r² on the estimate's grid.
    """

    errors: tuple[ErrorSoFar, ErrorSoFar, ErrorSoFar]
    time: Any
    length: Any
    rung: Any
    tolerance: Any
    rounds: Any
    held_out: Any


@dataclass
class March:
    """Solves one window of time after the other, each as accurately as its share of the tolerance asks.

    The error of a window is estimated from its residual (see `pinn_ac.estimate`). A window whose error is too large
    is rejected, and tried with more features or half the length. At the end the errors of all windows, carried to the
    horizon, are the estimate of the whole; where that misses the tolerance, the march is repeated with smaller shares.

    Args:
        problem: in natural units.
        kernel: of its field.
        settings: of its windows.
        tolerance: a bound on the estimated relative L2 error.
        seed: of the run.
        trackers, checkpoints, seconds: as of a :class:`~pinn_ac.training.Trainer`. When the clock runs short, what is
            left is solved with the smallest networks.
        reference: the true solution, in the user's units; None for no errors in the history.
        time_unit: the user's time that a natural unit of it is.
        costs: rung → seconds that the last window of this size took.
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
    time_unit: float = 1.0
    costs: dict[int, float] = field(default_factory=dict)

    # --- sizes that follow from the problem ----------------------------------------------------------------------

    @cached_property
    def usual(self) -> float:
        """The usual length of a window."""
        return usual_length(self.problem)

    @cached_property
    def modes(self) -> int:
        """Of the series that a window begins at."""
        return modes_of(self.problem)

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
        """Of the estimate's grid in t, over the whole horizon."""
        return steps_needed(self.problem, self.points)

    @property
    def even(self) -> bool:
        """The field is even."""
        return self.kernel.field.embedding.even(self.kernel.field.problem)

    def controller(self, tolerance: float) -> Controller:
        """For a tolerance."""
        growth = LONGEST / USUAL if self.problem.growth else 1.0
        return Controller(float(tolerance), self.usual, growth * self.usual, self.problem.horizon)

    # --- begin, resume, run ----------------------------------------------------------------------------------------

    def blank(self) -> Piece:
        """A piece of zeros."""
        return blank(LADDER[-1], self.kernel.field.features, self.modes)

    def fresh(self, tolerance: float, rounds: int) -> Progress:
        """Before the first window."""
        xi = -1 + 2 * np.arange(self.points) / self.points
        with jax.enable_x64(True):
            u = np.asarray(self.problem.initial_condition(np.asarray(xi)), float)
        errors = tuple(ErrorSoFar.at_start(0 * one, one) for one in (u, u[0::2], u[1::2]))
        first = self.controller(tolerance).first(self.settings.units)
        return Progress(errors, 0.0, first.length, first.rung, tolerance, rounds, 0.0)  # type: ignore[arg-type]

    def begin(self) -> TrainingState:
        """The state before the first window."""
        return TrainingState(self.fresh(self.tolerance, 0), self.blank())

    def resume(self, params: Any) -> TrainingState:
        """The state of the newest readable checkpoint."""

        def template(window: int, stage: int) -> TrainingState:
            return TrainingState(self.fresh(self.tolerance, 0), self.blank(), finished=blanks(window, self.blank()))

        require(self.checkpoints is not None, "This run keeps no checkpoints, so it cannot resume: start a new run.")
        assert self.checkpoints is not None
        state = with_plain_counters(self.checkpoints.restore("state", template))
        return state._replace(optimizer=_plain(state.optimizer))

    def run(self, state: TrainingState) -> TrainingState:
        """March from `state` to the horizon, as often as the tolerance asks; the end is saved.

        Raises:
            Stopped: a signal arrived; the state is saved.
            Diverged: a window could not be solved at all.
        """
        with StopSignals() as signals, Stopwatch() as watch:
            session = _Session(self, signals, watch, state.seconds, state.compile_seconds)
            best = session.march(state)
            while session.repeats(best):
                again = session.march(session.tightened(best))
                if _estimate(again) < _estimate(best):
                    best = again
            return session.save(best)


def usual_length(problem: Problem) -> float:
    """Of a window, in the problem's time."""
    windows = problem.growth / USUAL if problem.growth else FEWEST
    return problem.horizon / max(windows, 1.0)


def modes_of(problem: Problem) -> int:
    """Modes that hold the solution at the end of the shortest first window."""
    return modes_needed(problem, SHORTEST * usual_length(problem))


def points_of(
    problem: Problem, kernel: Kernel, settings: Settings, seed: int, index: int, piece: Piece, condition: Any
) -> np.ndarray:
    """The collocation points that a window was solved on, (n, 2) with columns t, from its start, and x."""
    grid = grid_of(modes_of(problem))
    window = WindowProblem(kernel, condition or problem.initial_condition, index, seed, grid, settings)
    points = window.prepared(float(piece.length), float(piece.pace), round(settings.points * used(piece)))
    return np.column_stack([np.asarray(points.t), np.asarray(points.x)])


def grid_of(modes: int) -> int:
    """Points of the period from which collocation points are taken."""
    return 1 << (4 * modes - 1).bit_length()


def estimate_of(state: TrainingState) -> tuple[float, bool]:
    """The relative L2 error of the whole march, and whether it is reliable."""
    found = [one.relative_l2 for one in state.optimizer.errors]
    return found[0], agree(*found)


def _estimate(state: TrainingState) -> float:
    value = estimate_of(state)[0]
    return value if math.isfinite(value) else math.inf


def _plain(progress: Progress) -> Progress:
    errors = tuple(ErrorSoFar(*(np.asarray(leaf) for leaf in one)) for one in progress.errors)
    kinds = {"rung": int, "rounds": int}
    others = {name: kinds.get(name, float)(getattr(progress, name)) for name in Progress._fields[1:]}
    return Progress(errors, **others)  # type: ignore[arg-type]


def pieces_of(state: TrainingState) -> tuple[Piece, ...]:
    """The windows that are solved."""
    if not state.optimizer.time:
        return ()
    return (*unstacked(state.finished), state.best_params)


@dataclass
class _Session:
    """One session of a march."""

    march_: March
    signals: StopSignals
    watch: Stopwatch
    seconds_before: float
    compile_seconds_before: float

    def seconds(self) -> float:
        return self.seconds_before + self.watch.seconds

    def save(self, state: TrainingState) -> TrainingState:
        """Write a checkpoint, with the clocks as they are now."""
        compiled = self.compile_seconds_before + self.watch.compile_seconds
        state = state._replace(seconds=self.seconds(), compile_seconds=compiled)
        if self.march_.checkpoints is not None:
            self.march_.checkpoints.save(stacked([*unstacked(state.finished), state.best_params]), state)
        return state

    def march(self, state: TrainingState) -> TrainingState:
        """From the state's time to the horizon."""
        while state.optimizer.time < self.march_.problem.horizon * (1 - 1e-12):
            self._stop_if_asked(state)
            state = self.window(state)
            if state.optimizer.time < self.march_.problem.horizon * (1 - 1e-12):
                state = self.save(state)
        return state

    def repeats(self, state: TrainingState) -> bool:
        """Whether another round is needed and has time."""
        march, progress = self.march_, state.optimizer
        missed = not _estimate(state) <= march.tolerance
        in_time = march.seconds is None or 2 * self.seconds() < march.seconds
        return missed and in_time and progress.rounds + 1 < MOST_ROUNDS

    def tightened(self, state: TrainingState) -> TrainingState:
        """Before the first window of another round."""
        march, progress = self.march_, state.optimizer
        factor = min(max(2 * _estimate(state) / march.tolerance, 2.0), 100.0)
        self._say(
            f"The estimated error of all windows together, {_estimate(state):.1e}, is above the tolerance "
            f"{march.tolerance:.1e}: all are solved again, each {factor:.2g} times as accurately."
        )
        fresh = march.fresh(progress.tolerance / factor, progress.rounds + 1)
        return state._replace(optimizer=fresh, best_params=march.blank(), finished=())

    def window(self, state: TrainingState) -> TrainingState:
        """One window more."""
        march, progress, costs = self.march_, state.optimizer, self.march_.costs
        controller = march.controller(progress.tolerance)
        pieces = pieces_of(state)
        begun, problem, empty = time.monotonic(), *self._start(pieces)
        choice = controller.fitted(Choice(progress.length, progress.rung), progress.time)
        best: tuple[float, Attempt, Sampled, Choice] | None = None
        for number in range(MOST_ATTEMPTS):
            choice, hurried = self._in_time(choice, controller, progress.time)
            pace = self._pace(problem, choice.length, first=not pieces)
            attempt, sampled, error = self._attempt(problem, empty, choice, pace, number)
            state = state._replace(step=state.step + attempt.iterations)
            if best is None or error < best[0]:
                best = error, attempt, sampled, choice
            if controller.accepts(error) or (hurried and math.isfinite(error)):
                break
            following = controller.after_failure(choice, error, pace == 0)
            if following is None:
                break
            self._say_rejected(progress.time, choice, error, controller, following)
            choice = controller.fitted(following, progress.time)
        assert best is not None
        error, attempt, sampled, choice = best
        if not math.isfinite(error):
            self.save(state)
            raise Diverged(f"The window from t = {self._in_units(progress.time):.4g} on cannot be solved.")
        state = self._accepted(state, pieces, best, controller)
        costs[choice.rung] = time.monotonic() - begun
        self._log(problem, state, attempt, choice)
        return state

    def _start(self, pieces: tuple[Piece, ...]) -> tuple[WindowProblem, Piece]:
        """The window that follows the pieces, and an empty piece with its condition."""
        march, empty = self.march_, self.march_.blank()
        if not pieces:
            condition: Any = march.problem.initial_condition
        else:
            last = pieces[-1]
            before = self._problem(len(pieces) - 1, self._condition(pieces[-1], len(pieces) == 1))
            condition = transfer(before.end(last), march.modes, march.even)
            parts = (condition.cosine, condition.sine, condition.steepest_slope)
            cosine, sine, slope = (np.asarray(part) for part in parts)
            empty = empty._replace(cosine=cosine, sine=sine, slope=slope)
        return self._problem(len(pieces), condition), empty

    def _condition(self, piece: Piece, first: bool) -> Any:
        return self.march_.problem.initial_condition if first else piece.condition(self.march_.even)

    def _problem(self, index: int, condition: Any) -> WindowProblem:
        march = self.march_
        return WindowProblem(march.kernel, condition, index, march.seed, march.grid, march.settings)

    def _pace(self, problem: WindowProblem, length: float, first: bool) -> float:
        """1, or 0 where a solution that has settled is nearer to what it was than to what the flows make of it."""
        if first:
            return 1.0
        if length > self.march_.controller(1.0).longest * (1 + 1e-9):
            return 0.0
        flowing, at_rest = (problem.residual_of_nothing(length, pace) for pace in (1.0, 0.0))
        return 0.0 if at_rest <= AT_REST * flowing else 1.0

    def _attempt(
        self, problem: WindowProblem, empty: Piece, choice: Choice, pace: float, number: int
    ) -> tuple[Attempt, Sampled, float]:
        march = self.march_
        attempt = problem.attempt(empty, choice.length, pace, choice.units, number)
        cells = max(CELLS, round(march.steps * choice.length / march.problem.horizon))
        with np.errstate(over="ignore", invalid="ignore"):
            sampled = problem.sampled(attempt.piece, march.points, cells)
            nothing = ErrorSoFar.at_start(np.zeros(march.points), sampled.u[0])
            alone = nothing.after(march.problem, sampled)
        return attempt, sampled, alone.now if math.isfinite(attempt.loss) else math.inf

    def _in_time(self, choice: Choice, controller: Controller, now: float) -> tuple[Choice, bool]:
        """The choice, or one that is quick enough for what is left of the clock; whether it had to be."""
        march = self.march_
        if march.seconds is None:
            return choice, False
        left = march.seconds - self.seconds()
        windows = (controller.end - now) / choice.length
        cost = march.costs.get(choice.rung) or max(march.costs.values(), default=0.0)
        if windows * cost <= left or not cost:
            return choice, False
        known = [rung for rung, one in march.costs.items() if windows * one <= left and rung <= choice.rung]
        return choice._replace(rung=max(known, default=min(choice.rung, 2))), True

    def _accepted(
        self,
        state: TrainingState,
        pieces: tuple[Piece, ...],
        best: tuple[float, Attempt, Sampled, Choice],
        controller: Controller,
    ) -> TrainingState:
        error, attempt, sampled, choice = best
        march, progress = self.march_, state.optimizer
        real = np.asarray(attempt.piece.start).dtype
        piece = with_room(attempt.piece._replace(start=np.asarray(progress.time, real)), LADDER[-1])
        following = controller.after_success(choice, error, float(piece.pace) == 0)
        late = replace(sampled, t=sampled.t + progress.time)
        with np.errstate(over="ignore", invalid="ignore"):
            errors = tuple(
                one.after(march.problem, window)
                for one, window in zip(
                    progress.errors, (late, late.coarsened(0), late.coarsened(1)), strict=True
                )
            )
        end = progress.time + choice.length
        if end >= march.problem.horizon * (1 - 1e-9):
            end = march.problem.horizon
        mean = float(np.mean(np.square(sampled.f)))
        optimizer = Progress(
            errors,  # type: ignore[arg-type]
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
            stage_step=state.step,
        )

    # --- what is told ------------------------------------------------------------------------------------------------

    def _in_units(self, t: float) -> float:
        return float(t) * self.march_.time_unit

    def _say(self, sentence: str) -> None:
        for tracker in self.march_.trackers:
            tracker.say(sentence)

    def _say_rejected(
        self, now: float, choice: Choice, error: float, controller: Controller, following: Choice
    ) -> None:
        what = (
            f"half the length, {following.length:.3g}"
            if following.length < choice.length
            else f"{following.units} features instead of {choice.units}"
        )
        self._say(
            f"The window from t = {now:.4g} on has an estimated error of {error:.1e}, above its share "
            f"{controller.share:.1e} of the tolerance: it is tried with {what}."
        )

    def _error(self, problem: WindowProblem, state: TrainingState) -> dict[str, float]:
        """The relative L2 error in the last window, at a few times of the reference; empty without one."""
        march, piece, reference = self.march_, state.best_params, self.march_.reference
        if reference is None or march.grid % len(reference.x):
            return {}
        start, length = float(piece.start), float(piece.length)
        t = np.asarray(reference.t) / march.time_unit
        inside = np.flatnonzero((t > start) & (t <= (start + length) * (1 + 1e-12)))
        if not len(inside):
            return {}
        rows = inside[np.linspace(0, len(inside) - 1, ROWS).round().astype(int)]
        stride = max(1, len(reference.x) // COLUMNS)
        columns = np.arange(0, march.grid, march.grid // len(reference.x) * stride)
        local = np.clip(t[rows] - start, 0, length)
        u, _ = march.kernel.values(
            problem.lift(float(piece.pace)), piece, local, np.broadcast_to(columns, (len(rows), len(columns)))
        )
        exact = reference.u[rows][:, ::stride]
        return {"window_relative_l2": float(np.linalg.norm(u - exact) / np.linalg.norm(exact))}

    def _log(self, problem: WindowProblem, state: TrainingState, attempt: Attempt, choice: Choice) -> None:
        march, progress = self.march_, state.optimizer
        figures: Mapping[str, float] = {
            "seconds": self.seconds(),
            "loss": attempt.loss,
            "validation_loss": state.best_loss,
            "time": progress.time,
            "units": float(choice.units),
            "estimate": progress.errors[0].relative_l2,
            "done": progress.time / march.problem.horizon,
            **self._error(problem, state),
        }
        for tracker in march.trackers:
            tracker.log(state.step, "gauss_newton", figures)

    def _stop_if_asked(self, state: TrainingState) -> None:
        if self.signals.received:
            self.save(state)
            raise Stopped(self.signals.received)
