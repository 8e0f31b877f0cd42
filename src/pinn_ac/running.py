"""A run under way: how long it goes, what begins it, what trains it, and what comes of it."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from pinn_ac.batch import Batch
from pinn_ac.errors import is_number, is_whole, plain, require
from pinn_ac.estimate import as_metrics
from pinn_ac.experiment import Experiment
from pinn_ac.lapack import lapack_on_one_thread
from pinn_ac.marching import March, estimate_of, pieces_of
from pinn_ac.parallel import is_first, on_host
from pinn_ac.plane import solution_of
from pinn_ac.reference import Reference
from pinn_ac.solution import Solution
from pinn_ac.tracking import Memory, Tracker, say_to_all, steps_of_stages, tracked
from pinn_ac.training import Checkpoints, Intervals, OverfitGuard, Trainer, TrainingState, unstacked
from pinn_ac.windows import time_windows

REMEDIES = ("enlarge", "stop", "ignore")
"""What can be done about over-fitting."""


@dataclass(frozen=True)
class Plan:
    """How long a run trains, and how often it looks up.

    Args:
        seconds: wall-clock budget, compilation included; None for no bound.
        log_every: steps between lines of the history; None: 200 lines a stage.
        evaluate_every: steps between evaluations; None: 20 a stage.
        checkpoint_every: steps between checkpoints; None: 10 a stage.
        overfit: what to do where the network fits its points alone: "enlarge" doubles them, "stop" ends the time
            window, "ignore" does nothing.
        overfit_ratio: over-fitting is a held-out loss above so many times the training loss; above 1.
        tolerance: the run ends when the relative L2 error, estimated without a reference, is at most this; None
            for no such end. A network of drawn features is then solved for with error control (`pinn_ac.marching`).

    Raises:
        InputError: a value out of range.

    >>> Plan(seconds=60.0, evaluate_every=10).overfit
    'enlarge'
    """

    seconds: float | None = None
    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    overfit: str = "enlarge"
    overfit_ratio: float = 1000.0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, plain(getattr(self, one.name)))
        for name in ("log_every", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(value is None or is_whole(value, 1), f"train.{name} is {value}: give a whole number from 1.")
        require(
            self.seconds is None or (is_number(self.seconds) and self.seconds > 0),
            f"train.seconds is {self.seconds}: give a positive number of seconds.",
        )
        tolerance = self.tolerance
        require(
            tolerance is None or (is_number(tolerance) and 0 < tolerance < 1),
            f"train.tolerance is {tolerance}: give a number between 0 and 1, such as 1e-6, or null for none.",
        )
        choices = f"{', '.join(REMEDIES[:-1])} or {REMEDIES[-1]}"
        require(self.overfit in REMEDIES, f"train.overfit is {self.overfit!r}: choose {choices}.")
        ratio = self.overfit_ratio
        require(is_number(ratio) and ratio > 1, f"train.overfit_ratio is {ratio}: give a number above 1.")


def require_suited(plan: Plan, marches: bool) -> None:
    """Refuse what of a plan a march with error control would not look at; anything else looks at all of it.

    Raises:
        InputError: a march is given intervals of steps, or what to do about over-fitting.
    """
    alike = replace(Plan(), seconds=plan.seconds, tolerance=plan.tolerance)
    changed = [f"train.{one.name}" for one in fields(Plan) if getattr(plan, one.name) != getattr(alike, one.name)]
    require(
        not (marches and changed),
        "A run to a tolerance with drawn features logs, measures and saves window by window, and cannot over-fit the "
        f"points that it chooses: leave {' and '.join(changed)} out.",
    )


def progress_bar() -> Tracker:
    """Shows the progress, in a terminal, in a notebook and in a log."""
    from pinn_ac.reporting.progress import Progress  # here, as it is slow to import

    return Progress()


@contextmanager
def computing(experiment: Experiment) -> Iterator[None]:
    """Within it this thread computes as the experiment wants it; afterwards the process is as it was."""
    with experiment.compute.active(), lapack_on_one_thread():
        yield


def _compared_loss(experiment: Experiment) -> Callable[[Any, Any], float]:
    """The loss on a batch as held-out losses are compared with it: without weights that hide some of the window."""
    loss = experiment.programs.loss
    if not experiment.sampler.hides:
        return loss

    def unhidden(params: Any, batch: Batch) -> float:
        seen = batch.terms["residual"]._replace(weight=None)
        return loss(params, batch._replace(terms={**batch.terms, "residual": seen}))

    return unhidden


ENDLESS = 10**9
"""Steps of an optimizer that the clock alone ends: no progress is a share of them."""
BY_TOLERANCE, BY_CLOCK, BY_STEPS = "the tolerance", "the clock", "the number of steps"
"""What may have ended a run."""


def missed(metrics: Mapping[str, Any]) -> str:
    """What a run says that ended above its tolerance."""
    estimate = metrics["estimated_relative_l2"]
    found = "not finite" if estimate is None else f"{estimate:.1e}"
    remedy = {BY_STEPS: "more steps, or ", BY_CLOCK: "more time by train.seconds, or "}.get(metrics["ended_by"], "")
    return (
        f"The tolerance {metrics['tolerance']:.1e} is not met: the estimated relative L2 error is {found}. "
        f"Give {remedy}a larger train.tolerance."
    )


class Training:
    """A run under way: what begins it, what trains it, and what comes of it.

    Args:
        experiment: what is trained.
        plan: how long, and how often it logs and evaluates.
        trackers: told how it goes.
        reference: what errors are measured against, if they are.
        checkpoints: where the state is saved, if it is.
        past: the history before, where a run resumes.
        display: shows how it goes, and ends with the training; the trackers stay open for the report that follows.
    """

    def __init__(
        self,
        experiment: Experiment,
        plan: Plan,
        trackers: Iterable[Tracker] = (),
        reference: Reference | None = None,
        checkpoints: Checkpoints | None = None,
        past: Iterable[Mapping[str, Any]] = (),
        display: Tracker | None = None,
    ) -> None:
        require_suited(plan, experiment.marches)
        self.experiment, self.plan, self.checkpoints = experiment, plan, checkpoints
        self.memory = Memory.of(past)
        self.kept = [self.memory, *trackers] if is_first() else []
        self.shown = [display] if display is not None and is_first() else []
        self.trackers = [*self.kept, *self.shown]
        self.trainer: Trainer | March = (
            experiment.march(
                trackers=self.trackers, checkpoints=checkpoints, seconds=plan.seconds, reference=reference
            )
            if experiment.marches
            else Trainer(
                stages=experiment.stages,
                windows=time_windows(experiment, reference),
                trackers=self.trackers,
                checkpoints=checkpoints,
                intervals=Intervals(plan.log_every, plan.evaluate_every, plan.checkpoint_every),
                seconds=plan.seconds,
                guard=OverfitGuard(_compared_loss(experiment), plan.overfit, plan.overfit_ratio),
            )
        )

    @property
    def resumes(self) -> bool:
        """There is a checkpoint to go on from."""
        return self.checkpoints is not None and self.checkpoints.exist()

    def begin(self) -> TrainingState:
        """The state to train from: a fresh one, or that of the newest checkpoint."""
        if not self.resumes:
            return self.trainer.begin()
        state = self.trainer.resume(self.experiment.initial_params())
        return state._replace(optimizer=self.experiment.objective.shards.replicated(state.optimizer))

    def run(self, description: Mapping[str, Any] | None = None) -> Solution:
        """Train to the end.

        Args:
            description: of the run, for the trackers; see :meth:`pinn_ac.tracking.Tracker.start`.

        Raises:
            Diverged, Stopped: see :func:`fit`.
        """
        with self.trained(description) as (solution, _):
            return solution

    @contextmanager
    def trained(self, description: Mapping[str, Any] | None = None) -> Iterator[tuple[Solution, dict[str, Any]]]:
        """Train to the end; within it the trackers are still open, to be finished with what a report adds.

        Args:
            description: as for :meth:`run`.

        Yields:
            The solution, and the results that the trackers will be finished with: those of the training, to which the
            block adds its own.

        Raises:
            Diverged, Stopped: see :func:`fit`.
        """
        # A fresh run shows that it is starting: the state before its first step takes seconds to compile.
        state = self.begin() if self.resumes else None
        step = 0 if state is None else state.step
        with self.tracked(step, description) as metrics:
            with tracked(self.shown, self.described(step, description)):
                solution = self.solution(self.trainer.run(self.begin() if state is None else state))
            metrics.update(solution.metrics)
            yield solution, metrics

    def tracked(
        self, step: int, description: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[dict[str, Any]]:
        """Within it the trackers are told how the run goes from this step on; see `pinn_ac.tracking.tracked`."""
        return tracked(self.kept, self.described(step, description))

    def described(self, step: int, description: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What trackers are told at the start: the step, where the run ends at the latest, and the description."""
        steps = self.experiment.total_steps
        total = None if self.experiment.marches or steps >= ENDLESS else steps
        ends = {"total_steps": total, "seconds_budget": self.plan.seconds}
        return {"step": step, **ends, **(description or {})}

    def close(self) -> None:
        """Let go of the folder of checkpoints, if there is one."""
        if self.checkpoints is not None:
            self.checkpoints.close()

    def solution(self, state: TrainingState) -> Solution:
        """The trained field at a state, with what the training tells."""
        if isinstance(self.trainer, March):
            return self._marched(state, self.trainer.tolerance)
        params = (*unstacked(state.finished), on_host(state.best_params))
        metrics = {
            "train_seconds": state.seconds,
            "compile_seconds": state.compile_seconds,
            "steps": state.step,
            "windows": self.experiment.windows,
            "validation_loss": state.best_loss,
            "num_points": len(state.points["residual"]),
            "stages": steps_of_stages(self.memory.history),
            "ended_by": self._ended_by(state),
            "devices": self.experiment.objective.shards.count,
        }
        solution = solution_of(self.experiment, params, self.memory.history, metrics)
        tolerance = self.experiment.setup.tolerance
        if tolerance is not None:
            found = solution.estimate_metrics()
            estimate = math.nan if found["estimated_relative_l2"] is None else found["estimated_relative_l2"]
            solution.metrics |= {**found, "tolerance": tolerance, "tolerance_met": bool(estimate <= tolerance)}
            self._warn_if_missed(solution.metrics)
        return solution

    def _warn_if_missed(self, metrics: Mapping[str, Any]) -> None:
        if not metrics["tolerance_met"]:
            say_to_all(self.trackers, missed(metrics))

    def _marched(self, state: TrainingState, tolerance: float) -> Solution:
        """The solution of a march, with its estimate; a warning where that misses the tolerance."""
        pieces = pieces_of(state)
        estimate, reliable = estimate_of(state)
        is_met, hurried = bool(estimate <= tolerance), isinstance(self.trainer, March) and self.trainer.hurried
        metrics = {
            "train_seconds": state.seconds,
            "compile_seconds": state.compile_seconds,
            "steps": state.step,
            "windows": len(pieces),
            "validation_loss": state.best_loss,
            "tolerance": tolerance,
            "tolerance_met": is_met,
            **as_metrics(estimate, reliable),
            "stages": steps_of_stages(self.memory.history),
            "ended_by": BY_TOLERANCE if is_met else BY_CLOCK if hurried else "the best that was found",
            "devices": self.experiment.objective.shards.count,
        }
        self._warn_if_missed(metrics)
        return solution_of(self.experiment, pieces, self.memory.history, metrics)

    def _ended_by(self, state: TrainingState) -> str:
        """What ended the last time window."""
        assert isinstance(self.trainer, Trainer)
        guard, seconds = self.trainer.guard, self.plan.seconds
        tolerance, entries = self.experiment.setup.tolerance, self.memory.history
        if tolerance is not None and entries and entries[-1].get("estimate", math.inf) <= tolerance:
            return BY_TOLERANCE
        if seconds is not None and state.seconds >= seconds:
            return BY_CLOCK
        return "over-fitting" if guard is not None and guard.stops(state.overfits) else BY_STEPS
