"""The runs of a sweep, read from their folders: their configs, how far they came, and why they failed."""

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
from pinn_ac.solution import CONFIG
from pinn_ac.tracking import read_history, total_evaluations

FAILURE = "failure.json"
"""The file that says how a run failed."""
PAGE = "report.html"
"""The file that shows a run, or a sweep, in a browser."""
FAILED_SCORE = 1e6
"""The score of a failed run for a sweeper, which minimises: larger than any error, and finite, as sweepers need."""

OF_OTHERS = {".hydra", "wandb"}
"""Folders in which Hydra and W&B keep files of the same names as those of a run."""
LONGEST_NAME = 120


class Job(NamedTuple):
    """A run's folder, and its contents as far as they can be read.

    status: finished, running, interrupted, diverged or failed.
    """

    folder: Path
    status: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    failure: str

    @property
    def is_scored(self) -> bool:
        """It has finished, and its true error is known."""
        return self.status == "finished" and isinstance(self.metrics.get("relative_l2"), float)

    @property
    def has_not_ended(self) -> bool:
        """It has neither a result nor a failure: it runs, or can be gone on with."""
        return self.status in ("running", "interrupted")

    @property
    def evaluations(self) -> int | None:
        """How often its optimizers have evaluated the objective; None where they did not count."""
        return next(reversed(total_evaluations(self.history)), None)

    def curve(self, over: str = "seconds") -> list[tuple[float, float]]:
        """(Seconds or evaluations, error) as it went: errors on the whole domain, not those of a time window."""
        places = (
            total_evaluations(self.history)
            if over == "evaluations"
            else [line.get("seconds") for line in self.history]
        )
        errors = [line.get("relative_l2") for line in self.history]
        curve = [(place, error) for place, error in zip(places, errors, strict=True) if place and error is not None]
        end = self.evaluations if over == "evaluations" else self.metrics.get("train_seconds")
        return [*curve, (end, self.metrics["relative_l2"])] if self.is_scored and end else curve


def folder_name(overrides: str) -> str:
    """The name of a job's folder, made of its overrides, so that the same job of another sweep finds it again.

    >>> folder_name("model=mlp,problem/initial_condition=sine")
    'model=mlp,problem.initial_condition=sine'
    """
    name = overrides.replace("/", ".").replace(" ", "") or "default"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}…{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def study_url(folder: str) -> str:
    """The URL of the study of a search in `folder`, whose name may contain any characters.

    >>> study_url("/tmp/my sweep")
    'sqlite:///file:/tmp/my%20sweep/study.db?uri=true'
    """
    return f"sqlite:///file:{quote(str(Path(folder).absolute()))}/study.db?uri=true"


def link_to(job: Job, folder: Path) -> str:
    """The address of a run's page, relative to a page in `folder`, which lies above it; "" where there is none."""
    return quote((job.folder / PAGE).relative_to(folder).as_posix()) if (job.folder / PAGE).is_file() else ""


def note_failure(folder: Path, kind: str, error: BaseException) -> None:
    """Write into the folder of a run why it failed, if the disk still has room.

    Args:
        kind: diverged, or failed.
    """
    trace = "" if kind == "diverged" else "".join(traceback.format_exception(error))
    note = {"kind": kind, "sentence": str(error) or type(error).__name__, "traceback": trace}
    with suppress(OSError):
        write_whole(folder / FAILURE, lambda path: path.write_text(json.dumps(note, indent=2) + "\n"))


def read_job(folder: Path) -> Job:
    """The job in `folder`; files that are missing or half written count as absent."""
    config, metrics, note = (_read(folder / name) for name in (CONFIG, "metrics.json", FAILURE))
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
        {
            path.parent
            for mark in (CONFIG, FAILURE)
            for path in folder.rglob(mark)
            if OF_OTHERS.isdisjoint(path.relative_to(folder).parts)
        }
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
    """Whether a process is writing to the folder, and so holds its lock."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
