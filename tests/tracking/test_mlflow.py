"""MLflow's store, read back by MLflow's own client."""

import fcntl
import importlib.util
import logging
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from stored import CONFIG, RESULTS, session, with_figures

from pinn_ac.errors import InputError
from pinn_ac.tracking import Jsonl, MLflow
from pinn_ac.tracking import mlflow as ours

missing = not all(map(importlib.util.find_spec, ("mlflow", "sqlalchemy")))
installed = pytest.mark.skipif(missing, reason="needs pip install 'pinn_ac[mlflow]'")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of SQLite for all tests, since making one takes seconds, and its client."""
    if missing:
        pytest.skip("needs pip install 'pinn_ac[mlflow]'")
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/runs.db"
    with ours._quiet():
        tracker = MLflow(uri)
        return uri, tracker._opened()


def curve(client, run, name):
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]


def only_run(client, folder):
    """The run of a folder, in whichever experiment."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.folder = '{folder}'")
    return run


@installed
@pytest.mark.landing
def test_a_run_is_read_back_by_mlflow_with_its_figures_and_its_page(tmp_path, store):
    uri, client = store
    folder = with_figures(tmp_path / "default" / "today")
    session(MLflow(uri, "mine"), folder, 0, range(1, 6), **RESULTS)
    run = only_run(client, folder)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "default/today")
    assert client.get_experiment(run.info.experiment_id).name == "mine"
    assert curve(client, run, "loss") == [(step, float(step)) for step in range(1, 6)]
    assert curve(client, run, "seconds") == [(step, 0.5 * step) for step in range(1, 6)]
    assert curve(client, run, "final/relative_l2") == [(5, 0.25)]
    assert {name for name in run.data.metrics if name.startswith("final/")} == {"final/relative_l2", "final/windows"}
    assert run.data.params == {"seed": "0", "model.width": "8", "train.steps": "5"}
    assert run.data.tags["stage"] == "lbfgs"
    kept = {file.path for place in ("", "figures") for file in client.list_artifacts(run.info.run_id, place)}
    assert kept == {"figures", "figures/solution.png", "messages.txt", "report.html"}
    page = Path(client.download_artifacts(run.info.run_id, "report.html", str(tmp_path)))
    assert page.read_text() == "<p>A page.</p>"


@installed
@pytest.mark.landing
@pytest.mark.parametrize("resumed", [3, 0])
def test_a_resumed_run_is_one_run_and_has_every_step_once(tmp_path, store, resumed):
    """Interrupted at step 5, resumed from the checkpoint of step 3, or from the start, to train for longer."""
    uri, client = store
    session(MLflow(uri), tmp_path, 0, range(1, 6))
    assert only_run(client, tmp_path).info.status == "KILLED"
    longer = CONFIG.replace("steps: 5", "steps: 8")
    session(MLflow(uri), tmp_path, resumed, range(resumed + 1, 9), config=longer, **RESULTS)
    run = only_run(client, tmp_path)
    assert run.info.status == "FINISHED"
    assert curve(client, run, "loss") == [(step, float(step)) for step in range(1, 6)] + [
        (step, 10.0 * resumed + step) for step in range(6, 9)
    ]
    assert run.data.params["train.steps"] == "5"  # a store's parameters stay
    assert run.data.tags["resumed.train.steps"] == "8"
    session(MLflow(uri), tmp_path, 8, [], config=longer, **RESULTS)  # which has ended already
    assert curve(client, only_run(client, tmp_path), "final/windows") == [(8, 2.0)]
    said = {one.path for one in client.list_artifacts(run.info.run_id) if one.path.startswith("messages")}
    went_on = {"messages_from_step_3.txt"} if resumed else set()
    assert said == {"messages.txt", "messages_from_step_8.txt"} | went_on


