"""`train`: one run from its config to its folder, fresh or resumed, alone or as a job of a sweep."""

import logging
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pinn_ac.app.assembly import assemble, plan, trackers
from pinn_ac.app.config import can_go_on, check_scalars
from pinn_ac.app.jobs import FAILED_SCORE, FAILURE, read_job
from pinn_ac.app.report import load_reference, report
from pinn_ac.app.run_folder import claimed, require_same, resumed, write_config
from pinn_ac.errors import require
from pinn_ac.experiment import Experiment
from pinn_ac.fitting import Training, computing
from pinn_ac.parallel import first_begins, is_first
from pinn_ac.reference import Reference
from pinn_ac.tracking import Tracker
from pinn_ac.training import Checkpoints

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float:
    """Train the run or the ensemble that `config` describes, or go on with one; write all it has to show.

    A job of a sweep whose folder holds the same run already goes on with it, or, if that is finished, is done.

    Returns:
        The relative L2 error, or the validation loss of a run without a reference: what a sweep minimises; of an
        ensemble the median. One that failed before counts `FAILED_SCORE`, unless `retry` asks to run it again.
    """
    from pinn_ac.app.ensemble import train_ensemble_in

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
        settled = settled_score(folder, config, config.retry)
    if config.ensemble != 1:
        return train_ensemble_in(folder, config, resuming, retry)
    return score_of(config, train_in(folder, config, resuming)) if settled is None else settled


def train_in(folder: Path, config: DictConfig, resuming: bool = False) -> dict[str, Any]:
    """:func:`train` of one run without Hydra around it: everything is checked and built first, then the run goes.

    Returns:
        The metrics, as they are in metrics.json.

    Raises:
        InputError: a setting that cannot be used, or a folder that holds a run (unless `resuming`).
        Stopped: a signal arrived; the run is saved.
        Diverged: the loss is not finite; the last good state is saved.
    """
    experiment, config = assembled(config)
    with computing(experiment), ExitStack() as held:
        first_begins(lambda: held.enter_context(claimed(folder, resuming)))
        reference = load_reference(experiment.problem, config.reference)
        training = training_in(folder, experiment, config, reference, progress_trackers(experiment, config))
        held.callback(training.checkpoints.close)
        state = training.train()
        return finish_in(folder, config, training, state, reference)


def assembled(config: DictConfig) -> tuple[Experiment, DictConfig]:
    """The experiment, and a config whose windows are counted: a longer budget on resuming must not change them."""
    check_scalars(config)
    plan(config)
    experiment, counted = assemble(config), config.copy()
    counted.windows = experiment.windows
    return experiment, counted
