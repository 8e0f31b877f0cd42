"""The training loop: time windows, in each of them stages, in each stage steps, and what happens between steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from pinn_ac.errors import require
from pinn_ac.optimizers import StepInfo
from pinn_ac.parallel import agreed, gathered
from pinn_ac.tracking import Tracker, say_to_all
from pinn_ac.training.checkpoints import Checkpoints
from pinn_ac.training.guards import (
    MAX_ENLARGEMENT,
    OVERFIT_EVALUATIONS,
    Diverged,
    OverfitGuard,
    Stopped,
    StopSignals,
    Stopwatch,
)
from pinn_ac.training.schedule import Intervals, Points, Stage, Step, TimeWindows, Window
from pinn_ac.training.state import TrainingState, all_finite, blank, stacked, unstacked, with_plain_counters

MAX_FAILURES = 5
"""How often a run goes back from a non-finite loss before it is given up."""
EVENNESS = 3
"""The larger, the more evenly a budget is shared out between the time windows; measured."""


@dataclass
class Trainer:
    """Trains every time window by all stages.

    Args:
        stages: in order.
        windows: what is trained.
        trackers: told of every logged step, and of what the user should know. The loop only calls their `log` and
            `say`: whoever runs it starts and finishes them.
        checkpoints: where the state is saved; None saves nothing.
        intervals: steps between logs, evaluations and checkpoints.
        seconds: wall-clock budget of the training, including the sessions before a resume; None for no limit.
        guard: looks for over-fitting; None for no guard.

    Example:
        ::

            trainer = Trainer(experiment.stages, time_windows(experiment), trackers=[Progress()], seconds=60)
            end = trainer.run(trainer.begin())
            end.best_params
    """

    stages: Sequence[Stage]
    windows: TimeWindows
    trackers: Sequence[Tracker] = ()
    checkpoints: Checkpoints | None = None
    intervals: Intervals = field(default_factory=Intervals)
    seconds: float | None = None
    guard: OverfitGuard | None = None

    def begin(self) -> TrainingState:
        """The state before the first step. The time to get there, most of it compilation, counts as training."""
        with Stopwatch() as watch:
            params = self.windows.enter(()).start()
            optimizer = self.stages[0].optimizer.init(params)
            return TrainingState(optimizer, params, seconds=watch.seconds, compile_seconds=watch.compile_seconds)

    def resume(self, params: Any) -> TrainingState:
        """The state of the newest readable checkpoint; a run that was given up there may try as often again.

        Args:
            params: any parameters of the network's structure and shapes.

        Raises:
            InputError: there is no readable checkpoint of these stages.
        """

        def template(window: int, stage: int) -> TrainingState:
            optimizer = self.stages[stage].optimizer.init(params)
            return TrainingState(optimizer, params, finished=blank(window, params))

        require(self.checkpoints is not None, "This run keeps no checkpoints, so it cannot resume: start a new run.")
        assert self.checkpoints is not None
        weighting = self.windows.weighting
        init_weighting = None if weighting is None else weighting.init
        state = with_plain_counters(self.checkpoints.restore("state", template, init_weighting))
        return state._replace(failures=0) if state.failures == MAX_FAILURES else state

    def run(self, state: TrainingState) -> TrainingState:
        """Train from `state` to the end of the last window's last stage, or until the budget is spent; save the end.

        The budget is shared out between the windows, see :func:`share_of_window`. A window's compilation is charged
        to all windows, not to its own share.

        Raises:
            Stopped: a signal arrived; the state is saved.
            Diverged: the loss stayed non-finite after every retry; the last good state is saved.
        """

        def step(stage: int, optimizer: Any, batch: Any) -> tuple[Any, StepInfo]:
            return self.stages[stage].optimizer.step(optimizer, batch)

        with StopSignals() as signals, Stopwatch() as watch:
            return self.train(state, step, signals, watch)

    def train(self, state: TrainingState, step: Step, signals: StopSignals, watch: Stopwatch) -> TrainingState:
        """:meth:`run` with the optimizer's step, the signals and the clock of the caller.

        Args:
            state: where training starts.
            step: computes a step of a stage's optimizer, by whatever means.
            signals: training stops when it has received one.
            watch: the clock of this session.
        """
        loop = _Loop(self, step, signals, watch, state.seconds, state.compile_seconds)
        state = loop.run_window(state)
        while loop.index + 1 < self.windows.count:
            state = loop.run_window(loop.save(loop.next_window(state)))
        return loop.save(state)


def share_of_window(index: int, windows: int, even: bool = False) -> float:
    """The share of the remaining budget that time window `index` of `windows` may use.

    Early windows get more than late ones, since the solution of the next windows inherits their errors, or as much.
    """
    weights = [1.0 if even else 1 / (k + 1 + EVENNESS) for k in range(windows)]
    return weights[index] / sum(weights[index:])


@dataclass
class _Loop:
    """One session: training from a state that was begun or restored until it ends or is interrupted."""

    trainer: Trainer
    step: Step
    signals: StopSignals
    watch: Stopwatch
    seconds_before: float
    compile_seconds_before: float
    _prepared: tuple[Points | None, Any] = (None, None)
    _window: Window | None = None
    _reached: bool = False
    index: int = 0
    held_out: float = 0.0  # the newest validation loss

    @property
    def window(self) -> Window:
        """The time window that is trained now."""
        assert self._window is not None
        return self._window

    def run_window(self, state: TrainingState) -> TrainingState:
        """All stages that remain in the window."""
        if self._window is None:  # a session begins
            self._enter(unstacked(state.finished))
        state = self.run_stage(state)
        while state.stage + 1 < len(self.trainer.stages) and not self._ends(state):
            state = self.run_stage(self._next_stage(state))
        if self._overfitted(state):
            self._say(
                f"{self._where} ends at step {state.step}, because the network over-fits its points. Use more points "
                "(sampler.num_points), a smaller network, or train.overfit=enlarge."
            )
        return state

    def _enter(self, finished: tuple[Any, ...]) -> None:
        self._window, self.index = self.trainer.windows.enter(finished), len(finished)
        self._reached = False

    def next_window(self, state: TrainingState) -> TrainingState:
        """The state before the first step of the window that follows."""
        finished = (*unstacked(state.finished), state.best_params)
        self._enter(finished)
        params = self.window.start()
        return state._replace(
            optimizer=self.trainer.stages[0].optimizer.init(params),
            best_params=params,
            best_loss=float("inf"),
            points={},
            weighting=(),
            overfits=0,
            finished=stacked(finished),
            stage=0,
            stage_step=0,
            window_seconds=self.seconds(),
            window_compile_seconds=self.compile_seconds(),
            goal=state.goal or (state.best_loss if self.trainer.windows.easy_start else 0.0),
        )

    def run_stage(self, state: TrainingState) -> TrainingState:
        """All steps that remain in the stage."""
        stage = self.trainer.stages[state.stage]
        log_every, evaluate_every, checkpoint_every = self.trainer.intervals.for_stage(stage.steps)
        good = state
        while state.stage_step < stage.steps and not self._overfitted(state):
            self._stop_if_asked(stage, state, good)
            before = state
            state = self._with_points(stage, state)
            batch = self._batch(state.points)
            state, weighted = self._weighted(stage, state, batch)
            optimizer, info = self.step(state.stage, state.optimizer, weighted)
            state = state._replace(optimizer=optimizer, stage_step=state.stage_step + 1, step=state.step + 1)
            last = state.stage_step == stage.steps or self.out_of_time(state)
            evaluates = last or state.stage_step % evaluate_every == 0
            logs, saves = evaluates or state.stage_step % log_every == 0, state.stage_step % checkpoint_every == 0
            if not logs and not saves:
                continue
            if not self._is_good(stage, state, info):
                state = good = self._back_to(good, stage)
                continue
            good = before
            if logs:
                watches = state.stage_step % evaluate_every == 0  # not at an early end, where a longer run would not
                state = self._logged(stage, before, state, info, batch, evaluates, watches)
                good = good._replace(best_params=state.best_params, best_loss=state.best_loss)
                last |= self._reached
            if last:
                break
            if saves:
                self.save(state)
        return state

    def _logged(
        self,
        stage: Stage,
        before: TrainingState,
        state: TrainingState,
        info: StepInfo,
        batch: Any,
        evaluates: bool,
        watches: bool,
    ) -> TrainingState:
        """The state after a step that trackers are told of; where it `evaluates`, with the best parameters so far."""
        counted = {"loss": float(info.loss), "evaluations": int(info.evaluations)}
        figures = counted | dict(self.window.terms(stage.optimizer.params(before.optimizer), batch))
        if evaluates:
            state, more = self._evaluate(stage, state)
            figures |= more
            if self.window.is_reached(more):
                self._reached = True
                params = stage.optimizer.params(state.optimizer)
                state = state._replace(best_params=params, best_loss=more["validation_loss"])
        if watches:
            state = self._watch(stage, state, figures["validation_loss"], batch)
        self._log(stage, state, figures)
        return state

    def save(self, state: TrainingState) -> TrainingState:
        """Write a checkpoint, with the clocks as they are now."""
        state = state._replace(seconds=self.seconds(), compile_seconds=self.compile_seconds())
        if self.trainer.checkpoints is not None:
            self.trainer.checkpoints.save(stacked([*unstacked(state.finished), state.best_params]), state)
        return state

    def seconds(self) -> float:
        """Seconds of training, over all sessions."""
        return agreed(self.seconds_before + self.watch.seconds)

    def compile_seconds(self) -> float:
        """Seconds of lowering and compiling, over all sessions."""
        return agreed(self.compile_seconds_before + self.watch.compile_seconds)

    def out_of_time(self, state: TrainingState) -> bool:
        """Whether the budget is spent, or the window's share of it, or the window is as good as it needs to be."""
        seconds, budget, count = self.seconds(), self.trainer.seconds, self.trainer.windows.count
        if budget is None:
            return False
        if seconds >= budget or self.index + 1 == count:
            return seconds >= budget
        ready = state.window_seconds + self.compile_seconds() - state.window_compile_seconds
        share = share_of_window(self.index, count, self.trainer.windows.even) * (budget - ready)
        return state.best_loss <= state.goal or seconds - ready >= share

    def _next_stage(self, state: TrainingState) -> TrainingState:
        stages = self.trainer.stages
        ended = stages[state.stage].optimizer.params(state.optimizer)
        params = ended if math.isfinite(self.held_out) else state.best_params
        following = state.stage + 1
        return state._replace(optimizer=stages[following].optimizer.init(params), stage=following, stage_step=0)

    def _log(self, stage: Stage, state: TrainingState, figures: Mapping[str, float]) -> None:
        count, weighting = self.trainer.windows.count, self.trainer.windows.weighting
        name = stage.name if count == 1 else f"{self.index + 1}/{count} {stage.name}"
        weights = {} if weighting is None else weighting.figures(state.weighting)
        figures = {
            "seconds": self.seconds(),
            **figures,
            **{name: float(value) for name, value in weights.items()},
        }
        for tracker in self.trainer.trackers:
            tracker.log(state.step, name, figures)

    def _say(self, sentence: str) -> None:
        say_to_all(self.trainer.trackers, sentence)

    @property
    def _where(self) -> str:
        windows = self.trainer.windows
        return "The run" if windows.count == 1 else f"{windows.called} {self.index + 1} of {windows.count}"

    def _ends(self, state: TrainingState) -> bool:
        """Whether the window ends though there are stages left."""
        return self._reached or self.out_of_time(state) or self._overfitted(state)

    def _overfitted(self, state: TrainingState) -> bool:
        """Whether the window ends because the network over-fits."""
        return self.trainer.guard is not None and self.trainer.guard.stops(state.overfits)

    def _with_points(self, stage: Stage, state: TrainingState) -> TrainingState:
        """The state with newly drawn points, if new ones are due at this step or their number is doubled."""
        windows, guard = self.trainer.windows, self.trainer.guard
        every, weighting = windows.resample_every, windows.weighting
        if guard is not None and guard.enlarges(state.overfits, state.enlargement):
            state = state._replace(enlargement=2 * state.enlargement, overfits=0)
            self._say(
                f"The network over-fits its points: from step {state.step} on it gets {state.enlargement} times as "
                "many, for which the step is compiled anew."
            )
        elif state.points and (every == 0 or state.step % every):
            return state
        params = stage.optimizer.params(state.optimizer)
        points = self.window.draw(state.step, params, state.points, state.enlargement)
        if weighting is None:
            return state._replace(points=points)
        weights = weighting.renew(state.weighting, points) if state.points else weighting.init(points)
        return state._replace(points=points, weighting=weights)

    def _batch(self, points: Points) -> Any:
        """The batch of these points; prepared again only if they are not those of the step before."""
        if self._prepared[0] is not points:
            self._prepared = points, self.window.prepare(points)
        return self._prepared[1]

    def _weighted(self, stage: Stage, state: TrainingState, batch: Any) -> tuple[TrainingState, Any]:
        """The state with renewed weights, and the batch with these weights; both unchanged without a weighting."""
        weighting = self.trainer.windows.weighting
        if weighting is None:
            return state, batch
        params = stage.optimizer.params(state.optimizer)
        weights, batch = weighting.weigh(state.weighting, params, batch, state.points)
        return state._replace(weighting=weights), batch

    def _stop_if_asked(self, stage: Stage, state: TrainingState, good: TrainingState) -> None:
        received = int(gathered(self.signals.received or 0).max())
        if received:
            self.signals.received = received
            # What has gone wrong since it was looked at last would be found by the run that resumes, too late.
            self.save(state if all_finite(stage.optimizer.params(state.optimizer)) else good)
            raise Stopped(received)

    def _is_good(self, stage: Stage, state: TrainingState, info: StepInfo) -> bool:
        return bool(jnp.isfinite(info.loss)) and all_finite(stage.optimizer.params(state.optimizer))

    def _evaluate(self, stage: Stage, state: TrainingState) -> tuple[TrainingState, Mapping[str, float]]:
        params = stage.optimizer.params(state.optimizer)
        loss, figures = self.window.validate(params)
        self.held_out = loss
        if loss < state.best_loss:
            state = state._replace(best_params=params, best_loss=loss)
        return state, {"validation_loss": loss, **figures}

    def _watch(self, stage: Stage, state: TrainingState, held_out: float, batch: Any) -> TrainingState:
        """The state with over-fitting counted; the user is told if enlarging has not helped."""
        guard = self.trainer.guard
        if guard is None:
            return state
        params = stage.optimizer.params(state.optimizer)
        state = state._replace(overfits=guard.counted(state.overfits, held_out, params, batch))
        if (
            guard.remedy == "enlarge"
            and state.overfits == OVERFIT_EVALUATIONS
            and state.enlargement == MAX_ENLARGEMENT
        ):
            self._say(
                f"The network over-fits its points even with {MAX_ENLARGEMENT} times as many: use a smaller network "
                "or a larger sampler.num_points."
            )
        return state

    def _back_to(self, good: TrainingState, stage: Stage) -> TrainingState:
        """The last good state, with an optimizer that is more cautious.

        Raises:
            Diverged: this has been tried `MAX_FAILURES` times.
        """
        if good.failures == MAX_FAILURES:
            self.save(good)
            raise Diverged(
                f"The loss is not finite after step {good.step} of {stage.name}, and {MAX_FAILURES} more cautious "
                "retries did not help: choose a smaller learning rate or another optimizer."
            )
        failures = good.failures + 1
        self._say(
            f"The loss is not finite: the run goes back to step {good.step} and takes more cautious steps (retry "
            f"{failures} of {MAX_FAILURES})."
        )
        return good._replace(optimizer=stage.optimizer.on_nonfinite(good.optimizer), failures=failures)
