"""What a tracker with a store of its own takes of a run: its settings, the numbers among its results, its files."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pinn_ac.files import write_whole
from pinn_ac.tracking.jsonl import HISTORY, read_history

PICTURES, PAGES = (".png", ".gif"), (".html",)
"""Endings of the files in a run's folder that trackers show."""


def settings_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run as a nested mapping, which its description may have as YAML; empty where it has none.

    >>> settings_of({"config": "seed: 0\\nmodel: {width: 8}"})
    {'seed': 0, 'model': {'width': 8}}
    """
    config = description.get("config")
    found = yaml.safe_load(config) if isinstance(config, str) else config
    return dict(found) if isinstance(found, Mapping) else {}


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings under dotted names, as on the command line; lists stay values.

    >>> flat({"seed": 0, "model": {"width": 8, "weights": {}}})
    {'seed': 0, 'model.width': 8}
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def final_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among a run's results, each under "final/NAME"; no truth values.

    >>> final_numbers({"relative_l2": 0.5, "name": "default", "converged": True, "windows": 2})
    {'final/relative_l2': 0.5, 'final/windows': 2.0}
    """
    return {
        f"final/{name}": float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def files_of(description: Mapping[str, Any], endings: tuple[str, ...]) -> list[Path]:
    """The files right in a run's folder with one of these endings, sorted; none where it has no folder.

    Hidden ones, such as drafts, are left out.
    """
    folder = description.get("folder")
    files = [] if folder is None else sorted(Path(folder).iterdir())
    return [path for path in files if path.suffix in endings and not path.name.startswith(".")]


def title_of(description: Mapping[str, Any]) -> str | None:
    """What a run is called among others: the last two parts of its folder; None where it has none."""
    folder = description.get("folder")
    return None if folder is None else "/".join(Path(folder).absolute().parts[-2:])


def missed(description: Mapping[str, Any], last: int) -> list[tuple[int, str, dict[str, float]]]:
    """The logged steps of a resumed run that a store lacks since the process was killed: (step, stage, figures) each.

    Args:
        description: of the run, whose folder's history.jsonl has them.
        last: step that the store has.
    """
    folder, resumed = description.get("folder"), int(description.get("step", 0))
    if folder is None or resumed <= last or not (file := Path(folder) / HISTORY).is_file():
        return []
    return [
        (
            int(line["step"]),
            str(line.get("stage")),
            {name: value for name, value in line.items() if _is_figure(name, value)},
        )
        for line in read_history(file)
        if last < line["step"] <= resumed
    ]


def _is_figure(name: str, value: Any) -> bool:
    return name != "step" and isinstance(value, int | float) and not isinstance(value, bool)


@dataclass
class RunNote:
    """Which run of a tracker's store a folder belongs to, and the last step that the store was given of it.

    A resumed run finds it there: it goes on with the same run, and leaves out the steps that the store has already.
    They were logged after the checkpoint that the run resumes from, and it takes them again bit for bit.

    Args:
        path: the file; None keeps the note in memory alone, for a run without a folder.
    """

    path: Path | None = None
    run: str | None = None
    step: int = 0

    @classmethod
    def of(cls, description: Mapping[str, Any], name: str) -> "RunNote":
        """The note `name` in a run's folder; an empty one where there is none yet."""
        folder = description.get("folder")
        path = None if folder is None else Path(folder) / name
        found = json.loads(path.read_text()) if path is not None and path.is_file() else {}
        return cls(path, **found)

    def write(self) -> None:
        """Keep it, where there is a folder."""
        if self.path is not None:
            text = json.dumps({"run": self.run, "step": self.step}) + "\n"
            write_whole(self.path, lambda draft: draft.write_text(text))
