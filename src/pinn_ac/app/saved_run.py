"""The solution that a run's folder holds."""

from contextlib import closing
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import ENSEMBLE, Config, in_words, is_ensemble
from pinn_ac.app.jobs import RUN
from pinn_ac.errors import InputError, require
from pinn_ac.solution import Solution
from pinn_ac.training import Checkpoints, blank, unstacked


def load_run(folder: str | Path, device: str | None = None) -> Solution:
    """The field that the run in `folder` has saved last: its best parameters so far.

    Args:
        folder: a run's folder; the run may have finished, been interrupted, or be going on.
        device: "cpu", "gpu" or "auto"; by default that of the run.

    Raises:
        InputError: `folder` is not a run's, its config is not usable, or no checkpoint can be read.
    """
    folder = Path(folder).expanduser()
    require(not is_ensemble(folder), f"{folder} holds an ensemble: give one of its runs, such as {folder}/seed=0.")
    config = load_config(folder)
    config.devices = "auto"  # those that are here
    config.device = device or config.device
    require((folder / "checkpoints").is_dir(), f"{folder} has no checkpoint yet: wait for the run to save one.")
    experiment = assemble(config)
    with experiment.compute.active(), closing(Checkpoints(folder / "checkpoints")) as checkpoints:
        start = experiment.initial_params()
        params = unstacked(checkpoints.restore("params", lambda window, stage: blank(window + 1, start)))
    return Solution(experiment, params, folder=folder)


def load_config(folder: str | Path) -> DictConfig:
    """The config of the run or the ensemble in `folder`; samples that were copied into it are read from there."""
    folder = Path(folder).expanduser()
    file = folder / (ENSEMBLE if is_ensemble(folder) else RUN)
    require(file.is_file(), f"{folder} is not the folder of a run: it holds no {RUN}. Give one that train.py made.")
    try:
        text = file.read_text(encoding="utf-8")
        require("${" not in text, f"{file} asks for something to be filled in by ${{…}}: write what is meant.")
        config = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(text))
        assert isinstance(config, DictConfig)
        missing = sorted(OmegaConf.missing_keys(config))
    except InputError:
        raise
    except Exception as error:  # whatever YAML or OmegaConf make of a file that is not theirs
        raise InputError(f"{file} is not a run's config ({in_words(error)}): restore it or start anew.") from error
    require(not missing, f"{file} has no {', '.join(missing)}: restore it or start anew.")
    copied = folder / Path(OmegaConf.select(config, "problem.initial_condition.path") or "").name
    if copied.is_file():
        config.problem.initial_condition.path = str(copied)
    return config
