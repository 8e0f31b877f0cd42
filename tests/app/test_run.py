"""A run from its config to its folder, small enough for a test: what it writes, and what can be done with it."""

import html
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import pinn_ac
from composed import EASY, composed
from letting_go import let_go_of
from pinn_ac.app import report
from pinn_ac.app.jobs import read_job
from pinn_ac.app.run import TOLERANCE_MISSED
from pinn_ac.app.run_folder import resumed, same_run, write_config
from pinn_ac.app.saved_run import load_config
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.evaluation import Sampled, errors
from pinn_ac.reference import load_or_solve
from pinn_ac.reporting import figures
from pinn_ac.solution import SAMPLED
from pinn_ac.training import Diverged, Stopped, Trainer
from typed import typed

PROJECT = Path(__file__).resolve().parents[2]
SMALL = (
    *EASY,
    "windows=1",
    "model.width=8",
    "model.depth=2",
    "sampler.num_points=256",
    "train.steps=6",
    "train.evaluate_every=2",
    "train.checkpoint_every=2",
    "estimate=false",
)


def train(folder, *overrides):
    """Train the small run in `folder`."""
    return train_in(folder, composed(*SMALL, *overrides))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished small run, and its metrics."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, train(folder, "estimate=true")


@pytest.mark.landing
def test_training_lowers_the_error_well_below_that_of_the_ansatz_alone(undrawn, tmp_path):
    metrics = train(tmp_path, "train.steps=25")
    run = pinn_ac.load_run(tmp_path)
    untrained = pinn_ac.Solution(run.experiment, run.experiment.initial_params()).sample()
    reference = load_or_solve(run.experiment.problem)
    assert metrics["relative_l2"] < 0.25 * errors(untrained, reference)["relative_l2"]


def test_a_run_leaves_everything_it_should(finished):
    folder, metrics = finished
    names = {path.name for path in folder.iterdir()}
    pictures = {f"{name}.png" for name in ("solution", "profiles", "history", "points", "energy")}
    assert names >= {"config.yaml", "metrics.json", "history.jsonl", "prediction.npz", "checkpoints"} | pictures
    assert "report.html" in names
    assert not [name for name in names if "draft" in name]
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    wanted = """relative_l2 max_error relative_l2_by_time residual_rms residual_l1 energy_violation train_seconds
        compile_seconds steps num_parameters seed precision device reference versions git_commit"""
    assert set(wanted.split()) <= set(metrics)
    assert metrics["num_parameters"] == (5 + 1) * 8 + (8 + 1) * 8 + (8 + 1)
    assert (metrics["steps"], metrics["seed"], metrics["precision"]) == (6, 0, "float64")
    assert len(metrics["relative_l2_by_time"]) == 201


def test_residuals_at_the_points_compile_nothing_after_those_on_the_grid(
    finished, compilations, tmp_path, monkeypatch
):
    """They are the ones that the points have by themselves, which is another program, of fewer points."""
    seen = {}
    monkeypatch.setattr(figures, "draw_run", lambda *given: seen.update(points=given[5], residuals=given[6]) or [])
    run = pinn_ac.load_run(finished[0])
    sampled = run.sample()
    run.experiment.collocation(run.params, run.conditions)  # drawing them may compile something of its own
    before = len(compilations)
    report.draw(run, tmp_path, sampled, None, [])
    assert len(compilations) == before
    alone = run.derivatives(*seen["points"].T, orders=SAMPLED)["residual"]
    assert len(compilations) > before
    np.testing.assert_array_equal(seen["residuals"], alone)


def test_the_prediction_is_on_the_stated_grid_and_its_error_is_the_stated_one(finished):
    folder, metrics = finished
    with np.load(folder / "prediction.npz") as arrays:
        t, x, u = arrays["t"], arrays["x"], arrays["u"]
    assert np.allclose(t, np.linspace(0, 1, 201), rtol=0, atol=1e-15)
    assert np.array_equal(x, -1 + 2 * np.arange(512) / 512)
    exact = load_or_solve(pinn_ac.load_run(folder).experiment.problem).u
    assert np.linalg.norm(u - exact) / np.linalg.norm(exact) == pytest.approx(metrics["relative_l2"], rel=1e-9)


