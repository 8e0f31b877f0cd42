"""A search's trials: the same ones for the same seed, and never the same ones twice in a study that is shared."""

import importlib

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext

from composed import CONFIGS
from pinn_ac.app import config, sweep_start
from pinn_ac.app.jobs import FAILED_SCORE, study_url
from pinn_ac.errors import InputError

optuna = pytest.importorskip("optuna")
from pinn_ac.app.search import SeededByTrial, open_study  # noqa: E402

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
    monkeypatch.setattr("pinn_ac.app.search.PAUSE", 0.0)
    (tmp_path / "study.db").write_text("no database")
    with pytest.raises(InputError, match=r"cannot be opened \(file is not a database\): choose another"):
        open_study("s", study_url(str(tmp_path)))


def search(folder, task, *words):
    """A search of `task`, which needs no training, in this process; the study."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    config.register()
    plain = [word for word in words if word.startswith("hydra")]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = compose(
            "config", ["hydra/sweeper=search", f"hydra.sweep.dir={folder}", *plain], return_hydra_config=True
        )
        sweep_start.SweepStart().on_multirun_start(composed)
        context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
        sweeper = Plugins.instance().instantiate_sweeper(config=composed, hydra_context=context, task_function=task)
        sweeper.sweep([word for word in words if word not in plain])
    return optuna.load_study("default", study_url(str(folder)))


@pytest.fixture(autouse=True)
def same_logging(monkeypatch):
    """Hydra sets up the logging of a process of its own; the tests' process keeps what it has."""
    for name in ("hydra.core.utils", "hydra._internal.core_plugins.basic_launcher"):
        # By the module itself: Hydra loads its plugins without making them attributes of their package.
        monkeypatch.setattr(importlib.import_module(name), "configure_log", lambda *settings: None)


RATE = "optimizer.damping=tag(log, interval(1e-4, 1))"


@pytest.mark.landing
@pytest.mark.parametrize(
    "sampler", ["tpe", *(pytest.param(one, marks=pytest.mark.landing) for one in ("random", "nsgaii"))]
)
def test_every_sampler_of_optuna_searches(tmp_path, sampler):
    words = (f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.n_trials=3", RATE)
    study = search(tmp_path / "new", lambda settings: settings.optimizer.damping, *words)
    assert study.best_value == min(trial.params["optimizer.damping"] for trial in study.trials)
    assert len({trial.value for trial in study.trials}) == 3
    again = search(tmp_path / "again", lambda settings: settings.optimizer.damping, *words)
    assert [trial.value for trial in again.trials] == [trial.value for trial in study.trials]
    other = search(tmp_path / "other", lambda settings: settings.optimizer.damping, *words, "hydra.sweeper.seed=1")
    assert not {trial.value for trial in other.trials} & {trial.value for trial in study.trials}


def test_a_grid_is_searched_once(tmp_path):
    words = ("hydra/sweeper/sampler=grid", "model.width=choice(3,4)", "seed=choice(0,1)")
    study = search(tmp_path / "new", lambda settings: settings.model.width + settings.seed, *words)
    assert sorted(trial.value for trial in study.trials) == [3, 4, 4, 5]


@pytest.mark.landing
def test_a_search_that_goes_on_is_content_with_what_it_has(tmp_path):
    """One in which this time all trials diverge has a best one still; one in which all are refused has not."""
    words = ("hydra.sweeper.n_trials=2", RATE)

    def refused(settings):
        raise InputError("No.")

    search(tmp_path, lambda settings: 1.0, *words)
    search(tmp_path, lambda settings: FAILED_SCORE, *words)
    with pytest.raises(InputError, match="None of the 2 trials has a result"):
        search(tmp_path, refused, *words)
    with pytest.raises(InputError, match="None of the 2 trials has a result"):
        search(tmp_path / "new", lambda settings: FAILED_SCORE, *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((RATE, "hydra.sweeper.n_trials=0"), "hydra.sweeper.n_trials is 0: give a whole number from 1"),
        ((RATE, "hydra.sweeper.n_jobs=0"), "hydra.sweeper.n_jobs is 0: give a whole number from 1"),
        ((RATE, "hydra.sweeper.seed=-1"), "hydra.sweeper.seed is -1: give a whole number from 0"),
        (("seed=3",), "There is nothing to search in"),
        (("model.width=3", "model.width=choice(4,5)"), "There is nothing to search in"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_its_first_trial(tmp_path, words, sentence):
    with pytest.raises(InputError, match=sentence):
        search(tmp_path, lambda settings: pytest.fail("a trial began"), *words)


def test_a_search_with_other_choices_than_its_study_is_refused(tmp_path):
    search(tmp_path, lambda settings: 1.0, "hydra.sweeper.n_trials=1", "model.width=choice(3,4)")
    with pytest.raises(InputError, match="Optuna cannot go on with this study"):
        search(tmp_path, lambda settings: 1.0, "hydra.sweeper.n_trials=1", "model.width=choice(5,6)")
