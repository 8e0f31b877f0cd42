"""A search's trials: the same ones for the same seed, and never the same ones twice in a study that is shared."""

import pytest

from pinn_ac.errors import InputError
from pinn_ac.jobs import study_url

optuna = pytest.importorskip("optuna")
from pinn_ac.search import SeededByTrial, open_study  # noqa: E402

SAMPLERS = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=3),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "nsgaii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=3),
}


def searcher(storage, seed=0, sampler="tpe"):
    """A process's own view of the study."""
    return optuna.create_study(
        study_name="s", storage=storage, load_if_exists=True, sampler=SeededByTrial(SAMPLERS[sampler], seed)
    )


def drawn(study):
    """Ask for a trial, and leave it running: (trial, what it draws)."""
    trial = study.ask()
    return trial, (trial.suggest_float("a", 0, 1), trial.suggest_float("b", 1e-4, 1, log=True))


def searched(study, trials):
    values = []
    for _ in range(trials):
        trial, value = drawn(study)
        study.tell(trial, value[0] ** 2)
        values.append(value)
    return values


@pytest.fixture
def storage(tmp_path):
    return study_url(str(tmp_path))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_gives_the_same_trials_again_and_another_one_does_not(sampler):
    one, again, other = (searched(searcher(None, seed, sampler), 8) for seed in (0, 0, 1))
    assert one == again
    assert not set(one) & set(other)
    assert len(set(one)) == 8
    assert all(a != pytest.approx(b) for a, b in one)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_goes_on_draws_what_it_would_have_drawn(storage, sampler):
    whole = searched(searcher(None, 0, sampler), 8)
    assert searched(searcher(storage, 0, sampler), 5) + searched(searcher(storage, 0, sampler), 3) == whole


def test_processes_that_share_a_study_draw_different_trials(storage):
    """From the very first on, and although none has heard of the other's results."""
    one, other = searcher(storage), searcher(storage)
    values = [drawn(study)[1] for _ in range(4) for study in (one, other)]
    assert len(set(values)) == 8


def test_trials_that_are_asked_for_together_are_those_of_one_after_the_other():
    """As a launcher of several jobs asks; none is finished, so each is drawn from the seed alone."""
    study = searcher(None)
    asked = [study.ask() for _ in range(3)]
    together = [trial.suggest_float("a", 0, 1) for trial in asked]
    assert together == [drawn(study)[1][0] for study in [searcher(None)] for _ in range(3)]


@pytest.mark.parametrize("name", ["plain", "a b", "50%7?x#&=", "{a}", "it's", "ü"])
def test_a_study_lies_in_its_folder_whatever_that_is_called(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    open_study("s", study_url(str(folder)))
    assert [path.name for path in folder.iterdir()] == ["study.db"]
    assert len(list(tmp_path.iterdir())) == 1
    open_study("s", study_url(str(folder)))


def test_a_study_that_cannot_be_opened_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("pinn_ac.search.PAUSE", 0.0)
    (tmp_path / "study.db").write_text("no database")
    with pytest.raises(InputError, match=r"cannot be opened \(file is not a database\): choose another"):
        open_study("s", study_url(str(tmp_path)))
