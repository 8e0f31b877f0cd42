"""What a folder tells of its run, however much of it is missing."""

import errno
import fcntl
import json
import os

import pytest

from pinn_ac.app.jobs import LONGEST_NAME, find_jobs, folder_name, note_failure, read_job
from pinn_ac.app.run_folder import claimed
from pinn_ac.errors import InputError
from pinn_ac.tracking import History
from pinn_ac.training import Diverged, Stopped


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def test_a_finished_run_and_an_interrupted_one(tmp_path):
    done = write(tmp_path / "a", config_yaml="seed: 3\n", metrics_json='{"relative_l2": 1e-3}')
    assert read_job(done)[1:4] == ("finished", {"seed": 3}, {"relative_l2": 1e-3})
    cut = write(tmp_path / "b", config_yaml="seed: 4\n")
    History(cut / "history.jsonl").append(1, 0.5, 2.0)
    assert read_job(cut).status == "interrupted"
    assert read_job(cut).history[0]["loss"] == 2.0
    assert [job.status for job in find_jobs(tmp_path)] == ["finished", "interrupted"]


@pytest.mark.parametrize("text", ["", '{"relative_l2": 1e', "[1, 2]", "\x00\x01"])
def test_half_a_file_counts_as_none(tmp_path, text):
    folder = write(tmp_path, config_yaml="a: [", metrics_json=text, history_jsonl=text)
    assert read_job(folder)[1:5] == ("interrupted", {}, {}, [])


def test_a_run_that_goes_on_holds_its_lock(tmp_path):
    folder = write(tmp_path, config_yaml="seed: 0\n")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_job(folder).status == "running"
    assert read_job(folder).status == "interrupted"


def test_failures_are_noted_with_their_traceback(tmp_path):
    try:
        raise MemoryError("too much")
    except MemoryError as error:
        note_failure(tmp_path, "failed", error)
    job = read_job(tmp_path)
    assert (job.status, job.failure) == ("failed", "too much")
    assert "Traceback" in json.loads((tmp_path / "failure.json").read_text())["traceback"]
    note_failure(tmp_path, "diverged", RuntimeError("not finite"))
    assert read_job(tmp_path).status == "diverged"


@pytest.mark.parametrize(
    ("error", "has_results", "status"),
    [
        (RuntimeError("a store"), False, "failed"),
        (RuntimeError("a store"), True, "finished"),  # as a member of an ensemble has, of which another one fails
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False, "interrupted"),
        (ValueError("ENOSPC: No space left on device"), False, "interrupted"),  # TensorStore's
        (Stopped(15), False, "interrupted"),
        (Diverged("not finite"), False, "diverged"),
    ],
)
def test_what_ends_a_run_is_noted_where_it_is_a_failure(tmp_path, error, has_results, status):
    write(tmp_path, config_yaml="seed: 0\n", **({"metrics_json": '{"relative_l2": 1e-3}'} if has_results else {}))
    with pytest.raises(type(error)), claimed(tmp_path, resuming=True):
        raise error
    assert read_job(tmp_path).status == status


def test_a_stopped_run_is_no_failure_whatever_its_launcher_makes_of_it(tmp_path):
    write(tmp_path, config_yaml="seed: 0\n")
    (tmp_path / ".draft-1-2-u.png").write_text("half a picture")

    def stopped():
        try:
            raise Stopped(15)
        finally:
            raise RuntimeError("Job not requeued because: timed-out too many times.")

    with pytest.raises(RuntimeError), claimed(tmp_path, resuming=True):
        stopped()
    assert not list(tmp_path.glob(".draft-*"))  # of a process that was killed
    assert read_job(tmp_path).status == "interrupted"


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run yet"):
        find_jobs(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        find_jobs(tmp_path / "missing")


def test_folders_are_named_by_overrides():
    assert folder_name("model=mlp,problem/initial_condition=sine") == "model=mlp,problem.initial_condition=sine"
    assert folder_name("") == "default"
    one, other = folder_name("x=" + "1" * 300), folder_name("x=" + "1" * 299 + "2")
    assert one != other
    assert len(one) <= LONGEST_NAME + 9
    assert "/" not in folder_name("a=/b/c d")
