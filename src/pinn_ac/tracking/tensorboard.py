"""TensorBoard: the figures of a run as curves. It needs the optional package tensorboardX."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import require
from pinn_ac.tracking.content import files_of, final_numbers
from pinn_ac.tracking.jsonl import in_folder, require_path
from pinn_ac.tracking.tracker import Tracker

FLUSH_SECONDS = 10
"""How long an event may wait in memory before it is written to disk, where TensorBoard can see it."""


@dataclass
class TensorBoard(Tracker):
    """Writes an event file for TensorBoard: a scalar per figure and logged step, the settings and messages as text.

    A resumed run continues its curves: steps that were logged after the checkpoint that it continues from are marked
    as superseded, so that TensorBoard shows each step once. At the end the run's results are written as scalars
    "final/NAME", and the figures of its folder as images "figures/NAME".

    Args:
        folder: where the event file goes. A relative path lies inside the run's folder.

    Raises:
        InputError: tensorboardX is not installed, or `folder` is no path; when the object is made, before anything
            is computed.

    Example:
        On the command line `tracker=[jsonl,tensorboard]`, then `tensorboard --logdir outputs`; in Python::

            pinn_ac.fit(problem, trackers=[TensorBoard("/tmp/curves")])
    """

    folder: str = "tensorboard"
    _writer: Any = field(default=None, init=False, repr=False, compare=False)
    _last_step: int = field(default=0, init=False, repr=False, compare=False)
    _stage: str | None = field(default=None, init=False, repr=False, compare=False)
    _described: Mapping[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_path("tracker.tensorboard.folder", self.folder, "folder")
        require(
            importlib.util.find_spec("tensorboardX") is not None,
            "The TensorBoard tracker needs the package tensorboardX: install it by pip install "
            "'pinn_ac[tensorboard]', or leave this tracker out.",
        )

    def start(self, description: Mapping[str, Any]) -> None:
        """Open an event file, a new one for each start; a resumed run's supersedes later steps of those before."""
        from tensorboardX import SummaryWriter

        folder, step = in_folder(self.folder, description, "TensorBoard", "folder"), int(description.get("step", 0))
        before = len(list(folder.glob("*.tfevents.*")))
        # TensorBoard reads the files in the order of their names, which without a number would hold no more than the
        # second in which they were opened.
        self._writer = SummaryWriter(
            str(folder),
            purge_step=step + 1 if before else None,
            flush_secs=FLUSH_SECONDS,
            filename_suffix=f".{before:04d}",
        )
        self._last_step, self._stage, self._described = step, None, description
        if config := description.get("config"):
            self._writer.add_text("config", _as_code(config), step)

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """A scalar for each figure; the stage as text where it changes."""
        if stage != self._stage:
            self._writer.add_text("stage", stage, step)
        for name, value in figures.items():
            self._writer.add_scalar(name, float(value), step)
        self._last_step, self._stage = step, stage

    def say(self, sentence: str) -> None:
        """A text at the last logged step."""
        self._writer.add_text("messages", sentence, self._last_step)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The numbers among the metrics as scalars, the figures of the folder as images, and the file closed."""
        if self._writer is None:
            return
        for name, value in final_numbers(metrics).items():
            self._writer.add_scalar(name, value, self._last_step)
        for path in files_of(self._described, (".png",)) if metrics else ():
            self._writer.add_image(f"figures/{path.stem}", _pixels(path), self._last_step, dataformats="HWC")
        self._writer.close()
        self._writer = None


def _pixels(path: Path) -> np.ndarray:
    """A picture as an array (height, width, 3)."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _as_code(config: Any) -> str:
    """The settings as an indented block, which TensorBoard's Markdown shows as they are."""
    text = "\n".join(f"{name}: {value}" for name, value in config.items()) if isinstance(config, Mapping) else config
    return "\n".join("    " + line for line in str(text).splitlines())
