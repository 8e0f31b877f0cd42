"""One run, from its config to its folder."""

import logging
import math
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import assemble, setup_of, trackers
from pinn_ac.app.config import check_scalars, plan
from pinn_ac.app.jobs import FAILED_SCORE, FAILURE, PAGE, read_job
from pinn_ac.app.report import load_reference, report
from pinn_ac.app.run_folder import claimed, write_config
from pinn_ac.app.saved_run import kept_as
from pinn_ac.errors import expanded, require
from pinn_ac.experiment import Experiment
from pinn_ac.inverse import Inference, Observations, unknowns_of
from pinn_ac.parallel import first_begins, is_first
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference
from pinn_ac.running import Training, computing, progress_bar, require_suited
from pinn_ac.solution import Solution
from pinn_ac.tracking import HISTORY, Tracker, read_history
from pinn_ac.training import Checkpoints

log = logging.getLogger(__name__)


def train_in(folder: Path, config: DictConfig, resuming: bool = False) -> dict[str, Any]:
    """Train one run in its folder: everything is checked and built first, then the run goes.

    Returns:
        The metrics, as they are in metrics.json.

    Raises:
        InputError: a setting that cannot be used, or a folder that holds a run (unless `resuming`).
        Stopped: a signal arrived; the run is saved.
        Diverged: the loss is not finite; the last good state is saved.
    """
    if config.data.file is not None:
        return infer_in(folder, config, resuming)
    experiment, config = assembled(config)
    told = [*trackers(config), Logged(), Outdated()]
    with computing(experiment), ExitStack() as held:
        first_begins(lambda: held.enter_context(claimed(folder, resuming)))
        reference = load_reference(experiment.problem, config.reference)
        display = progress_bar() if is_first() else None
        training = training_in(folder, experiment, config, reference, told, display)
        held.callback(training.close)
        with training.trained(described(folder, config)) as (solution, metrics):
            metrics.update(finish_in(folder, config, solution, reference))
        return metrics


def infer_in(folder: Path, config: DictConfig, resuming: bool = False) -> dict[str, Any]:
    """:func:`train_in` for a run that infers unknown coefficients from observations."""
    check_scalars(config)
    require(jax.process_count() == 1, "What is unknown is found by one process: start this run without srun.")
    setup, settings = setup_of(config), config.data
    start = getattr(setup.problem.initial_condition, "path", None)
    require(
        start is None or kept_as(start) != kept_as(settings.file) or is_one_file(start, settings.file),
        f"{settings.file} and {start} have one name, and a run's folder has a copy of each: rename one of them.",
    )
    unknown: Any = OmegaConf.to_container(config.unknown, resolve=True)
    unknowns = unknowns_of(setup.problem, unknown)
    data = Observations.from_file(settings.file, {str(what): name for what, name in settings.names.items()})
    told, display = [*trackers(config), Logged(), Outdated()], progress_bar() if is_first() else None
    # It refuses what does not suit before there is a folder.
    inference = Inference(setup, unknowns, data, plan(config), told, folder, display)
    with computing(inference.experiment), ExitStack() as held:
        held.enter_context(claimed(folder, resuming))
        past = begun(folder, config)
        if not inference.search.begin().done:  # what is there belongs to the end of a search that had too little time
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        checkpoints = Checkpoints(folder / "checkpoints")
        held.callback(checkpoints.close)
        inference.keep_in(checkpoints, past)
        solved: list[Reference | None] = []

        def reference(problem: Problem) -> Reference | None:
            solved.append(load_reference(problem, config.reference))
            return solved[0]

        with inference.trained(described(folder, config), reference) as (solution, metrics):
            metrics.update(finish_in(folder, config, solution, solved[0]))
        return metrics


def is_one_file(one: str, other: str) -> bool:
    """Whether two paths lead to the same file, however they are spelled."""
    return expanded(one).resolve() == expanded(other).resolve()


class Logged(Tracker):
    """Passes what the user should know on to the log that Hydra keeps in the run's folder.

    A display beside it shows the sentence, above its bar; :class:`Unshown` keeps it from being printed twice.

    Args:
        label: put in front, where there are several runs.
    """

    def __init__(self, label: str = "") -> None:
        self.label = label

    def say(self, sentence: str) -> None:
        """One warning."""
        log.warning("%s%s", f"{self.label}: " if self.label else "", sentence, extra={"shown": True})


class Outdated(Tracker):
    """Takes away the results and the page of a run that goes on from its end: they are not those of what is to come.

    The last of the trackers, so that a run which cannot go on keeps them.
    """

    def start(self, description: Mapping[str, Any]) -> None:
        """The run begins or goes on."""
        for name in ("metrics.json", PAGE):
            (Path(description["folder"]) / name).unlink(missing_ok=True)


class Unshown(logging.Filter):
    """Of a console's handler: lets through what no display has shown; configs/config.yaml puts it there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is printed."""
        return not getattr(record, "shown", False)


def assembled(config: DictConfig) -> tuple[Experiment, DictConfig]:
    """The experiment, and a config whose windows are counted: a longer budget on resuming must not change them.

    A run that chooses its windows as it goes keeps "auto".
    """
    check_scalars(config)
    experiment, counted = assemble(config), config.copy()
    require_suited(plan(config), experiment.marches)
    if not experiment.marches:
        counted.windows = experiment.windows
    return experiment, counted


def training_in(
    folder: Path,
    experiment: Experiment,
    config: DictConfig,
    reference: Reference | None,
    told: Iterable[Tracker],
    display: Tracker | None = None,
) -> Training:
    """The training of a run in its claimed folder; the config is written there, a failure's note removed."""
    past = begun(folder, config) if is_first() else []
    checkpoints = Checkpoints(folder / "checkpoints")
    return Training(experiment, plan(config), told, reference, checkpoints, past, display)


def begun(folder: Path, config: DictConfig) -> list[dict[str, Any]]:
    """Write the config of a run into its claimed folder, remove a failure's note; the history that is there."""
    (folder / FAILURE).unlink(missing_ok=True)
    write_config(config, folder)
    return read_history(folder / HISTORY) if (folder / HISTORY).is_file() else []


def described(folder: Path, config: DictConfig) -> dict[str, Any]:
    """What the trackers of a run are told of it."""
    return {"folder": folder, "config": OmegaConf.to_yaml(config, resolve=True)}


def finish_in(
    folder: Path,
    config: DictConfig,
    solution: Solution,
    reference: Reference | None,
    show: bool = True,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write what came of a run; processes but the first return what the training tells alone.

    Args:
        folder, config: of the run.
        solution: what came of it.
        reference: the true solution, if there is one.
        show: draw the figures and print the table.
        others: further metrics.
    """
    others = {"name": config.name, **(others or {})}
    if not is_first():
        return {"relative_l2": math.nan, **solution.metrics, **others}
    animate = show and config.animate
    return report(solution, folder, reference, estimate=config.estimate, show=show, others=others, animate=animate)


def settled_score(folder: Path, config: DictConfig, retry: bool) -> float | None:
    """The score of a run that needs no more training; None for one that does."""
    job = read_job(folder)
    if job.status == "finished":
        log.info("%s is finished.", folder)
        return score_of(config, job.metrics)
    if job.failure and not retry:
        log.warning("%s failed before (%s): retry=true runs it again.", folder, job.failure)
        return FAILED_SCORE
    return None


def score_of(config: DictConfig, metrics: Mapping[str, Any]) -> float:
    """What a sweep minimises: the error, or the validation loss of a run without a reference."""
    return metrics["relative_l2"] if config.reference else metrics["validation_loss"]
