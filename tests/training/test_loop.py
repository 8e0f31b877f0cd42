"""The loop on a problem without physics: steps, stages, budgets, retreats, stops and going on."""

import math
import pickle
import signal
import time
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.optimizers import Optimizer, StepInfo
from pinn_ac.tracking import Tracker
from pinn_ac.training import (
    Checkpoints,
    Diverged,
    Intervals,
    OverfitGuard,
    Stage,
    Stopped,
    StopSignals,
    TimeWindows,
    Trainer,
    Window,
    unstacked,
)
from pinn_ac.training.guards import Stopwatch
from pinn_ac.training.loop import share_of_window


class State(NamedTuple):
    """A parameter, and the rate at which it decays."""

    params: dict
    rate: jnp.ndarray


def decay(rate: float) -> Optimizer:
    """p ← p − rate (p − batch): the loss is (p − batch)². A rate of infinity makes the next parameters infinite."""

    def step(state, batch):
        p = state.params["p"]
        return state._replace(params={"p": p - state.rate * (p - batch)}), StepInfo((p - batch) ** 2, jnp.ones(()))

    return Optimizer(
        init=lambda params: State(params, jnp.asarray(rate)),
        step=step,
        params=lambda state: state.params,
        on_nonfinite=lambda state: state._replace(rate=jnp.minimum(state.rate, 1e9) / 1e10),
    )


class Recorder(Tracker):
    """Keeps what it is told, and does something at a step."""

    def __init__(self, at=None, do=None):
        self.lines, self.said, self.at, self.do = [], [], at, do

    def log(self, step, stage, figures):
        self.lines.append({"stage": stage, "step": step, **figures})
        if step == self.at:
            self.do()

    def say(self, sentence):
        self.said.append(sentence)


def trainer(
    folder,
    stages,
    recorder=None,
    seconds=None,
    intervals=Intervals(1, 5, 100),  # each checkpoint takes a tenth of a second
    target=lambda step: step % 3 * 0.1,
    draw=None,
    resample_every=1,
    guard=None,
    enter=None,
    windows=1,
    easy_start=True,
    weighting=None,
    save=False,
):
    """A trainer of one number, 1 at first, whose validation loss is its square; its points are its target."""
    window = Window(
        start=lambda: {"p": jnp.ones(())},
        draw=draw or (lambda step, params, previous, enlargement: {"target": np.asarray(target(step), float)}),
        prepare=lambda points: jnp.asarray(points["target"]),
        terms=lambda params, batch: {"loss_all": float((params["p"] - batch) ** 2)},
        validate=lambda params: (float(params["p"] ** 2), {"relative_l2": abs(float(params["p"]))}),
    )
    return Trainer(
        stages=stages,
        windows=TimeWindows(enter or (lambda finished: window), windows, resample_every, easy_start, weighting),
        trackers=[recorder or Recorder()],
        checkpoints=Checkpoints(folder / "checkpoints") if save else None,
        intervals=intervals,
        seconds=seconds,
        guard=guard,
    )


def relay(finished):
    """A window that begins where the one before ended and aims at its own number; its best is the last."""
    aim = float(len(finished) + 1)
    begun = finished[-1]["p"] if finished else jnp.zeros(())
    return Window(
        start=lambda: {"p": begun},
        draw=lambda step, params, previous, enlargement: {"target": np.asarray(aim + 0.1 * (step % 2))},
        prepare=lambda points: jnp.asarray(points["target"]),
        terms=lambda params, batch: {},
        validate=lambda params: (float((params["p"] - aim - 1) ** 2), {}),
    )


def told(work):
    """The recorder among the trackers."""
    return work.trackers[0]


def with_window(work, change):
    """The trainer, each of whose windows is changed."""
    enter = work.windows.enter
    return replace(work, windows=replace(work.windows, enter=lambda finished: change(enter(finished))))


def all_best(state):
    """The best parameters of every window."""
    return (*unstacked(state.finished), state.best_params)


