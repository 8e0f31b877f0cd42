"""`train`: a run or an ensemble, fresh or resumed, alone or as a job of a sweep."""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import places_outside
from pinn_ac.app.config import can_go_on
from pinn_ac.app.ensemble import train_ensemble_in
from pinn_ac.app.jobs import read_job
from pinn_ac.app.replaced import without_replaced
from pinn_ac.app.run_folder import resumed, same_run
from pinn_ac.app.train import score_of, settled_score, train_in
from pinn_ac.errors import expanded, require

TOLERANCE_MISSED = 4
"""Exit status of a run that ended, with all that it has to show, above its tolerance; or a member of an ensemble."""
UNDETERMINED = 5
"""Exit status of an inverse run whose observations do not determine all that is unknown."""


def train(config: DictConfig) -> float:
    """Train the run or the ensemble that `config` describes, or go on with one; write all it has to show.

    A job of a sweep whose folder holds the same run already goes on with it, or, if that is finished, is done.

    Returns:
        The relative L2 error, or the validation loss of a run without a reference: what a sweep minimises; of an
        ensemble the median. One that failed before counts `FAILED_SCORE`, unless `retry` asks to run it again.
    """
    folder, resuming, settled = Path(HydraConfig.get().runtime.output_dir), config.resume is not None, None
    config = without_replaced(config, HydraConfig.get())
    retry: bool | None = None if resuming else config.retry
    if resuming:
        place = expanded(config.resume)
        config = resumed(config, HydraConfig.get().overrides.task)
        require(
            folder.resolve() == place.resolve(),
            f"resume goes on with a run in its own folder, {place}: leave out -m and hydra.run.dir.",
        )
    elif HydraConfig.get().mode == RunMode.MULTIRUN and can_go_on(folder):
        config, resuming = same_run(config, folder), True
        settled = settled_score(folder, config, config.retry) if config.ensemble == 1 else None
    if config.ensemble != 1:
        score = train_ensemble_in(folder, config, resuming, retry)
        seeds = range(config.seed, config.seed + config.ensemble)
        if any(read_job(folder / f"seed={seed}").metrics.get("tolerance_met") is False for seed in seeds):
            exit_unless_swept(TOLERANCE_MISSED)
        return score
    if settled is not None:
        return settled
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        require_own_places(config)
    metrics = train_in(folder, config, resuming)
    if metrics.get("inferred_undetermined"):
        exit_unless_swept(UNDETERMINED)
    if metrics.get("tolerance_met") is False:
        exit_unless_swept(TOLERANCE_MISSED)
    return score_of(config, metrics)


def require_own_places(config: DictConfig) -> None:
    """Refuse a tracker whose file or folder all runs of a sweep would write to, each in place of the one before.

    Raises:
        InputError: its place is outside of the run's folder, and named without an interpolation such as ${seed}.
    """
    for tracker, setting, place in places_outside(config):
        require(
            OmegaConf.is_interpolation(config.tracker[tracker], setting),
            f"tracker.{tracker}.{setting} is {place}, where all runs of this sweep would write: give a place "
            f"inside of each run's folder, such as {Path(place).name}, or one with ${{seed}} in its name, if only "
            "seeds differ.",
        )


def exit_unless_swept(status: int) -> None:
    """End a run or an ensemble that is by itself with this status; a job of a sweep has its score."""
    if HydraConfig.get().mode == RunMode.RUN:
        sys.exit(status)
