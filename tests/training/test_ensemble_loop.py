"""Several trainings at once: each ends where it would end alone, whatever happens to the others."""

import signal
import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_loop import Recorder, decay, told, trainer, with_window

from pinn_ac.compute import ComputeSettings
from pinn_ac.errors import InputError
from pinn_ac.training import Diverged, Intervals, OverfitGuard, Stage, Stopped, require_one_program
from pinn_ac.training import run_ensemble as run_several
from pinn_ac.training.guards import MAX_ENLARGEMENT

STAGES = [Stage("fast", decay(0.3), 12), Stage("slow", decay(0.1), 7)]
RATES = [0.05, 0.1, 0.2]


@pytest.fixture(params=[False, True], ids=["one by one", "by vmap"])
def run_ensemble(request):
    return partial(run_several, mapped=request.param)


def member(folder, index, **options):
    """A trainer whose points are its own."""
    return trainer(folder / str(index), STAGES, target=lambda step: RATES[index] * (step % 4), **options)


def end(state):
    return float(state.optimizer.params["p"]), float(state.best_params["p"]), state.step, state.stage


def test_each_ends_as_it_would_alone(tmp_path, run_ensemble):
    alone = [member(tmp_path / "alone", k) for k in range(3)]
    expected = [end(one.run(one.begin())) for one in alone]
    together = [member(tmp_path / "together", k) for k in range(3)]
    found = [end(state) for state in run_ensemble(together, [one.begin() for one in together])]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert len({p for p, *_ in found}) == 3
    for one, other in zip(alone, together, strict=True):
        lines = [[line["loss"] for line in told(work).lines] for work in (one, other)]
        np.testing.assert_allclose(*lines, rtol=1e-13)


def test_members_that_stand_elsewhere_end_as_they_would_alone(tmp_path, run_ensemble):
    """One is gone on with in the second stage while the other begins the first."""
    ahead = trainer(tmp_path / "ahead", STAGES[:1], save=True)
    ahead.run(ahead.begin())
    ahead.checkpoints.close()
    works = [trainer(tmp_path / "ahead", STAGES, save=True), trainer(tmp_path / "fresh", STAGES)]
    states = [works[0].resume({"p": jnp.ones(())}), works[1].begin()]
    assert states[0].step == 12
    found = [end(state) for state in run_ensemble(works, states)]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


def test_one_that_gets_more_points_does_not_change_the_others(tmp_path, run_ensemble):
    """Its batches have another shape, so its steps are computed apart."""

    def points(step, params, previous, enlargement):
        return {"target": np.full(enlargement, 0.5)}

    def options(ratio):
        guard = OverfitGuard(lambda params, batch: 1e-3, "enlarge", ratio)
        return {"draw": points, "guard": guard}

    def works(folder):
        return [vector_trainer(folder / str(k), options(ratio)) for k, ratio in enumerate((1e-6, 1e9))]

    expected = [one.run(one.begin()) for one in works(tmp_path / "alone")]
    together = works(tmp_path / "together")
    found = run_ensemble(together, [one.begin() for one in together])
    assert [state.enlargement for state in found] == [MAX_ENLARGEMENT, 1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.optimizer.params["p"], other.optimizer.params["p"], rtol=1e-14)


def vector_trainer(folder, options):
    """A trainer whose batch is a vector, of which it steps on the mean."""
    inner = decay(0.3)
    mean = inner._replace(step=lambda state, batch: inner.step(state, jnp.mean(batch)))
    work = trainer(folder, [Stage("mean", mean, 30)], intervals=Intervals(1, 1, 10), resample_every=0, **options)
    return with_window(work, lambda window: window._replace(terms=lambda params, batch: {}))


def test_one_that_diverges_does_not_end_the_others(tmp_path, run_ensemble):
    bad = trainer(tmp_path / "bad", STAGES, target=lambda step: np.nan if step > 4 else 0.0)
    good = member(tmp_path / "good", 1)
    first, second = run_ensemble([bad, good], [bad.begin(), good.begin()])
    assert isinstance(first, Diverged)
    assert second.step == 19
    alone = member(tmp_path / "alone", 1)
    assert end(second) == pytest.approx(end(alone.run(alone.begin())), rel=1e-14)


