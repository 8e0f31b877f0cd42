"""What the scripts do: train a run, evaluate a run."""

import fcntl
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pinn_ac.assembly import Experiment, assemble
from pinn_ac.config import PROJECT, TrainSettings, check_scalars, is_run
from pinn_ac.environment import configure, describe
from pinn_ac.errors import InputError, require
from pinn_ac.estimate import estimate_error
from pinn_ac.evaluation import score
from pinn_ac.files import make_writable, write_whole
from pinn_ac.jobs import FAILED_SCORE, FAILURE, read_job
from pinn_ac.reference import Reference, load_or_solve
from pinn_ac.saved_run import Run, load_config, load_run
from pinn_ac.tracking import History, read_history
from pinn_ac.training import Checkpoints, Intervals, OverfitGuard, Recorder, Trainer, unstacked
from pinn_ac.windows import enter_windows

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float:
    """Train the run that `config` describes, or go on with one; write all it has to show into its folder.

    A job of a sweep whose folder holds the same run already goes on with it, or, if that is finished, is done.

    Returns:
        The relative L2 error, or the validation loss of a run without a reference: what a sweep minimises. A job that
        failed before counts `FAILED_SCORE`, unless `retry` asks to run it again.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    resuming = config.resume is not None
    if resuming:
        config = _resumed(config, HydraConfig.get().overrides.task)
    elif HydraConfig.get().mode == RunMode.MULTIRUN and is_run(folder):
        job, resuming = read_job(folder), True
        _require_same(config, folder)
        if job.status == "finished":
            log.info("%s is finished.", folder)
            return _score(config, job.metrics)
        if job.failure and not config.retry:
            log.warning("%s failed before (%s): retry=true runs it again.", folder, job.failure)
            return FAILED_SCORE
    return _score(config, train_in(folder, config, resuming))


def train_in(folder: Path, config: DictConfig, resuming: bool = False) -> dict[str, Any]:
    """:func:`train` without Hydra around it: everything is checked and built first, then the run goes.

    Returns:
        The metrics, as they are in metrics.json.

    Raises:
        InputError: a setting that cannot be used, or a folder that holds a run (unless `resuming`).
        Stopped: a signal arrived; the run is saved.
        Diverged: the loss is not finite; the last good state is saved.
    """
    check_scalars(config)
    configure(config.precision, config.device)
    experiment = assemble(config)
    with _claimed(folder, resuming):
        config.windows = experiment.windows  # which a longer budget on resuming must not change
        (folder / FAILURE).unlink(missing_ok=True)
        _write_config(config, folder)
        reference = load_reference(experiment, config.reference)
        return _train(experiment, config, folder, reference)


def _score(config: DictConfig, metrics: Mapping[str, Any]) -> float:
    return metrics["relative_l2"] if config.reference else metrics["validation_loss"]


def _require_same(config: DictConfig, folder: Path) -> None:
    """The folder's run is the one that is asked for; its `windows` were counted, and `retry` is not the run's."""
    asked, saved = (_comparable(node) for node in (config, load_config(folder)))
    differing = sorted(key for key in asked | saved if asked.get(key) != saved.get(key))
    require(
        not differing,
        f"{folder} holds a run with another {', '.join(differing)}: choose another hydra.sweep.dir.",
    )


def _comparable(config: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    path = OmegaConf.select(config, "problem.initial_condition.path")
    if path:  # the run has a copy
        plain["problem"]["initial_condition"]["path"] = Path(path).name
    return {str(key): value for key, value in plain.items() if key not in ("windows", "retry", "device")}


def evaluate(config: DictConfig) -> None:
    """Recompute the metrics and figures of the run in `config.run` from its checkpoint, on a grid of the user's."""
    for name in ("times", "points"):
        require(config[name] >= 2, f"{name} is {config[name]}: give a whole number from 2.")
    run = load_run(config.run, config.device)
    folder = Path(config.run).expanduser() / "evaluation" / f"{config.times}x{config.points}"
    make_writable(folder)
    reference = load_reference(run.experiment, config.reference, config.times, config.points)
    history = Path(config.run).expanduser() / "history.jsonl"
    collocation = run.experiment.draw(0, run.params[-1], {}, condition=run.conditions[-1])["residual"]
    past = read_history(history) if history.exists() else []
    report(run, folder, reference, {}, past, collocation, config.times, config.points, config.estimate)


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
    collocation: Any,
    times: int = 201,
    points: int = 512,
    estimate: bool = True,
) -> dict[str, Any]:
    """Score the run on a grid, and write prediction.npz, the figures and (last) metrics.json; print the table."""
    from pinn_ac.reporting.figures import draw_run  # here, since a run should not wait for matplotlib to start
    from pinn_ac.reporting.tables import print_summary

    experiment, sampled = run.experiment, run.sample(times, points)
    metrics = {
        **score(experiment.problem, sampled, reference),
        **(estimate_error(experiment.problem, run.derivatives, experiment.breaks) if estimate else {}),
        **training,
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(run.params)),
        "seed": experiment.seed,
        **describe(PROJECT),
    }
    write_whole(folder / "prediction.npz", lambda path: np.savez(path, t=sampled.t, x=sampled.x, u=sampled.u))
    points = np.array(collocation, np.float64)  # of the last window, in its own time
    before = experiment.problem.horizon - experiment.field.problem.horizon
    points[:, 0] = np.minimum(before + points[:, 0], experiment.problem.horizon)  # single precision may pass it
    at_points = run.derivatives(*points.T)["residual"]
    figures = draw_run(folder, experiment.problem, sampled, reference, history, points, at_points)
    write_whole(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2) + "\n"))
    print_summary(metrics, folder, figures)
    return metrics