def start(work):
    """The state before the first step, at 1."""
    return work.begin()


def test_stages_follow_each_other_and_carry_the_parameters(tmp_path):
    work = trainer(tmp_path, [Stage("slow", decay(0.1), 7), Stage("fast", decay(0.5), 4)], Recorder())
    end = work.run(start(work))
    p = 1.0
    for step in range(11):  # plain arithmetic, in the same order, so equality is to rounding
        p -= (0.1 if step < 7 else 0.5) * (p - step % 3 * 0.1)
    assert float(end.optimizer.params["p"]) == pytest.approx(p, rel=1e-14)
    assert (end.step, end.stage, end.stage_step) == (11, 1, 4)
    assert [line["stage"] for line in told(work).lines] == ["slow"] * 7 + ["fast"] * 4
    assert [line["step"] for line in told(work).lines] == list(range(1, 12))


def test_a_logged_loss_is_that_of_the_step_it_stands_at(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 3)], target=lambda step: 0.0)
    work.run(start(work))
    assert [line["loss"] for line in told(work).lines] == [1.0, 0.25, 0.0625]
    assert [line["loss_all"] for line in told(work).lines] == [1.0, 0.25, 0.0625]


@pytest.mark.parametrize(("every", "logged"), [(1, 10), (3, 4), (10, 1), (None, 10)])
def test_log_every_sets_how_many_lines_there_are(tmp_path, every, logged):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 10)], intervals=Intervals(every, 10, 10))
    work.run(start(work))
    assert len(told(work).lines) == logged


@pytest.mark.parametrize(("every", "evaluated"), [(1, 10), (3, 4), (10, 1)])
def test_evaluate_every_sets_how_many_errors_there_are(tmp_path, every, evaluated):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 10)], intervals=Intervals(1, every, 10))
    work.run(start(work))
    assert sum("relative_l2" in line for line in told(work).lines) == evaluated


def test_intervals_left_open_follow_the_length_of_the_stage():
    assert Intervals().for_stage(2000) == (10, 100, 200)
    assert Intervals().for_stage(7) == (1, 1, 1)
    assert Intervals(5, None, 3).for_stage(2000) == (5, 100, 3)


def test_the_best_parameters_are_those_of_the_lowest_validation_loss(tmp_path):
    # The batches pull to 0 for ten steps and then away to 9.
    work = trainer(
        tmp_path,
        [Stage("only", decay(0.5), 20)],
        target=lambda step: 0.0 if step < 10 else 9.0,
        intervals=Intervals(1, 1, 20),
    )
    end = work.run(start(work))
    assert float(end.best_params["p"]) == 2.0**-10
    assert end.best_loss == 2.0**-20
    assert float(end.optimizer.params["p"]) > 8


def test_what_it_takes_to_begin_counts_as_training(tmp_path):
    def enter(finished):
        time.sleep(0.2)
        return relay(finished)

    work = trainer(tmp_path, [Stage("only", decay(1e-9), 10**9)], enter=enter, seconds=0.1)
    begun = work.begin()
    assert begun.seconds >= 0.2
    assert work.run(begun).step == 1


def test_a_budget_of_seconds_ends_the_run_evaluated_and_saved(tmp_path):
    work = trainer(
        tmp_path,
        [Stage("only", decay(1e-9), 10**9)],
        seconds=0.3,
        save=True,
        intervals=Intervals(10**9, 10**9, 10**9),
    )
    end = work.run(start(work))
    assert 0.3 <= end.seconds < 3
    assert 0 < end.step < 10**9
    assert told(work).lines[-1]["step"] == end.step
    assert work.checkpoints.exist()
    assert math.isfinite(end.best_loss)


