"""The loop on experiments: points that follow the parameters, resumed; and a network that over-fits its points."""

import signal
from dataclasses import replace

import jax
import numpy as np
import pytest

from composed import composed
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import plan
from pinn_ac.running import Training
from pinn_ac.tracking import Tracker
from pinn_ac.training import Checkpoints, Stopped

SMALL = (
    "problem/initial_condition=cosine",
    "problem.diffusivity=1e-2",
    "problem.reaction_rate=2",
    "embedding=periodic",
    "windows=1",
    "model.width=6",
    "model.depth=1",
    "train.log_every=1",
    "train.checkpoint_every=100",
)


class Recorder(Tracker):
    """Keeps what it is told, and sends a signal at a step."""

    def __init__(self, stop=None):
        self.said, self.stop, self.lines = [], stop, []

    def log(self, step, stage, figures):
        self.lines.append({"step": step, **figures})
        if step == self.stop:
            signal.raise_signal(signal.SIGINT)

    def say(self, sentence):
        self.said.append(sentence)


def work_on(experiment, config, folder):
    return Training(experiment, plan(config), [Recorder()], None, Checkpoints(folder)).trainer


@pytest.mark.parametrize(
    "words",
    [
        ("sampler=rad", "sampler.importance=true"),
        ("sampler=r3",),
        pytest.param(("sampler=r3", "precision=float32"), marks=pytest.mark.slow),
        pytest.param(("sampler=monitor", "sampler.importance=true"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_resumed_run_with_adaptive_points_ends_bit_identical(tmp_path, words, request):
    """Stopped a step after a draw; the next one is at step 6."""
    if "precision=float32" in words:
        request.getfixturevalue("single_precision")
    config = composed(
        *SMALL, "sampler.num_points=64", "sampler.resample_every=3", "train.steps=8", "optimizer=adam", *words
    )
    experiment = assemble(config)
    whole = work_on(experiment, config, tmp_path / "whole")
    params = random_params(experiment.setup.network, features=2)
    expected = whole.run(whole.begin())
    first = replace(whole, trackers=[Recorder(stop=4)], checkpoints=Checkpoints(tmp_path / "stopped"))
    with pytest.raises(Stopped):
        first.run(first.begin())
    first.checkpoints.close()
    second = replace(whole, checkpoints=Checkpoints(tmp_path / "stopped"))
    end = second.run(second.resume(params))
    for one, other in zip(jax.tree.leaves(end.optimizer), jax.tree.leaves(expected.optimizer), strict=True):
        assert np.array_equal(one, other)
    assert set(end.points) == set(expected.points)
    for name, values in expected.points.items():
        assert np.array_equal(end.points[name], values), name


@pytest.fixture(scope="module")
def few_points():
    """241 parameters and 8 points that stay: an experiment, whose programs all remedies share, and its config."""
    problem = [word for word in SMALL if not word.startswith("problem.diffusivity")]
    config = composed(
        *problem, "problem.diffusivity=1e-3", "embedding.modes=4", "model.width=12", "model.depth=2",
        "sampler.num_points=8", "sampler.resample_every=0", "train.steps=12", "train.evaluate_every=2",
    )  # fmt: skip
    return assemble(config), config


@pytest.mark.parametrize("remedy", ["enlarge", "ignore", pytest.param("stop", marks=pytest.mark.slow)])
def test_a_network_that_fits_a_few_points_is_found_out(tmp_path, few_points, remedy):
    """Levenberg–Marquardt fits the points to rounding and nothing in between.

    By its 8th step the loss has fallen from 3e-5 to 5e-19, and that on held-out points stands at 1e-4.
    """
    experiment, config = few_points[0], few_points[1].copy()
    config.train.overfit = remedy
    work = work_on(experiment, config, tmp_path)
    end = work.run(work.begin())
    last = work.trackers[-1].lines[-1]
    if remedy == "enlarge":
        assert end.enlargement > 1
        assert end.points["residual"].shape == (8 * end.enlargement, 2)
        assert "times as many" in work.trackers[-1].said[0]
    else:
        assert (end.enlargement, end.points["residual"].shape) == (1, (8, 2))
        assert last["validation_loss"] > 1000 * last["loss"]
    assert (end.step < 12) == (remedy == "stop")
    assert (work.trackers[-1].said == []) == (remedy == "ignore")


@pytest.mark.slow
def test_a_network_with_enough_points_is_left_alone(tmp_path):
    config = composed(*SMALL, "sampler.num_points=null", "train.steps=12", "train.evaluate_every=2")
    experiment = assemble(config)
    work = work_on(experiment, config, tmp_path)
    end = work.run(work.begin())
    assert (end.enlargement, work.trackers[-1].said) == (1, [])
