"""What the scripts do: train a run, evaluate a run."""

import json
import logging
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import ENSEMBLE, EvaluateConfig, TrainSettings, can_go_on, check_names, check_scalars
from pinn_ac.app.environment import describe
from pinn_ac.app.jobs import FAILED_SCORE, FAILURE, note_failure, read_job
from pinn_ac.app.run_folder import claimed, require_same, resumed, write_config
from pinn_ac.app.saved_run import Run, load_run
from pinn_ac.errors import require
from pinn_ac.estimate import estimate_error
from pinn_ac.evaluation import Sampled, score
from pinn_ac.experiment import Experiment
from pinn_ac.files import make_writable, write_whole
from pinn_ac.lapack import lapack_on_one_thread
from pinn_ac.parallel import first_begins, is_first, on_host
from pinn_ac.reference import Reference, load_or_solve
from pinn_ac.tracking import HISTORY, Jsonl, Shared, Tracker, read_history, steps_of_stages, tracked
from pinn_ac.training import (
    Checkpoints,
    Diverged,
    Intervals,
    OverfitGuard,
    Stopped,
    Trainer,
    TrainingState,
    require_one_program,
    run_ensemble,
    unstacked,
)
from pinn_ac.windows import time_windows

if TYPE_CHECKING:  # a run should not wait for matplotlib to start
    from pinn_ac.reporting.progress import Progress

log = logging.getLogger(__name__)

MOST_EVALUATED = 2**26
"""Points of a grid whose values and derivatives are held together: four gigabytes."""


def train(config: DictConfig) -> float:
    """Train the run or the ensemble that `config` describes, or go on with one; write all it has to show.

    A job of a sweep whose folder holds the same run already goes on with it, or, if that is finished, is done.

    Returns:
        The relative L2 error, or the validation loss of a run without a reference: what a sweep minimises; of an
        ensemble the median. One that failed before counts `FAILED_SCORE`, unless `retry` asks to run it again.
    """
    folder, resuming, settled = Path(HydraConfig.get().runtime.output_dir), config.resume is not None, None
    retry = None if resuming else config.retry
    if resuming:
        place = Path(config.resume).expanduser()
        config = resumed(config, HydraConfig.get().overrides.task)
        require(
            folder.resolve() == place.resolve(),
            f"resume goes on with a run in its own folder, {place}: leave out -m and hydra.run.dir.",
        )
    elif HydraConfig.get().mode == RunMode.MULTIRUN and can_go_on(folder):
        require_same(config, folder)
        resuming = True
        settled = _settled(folder, config, config.retry)
    if config.ensemble != 1:
        return train_ensemble_in(folder, config, resuming, retry)
    return _score(config, train_in(folder, config, resuming)) if settled is None else settled


def train_in(folder: Path, config: DictConfig, resuming: bool = False) -> dict[str, Any]:
    """:func:`train` of one run without Hydra around it: everything is checked and built first, then the run goes.

    Returns:
        The metrics, as they are in metrics.json.

    Raises:
        InputError: a setting that cannot be used, or a folder that holds a run (unless `resuming`).
        Stopped: a signal arrived; the run is saved.
        Diverged: the loss is not finite; the last good state is saved.
    """
    experiment, config = _assembled(config)
    with _computing(experiment), ExitStack() as held:
        first_begins(lambda: held.enter_context(claimed(folder, resuming)))
        reference = load_reference(experiment, config.reference)
        with _progress(experiment, config) as progress:
            training = _Training(experiment, config, folder, reference, progress)
            held.callback(training.checkpoints.close)
            state = training.trainer.run(training.begin(held))
        return training.finish(state)


