"""Inverse runs from the command line: their folder, going on, loading, and how they end."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from pinn_ac.app.run import UNDETERMINED
from pinn_ac.inverse.classical import observed
from pinn_ac.problem import Cosine
from typed import typed, undrawn_runs

EASY = pinn_ac.AllenCahn(diffusivity=1e-2, reaction_rate=2.0, initial_condition=Cosine())
WORDS = ("train", "experiment=inverse", "problem/initial_condition=cosine", "train.tolerance=1e-4")
GUESS = ("unknown.diffusivity=2e-2", "unknown.reaction_rate=1.5")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Forty observations."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(3)
    t, x = generator.uniform(0, 1, 40), generator.uniform(-1, 1, 40)
    u = observed(EASY, t, x) + 0.01 * generator.normal(size=40)
    path = tmp_path / "data.csv"
    np.savetxt(path, np.column_stack([t, x, u]), delimiter=",", header="t,x,u", comments="")
    return path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (GUESS, "There is no file observations.csv."),
        (("data.file=data.csv", "unknown.viscosity=1"), "AllenCahn has no coefficient viscosity"),
        (("data.file=data.csv", "problem.horizon=0.5", *GUESS), "outside [0, 0.5]: set problem.horizon"),
        (("data.file=data.csv", "ensemble=2", *GUESS), "trains one seed"),
        (("data.file=null", *GUESS), "data.file is null: give their file"),
        (("data.file=data.csv", "unknown.initial_condition.modes=1"), "modes is 1: give a whole number from 2."),
        (("data.file=data.csv", "unknown.initial_condition.mods=3"), "initial_condition has no setting mods: it has"),
        (("data.file=data.csv", "unknown.initial_condition=cosine"), "as in unknown.initial_condition.modes=4"),
        (("data.file=data.csv", "unknown.initial_condition.modes=3"), "give the observations' sigma"),
    ],
)
def test_what_cannot_be_inferred_is_refused_by_one_sentence(words, sentence, file):
    ended = typed(*WORDS, *words, "hydra.run.dir=run")
    assert ended.status == 2
    assert sentence in ended.err
    assert not (file.parent / "run").exists()


def test_files_of_one_name_are_refused(file):
    """Of which a run's folder could keep one alone."""
    (file.parent / "other").mkdir()
    x = np.arange(-1, 1, 1 / 32)
    np.savetxt(file.parent / "other/data.csv", np.column_stack([x, np.cos(np.pi * x)]), delimiter=",")
    words = [word for word in WORDS if not word.startswith("problem/")]
    start = ("problem/initial_condition=tabulated", "problem.initial_condition.path=other/data.csv")
    ended = typed(*words, *start, "data.file=data.csv", *GUESS, "hydra.run.dir=run")
    assert ended.status == 2
    assert "data.csv and other/data.csv have one name" in ended.err


def test_one_file_may_be_both_however_it_is_spelled(file):
    """It is refused for what comes after."""
    x = np.arange(-1, 1, 1 / 32)
    np.savez(file.parent / "both.npz", t=np.full_like(x, 0.3), x=x, u=np.cos(np.pi * x))
    words = [word for word in WORDS if not word.startswith("problem/")]
    start = ("problem/initial_condition=tabulated", "problem.initial_condition.path=./both.npz")
    ended = typed(*words, *start, "data.file=both.npz", "unknown.viscosity=1", "hydra.run.dir=run")
    assert ended.status == 2
    assert "AllenCahn has no coefficient viscosity" in ended.err


