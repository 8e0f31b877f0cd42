"""Whole runs with several weightings at once, of points and of terms: resumed, in an ensemble, on devices."""

import shutil

import jax
import numpy as np
import pytest

from composed import EASY, composed
from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import plan
from pinn_ac.app.ensemble import train_ensemble_in
from pinn_ac.app.train import train_in
from pinn_ac.running import Training
from pinn_ac.training import Checkpoints

WORDS = (
    *EASY, "windows=1", "optimizer=adam", "ansatz=soft", "embedding=periodic", "model.width=4", "model.depth=1",
    "sampler=uniform", "sampler.num_points=64", "sampler.num_initial=8", "sampler.resample_every=3", "estimate=false",
    "train.steps=8", "train.evaluate_every=2", "train.checkpoint_every=2", "weighting=causal_ntk",
    "weighting.parts.ntk.every=2", "weighting.parts.causal.chunks=8",
    *(f"+weighting@weighting.parts.{name}={name}" for name in ("self_adaptive", "brdr", "relobralo")),
)  # fmt: skip


@pytest.mark.parametrize(("name", "setting"), [("vrba_ssbroyden", "until"), ("self_adaptive", "ascent_steps")])
def test_weights_of_the_first_stage_end_with_it(name, setting):
    usual, other = (assemble(composed(f"experiment={name}", *words)) for words in ((), ("stages.adam.steps=7",)))
    for experiment in (usual, other):
        assert getattr(experiment.setup.weighting, setting) == experiment.stages[0].steps
    assert usual.stages[0].steps > other.stages[0].steps == 7


@pytest.mark.landing
def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    config = composed(*WORDS)
    experiment = assemble(config)

    def trainer(folder):
        return Training(experiment, plan(config), [], None, Checkpoints(folder)).trainer

    whole = trainer(tmp_path / "whole")
    end = whole.run(whole.begin())
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    newest = max(int(path.name) for path in (tmp_path / "cut").glob("[0-9]*"))
    shutil.rmtree(tmp_path / f"cut/{newest}")
    again = trainer(tmp_path / "cut")
    state = again.resume(experiment.initial_params())
    assert 0 < state.step < newest
    second = again.run(state)
    of = [(one.optimizer, one.weighting, one.best_params, one.points) for one in (end, second)]
    assert jax.tree.structure(of[0]) == jax.tree.structure(of[1])
    for one, other in zip(*map(jax.tree.leaves, of), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.landing
def test_a_member_of_an_ensemble_has_the_weights_of_its_own_run(tmp_path, undrawn):
    """Also those that are drawn, by its own seed."""
    train_ensemble_in(tmp_path / "all", composed(*WORDS, "seed=4", "ensemble=2"))
    train_in(tmp_path / "one", composed(*WORDS, "seed=5"))
    members = [np.load(tmp_path / f"all/seed={seed}/prediction.npz")["u"] for seed in (4, 5)]
    alone = np.load(tmp_path / "one/prediction.npz")["u"]
    np.testing.assert_allclose(members[1], alone, rtol=0, atol=1e-9)
    assert np.abs(members[0] - alone).max() > 1e-3


@pytest.mark.landing
def test_weights_of_points_and_of_terms_are_those_of_one_device_on_several():
    """Two steps, other points, one step more: the state is whole on each device, and the same."""
    found = []
    for devices in (1, 4):
        experiment = assemble(composed(*WORDS, f"devices={devices}"))
        params, weighting = experiment.initial_params(), experiment.programs.weighting
        state, drawn = None, {}
        for step in (0, 0, 3):
            if state is None or step:
                drawn = experiment.draw(step, params, drawn)
                points = experiment.objective.drawn(drawn)
                state = weighting.init(points, 1) if state is None else weighting.renew(state, points)
            state, batch = experiment.programs.weigh(state, params, experiment.prepare(drawn), drawn)
            assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(state))
        found.append(jax.tree.map(np.asarray, (state, {k: p.weight for k, p in batch.terms.items()})))
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9)