def train_ensemble_in(folder: Path, config: DictConfig, resuming: bool = False, retry: bool | None = None) -> float:
    """:func:`train` of an ensemble: as many seeds from `seed` on, their steps computed together.

    Every member is a run in a folder of its own, FOLDER/seed=K, and ends as that run alone would but for rounding.
    Its figures are left to :func:`evaluate`.

    Args:
        retry: None lets every member go on. Otherwise those that finished are left, and true runs failed ones again.

    Returns:
        The median of the members' scores; those that failed are left out unless all did.

    Raises:
        InputError, Stopped: as `train_in`.
        Diverged: all members did.
    """
    from pinn_ac.app.sweep_report import report as report_sweep

    experiment, config = _assembled(config)
    require_one_program(experiment.stages)
    devices = experiment.objective.shards.count
    require(
        devices == 1,
        f"ensemble is above 1, whose seeds are trained on one device, and devices is {devices}: leave one out.",
    )
    seeds = range(config.seed, config.seed + config.ensemble)
    scores, diverged = [], None
    with _computing(experiment), ExitStack() as held:
        held.enter_context(claimed(folder, resuming))
        write_config(config, folder, ENSEMBLE)
        reference = load_reference(experiment, config.reference)
        progress, trainings = _progress(experiment, config), []
        for seed in seeds:
            place, own = folder / f"seed={seed}", config.copy()
            own.update(seed=seed, ensemble=1)
            settled = None if retry is None else _settled(place, own, retry)
            if settled is not None:
                scores.append(settled)
                continue
            held.enter_context(claimed(place, resuming))
            trainings.append(_Training(replace(experiment, seed=seed), own, place, reference, progress, seed))
            held.callback(trainings[-1].checkpoints.close)
        with progress:
            begun = [training.begin(held) for training in trainings]
            ends = run_ensemble([training.trainer for training in trainings], begun) if begun else []
        for training, end in zip(trainings, ends, strict=True):
            if isinstance(end, TrainingState):
                scores.append(_score(config, training.finish(end, show=False, ensemble=config.ensemble)))
            elif isinstance(end, Diverged):
                diverged = end
                note_failure(training.folder, "diverged", end)
    stopped = [end for end in ends if isinstance(end, Stopped)]
    if stopped:
        raise stopped[0]
    report_sweep(folder)
    if diverged and not scores:
        raise diverged
    finished = [score for score in scores if score != FAILED_SCORE]
    return statistics.median(finished) if finished else FAILED_SCORE


def _assembled(config: DictConfig) -> tuple[Experiment, DictConfig]:
    """The experiment, and a config whose windows are counted: a longer budget on resuming must not change them."""
    check_scalars(config)
    experiment, counted = assemble(config), config.copy()
    counted.windows = experiment.windows
    return experiment, counted


@contextmanager
def _computing(experiment: Experiment) -> Iterator[None]:
    """Within it this thread computes as the experiment wants it; afterwards the process is as it was."""
    with experiment.compute.active(), lapack_on_one_thread():
        yield


def _settled(folder: Path, config: DictConfig, retry: bool) -> float | None:
    """The score of a run that needs no more training; None for one that does."""
    job = read_job(folder)
    if job.status == "finished":
        log.info("%s is finished.", folder)
        return _score(config, job.metrics)
    if job.failure and not retry:
        log.warning("%s failed before (%s): retry=true runs it again.", folder, job.failure)
        return FAILED_SCORE
    return None


def _score(config: DictConfig, metrics: Mapping[str, Any]) -> float:
    return metrics["relative_l2"] if config.reference else metrics["validation_loss"]


def evaluate(config: DictConfig) -> None:
    """Recompute the metrics and figures of the run in `config.run` from its checkpoint, on a grid of the user's."""
    check_names(config, EvaluateConfig)
    for name in ("times", "points"):
        require(config[name] >= 2, f"{name} is {config[name]}: give a whole number from 2.")
    size = config.times * config.points
    require(size <= MOST_EVALUATED, f"times × points is {size:,}: give at most {MOST_EVALUATED:,}.")
    run = load_run(config.run, config.device)
    folder = Path(config.run).expanduser() / "evaluation" / f"{config.times}x{config.points}"
    make_writable(folder)
    with run.compute.active():
        reference = load_reference(run.experiment, config.reference, config.times, config.points)
        history = Path(config.run).expanduser() / "history.jsonl"
        past = read_history(history) if history.exists() else []
        report(run, folder, reference, {}, past, config.times, config.points, config.estimate)


def load_reference(
    experiment: Experiment, wanted: bool = True, times: int = 201, points: int = 512
) -> Reference | None:
    """The true solution on an even grid, from the cache or computed now; None if it is not wanted."""
    if not wanted:
        return None
    grid = np.linspace(0.0, experiment.problem.horizon, times)
    return load_or_solve(experiment.problem, grid, points)


def report(
    run: Run,
    folder: Path,
    reference: Reference | None,
    training: Mapping[str, Any],
    history: list[dict[str, Any]],
    times: int = 201,
    points: int = 512,
    estimate: bool = True,
    show: bool = True,
) -> dict[str, Any]:
    """Score the run on a grid and write prediction.npz and metrics.json; `show` draws it and prints the table too."""
    experiment, sampled = run.experiment, run.sample(times, points)
    metrics = {
        **score(experiment.problem, sampled, reference),
        **(estimate_error(experiment.problem, run.derivatives, experiment.breaks) if estimate else {}),
        **training,
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(run.params)),
        "seed": experiment.seed,
        **describe(),
    }
    write_whole(folder / "prediction.npz", lambda path: np.savez(path, t=sampled.t, x=sampled.x, u=sampled.u))
    figures = _draw(run, folder, sampled, reference, history) if show else []
    write_whole(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2) + "\n"))
    if show:
        from pinn_ac.reporting.tables import print_summary

        print_summary(metrics, folder, figures)
    return metrics


