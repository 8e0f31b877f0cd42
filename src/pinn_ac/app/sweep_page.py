"""The page of a sweep while it runs: written anew as its jobs end, so that a browser can watch."""

import atexit
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from pinn_ac.errors import InputError
from pinn_ac.parallel import is_first

PAUSE = 10.0
"""A page stays as it is for this many times as long as it took to write, so that it does not slow the sweep down."""


class SweepPage(Callback):
    """Writes FOLDER/report.html; Hydra calls it in the process of a job, and at the end of the sweep."""

    def __init__(self) -> None:
        self._cost = 0.0
        self._has_ended = False

    def on_multirun_start(self, config: DictConfig, **others: Any) -> None:
        """Hydra does not call what is for the end of a sweep where one of its jobs failed."""
        atexit.register(self.on_multirun_end, config)

    def on_job_end(self, config: DictConfig, job_return: Any = None, **others: Any) -> None:
        """One run of a sweep has ended, well or badly."""
        if config.hydra.mode == RunMode.MULTIRUN and is_first():
            self._write(Path(config.hydra.sweep.dir), PAUSE * self._cost, is_going_on=True)

    def on_multirun_end(self, config: DictConfig, **others: Any) -> None:
        """All have ended."""
        if is_first() and not self._has_ended:
            self._has_ended = True
            self._write(Path(config.hydra.sweep.dir), 0.0, is_going_on=False)

    def _write(self, folder: Path, age: float, is_going_on: bool) -> None:
        """Write the page unless it is younger than that; where no run has begun there is nothing to show."""
        from pinn_ac.app.jobs import PAGE, find_jobs  # here, since most processes write no page
        from pinn_ac.app.sweep_report import write_page

        page, begin = folder / PAGE, time.time()
        with suppress(InputError, OSError):
            if not (page.is_file() and begin - page.stat().st_mtime < age):
                write_page(folder, find_jobs(folder), is_going_on)
                self._cost = time.time() - begin