def _train(experiment: Experiment, config: DictConfig, folder: Path, reference: Reference | None) -> dict[str, Any]:
    from pinn_ac.reporting.progress import Progress

    history = History(folder / "history.jsonl")
    total = experiment.windows * sum(stage.steps for stage in experiment.stages)
    checkpoints = Checkpoints(folder / "checkpoints")
    with Progress(total, config.train.seconds) as progress:
        recorder = _Recorder(history, progress)
        trainer = build_trainer(experiment, config.train, recorder, checkpoints, reference)
        state = trainer.resume(experiment.initial_params()) if checkpoints.exist() else trainer.begin()
        history.truncate_after(state.step)
        state = trainer.run(state)
    checkpoints.close()
    training = {
        "train_seconds": state.seconds,
        "compile_seconds": state.compile_seconds,
        "steps": state.step,
        "windows": experiment.windows,
        "validation_loss": state.best_loss,
        "num_points": len(state.points["residual"]),
        "stages": {stage.name: stage.steps for stage in experiment.stages},
        "name": config.name,
    }
    run = Run(experiment, (*unstacked(state.finished), state.best_params), folder, config)
    past, points = read_history(history.path), state.points["residual"]
    return report(run, folder, reference, training, past, points, estimate=config.estimate)


def build_trainer(
    experiment: Experiment,
    settings: TrainSettings,
    recorder: Recorder,
    checkpoints: Checkpoints,
    reference: Reference | None = None,
) -> Trainer:
    """What trains the experiment, as the settings `train` say; it measures errors where there is a reference."""
    loss = jax.jit(experiment.objective.loss)
    return Trainer(
        stages=experiment.stages,
        enter=enter_windows(experiment, loss, reference),
        windows=experiment.windows,
        resample_every=experiment.sampler.resample_every,
        recorder=recorder,
        checkpoints=checkpoints,
        intervals=Intervals(settings.log_every, settings.evaluate_every, settings.checkpoint_every),
        seconds=settings.seconds,
        guard=OverfitGuard(
            lambda params, batch: float(loss(params, batch)), settings.overfit, settings.overfit_ratio
        ),
    )


class _Recorder:
    """Writes the history, and moves the progress bar."""

    def __init__(self, history: History, progress: Any) -> None:
        self.history, self.progress = history, progress

    def log(self, stage: str, step: int, seconds: float, loss: float, others: Mapping[str, float]) -> None:
        self.history.append(step, seconds, loss, None, stage=stage, **others)
        error = others.get("relative_l2", others.get("window_relative_l2"))
        self.progress.update(step, stage, loss=loss, error=error, seconds=seconds)

    def say(self, message: str) -> None:
        log.warning(message)
        self.progress.say(message)


def _resumed(config: DictConfig, overrides: list[str]) -> DictConfig:
    """The config that the run in `config.resume` was started with, and what may change of it."""
    saved = load_config(config.resume)
    saved.train = OmegaConf.merge(TrainSettings, saved.train)  # those that an earlier version did not have
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~")
        if key == "resume":
            continue
        require(
            key.startswith("train.") or key == "device",
            f"{override} would make another run of {config.resume}: only train.* and device can change on resuming.",
        )
        OmegaConf.update(saved, key, OmegaConf.select(config, key))
    return saved


@contextmanager
def _claimed(folder: Path, resuming: bool) -> Iterator[None]:
    """Hold the folder for this process alone, and refuse one that already holds a run unless it is resumed."""
    make_writable(folder)
    require(
        resuming or not is_run(folder),
        f"{folder} already holds a run: go on with it by resume={folder}, or choose another hydra.run.dir.",
    )
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{folder} is being written by another process: wait for it or choose another folder."
            ) from error
        yield


def _write_config(config: DictConfig, folder: Path) -> None:
    """The resolved config, with a user's samples beside it, so that the folder can be moved as it is."""
    samples = OmegaConf.select(config, "problem.initial_condition.path")
    if samples and Path(samples).expanduser().resolve().parent != folder.resolve():
        shutil.copy(Path(samples).expanduser(), folder)
    write_whole(folder / "config.yaml", lambda path: OmegaConf.save(config, path, resolve=True))