def test_a_resumed_run_ends_bit_identical(tmp_path):
    stages = [Stage("slow", decay(0.1), 7), Stage("fast", decay(0.3), 9)]
    whole = trainer(tmp_path / "whole", stages)
    expected = whole.run(start(whole))
    for stop in (3, 7, 8, 12):
        recorder = Recorder(at=stop, do=lambda: signal.raise_signal(signal.SIGINT))
        first = trainer(tmp_path / str(stop), stages, recorder, save=True)
        with pytest.raises(Stopped, match="SIGINT"):
            first.run(start(first))
        first.checkpoints.close()
        second = trainer(tmp_path / str(stop), stages, save=True)
        state = second.resume({"p": jnp.zeros(())})
        assert state.step == stop
        end = second.run(state)
        assert np.array_equal(end.optimizer.params["p"], expected.optimizer.params["p"])
        assert np.array_equal(end.best_params["p"], expected.best_params["p"])
        assert told(second).lines[0]["step"] == stop + 1


def test_the_handlers_of_signals_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    work = trainer(
        tmp_path, [Stage("only", decay(0.5), 2)], Recorder(at=1, do=lambda: signal.raise_signal(signal.SIGTERM))
    )
    with pytest.raises(Stopped) as stop:
        work.run(start(work))
    assert stop.value.signal_number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_launcher_that_waits_for_a_signal_hears_of_it_when_the_run_is_saved(tmp_path):
    """As submitit does, which then queues the job again; SIGTERM stays with it."""
    heard = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append((number, work.checkpoints.exist())))
        for number in (signal.SIGTERM, signal.SIGUSR2)
    }

    def both():
        signal.raise_signal(signal.SIGTERM)
        assert heard == [(signal.SIGTERM, False)]
        signal.raise_signal(signal.SIGUSR2)
        assert len(heard) == 1

    try:
        work = trainer(tmp_path, [Stage("only", decay(0.5), 2)], Recorder(at=1, do=both), save=True)
        with pytest.raises(Stopped, match="SIGUSR2"):
            work.run(start(work))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [(signal.SIGTERM, False), (signal.SIGUSR2, True)]


def test_a_stop_survives_the_way_from_a_worker():
    stop = pickle.loads(pickle.dumps(Stopped(signal.SIGINT)))
    assert (str(stop), stop.signal_number) == ("stopped by SIGINT", signal.SIGINT)


def test_a_non_finite_step_goes_back_and_on_more_cautiously(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(jnp.inf), 4)], target=lambda step: 0.0)
    end = work.run(start(work))
    assert end.failures == 1
    assert end.step == 4
    assert np.isfinite(end.optimizer.params["p"])
    assert "goes back to step 0" in told(work).said[0]


def test_a_stop_saves_no_state_that_has_gone_wrong_since_it_was_looked_at(tmp_path):
    """The run that resumes finds it as an undisturbed one does, and goes back to where that goes back to."""
    wrong = [2]

    def target(step):
        if step == 3 and wrong:
            signal.raise_signal(signal.SIGTERM)
        return jnp.nan if step in wrong else 0.0

    work = trainer(tmp_path, [Stage("only", decay(0.5), 6)], intervals=Intervals(6, 6, 100), target=target, save=True)
    with pytest.raises(Stopped):
        work.run(start(work))
    saved = work.resume({"p": jnp.zeros(())})
    assert np.isfinite(saved.optimizer.params["p"])
    wrong.clear()  # as more cautious steps would have it
    assert float(work.run(saved).optimizer.params["p"]) == 2.0**-6


def test_going_back_does_not_forget_the_best_parameters_so_far(tmp_path):
    """Of the evaluation at step 5, after which nothing is finite any more."""
    work = trainer(
        tmp_path, [Stage("only", decay(0.5), 9)], target=lambda step: jnp.nan if step >= 5 else 0.0, save=True
    )
    with pytest.raises(Diverged):
        work.run(start(work))
    assert float(work.resume({"p": jnp.zeros(())}).best_params["p"]) == 2.0**-5


