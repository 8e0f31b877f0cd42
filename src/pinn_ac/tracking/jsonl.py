"""The history of a run as JSON lines: one JSON object per logged step."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import InputError, expanded, require
from pinn_ac.files import write_whole
from pinn_ac.tracking.tracker import Tracker

HISTORY = "history.jsonl"
"""The file in a run's folder that reports, sweeps and figures read."""


@dataclass
class Jsonl(Tracker):
    """Appends each logged step to a file of JSON lines, which :func:`read_history` reads.

    A line is on disk as soon as its step is logged. A resumed run first drops the lines of steps that it will repeat,
    and a new one all that the file held.

    Args:
        path: the file. A relative path lies inside the run's folder.

    Raises:
        InputError: `path` is no path.

    Example:
        ::

            pinn_ac.fit(problem, trackers=[Jsonl("/tmp/history.jsonl")])
            losses = [line["loss"] for line in read_history("/tmp/history.jsonl")]
    """

    path: str = HISTORY
    _history: "History | None" = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_path("tracker.jsonl.path", self.path, "file")

    def start(self, description: Mapping[str, Any]) -> None:
        """Find the file, and drop what later steps than `description["step"]` have written: of a new run, all."""
        file = in_folder(self.path, description, "Jsonl", "path")
        self._history = History(file).truncate_after(int(description.get("step", 0)))

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """Write one line."""
        assert self._history is not None, "start() comes first"
        others = {name: value for name, value in figures.items() if name not in ("seconds", "loss")}
        self._history.append(step, figures["seconds"], figures["loss"], None, stage=stage, **others)


def require_path(name: str, path: Any, kind: str) -> None:
    """Refuse what is no path, before anything is computed.

    Raises:
        InputError: it is none; the sentence calls it `name`, and asks for the name of a `kind`: a file or a folder.
    """
    is_path = isinstance(path, str | os.PathLike) and str(path) != ""
    require(is_path, f"{name} is {path!r}: give the name of a {kind}.")


def in_folder(path: str, description: Mapping[str, Any], name: str, setting: str) -> Path:
    """Where a tracker writes: `path`, which begins at the run's folder if it is relative.

    Raises:
        InputError: it is relative and the run has no folder.
    """
    place, folder = expanded(path), description.get("folder")
    require(
        place.is_absolute() or folder is not None,
        f"{name} writes into the run's folder, and this run has none: give the run a folder, or {name} an absolute "
        f"{setting}.",
    )
    return place if place.is_absolute() else Path(folder) / place  # type: ignore[arg-type]


class History:
    """A history file that lines are appended to. A last line that an interrupted run left incomplete is removed.

    Args:
        path: the file; it and its folder are created by the first append.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not _ends_with_newline(self.path):
            _write(self.path, read_history(self.path))

    def append(
        self,
        step: int,
        seconds: float,
        loss: float,
        terms: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        """Write one line. Numbers that are not finite become null, since JSON has no NaN and no infinity.

        Args:
            step: optimizer steps so far.
            seconds: of training so far.
            loss: the loss that the step started from.
            terms: the loss terms by name; each is written as `loss_<name>`.
            others: further values, such as `stage` or `relative_l2`; those that are None are left out.
        """
        entry = _entry(step, seconds, loss, terms, **others)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One unbuffered write of a whole line, so that a reader never sees half a line of a run that is going on.
        with self.path.open("ab", buffering=0) as file:
            file.write(_line(entry))

    def truncate_after(self, step: int) -> "History":
        """Drop the lines of later steps, which a run resumed from `step` will write again. Returns the history."""
        if self.path.exists():
            entries = read_history(self.path)
            kept = [entry for entry in entries if (entry.get("step") or 0) <= step]
            if len(kept) < len(entries):
                _write(self.path, kept)
        return self


def _entry(
    step: int, seconds: float, loss: float, terms: Mapping[str, Any] | None = None, **others: Any
) -> dict[str, Any]:
    entry = {"step": step, "seconds": seconds, "loss": loss}
    entry |= {f"loss_{name}": value for name, value in (terms or {}).items()}
    return entry | {name: value for name, value in others.items() if value is not None}


def steps_of_stages(history: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Stage → its number of steps, summed over all time windows. Relies on every stage ending with a logged step."""
    taken: dict[str, int] = {}
    before = 0
    for entry in history:
        stage = str(entry.get("stage")).rpartition(" ")[2]  # without its time window, as in "2/4 adam"
        taken[stage], before = taken.get(stage, 0) + entry["step"] - before, entry["step"]
    return taken


def total_evaluations(history: Iterable[Mapping[str, Any]]) -> list[int | None]:
    """At each line of a history, how often the optimizers have evaluated the objective so far, over all stages.

    An optimizer counts anew in each stage and time window (:class:`~pinn_ac.optimizers.StepInfo`). None for lines of
    a version that did not count. Relies on every stage ending with a logged step.

    >>> total_evaluations([{"stage": "adam", "evaluations": 9}, {"stage": "lbfgs", "evaluations": 4}])
    [9, 13]
    """
    totals: list[int | None] = []
    before, latest, stage = 0, 0, None
    for entry in history:
        if entry.get("stage") != stage:
            before, latest, stage = before + latest, 0, entry.get("stage")
        count = entry.get("evaluations")
        latest = latest if count is None else int(count)
        totals.append(None if count is None else before + latest)
    return totals


def read_history(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a history file as dicts. An incomplete last line, of a run that was interrupted, is left out.

    Raises:
        InputError: there is no such file, or a line before the last is not a JSON object.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"The history {path} cannot be read: {error.strerror}.") from error
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if entry is not None:
            entries.append(entry)
        elif number < len(lines) and line.strip():
            raise InputError(f"Line {number} of {path} is not a JSON object: repair or remove it.")
    return entries


def write_history(path: str | os.PathLike[str], entries: Iterable[Mapping[str, Any]]) -> None:
    """Write lines, each as :meth:`History.append` does, in place of all that the file holds."""
    _write(Path(path), (_entry(**entry) for entry in entries))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(_plain(entry), allow_nan=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A value that JSON can hold: arrays of one element become numbers, NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":  # a path or a date: its text; bfloat16 (kind V): a float
        return _plain(float(array)) if array.dtype.kind == "V" and array.size == 1 else str(value)
    return _plain(array.item() if array.size == 1 else array.tolist())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _write(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    write_whole(path, lambda draft: draft.write_bytes(b"".join(_line(entry) for entry in entries)))
