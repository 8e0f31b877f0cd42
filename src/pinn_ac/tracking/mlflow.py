"""MLflow: runs side by side in one store. It needs the optional package mlflow-skinny, or mlflow."""

import fcntl
import importlib.util
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinn_ac.errors import InputError, expanded, require
from pinn_ac.files import make_writable
from pinn_ac.tracking.content import (
    PAGES,
    PICTURES,
    RunNote,
    files_of,
    final_numbers,
    flat,
    missed,
    settings_of,
    title_of,
)
from pinn_ac.tracking.tracker import Tracker

log = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
"""How long a figure may wait in memory: a store writes many at once as quickly as one."""
AT_ONCE = 1000
"""Figures that a store takes in one request."""
PARAMS_AT_ONCE = 100
RUN_NOTE = "mlflow.json"
"""The file in a run's folder that says which run of the store it is."""
SQLITE = "sqlite:///"


@dataclass
class MLflow(Tracker):
    """Writes a run into an MLflow store: a metric for each figure and logged step, the settings as parameters, and at
    the end the results as metrics "final/NAME", with the figures and the page of its folder as artifacts.

    By default the store is a SQLite file, which needs no server and no network; all runs of a folder share it, those
    of a parallel sweep too. A resumed run goes on with the same run of the store, and no step is there twice. The
    training goes on where the store can no longer be written: a warning says so.

    Args:
        uri: the store, as MLflow writes it: "sqlite:///PATH", relative to the working directory, or a server's
            address. The artifacts of a SQLite store lie beside its file.
        experiment: the name under which the store groups runs.

    Raises:
        InputError: MLflow is not installed, or a setting is no name; when the object is made. When the run begins,
            before anything is computed: the store cannot be opened.

    Example:
        On the command line `tracker=[jsonl,mlflow]`; in Python::

            pinn_ac.fit(problem, trackers=[MLflow("sqlite:////tmp/runs.db")])
            mlflow.MlflowClient("sqlite:////tmp/runs.db").search_runs(["1"])
    """

    uri: str = "sqlite:///outputs/mlflow/runs.db"
    experiment: str = "pinn_ac"
    _client: Any = field(default=None, init=False, repr=False, compare=False)
    _note: RunNote = field(default_factory=RunNote, init=False, repr=False, compare=False)
    _described: Mapping[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _waiting: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _said: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _stage: str | None = field(default=None, init=False, repr=False, compare=False)
    _step: int = field(default=0, init=False, repr=False, compare=False)
    _flushed: float = field(default=0.0, init=False, repr=False, compare=False)
    _lost: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, example in (("uri", "sqlite:///outputs/mlflow/runs.db"), ("experiment", "pinn_ac")):
            value = getattr(self, name)
            is_text = isinstance(value, str) and bool(value.strip())
            require(is_text, f"tracker.mlflow.{name} is {value!r}: give a text, such as {example}.")
        require(
            all(importlib.util.find_spec(name) is not None for name in ("mlflow", "sqlalchemy")),
            "The MLflow tracker needs the package mlflow-skinny: install it by pip install 'pinn_ac[mlflow]', or "
            "leave this tracker out.",
        )

    def start(self, description: Mapping[str, Any]) -> None:
        """Open the store; go on with the run that the folder names, or begin one."""
        self._described, self._said, self._waiting, self._stage, self._lost = description, [], [], None, False
        self._note = RunNote.of(description, RUN_NOTE)
        self._step = int(description.get("step", 0))
        with _quiet():
            self._client = self._opened()
            try:
                self._begin()
            except Exception as error:  # whatever database or server is behind it
                raise InputError(
                    f"The MLflow store {self.uri} cannot be used ({_first_line(error)}): choose another "
                    "tracker.mlflow.uri, or leave this tracker out."
                ) from error
        self._flushed = time.monotonic()
        for step, stage, figures in missed(description, self._note.step):
            self.log(step, stage, figures)

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """A metric for each figure, unless the store has this step; the stage as a tag where it changes."""
        from mlflow.entities import Metric

        self._step = step
        if step > self._note.step:  # or the store has it, from before the run was interrupted
            self._note.step = step
            now = int(time.time() * 1000)
            self._waiting += [Metric(name, float(value), now, step) for name, value in figures.items()]
        if stage != self._stage:
            self._stage = stage
            self._try(lambda: self._client.set_tag(self._note.run, "stage", stage))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._flush()

    def say(self, sentence: str) -> None:
        """A line of the artifact messages.txt, or of a run that went on from step N of messages_from_step_N.txt."""
        self._said.append(sentence)
        text, begun = "\n".join(self._said) + "\n", int(self._described.get("step", 0))
        name = f"messages_from_step_{begun}.txt" if begun else "messages.txt"
        self._try(lambda: self._client.log_text(self._note.run, text, name))

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """The results, and the figures and page of the run's folder; the run is "FINISHED", without any "KILLED"."""
        if self._client is None:
            return
        self._flush()
        if metrics:
            self._try(lambda: self._keep(metrics))
        status = "FINISHED" if metrics else "KILLED"
        self._try(lambda: self._client.set_terminated(self._note.run, status=status))
        self._client = None

    def _opened(self) -> Any:
        from mlflow import MlflowClient

        if self.uri.startswith(SQLITE):
            make_writable(self._file.parent, "tracker.mlflow.uri")
        try:
            with self._alone():
                return MlflowClient(tracking_uri=self.uri)
        except Exception as error:
            raise InputError(
                f"The MLflow store {self.uri} cannot be opened ({_first_line(error)}): give tracker.mlflow.uri as "
                "sqlite:///PATH or as a server's address."
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While a SQLite store is made: runs of a sweep that begin together would make it at the same time."""
        if not self.uri.startswith(SQLITE):
            yield
            return
        with self._file.with_name(f".{self._file.name}.lock").open("w") as lock:
            with suppress(OSError):  # of a file system that has no locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _file(self) -> Path:
        return expanded(self.uri.removeprefix(SQLITE)).absolute()

    def _begin(self) -> None:
        """The run of the store: that of the note if the store has it, or a new one; with the settings it lacks."""
        from mlflow.entities import Param, RunTag

        if self._note.run is None or not self._has(self._note.run):
            tags = {"folder": str(self._described["folder"])} if self._described.get("folder") else {}
            run = self._client.create_run(self._experiment(), run_name=title_of(self._described), tags=tags)
            self._note.run, self._note.step = run.info.run_id, 0
            self._note.write()
        else:
            self._client.update_run(self._note.run, status="RUNNING")
            logged = self._client.get_metric_history(self._note.run, "loss")
            self._note.step = max((point.step for point in logged), default=0)
        known = self._client.get_run(self._note.run).data.params
        found = flat(settings_of(self._described))
        params = [Param(name, str(value)) for name, value in found.items() if name not in known]
        # A parameter cannot be changed in a store: what a resumed run has otherwise becomes a tag.
        changed = [
            RunTag(f"resumed.{name}", str(value))
            for name, value in found.items()
            if known.get(name, str(value)) != str(value)
        ]
        for start in range(0, len(params), PARAMS_AT_ONCE):
            self._client.log_batch(self._note.run, params=params[start : start + PARAMS_AT_ONCE])
        self._client.log_batch(self._note.run, tags=changed[:PARAMS_AT_ONCE])

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            place = (self._file.parent / "artifacts").as_uri() if self.uri.startswith(SQLITE) else None
            try:
                return self._client.create_experiment(self.experiment, artifact_location=place)
            except MlflowException:  # another run of a sweep was quicker
                found = self._client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        return found.experiment_id

    def _has(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(run).info.lifecycle_stage == "active"
        except MlflowException:
            return False

    def _keep(self, metrics: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric

        now, known = int(time.time() * 1000), self._client.get_run(self._note.run).data.metrics
        final = [
            Metric(name, value, now, self._step)
            for name, value in final_numbers(metrics).items()
            if known.get(name) != value
        ]
        for start in range(0, len(final), AT_ONCE):
            self._client.log_batch(self._note.run, metrics=final[start : start + AT_ONCE])
        for path in files_of(self._described, PICTURES):
            self._client.log_artifact(self._note.run, str(path), "figures")
        for path in files_of(self._described, PAGES):
            self._client.log_artifact(self._note.run, str(path))

    def _flush(self) -> None:
        self._flushed = time.monotonic()

        def write() -> None:
            while self._waiting:
                self._client.log_batch(self._note.run, metrics=self._waiting[:AT_ONCE])
                del self._waiting[:AT_ONCE]

        self._try(write)

    def _try(self, write: Any) -> None:
        """Call it; a store that cannot be written ends no training, and is complained of once."""
        try:
            write()
        except Exception as error:
            if not self._lost:
                log.warning(
                    "The MLflow store %s cannot be written (%s): the training goes on, and history.jsonl has its "
                    "figures.",
                    self.uri,
                    _first_line(error),
                )
            self._lost = True


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines that MLflow and its migrations log while a store is made, and without a word to others."""
    # It would tell its makers over the network which of its functions are used.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    try:
        importlib.import_module("mlflow")  # which sets them
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