def test_a_stage_begins_at_the_best_parameters_where_the_one_before_has_ended_at_an_infinite_loss(tmp_path):
    """Its last step led to finite parameters whose square overflows."""
    stages = [Stage("first", decay(1e200), 1), Stage("second", decay(0.5), 3)]
    work = trainer(tmp_path, stages, target=lambda step: 0.0)
    end = work.run(start(work))
    assert (end.failures, float(end.optimizer.params["p"])) == (0, 2.0**-3)


def test_a_run_that_was_given_up_may_try_as_often_again(tmp_path):
    wrong = [3]
    work = trainer(
        tmp_path, [Stage("only", decay(0.5), 9)], target=lambda step: jnp.nan if step in wrong else 0.0, save=True
    )
    with pytest.raises(Diverged):
        work.run(start(work))
    assert work.resume({"p": jnp.zeros(())}).failures == 0


def test_what_stays_non_finite_is_given_up_with_the_last_good_state_saved(tmp_path):
    work = trainer(
        tmp_path, [Stage("only", decay(0.5), 9)], target=lambda step: jnp.nan if step >= 3 else 0.0, save=True
    )
    with pytest.raises(Diverged, match="smaller learning rate"):
        work.run(start(work))
    assert len(told(work).said) == 5
    saved = work.resume({"p": jnp.zeros(())})
    assert (
        float(saved.optimizer.params["p"]) == 2.0**-2
    )  # the third step's start: its own end has not been judged yet


def test_the_stopwatch_counts_compilation(tmp_path):
    import jax

    with Stopwatch() as watch:
        jax.jit(lambda x: jnp.sin(x) * 3.14159)(jnp.ones(17)).block_until_ready()
    assert 0 < watch.compile_seconds <= watch.seconds


def test_the_stopwatch_counts_compilations_at_the_same_time_once():
    import jax

    with Stopwatch() as watch:
        time.sleep(0.05)
        for seconds in (0.02, 0.04, 0.02):
            jax.monitoring.record_event_duration_secs("/jax/core/compile/backend_compile_duration", seconds)
    assert 0.04 <= watch.compile_seconds < 0.06


RARE = Intervals(1, 5, 100)  # the end and the stop are saved


def following(step, params, previous, enlargement):
    """Points that depend on the parameters and on the points before: half of each."""
    return {"target": 0.5 * np.asarray(params["p"]) + 0.4 * np.asarray(previous.get("target", 1.0))}


@pytest.mark.parametrize(("every", "steps"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6]), (0, [0])])
def test_points_are_drawn_and_prepared_every_so_many_steps(tmp_path, every, steps):
    drawn, prepared = [], []

    def draw(step, params, previous, enlargement):
        drawn.append(step)
        return {"target": np.asarray(float(step))}

    work = trainer(tmp_path, [Stage("only", decay(0.5), 7)], draw=draw, resample_every=every)

    def watched(window):
        return window._replace(
            prepare=lambda points: prepared.append(int(points["target"])) or window.prepare(points)
        )

    work = with_window(work, watched)
    end = work.run(start(work))
    assert drawn == prepared == steps
    assert int(end.points["target"]) == steps[-1]


@pytest.mark.parametrize("every", [3, 0])
def test_a_resumed_run_goes_on_with_its_points(tmp_path, every):
    """Points that follow the parameters and each other, so that a draw too many or too few would be seen."""
    stages = [Stage("slow", decay(0.1), 7), Stage("fast", decay(0.3), 9)]
    whole = trainer(tmp_path / "whole", stages, intervals=RARE, draw=following, resample_every=every)
    expected = whole.run(start(whole))
    assert float(expected.points["target"]) != 0.9 or every == 0
    for stop in (2, 3, 9):
        recorder = Recorder(at=stop, do=lambda: signal.raise_signal(signal.SIGINT))
        first = trainer(
            tmp_path / str(stop), stages, recorder, save=True, intervals=RARE, draw=following, resample_every=every
        )
        with pytest.raises(Stopped):
            first.run(start(first))
        first.checkpoints.close()
        second = trainer(
            tmp_path / str(stop), stages, save=True, intervals=RARE, draw=following, resample_every=every
        )
        end = second.run(second.resume({"p": jnp.zeros(())}))
        assert np.array_equal(end.optimizer.params["p"], expected.optimizer.params["p"])
        assert np.array_equal(end.points["target"], expected.points["target"])