def _draw(
    run: Run, folder: Path, sampled: Sampled, reference: Reference | None, history: list[dict[str, Any]]
) -> list[Path]:
    from pinn_ac.reporting.figures import draw_run  # here, since a run should not wait for matplotlib to start

    points, breaks = run.experiment.collocation(run.params, run.conditions), run.experiment.breaks
    at_points = run.derivatives(*points.T)["residual"]
    return draw_run(folder, run.experiment.problem, sampled, reference, history, points, at_points, breaks)


def _progress(experiment: Experiment, config: DictConfig) -> "Progress":
    from rich.console import Console

    from pinn_ac.reporting.progress import Progress

    steps, console = (
        experiment.windows * sum(stage.steps for stage in experiment.stages),
        Console(quiet=not is_first()),
    )
    return Progress(steps, config.train.seconds, console=console)


class _Training:
    """A run under way in its folder, which is claimed: what begins it, and what ends it.

    Args:
        seed: said with each sentence, where there are several.
    """

    def __init__(
        self,
        experiment: Experiment,
        config: DictConfig,
        folder: Path,
        reference: Reference | None,
        progress: "Progress",
        seed: int | None = None,
    ) -> None:
        self.experiment, self.config, self.folder, self.reference = experiment, config, folder, reference
        self.trackers: list[Tracker] = []
        told: list[Tracker] = []
        if is_first():
            (folder / FAILURE).unlink(missing_ok=True)
            write_config(config, folder)
            self.trackers = [Jsonl(HISTORY)]
            shared: list[Tracker] = [_Log(), progress]
            told = self.trackers + [one if seed is None else Shared(one, f"seed={seed}") for one in shared]
        self.metrics: dict[str, Any] = {}
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.trainer = build_trainer(experiment, config.train, told, self.checkpoints, reference)

    def begin(self, held: ExitStack) -> TrainingState:
        """Where it stands. Its own trackers, of which others share none, are finished when `held` is closed."""
        if not self.checkpoints.exist():
            state = self.trainer.begin()
        else:
            state = self.trainer.resume(self.experiment.initial_params())
            state = state._replace(optimizer=self.experiment.objective.shards.replicated(state.optimizer))
        description = {"folder": self.folder, "step": state.step, "config": OmegaConf.to_yaml(self.config)}
        self.metrics = held.enter_context(tracked(self.trackers, description))
        return state

    def _end(self, state: TrainingState) -> str:
        """What ended the last window of time."""
        guard, seconds = self.trainer.guard, self.config.train.seconds
        if seconds is not None and state.seconds >= seconds:
            return "the clock"
        return "over-fitting" if guard is not None and guard.stops(state.overfits) else "the number of steps"

    def finish(self, state: TrainingState, show: bool = True, **others: Any) -> dict[str, Any]:
        """Write what came of it, with `others` among the metrics; processes but the first return these alone."""
        training = {
            "train_seconds": state.seconds,
            "compile_seconds": state.compile_seconds,
            "steps": state.step,
            "windows": self.experiment.windows,
            "validation_loss": state.best_loss,
            "num_points": len(state.points["residual"]),
            "stages": steps_of_stages(read_history(self.folder / HISTORY)) if is_first() else {},
            "ended_by": self._end(state),
            "name": self.config.name,
            **others,
            "devices": self.experiment.objective.shards.count,
        }
        if not is_first():
            return {"relative_l2": math.nan, **training}
        run = Run(self.experiment, (*unstacked(state.finished), on_host(state.best_params)), self.folder, self.config)
        past, estimate = read_history(self.folder / HISTORY), self.config.estimate
        metrics = report(run, self.folder, self.reference, training, past, estimate=estimate, show=show)
        self.metrics.update(metrics)
        return metrics


def build_trainer(
    experiment: Experiment,
    settings: TrainSettings,
    trackers: Sequence[Tracker],
    checkpoints: Checkpoints,
    reference: Reference | None = None,
) -> Trainer:
    """What trains the experiment, as the settings `train` say; it measures errors where there is a reference."""
    return Trainer(
        stages=experiment.stages,
        windows=time_windows(experiment, reference),
        trackers=trackers,
        checkpoints=checkpoints,
        intervals=Intervals(settings.log_every, settings.evaluate_every, settings.checkpoint_every),
        seconds=settings.seconds,
        guard=OverfitGuard(experiment.programs.loss, settings.overfit, settings.overfit_ratio),
    )


class _Log(Tracker):
    """What is said goes to Python's log too, which a run's folder may keep."""

    def say(self, sentence: str) -> None:
        log.warning("%s", sentence)
