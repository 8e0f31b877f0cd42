"""The runs of a sweep, read from their folders: what they were asked, how far they came, why they failed."""

import fcntl
import hashlib
import json
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from pinn_ac.errors import InputError
from pinn_ac.files import write_whole
from pinn_ac.tracking import read_history

RUN, FAILURE = "config.yaml", "failure.json"
"""The file that makes a folder that of a run, and the one that says how it failed."""
FAILED_SCORE = 1e6
"""What a failed run counts for a sweeper, which minimises: worse than any error, and a number, as sweepers need."""

LONGEST_NAME = 120


class Job(NamedTuple):
    """A run's folder and what it holds, as far as it can be read.

    status: finished, running, interrupted, diverged or failed.
    """

    folder: Path
    status: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    failure: str


def folder_name(overrides: str) -> str:
    """A job's folder, named by its overrides, so that the same job of another sweep finds it again.

    >>> folder_name("model=mlp,problem/initial_condition=sine")
    'model=mlp,problem.initial_condition=sine'
    """
    name = overrides.replace("/", ".").replace(" ", "") or "default"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}…{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def study_url(folder: str) -> str:
    """Where a search in `folder` keeps its study, as a URL; the folder's name may hold any characters.

    >>> study_url("/tmp/my sweep")
    'sqlite:///file:/tmp/my%20sweep/study.db?uri=true'
    """
    return f"sqlite:///file:{quote(str(Path(folder).absolute()))}/study.db?uri=true"


def note_failure(folder: Path, kind: str, error: BaseException) -> None:
    """Leave word in the folder of a run that ended badly, if the disk still takes it.

    Args:
        kind: diverged, or failed.
    """
    trace = "" if kind == "diverged" else "".join(traceback.format_exception(error))
    note = {"kind": kind, "sentence": str(error) or type(error).__name__, "traceback": trace}
    with suppress(OSError):
        write_whole(folder / FAILURE, lambda path: path.write_text(json.dumps(note, indent=2) + "\n"))


def read_job(folder: Path) -> Job:
    """The job in `folder`; what is missing or half written counts as not there."""
    config, metrics, note = (_read(folder / name) for name in (RUN, "metrics.json", FAILURE))
    try:
        history = read_history(folder / "history.jsonl")
    except InputError:
        history = []
    if note:
        status = note.get("kind", "failed")
    elif _is_held(folder):
        status = "running"
    else:
        status = "finished" if metrics else "interrupted"
    return Job(folder, status, config, metrics, history, note.get("sentence", ""))


def find_jobs(folder: Path) -> list[Job]:
    """Every run in or below `folder`, in the order of their names.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give that of a sweep, such as outputs/multirun/default/DATE.")
    found = sorted(
        {path.parent for mark in (RUN, FAILURE) for path in folder.rglob(mark) if ".hydra" not in path.parts}
    )
    if not found:
        raise InputError(
            f"{folder} holds no run yet: give the folder of a sweep, or wait for its first run to start."
        )
    return [read_job(run) for run in found]


def _read(path: Path) -> dict[str, Any]:
    """A file of JSON or YAML as a dict; {} where it is missing, cut off, or something else."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_held(folder: Path) -> bool:
    """A process is writing the folder: it holds its lock."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
