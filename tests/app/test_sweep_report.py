"""The report of a sweep from folders as a sweep leaves them, finished or not."""

import atexit
import csv
import json
import re

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf
from rich.console import Console

from pinn_ac.app import sweep_report
from pinn_ac.app.jobs import find_jobs, note_failure
from pinn_ac.app.sweep_page import SweepPage
from pinn_ac.app.sweep_report import main, report, varying
from pinn_ac.tracking import History

TARGET = "pinn_ac.models."


def run(folder, seed, width, error=None, target=f"{TARGET}MLP", **more):
    folder.mkdir(parents=True)
    config = {"seed": seed, "name": "x", "model": {"_target_": target, "width": width, **more}}
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    history = History(folder / "history.jsonl")
    history.append(1, 1.0, 1.0, relative_l2=0.5)
    history.append(2, 2.0, 1.0, window_relative_l2=1e-9)
    if error is not None:
        metrics = {"relative_l2": error, "train_seconds": 10.0 * width, "steps": 7}
        (folder / "metrics.json").write_text(json.dumps(metrics))


@pytest.fixture
def sweep(tmp_path):
    """Two widths, three seeds: one diverged, one half written, one folder that holds nothing yet."""
    for seed, error in enumerate([3e-3, 1e-3, 2e-3]):
        run(tmp_path / f"seed={seed},width=4", seed, 4, error)
    run(tmp_path / "seed=0,width=8", 0, 8, 1e-4)
    run(tmp_path / "seed=1,width=8", 1, 8)
    note_failure(tmp_path / "seed=1,width=8", "diverged", RuntimeError("The loss is not finite."))
    run(tmp_path / "seed=2,width=8", 2, 8)
    (tmp_path / "seed=2,width=8" / "metrics.json").write_text('{"relative_l2": 0.')
    (tmp_path / "seed=3,width=8").mkdir()
    return tmp_path


def test_rows_are_medians_over_seeds_best_first(sweep, capsys):
    console = Console(width=200)
    rows = report(sweep, console)
    assert [row["model.width"] for row in rows] == [8, 4]
    wide, narrow = rows
    assert narrow["median error"] == 2e-3
    assert (narrow["best"], narrow["worst"], narrow["finished"]) == (1e-3, 3e-3, 3)
    assert narrow["median seconds"] == 40.0
    assert (wide["runs"], wide["finished"], wide["diverged"], wide["unfinished"]) == (3, 1, 1, 1)
    printed = capsys.readouterr().out
    assert "diverged: seed=1,width=8 The loss is not finite." in printed
    assert "interrupted: seed=2,width=8" in printed