@installed
@pytest.mark.landing
def test_steps_that_a_killed_process_has_not_sent_come_from_the_history(tmp_path, store):
    uri, client = store
    killed, history = MLflow(uri), Jsonl()
    for tracker in (killed, history):
        tracker.start({"folder": tmp_path})
    for step in range(1, 6):
        for tracker in (killed, history):
            tracker.log(step, "adam", {"seconds": 0.0, "loss": float(step)})
        if step == 2:
            killed._flush()
    session(MLflow(uri), tmp_path, 4, range(5, 8), **RESULTS)
    expected = [(step, float(step)) for step in (1, 2, 3, 4)] + [(step, 40.0 + step) for step in (5, 6, 7)]
    assert curve(client, only_run(client, tmp_path), "loss") == expected


@installed
@pytest.mark.landing
def test_runs_that_begin_together_open_the_store_one_after_the_other(store):
    """Or each would make its tables."""
    uri, _ = store
    file = Path(uri.removeprefix("sqlite:///"))
    with file.with_name(f".{file.name}.lock").open("w") as lock, ThreadPoolExecutor() as threads:
        fcntl.flock(lock, fcntl.LOCK_EX)
        opened = threads.submit(MLflow(uri)._opened)
        with pytest.raises(TimeoutError):
            opened.result(0.3)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert opened.result(60) is not None


@installed
@pytest.mark.landing
def test_a_run_that_the_store_has_lost_begins_anew(tmp_path, store):
    uri, client = store
    session(MLflow(uri), tmp_path, 0, range(1, 3))
    client.delete_run(only_run(client, tmp_path).info.run_id)
    session(MLflow(uri), tmp_path, 2, range(3, 5), **RESULTS)
    assert curve(client, only_run(client, tmp_path), "loss") == [(3, 23.0), (4, 24.0)]


@installed
@pytest.mark.landing
def test_a_store_that_fails_is_complained_of_once_and_ends_no_training(tmp_path, store, caplog, monkeypatch):
    uri, _ = store
    monkeypatch.setattr(ours, "FLUSH_SECONDS", 0.0)  # write each step at once
    copy = Path(shutil.copy(uri.removeprefix("sqlite:///"), tmp_path / "copy.db"))
    tracker = MLflow(f"sqlite:///{copy}")
    tracker.start({"folder": tmp_path})
    with sqlite3.connect(copy) as database:
        database.execute("DROP TABLE metrics")
        database.execute("DROP TABLE latest_metrics")
    with caplog.at_level(logging.WARNING, "pinn_ac"):
        for step in (1, 2):
            tracker.log(step, "adam", {"seconds": 0.0, "loss": 1.0})
        tracker.finish({})
    said = [record.getMessage() for record in caplog.records if record.name.startswith("pinn_ac")]
    assert len(said) == 1
    assert "the training goes on" in said[0]


@installed
@pytest.mark.landing
def test_figures_are_written_while_the_run_goes(tmp_path, store, monkeypatch):
    """So that a run that is killed leaves all but the last seconds."""
    uri, client = store
    tracker, now = MLflow(uri), [time.monotonic()]
    tracker.start({"folder": tmp_path})
    monkeypatch.setattr(ours.time, "monotonic", lambda: now[0])
    tracker._flushed = now[0]
    for step in (1, 2, 3):
        tracker.log(step, "adam", {"seconds": 0.0, "loss": float(step)})
        now[0] += 6.0
    assert curve(client, only_run(client, tmp_path), "loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    tracker.finish({})


@installed
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"uri": 5}, "tracker.mlflow.uri is 5: give a text, such as sqlite"),
        ({"experiment": " "}, "tracker.mlflow.experiment is ' ': give a text, such as pinn_ac"),
    ],
)
def test_settings_that_are_no_names_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        MLflow(**settings)


@installed
@pytest.mark.landing
def test_a_store_that_there_is_none_of_is_refused_before_the_run(tmp_path):
    with pytest.raises(InputError, match=r"give tracker\.mlflow\.uri as sqlite:///PATH"):
        MLflow("nonsense://here").start({"folder": tmp_path})
    (tmp_path / "runs.db").write_text("no database")
    with pytest.raises(InputError, match=r"The MLflow store .* cannot be"):
        MLflow(f"sqlite:///{tmp_path}/runs.db").start({"folder": tmp_path})


def test_without_its_package_it_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else find(name))
    with pytest.raises(InputError, match=r"pip install 'pinn_ac\[mlflow\]'"):
        MLflow()
