"""W&B's offline files, read back by W&B's own reader, `wandb leet inspect`."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from stored import CONFIG, RESULTS, session, with_figures

from pinn_ac.errors import InputError
from pinn_ac.tracking import History, WandB

missing = importlib.util.find_spec("wandb") is None
installed = pytest.mark.skipif(missing, reason="needs pip install 'pinn_ac[wandb]'")


def records(session):
    """The records of a session's file, as W&B reads them: kind → contents, in order."""
    program = Path(sys.executable).with_name("wandb")
    read = subprocess.run([program, "leet", "inspect", "--json", session], capture_output=True, text=True, check=True)
    found = {}
    for line in map(json.loads, read.stdout.splitlines()):
        found.setdefault(line["type"], []).append(line.get(line["type"]))
    return found


def curve(found, name):
    rows = [row["item"] for row in found.get("history", ())]
    return [(row["_step"], row[name]) for row in rows if name in row]


def sessions(folder):
    return sorted((folder / "wandb").glob("offline-run-*"))


@installed
@pytest.mark.landing
def test_sessions_of_a_run_are_read_back_by_wandb_as_one_run_with_every_step_once(tmp_path):
    """Interrupted at step 5, resumed from the checkpoint of step 3; with its figures and its page at the end."""
    folder = with_figures(tmp_path / "default" / "today")
    session(WandB(project="mine"), folder, 0, range(1, 6))
    longer = CONFIG.replace("steps: 5", "steps: 8")
    session(WandB(project="mine"), folder, 3, range(4, 9), config=longer, **RESULTS)
    first, second = map(records, sessions(folder))
    ids = {found["run"][0]["run_id"] for found in (first, second)}
    assert ids == {json.loads((folder / "wandb.json").read_text())["run"]}
    assert {found["run"][0]["display_name"] for found in (first, second)} == {"default/today"}
    assert {found["run"][0]["project"] for found in (first, second)} == {"mine"}
    assert curve(first, "loss") == [(step, float(step)) for step in range(1, 6)]
    assert curve(second, "loss") == [(step, 30.0 + step) for step in range(6, 9)]
    assert curve(first, "messages") == [(5, "The loss is not finite.")]
    assert curve(first, "stage")[2:4] == [(3, "adam"), (4, "lbfgs")]
    assert second["run"][0]["config"]["update"]["train"] == {"steps": 8}
    assert [found["exit"][0]["exit_code"] for found in (first, second)] == [1, 0]
    summary = {name: value for part in second["summary"] for name, value in part.get("update", {}).items()}
    assert {name: value for name, value in summary.items() if name.startswith("final/")} == {
        "final/relative_l2": 0.25,
        "final/windows": 2,
    }
    assert not any(name.startswith("figures/") for row in first["history"] for name in row["item"])
    files = sessions(folder)[1] / "files"
    assert (files / summary["figures/solution.path"]).read_bytes() == (folder / "solution.png").read_bytes()
    assert (files / summary["report.path"]).read_text() == "<p>A page.</p>"


@installed
@pytest.mark.landing
def test_steps_that_a_killed_process_has_not_written_come_from_the_history(tmp_path):
    """The file of a session that was killed ends before the last step that it was given."""
    history = History(tmp_path / "history.jsonl")
    session(WandB(), tmp_path, 0, range(1, 4))
    for step in range(1, 7):
        history.append(step, 0.5 * step, float(step), stage="adam")
    (tmp_path / "wandb.json").write_text((tmp_path / "wandb.json").read_text().replace("3}", "6}"))
    session(WandB(), tmp_path, 5, range(6, 8), **RESULTS)
    found = [curve(records(one), "loss") for one in sessions(tmp_path)]
    assert found == [[(1, 1.0), (2, 2.0), (3, 3.0)], [(4, 4.0), (5, 5.0), (6, 56.0), (7, 57.0)]]


@installed
@pytest.mark.landing
def test_several_runs_of_one_process_stay_apart(tmp_path):
    """As the members of an ensemble do."""
    one, other = WandB(folder=str(tmp_path / "files")), WandB()
    one.start({})  # a run without a folder
    other.start({"folder": tmp_path / "other"})
    for step in (1, 2):
        one.log(step, "adam", {"loss": 1.0})
        other.log(step, "adam", {"loss": 2.0})
    one.finish({})
    other.finish({})
    found = {place: records(*sessions(tmp_path / place)) for place in ("files", "other")}
    assert [curve(found[place], "loss") for place in found] == [[(1, 1.0), (2, 1.0)], [(1, 2.0), (2, 2.0)]]


@installed
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"project": ""}, "tracker.wandb.project is '': give a name, such as pinn_ac"),
        ({"mode": "disabled"}, "tracker.wandb.mode is 'disabled': choose offline or online"),
        ({"folder": ""}, "tracker.wandb.folder is '': give the name of a folder"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        WandB(**settings)


@installed
def test_a_run_without_a_folder_is_told_what_to_give():
    with pytest.raises(InputError, match="give the run a folder, or WandB an absolute folder"):
        WandB().start({})


@installed
@pytest.mark.landing
def test_online_without_an_account_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"log in by `wandb login`, or choose tracker.wandb.mode=offline"):
        WandB(mode="online").start({"folder": tmp_path})


def test_without_its_package_it_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name))
    with pytest.raises(InputError, match=r"pip install 'pinn_ac\[wandb\]'"):
        WandB()