def test_a_retreat_goes_back_to_the_points_of_its_step(tmp_path):
    """Back at step 0 with the points of step 0: the new try is the first step of a run that began cautiously."""
    work = trainer(tmp_path / "bold", [Stage("only", decay(jnp.inf), 4)], draw=following, resample_every=0)
    cautious = trainer(tmp_path / "cautious", [Stage("only", decay(0.1), 4)], draw=following, resample_every=0)
    bold_end, end = work.run(start(work)), cautious.run(start(cautious))
    assert bold_end.failures == 1
    assert np.array_equal(bold_end.points["target"], end.points["target"])
    assert np.array_equal(bold_end.optimizer.params["p"], end.optimizer.params["p"])


def overfitting(folder, remedy, recorder=None, steps=40, ratio=1000.0, stages=None, every=0, save=False):
    """A parameter that fits its points, off the truth by 0.5 over the enlargement; judged at every 4th step."""
    return trainer(
        folder,
        stages or [Stage("only", decay(0.5), steps)],
        recorder,
        intervals=Intervals(1, 4, 100),
        draw=lambda step, params, previous, enlargement: {"target": np.asarray(0.5 / enlargement)},
        resample_every=every,
        save=save,
        guard=OverfitGuard(lambda params, batch: float((params["p"] - batch) ** 2), remedy, ratio),
    )


def test_points_are_doubled_where_they_are_over_fitted(tmp_path):
    """Held out p² ≈ 1/4, trained 4^{-steps}/4: over 1000 times from the 5th step, so judged at 8 and 12."""
    work = overfitting(tmp_path, "enlarge", steps=14)
    end = work.run(start(work))
    assert (end.enlargement, float(end.points["target"])) == (2, 0.25)
    assert len(told(work).said) == 1
    assert "from step 12 on it gets 2 times as many" in told(work).said[0]


def test_points_are_doubled_to_sixteen_times_and_no_further(tmp_path):
    work = overfitting(tmp_path, "enlarge", steps=100)
    end = work.run(start(work))
    assert (end.enlargement, float(end.points["target"])) == (16, 0.5 / 16)
    assert ["as many, for" in said for said in told(work).said] == [True] * 4 + [False]
    assert "even with 16 times as many" in told(work).said[-1]


def test_over_fitting_ends_a_run_that_should_stop_and_its_other_stages(tmp_path):
    stages = [Stage("first", decay(0.5), 40), Stage("second", decay(0.5), 40)]
    work = overfitting(tmp_path, "stop", stages=stages, save=True)
    end = work.run(start(work))
    assert (end.step, end.stage, end.enlargement) == (12, 0, 1)
    assert "The run ends at step 12" in told(work).said[0]
    again = overfitting(tmp_path, "stop", stages=stages, save=True)
    assert again.run(again.resume({"p": jnp.zeros(())})).step == 12
    assert "The run ends at step 12" in told(again).said[0]
    on = overfitting(tmp_path, "ignore", stages=stages, save=True)
    assert on.run(on.resume({"p": jnp.zeros(())})).step == 80


@pytest.mark.parametrize(("remedy", "ratio"), [("ignore", 1000.0), ("enlarge", 1e300)])
def test_what_is_ignored_or_no_over_fitting_changes_nothing(tmp_path, remedy, ratio):
    work = overfitting(tmp_path, remedy, ratio=ratio, steps=20)
    end = work.run(start(work))
    assert (end.step, end.enlargement, end.overfits, told(work).said) == (20, 1, 0, [])


