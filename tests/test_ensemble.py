"""Ensembles: each member is the run that its seed alone would be, in a folder like any other's."""

import json
import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.types import RunMode

import pinn_ac
from composed import EASY, composed
from pinn_ac.app import ensemble, run
from pinn_ac.app.assembly import assemble
from pinn_ac.app.ensemble import _require_one_network, train_ensemble_in
from pinn_ac.app.jobs import FAILED_SCORE, find_jobs
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.reporting import figures
from pinn_ac.running import ENDLESS, Plan, Training
from pinn_ac.tracking import Tracker
from pinn_ac.training import Diverged, Stopped, TrainingState
from typed import typed

SMALL = (
    *EASY,
    "windows=2",
    "ansatz=soft",
    "embedding=periodic",
    "optimizer=adam",
    "model.width=6",
    "model.depth=2",
    "sampler.num_points=128",
    "sampler.resample_every=3",
    "train.steps=8",
    "train.evaluate_every=2",
    "train.checkpoint_every=2",
    "estimate=false",
)


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("sampler=rad",), marks=pytest.mark.landing),
        pytest.param(("optimizer=ssbroyden",), marks=pytest.mark.slow),
    ],
)
def test_members_are_the_runs_of_their_seeds(tmp_path, monkeypatch, words):
    """Points that follow the parameters and steps of both windows included; rounding grows over 16 steps."""
    monkeypatch.setattr(figures, "draw_run", lambda *arguments: [])  # pages are written without them
    score = train_ensemble_in(tmp_path / "all", composed(*SMALL, *words, "seed=4", "ensemble=2"))
    alone = []
    for seed in (4, 5):
        alone.append(train_in(tmp_path / f"{seed}", composed(*SMALL, *words, f"seed={seed}")))
        member = metrics(tmp_path / f"all/seed={seed}")
        assert (member["seed"], member["steps"], member["ensemble"]) == (seed, alone[-1]["steps"], 2)
        with (
            np.load(tmp_path / f"all/seed={seed}/prediction.npz") as one,
            np.load(tmp_path / f"{seed}/prediction.npz") as other,
        ):
            np.testing.assert_allclose(one["u"], other["u"], rtol=0, atol=1e-9)
        own, single = (Path(tmp_path, name, "config.yaml").read_text() for name in (f"all/seed={seed}", str(seed)))
        assert own == single
        assert (tmp_path / f"all/seed={seed}/report.html").is_file()
    links = re.findall(r"href='([^']+)'", (tmp_path / "all/report.html").read_text())
    assert sorted(links) == ["seed%3D4/report.html", "seed%3D5/report.html"]
    errors = [one["relative_l2"] for one in alone]
    assert len(set(errors)) == 2
    assert score == pytest.approx(sum(errors) / 2, rel=1e-6)
    assert (tmp_path / "all/report/configurations.csv").exists()
    assert np.isfinite(pinn_ac.load_run(tmp_path / "all/seed=5").predict(0.5, 0.1))
    with pytest.raises(InputError, match="seed=0"):
        pinn_ac.load_run(tmp_path / "all")


@pytest.mark.landing
def test_members_that_march_to_a_tolerance_are_the_runs_of_their_seeds(tmp_path, monkeypatch):
    """One after the other, with programs in common."""
    monkeypatch.setattr(figures, "draw_run", lambda *arguments: [])
    words = ("experiment=record", "train.tolerance=1e-2", "problem.diffusivity=1e-2", "problem.horizon=0.1")
    train_ensemble_in(tmp_path / "all", composed(*words, "reference=false", "ensemble=2"))
    for seed in (0, 1):
        train_in(tmp_path / f"{seed}", composed(*words, "reference=false", f"seed={seed}"))
        assert metrics(tmp_path / f"all/seed={seed}")["tolerance_met"]
        with (
            np.load(tmp_path / f"all/seed={seed}/prediction.npz") as one,
            np.load(tmp_path / f"{seed}/prediction.npz") as other,
        ):
            np.testing.assert_array_equal(one["u"], other["u"])


def test_a_march_that_is_stopped_stops_those_after_it_and_one_that_diverges_does_not():
    def member(end):
        def run(state):
            if isinstance(end, Exception):
                raise end
            return end

        return SimpleNamespace(trainer=SimpleNamespace(run=run))

    diverged, stopped = Diverged("The loss is not finite."), Stopped(15)
    members = [member(end) for end in ("a", diverged, stopped, "d")]
    assert ensemble._ends(members, [None] * 4) == ["a", diverged, stopped, stopped]