def test_the_error_is_estimated_without_the_reference(finished):
    """To the few percent that its march and the interpolation in time leave."""
    _, metrics = finished
    assert metrics["estimated_relative_l2"] == pytest.approx(metrics["relative_l2"], rel=0.1)
    assert metrics["estimate_unreliable"] is False


def test_the_history_has_a_line_a_step_with_each_term(finished):
    lines = [json.loads(line) for line in (finished[0] / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 7))
    assert all({"step", "seconds", "loss", "loss_residual"} <= set(line) for line in lines)
    assert [line["step"] for line in lines if "relative_l2" in line] == [2, 4, 6]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(finished, undrawn, tmp_path):
    folder = finished[0]
    train(tmp_path / "again")
    train(tmp_path / "other", "seed=1")
    first, again, other = (
        np.load(place / "prediction.npz")["u"] for place in (folder, tmp_path / "again", tmp_path / "other")
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.landing
def test_a_resumed_run_ends_with_the_bits_of_an_undisturbed_one(finished, undrawn, tmp_path):
    config = composed(*SMALL, "train.steps=3")
    train_in(tmp_path, config)
    longer = load_config(tmp_path)
    longer.train.steps = 6
    train_in(tmp_path, longer, resuming=True)
    with np.load(tmp_path / "prediction.npz") as resumed, np.load(finished[0] / "prediction.npz") as whole:
        assert np.array_equal(resumed["u"], whole["u"])
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 6


def test_a_run_that_goes_on_from_its_end_has_no_results_until_it_has_ended_again(finished, tmp_path, monkeypatch):
    """Those of its first end are not those of the checkpoint that it is stopped at."""
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    assert pinn_ac.load_run(folder).metrics["steps"] == 6

    def stop(trainer, state):
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(Trainer, "run", stop)
    with pytest.raises(Stopped):
        train_in(folder, composed(*SMALL, "train.steps=60"), resuming=True)
    assert read_job(folder).status == "interrupted"
    assert "relative_l2" not in pinn_ac.load_run(folder).metrics


def test_a_loaded_run_predicts_what_the_run_did_in_any_shape(finished):
    folder, _ = finished
    run = pinn_ac.load_run(folder)
    with np.load(folder / "prediction.npz") as arrays:
        t, x, u = arrays["t"], arrays["x"], arrays["u"]
    # Programs for other shapes may add in another order: a few roundings.
    assert np.allclose(run.predict(t[:, None], x), u, rtol=0, atol=1e-13)
    assert run.predict(0.5, 0.25).shape == ()
    assert run.predict(t[3], x).shape == (512,)
    assert run.predict(np.zeros((0,)), 0.0).shape == (0,)
    assert run.predict(t[:5, None, None], x[:4, None]).shape == (5, 4, 1)
    assert run.predict(0.5, 0.25) == pytest.approx(run.predict(0.5, 2.25), abs=1e-13)  # periodic


def test_many_points_go_through_in_chunks_of_one_program(finished, compilations):
    run = pinn_ac.load_run(finished[0])
    x = np.linspace(-1, 1, 2**16 + 1234)
    u = run.predict(0.7, x)
    compiled = len(compilations)
    again = run.predict(0.7, np.linspace(-1, 1, 3 * 2**16 + 5))
    assert len(compilations) == compiled
    assert np.allclose(u[-1], again[-1], rtol=0, atol=1e-13)


def test_a_few_points_more_or_less_compile_nothing(finished, compilations):
    """So nobody who tries one place after another in a notebook waits for the compiler each time."""
    run = pinn_ac.load_run(finished[0])
    run.predict(0.7, np.linspace(-1, 1, 7))
    compiled = len(compilations)
    for count in (1, 9, 64, 200):
        assert run.predict(0.7, np.linspace(-1, 1, count)).shape == (count,)
    assert len(compilations) == compiled


def test_derivatives_agree_with_differences_of_the_prediction(finished):
    run = pinn_ac.load_run(finished[0])
    t, x = 0.4, np.array([-0.6, 0.1, 0.77])
    d = run.derivatives(t, x)
    # Truncation: h² |u'''|/6 ~ 1e-6 for u_t and u_x, h² |u''''|/12 ~ 1e-5 for u_xx. Round-off: 1e-16/h² ~ 1e-8.
    h = 1e-4
    u = lambda t, x: run.predict(t, x)  # noqa: E731
    assert np.allclose(d["u"], u(t, x), rtol=0, atol=1e-13)
    assert np.allclose(d["u_t"], (u(t + h, x) - u(t - h, x)) / (2 * h), rtol=0, atol=1e-5)
    assert np.allclose(d["u_x"], (u(t, x + h) - u(t, x - h)) / (2 * h), rtol=0, atol=1e-5)
    assert np.allclose(d["u_xx"], (u(t, x + h) - 2 * d["u"] + u(t, x - h)) / h**2, rtol=0, atol=2e-4)
    assert np.allclose(d["residual"], d["u_t"] - 1e-3 * d["u_xx"] + 2 * (d["u"] ** 3 - d["u"]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("t", [-0.1, 1.1, np.nan])
def test_times_outside_the_run_are_refused(finished, t):
    with pytest.raises(InputError, match=r"t must lie in \[0, 1"):
        pinn_ac.load_run(finished[0]).predict(t, 0.0)


def test_a_sample_is_ready_to_be_scored(finished):
    sampled = pinn_ac.load_run(finished[0]).sample(11, 32)
    assert isinstance(sampled, Sampled)
    assert sampled.u.shape == (11, 32)


@pytest.mark.landing
def test_samples_of_a_user_travel_with_the_run(undrawn, tmp_path):
    x = -1 + 2 * np.arange(64) / 64
    file = tmp_path / "prediction.npz"  # as the file of a run before is called, and that of this one
    np.savez(file, x=x, u=np.exp(np.sin(np.pi * x)) - 1)
    kept = [word for word in SMALL if not word.startswith("problem/")]
    config = composed(
        *kept, "problem/initial_condition=tabulated", f"problem.initial_condition.path={file}", "train.steps=2"
    )
    train_in(tmp_path / "run", config)
    file.unlink()
    moved = shutil.move(tmp_path / "run", tmp_path / "moved")
    run = pinn_ac.load_run(moved)
    assert np.allclose(run.predict(0.0, x), np.exp(np.sin(np.pi * x)) - 1, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(("ansatz=soft", "optimizer=adam", "sampler=uniform"), marks=pytest.mark.landing),
        pytest.param(
            ("ansatz=lifted", "stages=adam_lbfgs", "stages.adam.steps=4", "stages.lbfgs.steps=4"),
            marks=pytest.mark.landing,
        ),
        pytest.param(
            ("loss=l1", "optimizer=adam", "model=modified_mlp", "sampler=latin_hypercube"), marks=pytest.mark.slow
        ),
        ("derivatives=own_taylor", "gradient=own", "embedding=periodic", "sampler=grid"),
        pytest.param(("precision=float32",), marks=pytest.mark.landing),
        pytest.param(
            (
                "ansatz=soft",
                "embedding=periodic",
                "embedding.symmetry=false",
                "stages=adam_ssbroyden",
                "stages.adam.steps=4",
                "stages.ssbroyden.steps=4",
                "derivatives=own_taylor",
                "gradient=own",
            ),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("problem/initial_condition=sine", "problem.domain=[0,3]", "problem.horizon=2", "optimizer=lbfgs"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda overrides: overrides[0],
)
def test_every_kind_of_run_learns(undrawn, tmp_path, overrides):
    kept = [word for word in SMALL if word.split("=")[0] not in {other.split("=")[0] for other in overrides}]
    several = any(word.startswith("stages=") for word in overrides)
    if several:
        kept.remove("train.steps=6")
    # On points that stay, since so few steps on points that change need not lower the loss.
    with let_go_of() if several else nullcontext():
        metrics = train_in(tmp_path, composed(*kept, *overrides, "sampler.resample_every=0"))
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert np.isfinite(metrics["relative_l2"])
    assert pinn_ac.load_run(tmp_path).predict(0.5, 0.5).dtype == metrics["precision"]


def test_without_a_reference_there_is_a_residual_but_no_error(undrawn, tmp_path):
    metrics = train(tmp_path, "reference=false", "train.steps=2")
    assert "relative_l2" not in metrics
    assert "estimated_relative_l2" not in metrics
    assert metrics["residual_rms"] > 0


def test_a_learning_rate_that_blows_up_is_reported(tmp_path):
    with pytest.raises(Diverged):
        train(tmp_path, "optimizer=adam", "optimizer.learning_rate=1e300", "train.log_every=1")
    assert np.isfinite(pinn_ac.load_run(tmp_path).predict(0.5, 0.5))


def test_a_folder_with_a_run_is_not_written_over(finished):
    with pytest.raises(InputError, match="already holds a run"):
        train(finished[0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: (folder / "config.yaml").unlink(), "not the folder of a run"),
        (lambda folder: (folder / "config.yaml").write_text("{"), "not a run's config"),
        (lambda folder: (folder / "config.yaml").write_text("- 1"), "not a run's config"),
        (
            lambda folder: (folder / "config.yaml").write_text("seed: abc"),
            "seed is abc: give a whole number.*restore it or start anew",
        ),
        (lambda folder: (folder / "config.yaml").write_text("sead: 1"), "no setting sead"),
        (lambda folder: (folder / "config.yaml").write_text("seed: 1"), "has no .*model"),
        (lambda folder: (folder / "config.yaml").write_text("name: ${oc.env:HOME}"), "write what is meant"),
        (lambda folder: (folder / "config.yaml").write_text(r'name: "\x24{oc.env:HOME}"'), "write what is meant"),
        (
            lambda folder: shutil.rmtree(folder / "checkpoints") or (folder / "checkpoints").mkdir(),
            "no checkpoint yet",
        ),
        (lambda folder: shutil.rmtree(folder / "checkpoints"), "no checkpoint yet"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(finished, tmp_path, change, sentence):
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    change(folder)
    with pytest.raises(InputError, match=sentence):
        pinn_ac.load_run(folder)


@pytest.mark.parametrize(
    "harmful",
    [
        {"_target_": "os.system", "command": "touch HARM"},
        # ours, but it reads formulas by SymPy, which evaluates them
        {
            "_target_": "pinn_ac.lessons.symbolic.symbolic_derivative",
            "expression": "__import__('os').system('touch HARM')",
            "variable": "x",
        },
        {"_target_": "pinn_ac.__path__.insert", "_args_": [0, "HARM"]},
        {"_target_": "pinn_ac.models.mlp.jax.numpy.save", "_args_": ["HARM", 1]},
        {"_target_": "pinn_ac.app.environment._git_commit", "source": "HARM"},
        {"_target_": "pinn_ac.models.MLP", "width": 8, "depth": {"_target_": "os.mkdir", "path": "HARM"}},
        {"_target_": "pinn_ac.models.MLP", "width": [{"deep": [{"_target_": "os.mkdir", "path": "HARM"}]}]},
    ],
    ids=lambda node: node["_target_"],
)
@pytest.mark.parametrize("group", ["model", "optimizer", "problem"])
def test_a_foreign_config_runs_no_code(finished, tmp_path, group, harmful):
    folder, harm = tmp_path / "copy", tmp_path / "harm"
    shutil.copytree(finished[0], folder)
    config = OmegaConf.load(folder / "config.yaml")
    config[group] = json.loads(json.dumps(harmful).replace("HARM", str(harm)))
    OmegaConf.save(config, folder / "config.yaml")
    with pytest.raises(InputError, match="not part of pinn_ac"):
        pinn_ac.load_run(folder)
    assert not list(tmp_path.glob("harm*"))
    assert str(harm) not in pinn_ac.__path__


def test_a_run_that_goes_on_writes_outside_of_its_folder_only_if_the_user_says_so(finished, tmp_path):
    """The folder may be a stranger's."""
    folder, place = tmp_path / "copy", tmp_path / "elsewhere.jsonl"
    shutil.copytree(finished[0], folder)
    saved = OmegaConf.load(folder / "config.yaml")
    saved.tracker.jsonl.path = str(place)
    OmegaConf.save(saved, folder / "config.yaml")
    word = f"tracker.jsonl.path={place}"
    with pytest.raises(
        InputError, match=f"would write to {place}, outside of its folder: say so again, by its trackers"
    ):
        resumed(composed(f"resume={folder}"), [f"resume={folder}"])
    assert resumed(composed(f"resume={folder}", word), [word]).tracker.jsonl.path == str(place)
    with pytest.raises(InputError, match="seed=3 would make another run"):
        resumed(composed(f"resume={folder}", word, "seed=3"), [word, "seed=3"])


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("tracker.jsonl.path=../../other.jsonl",), "../../other.jsonl"),
        (("tracker=[jsonl,tensorboard]", "tracker.tensorboard.folder=a/../../b"), "a/../../b"),
        (("tracker=[jsonl,wandb]", "tracker.wandb.folder='~/curves'"), "~/curves"),
        (("tracker=[jsonl,mlflow]", "tracker.mlflow.uri=sqlite:////data/runs.db"), "sqlite:////data/runs.db"),
        (("tracker=[jsonl,mlflow,wandb]", "tracker.jsonl.path=a/../b.jsonl"), None),  # MLflow's usual store
    ],
)
def test_places_outside_of_a_folder_are_seen_however_they_are_written(finished, tmp_path, words, place):
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    saved = OmegaConf.load(folder / "config.yaml")
    saved.tracker = composed(*words).tracker
    OmegaConf.save(saved, folder / "config.yaml")
    word = f"resume={folder}"
    with pytest.raises(InputError, match=re.escape(f"to {place}, outside")) if place else nullcontext():
        resumed(composed(word), [word])


def test_a_sweep_goes_on_with_the_same_run_alone(finished, tmp_path):
    """Its windows are those that were counted, and its files hold what they held."""
    folder, samples = tmp_path / "copy", tmp_path / "samples.csv"
    shutil.copytree(finished[0], folder)
    config = load_config(folder)
    assert same_run(config, folder).windows == config.windows
    config.windows = "auto"
    assert same_run(config, folder).windows == load_config(folder).windows
    config.windows = 7
    with pytest.raises(InputError, match="holds a run with another windows"):
        same_run(config, folder)
    config = load_config(folder)
    samples.write_text("x,u\n0,1\n")
    saved = OmegaConf.load(folder / "config.yaml")
    for one in (config, saved):
        one.problem.initial_condition = {"_target_": "pinn_ac.problem.Tabulated", "path": str(samples)}
    OmegaConf.save(saved, folder / "config.yaml")
    write_config(config, folder)
    assert same_run(config, folder)
    samples.write_text("x,u\n0,2\n")
    with pytest.raises(InputError, match=r"another samples.csv \(its content has changed\)"):
        same_run(config, folder)
    write_config(config, folder)
    assert (folder / "samples.csv").read_text() == "x,u\n0,1\n"


def test_a_fresh_run_takes_the_place_of_another_file_of_the_name(finished, tmp_path):
    """Or the folder would hold samples that it was not trained with."""
    config, samples, folder = load_config(finished[0]), tmp_path / "samples.csv", tmp_path / "run"
    samples.write_text("x,u\n0,1\n")
    config.problem.initial_condition = {"_target_": "pinn_ac.problem.Tabulated", "path": str(samples)}
    folder.mkdir()
    (folder / "samples.csv").write_text("another's")
    write_config(config, folder)
    assert (folder / "samples.csv").read_text() == "x,u\n0,1\n"


def test_a_run_of_many_devices_and_of_an_earlier_version_is_loaded_here(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished[0], folder)
    config = OmegaConf.load(folder / "config.yaml")
    config.devices = 3
    del config["ensemble"]
    OmegaConf.save(config, folder / "config.yaml")
    here, there = (pinn_ac.load_run(place).predict(0.5, 0.25) for place in (finished[0], folder))
    assert here == there


@pytest.mark.landing
def test_an_evaluation_that_fails_leaves_the_run_finished(finished, undrawn):
    (finished[0] / "evaluation/3x8/metrics.json").mkdir(parents=True)
    failed = script("evaluate.py", f"run={finished[0]}", "times=3", "points=8", "estimate=false")
    assert failed.status == 1
    assert "IsADirectoryError" in failed.err
    assert read_job(finished[0]).status == "finished"
    refused = script("evaluate.py", f"run={finished[0]}", "times=100000", "points=100000")
    assert refused.status == 2
    assert "times × points is 10,000,000,000" in refused.err


def script(name, *words):
    """A script of the project, in this process; tests/test_pages.py runs the files themselves."""
    return typed(*words, program=str(PROJECT / "scripts" / name))


@pytest.mark.landing
def test_the_scripts_from_any_folder(tmp_path, monkeypatch):
    """train, then evaluate on another grid, then go on: the commands of the README."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "draw_run", lambda *arguments: [])  # pages are written without them
    trained = script("train.py", *SMALL, "hydra.run.dir=run", "train.steps=3")
    assert trained.status == 0, trained.err
    assert "relative L² error" in trained.out
    (typed_before,) = (tmp_path / "run/command.txt").read_text().splitlines()
    words = shlex.split(typed_before)
    assert words[0] == "python"
    assert words[1].endswith("scripts/train.py")
    assert set(words[2:]) == {*SMALL, "train.steps=3"}
    assert typed_before in html.unescape((tmp_path / "run/report.html").read_text())
    evaluated = script("evaluate.py", "run=run", "times=21", "points=100")
    assert evaluated.status == 0, evaluated.err
    with np.load(tmp_path / "run/evaluation/21x100/prediction.npz") as arrays:
        assert arrays["u"].shape == (21, 100)
    assert "estimated_relative_l2" in json.loads((tmp_path / "run/evaluation/21x100/metrics.json").read_text())
    assert (tmp_path / "run/evaluation/21x100/report.html").is_file()
    missed = script("train.py", "resume=run", "train.steps=4", "train.tolerance=1e-9")
    assert missed.status == TOLERANCE_MISSED, missed.err
    assert "The tolerance 1.0e-09 is not met" in missed.out + missed.err
    (_, went_on) = (tmp_path / "run/command.txt").read_text().splitlines()
    assert went_on.endswith("resume=run train.steps=4 train.tolerance=1e-9")
    assert json.loads((tmp_path / "run/metrics.json").read_text())["steps"] == 4
    changed = script("train.py", "resume=run", "seed=4")
    assert changed.status == 2
    assert "only train.*, tracker, device and devices" in changed.err
    elsewhere = script("train.py", "resume=run", "train.steps=5", "hydra.run.dir=other")
    assert elsewhere.status == 2
    assert "in its own folder" in elsewhere.err
    assert not (tmp_path / "other").exists()


@pytest.mark.landing
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.landing)])
def test_a_signal_saves_the_run_and_says_how_to_go_on(tmp_path, number, monkeypatch):
    """And the command has set what concerns its process: where programs are kept, and that Orbax is silent."""
    if number == signal.SIGTERM:
        monkeypatch.setenv("PINN_AC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "run"
    words = [
        sys.executable,
        str(PROJECT / "scripts/train.py"),
        *SMALL,
        f"hydra.run.dir={folder}",
        "train.steps=100000",
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (folder / "history.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(number)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert f"resume={folder}" in errors
    assert "absl" not in said + errors
    assert number == signal.SIGINT or list((tmp_path / "cache/compiled").glob("*"))
    assert np.isfinite(pinn_ac.load_run(folder).predict(0.5, 0.5))