def test_the_same_optimizers_together_again_compile_nothing(tmp_path, run_ensemble, compilations):
    for turn in ("first", "second"):
        compilations.clear()
        works = [member(tmp_path / turn, k) for k in range(3)]
        run_ensemble(works, [one.begin() for one in works])
    assert not compilations


def test_a_signal_stops_and_saves_all(tmp_path, run_ensemble):
    stopping = Recorder(at=8, do=lambda: signal.raise_signal(signal.SIGTERM))
    works = [member(tmp_path, 0, recorder=stopping, save=True), member(tmp_path, 1, save=True)]
    ends = run_ensemble(works, [one.begin() for one in works])
    assert all(isinstance(one, Stopped) for one in ends)
    for one in works:
        one.checkpoints.close()
    again = [member(tmp_path, k, save=True) for k in range(2)]
    states = [one.resume({"p": jnp.ones(())}) for one in again]
    assert all(8 <= state.step <= 9 for state in states)
    whole = [member(tmp_path / "whole", k) for k in range(2)]
    expected = run_ensemble(whole, [one.begin() for one in whole])
    assert [end(one) for one in run_ensemble(again, states)] == [end(one) for one in expected]


def test_a_method_that_decides_on_the_host_is_refused():
    host = Stage("careful", decay(0.3)._replace(is_one_program=False), 3)
    with pytest.raises(InputError, match="careful"):
        require_one_program([*STAGES, host])


def test_another_exception_of_a_member_ends_all_and_is_raised(tmp_path, run_ensemble):
    def fail():
        raise OSError("the disk is full")

    works = [member(tmp_path, 0), member(tmp_path, 1, recorder=Recorder(at=5, do=fail))]
    with pytest.raises(OSError, match="the disk is full"):
        run_ensemble(works, [one.begin() for one in works])
    assert told(works[0]).lines[-1]["step"] <= 5
    assert [thread for thread in threading.enumerate() if "ensemble" in thread.name] == []


def test_a_failing_step_ends_all_and_is_raised(tmp_path, run_ensemble):
    def step(state, batch):
        raise ValueError("no such step")

    broken = [Stage("broken", decay(0.3)._replace(step=step), 3)]
    works = [trainer(tmp_path / str(k), broken) for k in range(2)]
    with pytest.raises(ValueError, match="no such step"):
        run_ensemble(works, [one.begin() for one in works])
    assert [thread for thread in threading.enumerate() if "ensemble" in thread.name] == []


def test_a_second_ctrl_c_ends_all_at_once(tmp_path, run_ensemble):
    def interrupt():
        signal.raise_signal(signal.SIGINT)

    def twice(stage):
        """Two signals while the main thread computes a step."""

        def step(state, batch):
            interrupt()
            interrupt()
            return stage.optimizer.step(state, batch)

        return [stage._replace(optimizer=stage.optimizer._replace(step=step))]

    works = [trainer(tmp_path / str(k), twice(STAGES[0])) for k in range(2)]
    with pytest.raises(KeyboardInterrupt):
        run_ensemble(works, [one.begin() for one in works])
    assert [thread for thread in threading.enumerate() if "ensemble" in thread.name] == []


def test_members_compute_under_the_settings_of_the_thread_that_runs_them(tmp_path, run_ensemble):
    """In a process of double precision: draws and evaluations, in the members' threads, and steps."""
    kinds = set()
    with ComputeSettings(False, "highest", jax.devices()[1]).active():
        work = member(tmp_path, 0)
        work = with_window(work, lambda window: window._replace(
            prepare=lambda points: jnp.asarray(points["target"], float),
            validate=lambda params: (kinds.add((jnp.zeros(1).dtype.name, *jnp.zeros(1).devices())) or 1.0, {}),
        ))  # fmt: skip
        (ended,) = run_ensemble([work], [work.begin()])
    assert kinds == {("float32", jax.devices()[1])}
    assert ended.optimizer.params["p"].dtype == "float32"