@pytest.mark.landing
def test_a_run_infers_is_loaded_and_shows_what_it_found(file):
    ended = typed(*WORDS, f"data.file={file}", *GUESS, "hydra.run.dir=run", "reference=false", "estimate=false")
    assert ended.status == 0, ended.err
    folder = file.parent / "run"
    metrics = json.loads((folder / "metrics.json").read_text())
    for name, truth in (("diffusivity", 1e-2), ("reaction_rate", 2.0)):
        one = metrics["inferred"][name]
        assert abs(one["value"] - truth) < 3 * one["standard_error"] < truth
    assert (folder / "inferred.png").exists()
    assert "inferred reaction rate" in ended.out
    solution = pinn_ac.load_run(folder)
    assert solution.problem.reaction_rate == metrics["inferred"]["reaction_rate"]["value"]
    np.testing.assert_allclose(solution(solution.data.t, solution.data.x), solution.data.u, atol=0.05)
    assert solution.inferred.metrics()["inferred"] == metrics["inferred"]
    with undrawn_runs():
        evaluated = typed("evaluate", f"run={folder}", "times=5", "points=16", "reference=false", "estimate=false")
    assert evaluated.status == 0, evaluated.err
    assert json.loads((folder / "evaluation/5x16/metrics.json").read_text())["inferred"] == metrics["inferred"]
    history = (folder / "history.jsonl").read_text()
    file.unlink()  # the folder has its own copy
    with undrawn_runs():
        again = typed("train", f"resume={folder}")  # all is there: it only reports anew
    assert again.status == 0, again.err
    assert json.loads((folder / "metrics.json").read_text())["inferred"] == metrics["inferred"]
    assert (folder / "history.jsonl").read_text() == history
    saved = pinn_ac.load_run(solution.save(file.parent / "saved"))
    assert saved.inferred.metrics()["inferred"] == metrics["inferred"]


@pytest.mark.landing
@pytest.mark.usefixtures("undrawn")
def test_a_search_without_time_goes_on_when_it_has_some(file):
    words = (*WORDS, f"data.file={file}", *GUESS, "hydra.run.dir=run", "reference=false", "estimate=false")
    ended = typed(*words, "train.seconds=0.1")
    assert "The search ended before it had converged" in ended.out + ended.err
    folder = file.parent / "run"
    assert not json.loads((folder / "metrics.json").read_text())["search_converged"]
    again = typed("train", f"resume={folder}", "train.seconds=300")
    assert again.status == 0, again.err
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["search_converged"]
    assert abs(metrics["inferred"]["reaction_rate"]["value"] - 2) < 0.2


@pytest.mark.landing
@pytest.mark.usefixtures("undrawn")
def test_an_unknown_initial_condition_is_found_kept_and_loaded(file):
    data = np.loadtxt(file, delimiter=",", skiprows=1)
    np.savetxt(file, np.column_stack([data, np.full(len(data), 0.01)]), header="t x u sigma", comments="")
    words = (*WORDS, f"data.file={file}", "unknown.initial_condition.modes=2", "unknown.initial_condition.size=1.0")
    known = ("problem.diffusivity=1e-2", "problem.reaction_rate=2", "reference=false")
    ended = typed(*words, *known, "hydra.run.dir=run")
    assert ended.status == 0, ended.err
    folder = file.parent / "run"
    found = json.loads((folder / "metrics.json").read_text())["inferred"]
    assert list(found) == ["mean", "cos_1", "cos_2", "sin_1", "sin_2"]
    for name, one in found.items():  # u₀ = cos πx
        assert abs(one["value"] - (name == "cos_1")) < 3.5 * one["standard_error"] < 0.1
    solution = pinn_ac.load_run(folder)
    start = solution.problem.initial_condition
    assert (start.mean, *start.cosine, *start.sine) == tuple(one["value"] for one in found.values())
    x = np.linspace(-1, 1, 7)
    np.testing.assert_allclose(solution(0.0, x), start(jnp.asarray(x)), atol=1e-12)


@pytest.mark.slow
def test_observations_that_determine_nothing_end_with_their_own_status(file):
    x = np.linspace(-1, 0.9, 30)
    np.savetxt(
        file, np.column_stack([0 * x, x, np.cos(np.pi * x) + 0.01 * np.sin(9 * x)]), header="t x u", comments=""
    )
    ended = typed(*WORDS, f"data.file={file}", *GUESS, "hydra.run.dir=run", "reference=false", "estimate=false")
    assert ended.status == UNDETERMINED
    assert "do not determine diffusivity and reaction_rate" in ended.out + ended.err
    metrics = json.loads((file.parent / "run/metrics.json").read_text())
    assert metrics["inferred"]["diffusivity"] == {"value": None, "standard_error": None}
