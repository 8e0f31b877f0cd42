"""The history of a run: one JSON object a line, one line a logged step."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import InputError
from pinn_ac.files import write_whole


class History:
    """Appends to a history file, and mends first what an interrupted run left of its last line.

    Args:
        path: the file; it and its folder are made on the first append.
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
        """Write one line: the step, the seconds of training so far, the loss, and whatever else was measured.

        Args:
            terms: the parts of the loss by name; each is written as `loss_<name>`.
            others: such as `stage` or `relative_l2`; those that are None are left out.

        Numbers that are not finite become null, since JSON has none.
        """
        entry = {"step": step, "seconds": seconds, "loss": loss}
        entry |= {f"loss_{name}": value for name, value in (terms or {}).items()}
        entry |= {name: value for name, value in others.items() if value is not None}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write of a whole line to a file opened for appending: a reader never sees half of it while we live.
        with self.path.open("ab", buffering=0) as file:
            file.write(_line(entry))

    def truncate_after(self, step: int) -> "History":
        """Drop the lines of later steps, which a run resumed from `step` will write again."""
        if self.path.exists():
            entries = read_history(self.path)
            kept = [entry for entry in entries if (entry.get("step") or 0) <= step]
            if len(kept) < len(entries):
                _write(self.path, kept)
        return self


def steps_of_stages(history: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The steps of each stage over all windows of time; a stage always ends with a line of its own."""
    taken: dict[str, int] = {}
    before = 0
    for entry in history:
        stage = str(entry.get("stage")).rpartition(" ")[2]  # less its window, as in "2/4 adam"
        taken[stage], before = taken.get(stage, 0) + entry["step"] - before, entry["step"]
    return taken


def read_history(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a history file as dicts; a last line that was cut off is left out.

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
            raise InputError(f"Line {number} of {path} is not a JSON object: mend or remove it.")
    return entries


def _parse(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(_plain(entry), allow_nan=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON knows it: arrays of one element become numbers, NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":  # a path, a date: its words; bfloat16: its float
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