@pytest.mark.slow
def test_an_ensemble_that_was_cut_off_goes_on(tmp_path):
    """One member had finished, one had stopped midway; all end as in an undisturbed ensemble."""
    words = (*SMALL, "ensemble=2")
    train_ensemble_in(tmp_path / "whole", composed(*words))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    cut = tmp_path / "cut/seed=1"
    (cut / "metrics.json").unlink()
    steps = sorted(int(path.name) for path in (cut / "checkpoints").glob("[0-9]*"))
    shutil.rmtree(cut / f"checkpoints/{steps[-1]}")
    train_ensemble_in(tmp_path / "cut", composed(*words), resuming=True, retry=False)
    with np.load(tmp_path / "whole/seed=1/prediction.npz") as one, np.load(cut / "prediction.npz") as other:
        np.testing.assert_array_equal(one["u"], other["u"])
    history = [(tmp_path / name / "seed=1/history.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    steps = [[json.loads(line)["step"] for line in lines] for lines in history]
    assert steps[0] == steps[1]
    with pytest.raises(InputError, match="already holds a run"):
        train_ensemble_in(tmp_path / "cut", composed(*words))


def test_members_that_diverge_are_named_and_left_out(tmp_path, caplog):
    words = (*SMALL, "optimizer.learning_rate=1e300", "ensemble=2")
    with pytest.raises(Diverged):
        train_ensemble_in(tmp_path, composed(*words))
    assert "seed=1: " in caplog.text
    assert [job.status for job in find_jobs(tmp_path)] == ["diverged", "diverged"]
    assert train_ensemble_in(tmp_path, composed(*words), resuming=True, retry=False) == FAILED_SCORE
    (tmp_path / "seed=0/failure.json").unlink()
    (tmp_path / "seed=0/metrics.json").write_text(json.dumps({"relative_l2": 0.5}))
    assert train_ensemble_in(tmp_path, composed(*words), resuming=True, retry=False) == 0.5


def test_members_that_would_draw_networks_or_films_of_their_own_are_refused(tmp_path):
    """All are trained with the features of the first seed, and their configs would have told others."""
    words = (*EASY, "model=random_features", "model.width=8", "optimizer=gauss_newton", "windows=8", "ensemble=2")
    with pytest.raises(InputError, match="share what is drawn for model, and that follows the seed"):
        train_ensemble_in(tmp_path / "run", composed(*words))
    with pytest.raises(InputError, match="all of its seeds would write to /tmp/a"):
        train_ensemble_in(tmp_path / "run", composed(*SMALL, "ensemble=2", "tracker.jsonl.path=/tmp/a.jsonl"))
    with pytest.raises(InputError, match="members of an ensemble are drawn on demand"):
        train_ensemble_in(tmp_path / "run", composed(*SMALL, "ensemble=2", "animate=true"))
    assert not (tmp_path / "run").exists()
    config = composed(*words, "model.seed=3")
    _require_one_network(config, marches=False)  # the same for all, as their configs say
    _require_one_network(composed(*words), marches=True)  # which draws for each window from the run's seed
    _require_one_network(composed(*SMALL, "ensemble=2", "tracker.jsonl.path=${seed}.jsonl"), marches=False)


def test_the_progress_of_an_ensemble_ends_with_its_clock(tmp_path, monkeypatch):
    """The bar is told of the budget, and of no number of steps that the clock does not let it reach."""
    told = []
    shown = type("Shown", (Tracker,), {"start": lambda self, description: told.append(description)})()
    config = composed(*SMALL[:-4], f"optimizer.steps={ENDLESS}")
    training = Training(assemble(config), Plan(seconds=60.0))
    monkeypatch.setattr(Training, "begin", lambda self: TrainingState((), ()))
    monkeypatch.setattr(ensemble, "_ends", lambda *_: [Stopped(15)])
    with ExitStack() as held:
        ensemble._train([(tmp_path, config, training)], shown, held)
    assert (told[0]["total_steps"], told[0]["seconds_budget"]) == (None, 60.0)


@pytest.mark.landing
def test_a_user_is_told_what_cannot_be_computed_together(tmp_path):
    done = typed("train", f"hydra.run.dir={tmp_path / 'run'}", "ensemble=2")
    assert done.status == 2
    assert "run the seeds one by one" in done.err
    with pytest.raises(InputError, match="whose last seed is too large"):
        train_ensemble_in(tmp_path / "run", composed(*SMALL, "seed=4294967295", "ensemble=2"))
    with pytest.raises(InputError, match="ensemble is 0"):
        train_ensemble_in(tmp_path / "run", composed("ensemble=0"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("met", "mode", "status"),
    [((True, False), RunMode.RUN, 4), ((True, True), RunMode.RUN, None), ((False, False), RunMode.MULTIRUN, None)],
)
def test_a_member_that_misses_its_tolerance_is_in_the_exit_status(tmp_path, monkeypatch, met, mode, status):
    def trained(folder, config, resuming, retry):
        for seed, one in enumerate(met, config.seed):
            (folder / f"seed={seed}").mkdir()
            (folder / f"seed={seed}/metrics.json").write_text(json.dumps({"tolerance_met": one}))
        return 0.5

    runtime = SimpleNamespace(output_dir=str(tmp_path), choices={}, config_sources=[])
    hydra = SimpleNamespace(runtime=runtime, overrides=SimpleNamespace(task=[]), mode=mode)
    monkeypatch.setattr(run, "train_ensemble_in", trained)
    monkeypatch.setattr(run, "HydraConfig", SimpleNamespace(get=lambda: hydra))
    config = composed("ensemble=2", "seed=3")
    if status is None:
        assert run.train(config) == 0.5
    else:
        with pytest.raises(SystemExit) as end:
            run.train(config)
        assert end.value.code == status
