"""The loop: one stage after another, one step after another, and what happens between the steps."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from pinn_ac.optimizers import Optimizer, StepInfo
from pinn_ac.parallel import agreed, gathered
from pinn_ac.training.checkpoints import Checkpoints
from pinn_ac.training.guards import (
    MOST_ENLARGEMENT,
    PATIENCE,
    Diverged,
    OverfitGuard,
    Stopped,
    StopSignals,
    Stopwatch,
)
from pinn_ac.training.state import TrainingState, all_finite, blank, stacked, unstacked, with_plain_counters

MOST_FAILURES = 5
EVEN_FROM = 3
"""The larger, the more evenly a budget is shared out between the windows; measured."""

Points = Mapping[str, Any]


class Stage(NamedTuple):
    """An optimizer and how many steps it gets."""

    name: str
    optimizer: Optimizer
    steps: int


class Ask(NamedTuple):
    """What a session asks whoever drives it: one step of the stage's optimizer."""

    stage: int
    state: Any
    batch: Any


Session = Generator[Ask, tuple[Any, StepInfo], TrainingState]
"""A training driven from outside: it yields an `Ask`, is sent the step's answer, and returns where it ends."""


class Intervals(NamedTuple):
    """Steps between the loop's side jobs. None: 200 logged lines, 20 evaluations and 10 checkpoints a stage."""

    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None

    def for_stage(self, steps: int) -> tuple[int, int, int]:
        """The three, in steps, for a stage of so many."""
        shares = (200, 20, 10)
        return tuple(  # type: ignore[return-value]
            every if every is not None else max(1, steps // share) for every, share in zip(self, shares, strict=True)
        )


class Recorder(Protocol):
    """Who is told how the run goes."""

    def log(self, stage: str, step: int, seconds: float, loss: float, others: Mapping[str, float]) -> None:
        """One logged step."""
        ...

    def say(self, message: str) -> None:
        """One sentence for the user."""
        ...


class Window(NamedTuple):
    """One of the parts that are trained one after the other, each by all stages.

    start: the parameters that it begins with.
    draw: (step, params, points of the draw before, enlargement) → the points to train on from this step, name →
        array; `enlargement` times as many as usual.
    prepare: points → the batch that the optimizer steps on; done once a draw.
    terms: (params, batch) → each loss term's mean; for the history.
    validate: params → the loss on held-out points, and further figures such as the error.
    """

    start: Callable[[], Any]
    draw: Callable[[int, Any, Points, int], Points]
    prepare: Callable[[Points], Any]
    terms: Callable[[Any, Any], Mapping[str, float]]
    validate: Callable[[Any], tuple[float, Mapping[str, float]]]


@dataclass
class Trainer:
    """Runs the stages, window after window.

    Args:
        stages: in order.
        enter: the best parameters of every finished window → the window that follows.
        windows: how many there are.
        easy_start: the first window is the easiest, as it is for an ansatz that is exact where it begins.
        resample_every: steps between draws; 0 keeps a window's first points for ever.
        recorder: told of every logged step.
        checkpoints: where the state is saved.
        intervals: steps between logs, evaluations and checkpoints.
        seconds: wall-clock budget of the training, over all sessions; None for no bound.
        guard: looks for over-fitting; None for none.
    """

    stages: Sequence[Stage]
    enter: Callable[[tuple[Any, ...]], Window]
    resample_every: int
    recorder: Recorder
    checkpoints: Checkpoints
    intervals: Intervals
    windows: int = 1
    easy_start: bool = True
    seconds: float | None = None
    guard: OverfitGuard | None = None

    def begin(self) -> TrainingState:
        """The state before the first step. What it takes to get there, most of it compilation, counts as training."""
        with Stopwatch() as watch:
            params = self.enter(()).start()
            optimizer = self.stages[0].optimizer.init(params)
            return TrainingState(optimizer, params, seconds=watch.seconds, compile_seconds=watch.compile_seconds)

    def resume(self, params: Any) -> TrainingState:
        """The state of the newest readable checkpoint.

        Args:
            params: any parameters of the network's shape.

        Raises:
            InputError: there is no readable checkpoint of these stages.
        """

        def template(window: int, stage: int) -> TrainingState:
            optimizer = self.stages[stage].optimizer.init(params)
            return TrainingState(optimizer, params, finished=blank(window, params))

        return with_plain_counters(self.checkpoints.restore("state", template))

    def run(self, state: TrainingState) -> TrainingState:
        """Train from `state` to the end of the last window's last stage, or of the budget; the end is saved.

        A budget is shared out by `share_of_window`; a window's compilation is taken from all, not from its share.
        After an easy start, a window between the first and the last ends when it is as good as the first; one that
        over-fits may end too.

        Raises:
            Stopped: a signal arrived; the state is saved.
            Diverged: the loss is not finite and retreating did not help; the last good state is saved.
        """
        with StopSignals() as signals, Stopwatch() as watch:
            session = self.session(state, signals, watch)
            try:
                ask = next(session)
                while True:
                    ask = session.send(self.stages[ask.stage].optimizer.step(ask.state, ask.batch))
            except StopIteration as end:
                return end.value

    def session(self, state: TrainingState, signals: StopSignals, watch: Stopwatch) -> Session:
        """:meth:`run`, driven from outside."""
        session = _Session(self, signals, watch, state.seconds, state.compile_seconds)
        state = yield from session.run_window(state)
        while session.index + 1 < self.windows:
            state = yield from session.run_window(session.save(session.next_window(state)))
        return session.save(state)


def share_of_window(index: int, windows: int) -> float:
    """How much of the budget that is left a window may take.

    Early windows get more than late ones: their errors grow with the solution before they settle with it.
    """
    weights = [1 / (k + 1 + EVEN_FROM) for k in range(windows)]
    return weights[index] / sum(weights[index:])


@dataclass
class _Session:
    """One uninterrupted stretch of training."""

    trainer: Trainer
    signals: StopSignals
    watch: Stopwatch
    seconds_before: float
    compile_seconds_before: float
    _prepared: tuple[Points | None, Any] = (None, None)
    _window: Window | None = None
    index: int = 0

    @property
    def window(self) -> Window:
        """The one that is trained now."""
        assert self._window is not None
        return self._window

    def run_window(self, state: TrainingState) -> Session:
        """Every stage that the window still has."""
        if self._window is None:  # a session begins
            self._enter(unstacked(state.finished))
        state = yield from self.run_stage(state)
        while (
            state.stage + 1 < len(self.trainer.stages) and not self.out_of_time(state) and not self._overfitted(state)
        ):
            state = yield from self.run_stage(self._next_stage(state))
        if self._overfitted(state):
            self.trainer.recorder.say(
                f"{self._where} ends at step {state.step}: the network fits its points and not the problem. Give it "
                "more points (sampler.num_points), a smaller network, or train.overfit=enlarge."
            )
        return state

    def _enter(self, finished: tuple[Any, ...]) -> None:
        self._window, self.index = self.trainer.enter(finished), len(finished)

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
            overfits=0,
            finished=stacked(finished),
            stage=0,
            stage_step=0,
            window_seconds=self.seconds(),
            window_compile_seconds=self.compile_seconds(),
            goal=state.goal or (state.best_loss if self.trainer.easy_start else 0.0),
        )

    def run_stage(self, state: TrainingState) -> Session:
        """Every step that the stage still has."""
        stage = self.trainer.stages[state.stage]
        log_every, evaluate_every, checkpoint_every = self.trainer.intervals.for_stage(stage.steps)
        good = state
        while state.stage_step < stage.steps and not self._overfitted(state):
            self._stop_if_asked(state)
            before = state
            state = self._with_points(stage, state)
            batch = self._batch(state.points)
            optimizer, outcome = yield Ask(state.stage, state.optimizer, batch)
            state = state._replace(optimizer=optimizer, stage_step=state.stage_step + 1, step=state.step + 1)
            last = state.stage_step == stage.steps or self.out_of_time(state)
            evaluates = last or state.stage_step % evaluate_every == 0
            if not evaluates and state.stage_step % log_every:
                continue
            if not self._is_good(stage, state, outcome):
                state = good = self._retreat(stage, good)
                continue
            good = before
            figures = self.window.terms(stage.optimizer.params(before.optimizer), batch)
            if evaluates:
                state, more = self._evaluate(stage, state)
                figures = {**figures, **more}
            if state.stage_step % evaluate_every == 0:  # not at an end that a longer run would not have
                state = self._watch(stage, state, figures["validation_loss"], batch)
            name = self._name(stage)
            self.trainer.recorder.log(name, state.step, self.seconds(), float(outcome.loss), figures)
            if last:
                break
            if state.stage_step % checkpoint_every == 0:
                self.save(state)
        return state

    def save(self, state: TrainingState) -> TrainingState:
        """Write a checkpoint, with the clocks as they stand."""
        state = state._replace(seconds=self.seconds(), compile_seconds=self.compile_seconds())
        self.trainer.checkpoints.save(stacked([*unstacked(state.finished), state.best_params]), state)
        return state

    def seconds(self) -> float:
        """Of training, over all sessions."""
        return agreed(self.seconds_before + self.watch.seconds)

    def compile_seconds(self) -> float:
        """Of tracing and compiling, over all sessions."""
        return agreed(self.compile_seconds_before + self.watch.compile_seconds)

    def out_of_time(self, state: TrainingState) -> bool:
        """The budget is spent, or the window's share of it."""
        trainer, seconds = self.trainer, self.seconds()
        budget = trainer.seconds
        if budget is None:
            return False
        if seconds >= budget or self.index + 1 == trainer.windows:
            return seconds >= budget
        ready = state.window_seconds + self.compile_seconds() - state.window_compile_seconds
        share = share_of_window(self.index, trainer.windows) * (budget - ready)
        return state.best_loss <= state.goal or seconds - ready >= share

    def _next_stage(self, state: TrainingState) -> TrainingState:
        stages = self.trainer.stages
        params = stages[state.stage].optimizer.params(state.optimizer)
        following = state.stage + 1
        return state._replace(optimizer=stages[following].optimizer.init(params), stage=following, stage_step=0)

    def _name(self, stage: Stage) -> str:
        windows = self.trainer.windows
        return stage.name if windows == 1 else f"{self.index + 1}/{windows} {stage.name}"

    @property
    def _where(self) -> str:
        windows = self.trainer.windows
        return "The run" if windows == 1 else f"Window {self.index + 1} of {windows}"

    def _overfitted(self, state: TrainingState) -> bool:
        """The window ends since the network over-fits."""
        return self.trainer.guard is not None and self.trainer.guard.stops(state.overfits)

    def _with_points(self, stage: Stage, state: TrainingState) -> TrainingState:
        """The state with newly drawn points, if its step is one that draws or there should be more of them."""
        every, guard = self.trainer.resample_every, self.trainer.guard
        if guard is not None and guard.enlarges(state.overfits, state.enlargement):
            state = state._replace(enlargement=2 * state.enlargement, overfits=0)
            self.trainer.recorder.say(
                f"The network fits its points and not the problem: from step {state.step} it gets "
                f"{state.enlargement} times as many, for which the step is compiled anew."
            )
        elif state.points and (every == 0 or state.step % every):
            return state
        params = stage.optimizer.params(state.optimizer)
        return state._replace(points=self.window.draw(state.step, params, state.points, state.enlargement))

    def _batch(self, points: Points) -> Any:
        """The points prepared; a session that goes on with saved points, or back to earlier ones, does it anew."""
        if self._prepared[0] is not points:
            self._prepared = points, self.window.prepare(points)
        return self._prepared[1]

    def _stop_if_asked(self, state: TrainingState) -> None:
        received = int(gathered(self.signals.received or 0).max())
        if received:
            self.signals.received = received
            self.save(state)
            raise Stopped(received)

    def _is_good(self, stage: Stage, state: TrainingState, outcome: StepInfo) -> bool:
        return bool(jnp.isfinite(outcome.loss)) and all_finite(stage.optimizer.params(state.optimizer))

    def _evaluate(self, stage: Stage, state: TrainingState) -> tuple[TrainingState, Mapping[str, float]]:
        params = stage.optimizer.params(state.optimizer)
        loss, figures = self.window.validate(params)
        if loss < state.best_loss:
            state = state._replace(best_params=params, best_loss=loss)
        return state, {"validation_loss": loss, **figures}

    def _watch(self, stage: Stage, state: TrainingState, held_out: float, batch: Any) -> TrainingState:
        """The state with the over-fitting counted; one that enlarging will not help any more is told of."""
        guard = self.trainer.guard
        if guard is None:
            return state
        params = stage.optimizer.params(state.optimizer)
        state = state._replace(overfits=guard.counted(state.overfits, held_out, params, batch))
        if guard.remedy == "enlarge" and state.overfits == PATIENCE and state.enlargement == MOST_ENLARGEMENT:
            self.trainer.recorder.say(
                f"The network fits its points and not the problem, with {MOST_ENLARGEMENT} times as many too: choose "
                "a smaller network or a larger sampler.num_points."
            )
        return state

    def _retreat(self, stage: Stage, good: TrainingState) -> TrainingState:
        if good.failures == MOST_FAILURES:
            self.save(good)
            raise Diverged(
                f"The loss is not finite after step {good.step} of {stage.name}, in spite of {MOST_FAILURES} more "
                "cautious tries: choose a smaller learning rate or another optimizer."
            )
        failures = good.failures + 1
        self.trainer.recorder.say(
            f"Non-finite loss: back to step {good.step}, more cautiously (try {failures} of {MOST_FAILURES})."
        )
        return good._replace(optimizer=stage.optimizer.on_nonfinite(good.optimizer), failures=failures)
