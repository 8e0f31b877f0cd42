"""Weights & Biases: curves and pictures of a run, kept in files until they are sent. It needs the package wandb."""

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinn_ac.errors import InputError, require
from pinn_ac.files import make_writable
from pinn_ac.tracking.content import PAGES, PICTURES, RunNote, files_of, final_numbers, missed, settings_of, title_of
from pinn_ac.tracking.jsonl import in_folder, require_path
from pinn_ac.tracking.tracker import Tracker

MODES = ("offline", "online")
RUN_NOTE = "wandb.json"
"""The file in a run's folder that says which run of W&B it is."""


@dataclass
class WandB(Tracker):
    """Writes a run for Weights & Biases: a curve for each figure, the settings as its config, and at the end the
    results as its summary, "final/NAME", with the figures and the page of its folder.

    Offline, which is the default, everything stays in files under `folder`/wandb, and `wandb sync` sends them when it
    is called. A resumed run keeps its id: its sessions become one run when they are sent, and no step is there twice.

    Args:
        project: the name under which W&B groups runs.
        mode: "offline", or "online", which sends everything as it goes and needs an account (`wandb login`).
        folder: where the files go. A relative path lies inside the run's folder.

    Raises:
        InputError: wandb is not installed, or a setting cannot be used; when the object is made. When the run begins,
            before anything is computed: W&B cannot be reached online.

    Example:
        On the command line `tracker=[jsonl,wandb]`, then `wandb sync RUN/wandb/offline-run-*`; in Python::

            pinn_ac.fit(problem, trackers=[WandB(folder="/tmp/curves")])
    """

    project: str = "pinn_ac"
    mode: str = "offline"
    folder: str = "."
    _run: Any = field(default=None, init=False, repr=False, compare=False)
    _note: RunNote = field(default_factory=RunNote, init=False, repr=False, compare=False)
    _described: Mapping[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _said: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _step: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = isinstance(self.project, str) and bool(self.project.strip())
        require(named, f"tracker.wandb.project is {self.project!r}: give a name, such as pinn_ac.")
        require(self.mode in MODES, f"tracker.wandb.mode is {self.mode!r}: choose {MODES[0]} or {MODES[1]}.")
        require_path("tracker.wandb.folder", self.folder, "folder")
        require(
            importlib.util.find_spec("wandb") is not None,
            "The W&B tracker needs the package wandb: install it by pip install 'pinn_ac[wandb]', or leave this "
            "tracker out.",
        )

    def start(self, description: Mapping[str, Any]) -> None:
        """Go on with the run that the folder names, or begin one."""
        folder = in_folder(self.folder, description, "WandB", "folder")
        make_writable(folder, "tracker.wandb.folder")
        self._described, self._said = description, []
        self._note, self._step = RunNote.of(description, RUN_NOTE), int(description.get("step", 0))
        resumes = self._note.run is not None
        self._note.run = self._note.run or uuid.uuid4().hex[:8]
        if resumes and self.mode == "offline":
            files = folder.glob(f"wandb/offline-run-*/run-{self._note.run}.wandb")
            self._note.step = max(map(_last_step, files), default=0)
        self._note.write()
        self._run = self._begun(folder, resumes)
        for step, stage, figures in missed(description, self._note.step):
            self.log(step, stage, figures)

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """A point of each curve, unless the run has this step; with the stage."""
        self._step = step
        if step > self._note.step and self._run is not None:
            self._run.log({**{name: float(value) for name, value in figures.items()}, "stage": stage}, step=step)
            self._note.step = step
            self._note.write()

    def say(self, sentence: str) -> None:
        """A line of the text "messages"."""
        self._said.append(sentence)
        if self._run is not None:
            self._run.log({"messages": "\n".join(self._said)}, step=self._step)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The results, the figures and the page of the run's folder; without results the run counts as failed."""
        if self._run is None:
            return
        import wandb

        shown: dict[str, Any] = {}
        if metrics:
            shown |= {f"figures/{path.stem}": wandb.Image(str(path)) for path in files_of(self._described, PICTURES)}
            shown |= {path.stem: wandb.Html(str(path), inject=False) for path in files_of(self._described, PAGES)}
        if shown:
            self._run.log(shown, step=self._step)
        self._run.summary.update(final_numbers(metrics))
        self._run.finish(exit_code=0 if metrics else 1)
        self._run = None

    def _begun(self, folder: Path, resumes: bool) -> Any:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to its makers, over the network
        import wandb

        try:
            return wandb.init(
                project=self.project,
                id=self._note.run,
                name=title_of(self._described),
                config=settings_of(self._described),
                dir=str(folder),
                mode=self.mode,
                resume="allow" if resumes else None,
                reinit="create_new",  # members of an ensemble have a run each
                # What is printed is in train.log, and the progress bar is not to be touched.
                settings=wandb.Settings(silent=True, console="off", save_code=False),
            )
        except wandb.errors.Error as error:
            why = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(
                f"W&B cannot begin ({why}): log in by `wandb login`, or choose tracker.wandb.mode=offline."
            ) from error


def _last_step(file: Path) -> int:
    """The last step that a session's file holds: fewer than it was given, where the process was killed."""
    read = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(read, capture_output=True, text=True, check=False).stdout.splitlines()
    items = [json.loads(line)["history"]["item"] for line in lines if '"type":"history"' in line]
    return max((int(item["_step"]) for item in items if "loss" in item), default=0)