def test_tables_and_figures_are_written_and_a_second_report_is_the_same(sweep):
    first, second = report(sweep, Console(quiet=True)), report(sweep, Console(quiet=True))
    assert first == second
    with (sweep / "report/runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["status"] for row in rows} == {"finished", "diverged", "interrupted"}
    with (sweep / "report/configurations.csv").open() as file:
        assert [row["median error"] for row in csv.DictReader(file)] == ["0.0001", "0.002"]
    for name in ("histories.png", "effects.png"):
        assert (sweep / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_the_page_links_to_the_pages_of_runs_and_says_why_others_failed(sweep):
    (sweep / "seed=0,width=8/report.html").write_text("")
    page = sweep_report.write_page(sweep, find_jobs(sweep)).read_text()
    assert re.findall(r"href='([^']+)'", page) == ["seed%3D0%2Cwidth%3D8/report.html"]
    assert "The loss is not finite." in page
    assert "1 not ended yet" in page
    assert "read again by itself" not in page
    assert "read again by itself" in sweep_report.write_page(sweep, find_jobs(sweep), is_going_on=True).read_text()


@pytest.mark.parametrize(("mode", "written"), [(RunMode.MULTIRUN, True), (RunMode.RUN, False)])
def test_the_page_of_a_sweep_is_written_as_its_jobs_end(sweep, mode, written):
    config = OmegaConf.create({"hydra": {"mode": mode, "sweep": {"dir": str(sweep)}}})
    SweepPage().on_job_end(config)
    assert (sweep / "report.html").exists() == written
    assert not list(sweep.glob(".draft*"))


def test_the_page_of_a_sweep_says_that_it_has_ended_also_where_a_job_failed(sweep, monkeypatch):
    """Hydra does not call what is for the end then; Python does."""
    last = []
    monkeypatch.setattr(atexit, "register", lambda *call: last.append(call))
    config, callback = (
        OmegaConf.create({"hydra": {"mode": RunMode.MULTIRUN, "sweep": {"dir": str(sweep)}}}),
        SweepPage(),
    )
    callback.on_multirun_start(config)
    callback.on_job_end(config)
    assert "read again by itself" in (sweep / "report.html").read_text()
    ((end, *arguments),) = last
    end(*arguments)
    assert "read again by itself" not in (sweep / "report.html").read_text()
    (sweep / "report.html").unlink()
    end(*arguments)  # once is enough
    assert not (sweep / "report.html").exists()


def test_the_page_of_a_run_is_not_replaced_by_one_of_a_sweep(tmp_path):
    run(tmp_path / "one", 0, 4, 1e-3)
    (tmp_path / "one/report.html").write_text("its own")
    report(tmp_path / "one", Console(quiet=True))
    assert (tmp_path / "one/report.html").read_text() == "its own"
    assert "1 run." in (tmp_path / "one/sweep.html").read_text()


def test_seeds_that_follow_the_runs_are_no_settings(tmp_path):
    """As that of drawn features; one that is chosen by itself is."""
    for seed in (0, 1, 2):
        run(tmp_path / f"{seed}", seed, 4, 1e-3 * (1 + seed), other={"seed": seed // 2})
        config = json.loads((tmp_path / f"{seed}/config.yaml").read_text())
        config["model"]["seed"] = seed
        (tmp_path / f"{seed}/config.yaml").write_text(json.dumps(config))
    (row,) = [row for row in report(tmp_path, Console(quiet=True)) if row["model.other.seed"] == 0]
    assert (row["runs"], row["median error"]) == (2, pytest.approx(1.5e-3))
    assert "model.seed" not in row


def test_where_trackers_write_is_no_setting_of_a_method(tmp_path):
    for seed in (0, 1):
        run(tmp_path / f"{seed}", seed, 4, 1e-3)
        config = json.loads((tmp_path / f"{seed}/config.yaml").read_text())
        config["tracker"] = {"jsonl": {"_target_": "pinn_ac.tracking.Jsonl", "path": f"/data/{seed}.jsonl"}}
        (tmp_path / f"{seed}/config.yaml").write_text(json.dumps(config))
    (row,) = report(tmp_path, Console(quiet=True))
    assert row["runs"] == 2


def test_what_wandb_keeps_in_the_folder_of_a_run_is_no_run(tmp_path):
    run(tmp_path / "wandb/0", 0, 4, 1e-3)  # a sweep of that name is one
    inside = tmp_path / "wandb/0/wandb/run-1/files"
    inside.mkdir(parents=True)
    (inside / "config.yaml").write_text("seed: {value: 0}")
    assert [job.folder for job in find_jobs(tmp_path / "wandb")] == [tmp_path / "wandb/0"]


def test_a_page_that_was_written_just_now_is_left_until_the_sweep_ends(sweep, monkeypatch):
    config = OmegaConf.create({"hydra": {"mode": RunMode.MULTIRUN, "sweep": {"dir": str(sweep)}}})
    callback, written = SweepPage(), []
    monkeypatch.setattr(sweep_report, "write_page", lambda folder, jobs, is_going_on: written.append(folder))
    (sweep / "report.html").write_text("")
    callback._cost = 1e3
    callback.on_job_end(config)
    assert not written
    callback.on_multirun_end(config)
    assert written == [sweep]


def test_there_is_no_page_where_there_is_no_run(tmp_path):
    SweepPage().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert not list(tmp_path.iterdir())


def test_a_sweep_without_a_finished_run_is_reported_too(tmp_path):
    run(tmp_path / "a", 0, 4)
    (tmp_path / "a/history.jsonl").write_text("")
    (row,) = report(tmp_path, Console(quiet=True))
    assert row["median error"] is None
    assert not (tmp_path / "report/histories.png").exists()


def test_what_varies_is_settings_and_kinds_and_never_the_seed():
    mlp = {"seed": 0, "model": {"_target_": f"{TARGET}MLP", "width": 4}, "train": {"steps": 5}}
    other = {"seed": 1, "model": {"_target_": f"{TARGET}ModifiedMLP", "width": 4, "gates": 2}, "train": {"steps": 5}}
    assert varying([mlp, other]) == ["model._target_"]
    wider = {**mlp, "model": {**mlp["model"], "width": 8}}
    assert varying([mlp, wider, {}]) == ["model.width"]
    assert varying([mlp, mlp]) == []


def test_a_folder_without_runs_ends_with_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path)])
    assert end.value.code == 2
    assert "holds no run yet" in capsys.readouterr().err