def test_one_evaluation_alone_is_no_over_fitting(tmp_path):
    """New points at every 8th step: 4 steps after them 1/4 is not 3000 times the loss, 8 steps after them it is."""
    work = overfitting(tmp_path, "enlarge", steps=40, ratio=3000.0, every=8)
    draw = lambda step, params, previous, enlargement: {"target": np.asarray(0.5 * (-1) ** (step // 8))}  # noqa: E731
    work = with_window(work, lambda window: window._replace(draw=draw))
    end = work.run(start(work))
    assert (end.enlargement, end.overfits, told(work).said) == (1, 1, [])


@pytest.mark.parametrize("every", [0, 5])
def test_a_resumed_run_enlarges_as_an_undisturbed_one(tmp_path, every):
    whole = overfitting(tmp_path / "whole", "enlarge", every=every)
    expected = whole.run(start(whole))
    assert expected.enlargement > 2
    for stop in (8, 12, 13):
        recorder = Recorder(at=stop, do=lambda: signal.raise_signal(signal.SIGINT))
        first = overfitting(tmp_path / str(stop), "enlarge", recorder, every=every, save=True)
        with pytest.raises(Stopped):
            first.run(start(first))
        first.checkpoints.close()
        second = overfitting(tmp_path / str(stop), "enlarge", every=every, save=True)
        end = second.run(second.resume({"p": jnp.zeros(())}))
        assert np.array_equal(end.optimizer.params["p"], expected.optimizer.params["p"])
        assert (end.enlargement, end.overfits) == (expected.enlargement, expected.overfits)


def test_a_window_begins_where_the_one_before_ended_and_goes_through_all_stages(tmp_path):
    stages = [Stage("slow", decay(0.1), 4), Stage("fast", decay(0.5), 3)]
    work = trainer(tmp_path, stages, enter=relay, windows=3)
    end = work.run(start(work))
    p, ends = 0.0, []
    for window in range(3):  # plain arithmetic, in the same order, so equality is to rounding
        for k in range(7):
            p -= (0.1 if k < 4 else 0.5) * (p - (window + 1) - 0.1 * ((7 * window + k) % 2))
        ends.append(p)
    assert [float(params["p"]) for params in (*unstacked(end.finished), end.best_params)] == pytest.approx(
        ends, rel=1e-14
    )
    assert (end.step, end.stage, len(unstacked(end.finished))) == (21, 1, 2)
    names = [f"{window}/3 {name}" for window in (1, 2, 3) for name in ["slow"] * 4 + ["fast"] * 3]
    assert [line["stage"] for line in told(work).lines] == names


def test_a_run_of_windows_resumes_with_the_same_bits(tmp_path):
    stages = [Stage("slow", decay(0.1), 4), Stage("fast", decay(0.5), 3)]
    whole = trainer(tmp_path / "whole", stages, enter=relay, windows=3)
    expected = whole.run(start(whole))
    for stop in (2, 6, 7, 9, 14, 19):
        recorder = Recorder(at=stop, do=lambda: signal.raise_signal(signal.SIGINT))
        first = trainer(tmp_path / str(stop), stages, recorder, save=True, enter=relay, windows=3)
        with pytest.raises(Stopped):
            first.run(start(first))
        first.checkpoints.close()
        second = trainer(tmp_path / str(stop), stages, save=True, enter=relay, windows=3)
        end = second.run(second.resume({"p": jnp.zeros(())}))
        for ours, theirs in zip(all_best(end), all_best(expected), strict=True):
            assert np.array_equal(ours["p"], theirs["p"])


def test_a_budget_is_shared_out_between_the_windows(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 10**9)], enter=relay, windows=3, seconds=3.0, intervals=RARE)
    end = work.run(start(work))
    assert len(unstacked(end.finished)) == 2
    begun = {line["stage"][0]: line["seconds"] for line in reversed(told(work).lines)}
    # The first may take 0.41 of all, the second over half of the rest; compilation counts for the last alone.
    # The budget is several times what compiling and saving take on a slow host.
    assert 1.0 < begun["2"] < 3.0
    assert begun["3"] - begun["2"] > 0.5
    assert end.seconds < 4.4


def test_shares_use_up_the_budget_and_favour_early_windows():
    assert share_of_window(0, 1) == share_of_window(6, 7) == 1
    left, taken = 1.0, []
    for index in range(8):
        taken.append(share_of_window(index, 8) * left)
        left -= taken[-1]
    assert left == pytest.approx(0, abs=1e-15)
    assert taken == sorted(taken, reverse=True)
    assert taken[0] == pytest.approx(taken[1] * (1 / 4) / (1 / 5))


def test_a_window_as_good_as_the_first_leaves_its_time_to_the_last(tmp_path):
    """The later windows count a tenth of the loss, so that the second is soon as good as the first was at its end."""

    def enter(finished):
        window = relay(finished)
        share = 0.1 if finished else 1.0
        return window._replace(validate=lambda params: (share * window.validate(params)[0], {}))

    rarely = Intervals(1, 5, 40)
    work = trainer(tmp_path, [Stage("only", decay(0.5), 40)], enter=enter, windows=3, seconds=1e3, intervals=rarely)
    end = work.run(start(work))
    counts = [sum(line["stage"].startswith(f"{k}/") for line in told(work).lines) for k in (1, 2, 3)]
    assert end.goal > 0
    assert counts[0] == counts[2] == 40
    assert counts[1] < 40
    for name, words in {"no clock": {}, "hard start": {"seconds": 1e3, "easy_start": False}}.items():
        without = trainer(
            tmp_path / name, [Stage("only", decay(0.5), 40)], enter=enter, windows=3, intervals=rarely, **words
        )
        without.run(start(without))
        assert sum(line["stage"].startswith("2/") for line in told(without).lines) == 40, name


def test_a_spent_budget_still_leaves_every_window_a_step(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 50)], enter=relay, windows=4, seconds=1e-9)
    assert work.run(start(work)).step == 4


