"""Weights that the loop renews before each step: their state, their points, what is logged and what is restored."""

import signal
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from test_loop import RARE, Recorder, decay, relay, start, told, trainer

from pinn_ac.errors import InputError
from pinn_ac.training import BatchWeighting, Checkpoints, Intervals, OverfitGuard, Stage, Stopped


def running_mean(seen=None):
    """Multiplies the batch by a running mean of the loss. Its state also counts draws, and steps since the newest.

    Args:
        seen: a list to which each batch and its points are added.
    """

    def age(points):
        return jnp.zeros(points["target"].shape, int)

    def weigh(state, params, batch, points):
        if seen is not None:
            seen.append((float(batch), float(points["target"])))
        loss = 0.5 * state["loss"] + 0.5 * (params["p"] - batch) ** 2
        return {**state, "age": state["age"] + 1, "loss": loss}, loss * batch

    return BatchWeighting(
        init=lambda points: {"age": age(points), "loss": jnp.ones(()), "draws": jnp.ones((), int)},
        renew=lambda state, points: {**state, "age": age(points), "draws": state["draws"] + 1},
        weigh=weigh,
        figures=lambda state: {"weight_all": state["loss"], "age": state["age"], "draws": state["draws"]},
    )


def again(work):
    """The checkpoints of a trainer that has closed its own."""
    return Checkpoints(work.checkpoints.folder)


def weighted(folder, stop=None, seen=None, **options):
    """Three steps for each draw of points."""
    recorder = Recorder(at=stop, do=lambda: signal.raise_signal(signal.SIGINT))
    options = {"intervals": RARE, "resample_every": 3, "target": lambda step: 0.5 + 0.1 * step} | options
    return trainer(folder, [Stage("only", decay(0.3), 10)], recorder, weighting=running_mean(seen), **options)


def test_a_weighting_is_renewed_with_the_points_and_weighs_the_batch_of_every_step(tmp_path):
    """Compared with the same arithmetic, written down step by step."""
    seen = []
    work = weighted(tmp_path, seen=seen)
    end = work.run(start(work))
    p, loss, lines = 1.0, 1.0, []
    for step in range(10):
        target = 0.5 + 0.1 * (step - step % 3)
        loss, unweighted = 0.5 * loss + 0.5 * (p - target) ** 2, (p - target) ** 2
        lines.append((loss, step % 3 + 1, step // 3 + 1, (p - loss * target) ** 2, unweighted))
        p -= 0.3 * (p - loss * target)
    assert float(end.optimizer.params["p"]) == pytest.approx(p, rel=1e-14)
    # The logged loss is the weighted one that the step started from; the logged terms are without the weights.
    names = ("weight_all", "age", "draws", "loss", "loss_all")
    logged = [[line[name] for name in names] for line in told(work).lines]
    np.testing.assert_allclose(logged, lines, rtol=1e-12)
    targets = [0.5 + 0.1 * (step - step % 3) for step in range(10)]
    assert seen == [(batch, batch) for batch in targets]


def test_a_weighting_is_restored_with_the_state(tmp_path):
    whole = weighted(tmp_path / "whole")
    expected = whole.run(start(whole))
    for stop in (3, 5):  # just before a draw, and between two
        first = weighted(tmp_path / str(stop), stop, save=True)
        with pytest.raises(Stopped):
            first.run(start(first))
        first.checkpoints.close()
        second = weighted(tmp_path / str(stop), save=True)
        end = second.run(second.resume({"p": jnp.zeros(())}))
        assert np.array_equal(end.optimizer.params["p"], expected.optimizer.params["p"])
        assert {name: np.asarray(value).tolist() for name, value in end.weighting.items()} == {
            name: np.asarray(value).tolist() for name, value in expected.weighting.items()
        }


def test_a_weighting_begins_anew_in_each_window(tmp_path):
    work = trainer(tmp_path, [Stage("only", decay(0.5), 4)], enter=relay, windows=2, weighting=running_mean())
    work.run(start(work))
    assert [line["draws"] for line in told(work).lines] == [1, 2, 3, 4] * 2


def test_a_run_does_not_resume_with_another_kind_of_weighting(tmp_path):
    first = weighted(tmp_path, 4, save=True)
    with pytest.raises(Stopped):
        first.run(start(first))
    first.checkpoints.close()
    without = replace(first, windows=replace(first.windows, weighting=None), checkpoints=again(first))
    with pytest.raises(InputError, match=r"saved with the state of a weighting, but .* has none"):
        without.resume({"p": jnp.zeros(())})


def test_without_a_weighting_a_state_is_saved_as_before_there_were_any(tmp_path):
    """So that checkpoints of earlier versions can be resumed."""
    files = []
    for name, weighting in (("without", None), ("with", running_mean())):
        work = trainer(tmp_path / name, [Stage("only", decay(0.5), 3)], weighting=weighting, save=True)
        step = work.run(start(work)).step
        files.append(tmp_path / name / "checkpoints" / str(step) / "state" / "_METADATA")
    assert ["weighting" in file.read_text() for file in files] == [False, True]


def test_a_retry_after_a_non_finite_loss_goes_back_to_the_weights_of_its_step(tmp_path):
    """The rate of infinity fails at step 0: what follows is the run that began with the cautious rate."""
    bold, cautious = (
        trainer(tmp_path / str(rate), [Stage("only", decay(rate), 4)], weighting=running_mean())
        for rate in (jnp.inf, 0.1)
    )
    ends = [work.run(start(work)) for work in (bold, cautious)]
    assert ends[0].failures == 1
    assert np.array_equal(ends[0].weighting["loss"], ends[1].weighting["loss"])


def test_the_guard_compares_losses_without_the_weights(tmp_path):
    seen = []
    guard = OverfitGuard(lambda params, batch: seen.append(float(batch)) or 1.0)
    work = weighted(tmp_path, guard=guard, intervals=Intervals(1, 1, 100))
    work.run(start(work))
    assert seen == pytest.approx([0.5 + 0.1 * (step - step % 3) for step in range(10)])