def test_a_run_without_checkpoints_trains_and_cannot_resume(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 3)])
    assert work.run(start(work)).step == 3
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="keeps no checkpoints"):
        work.resume({"p": jnp.zeros(())})


def test_the_step_is_the_one_that_is_given(tmp_path):
    """As an ensemble gives each member its own."""
    work = trainer(tmp_path, [Stage("slow", decay(0.1), 2), Stage("fast", decay(0.5), 2)])
    asked = []

    def step(stage, optimizer, batch):
        asked.append((stage, float(optimizer.params["p"]), float(batch)))
        return optimizer._replace(params={"p": optimizer.params["p"] / 2}), StepInfo(jnp.ones(()), jnp.ones(()))

    with StopSignals() as signals, Stopwatch() as watch:
        end = work.train(start(work), step, signals, watch)
    assert asked == [(0, 1.0, 0.0), (0, 0.5, 0.1), (1, 0.25, 0.2), (1, 0.125, 0.0)]
    assert float(end.optimizer.params["p"]) == 1 / 16


class Saves:
    """In place of checkpoints: the steps that were saved."""

    def __init__(self):
        self.steps = []

    def save(self, params, state):
        self.steps.append(state.step)


@pytest.mark.parametrize("log_every", [1, 2])
@pytest.mark.parametrize(("every", "saved"), [(3, [3, 6, 7]), (1, [1, 2, 3, 4, 5, 6, 7]), (100, [7])])
def test_checkpoint_every_sets_how_often_the_state_is_saved(tmp_path, every, saved, log_every):
    """Logged or not; and no line of the history comes of it."""
    recorder, stages = Recorder(), [Stage("only", decay(0.5), 7)]
    work = replace(trainer(tmp_path, stages, recorder, intervals=Intervals(log_every, 5, every)))
    work.checkpoints = Saves()
    work.run(start(work))
    assert work.checkpoints.steps == saved
    assert [line["step"] for line in recorder.lines] == {1: [1, 2, 3, 4, 5, 6, 7], 2: [2, 4, 5, 6, 7]}[log_every]
