"""The schema of a configuration, and the checks that it passes before anything is built from it."""

import functools
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.errors import InputError, require
from pinn_ac.jobs import RUN, folder_name, study_url
from pinn_ac.parallel import started

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = tuple(
    f"pinn_ac.{room}"
    for room in ("models", "ansatz", "derivatives", "gradients", "optimizers", "problem", "sampling")
)
"""What a config may name lies in one of these, and in its `__all__`: a run's folder may be a stranger's."""
ENSEMBLE = "ensemble.yaml"
"""The file that makes a folder that of an ensemble of runs."""
REMEDIES = ("enlarge", "stop", "ignore")
"""What can be done about over-fitting."""


@dataclass
class TrainSettings:
    """How long a run trains, and how often it looks up. See configs/config.yaml for what each means."""

    steps: int | None = None
    seconds: float | None = None
    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    overfit: str = "enlarge"
    overfit_ratio: float = 1000.0


@dataclass
class Config:
    """A training run. Plain scalars are typed here; groups are objects, built from their `_target_`."""

    name: str = "default"
    seed: int = 0
    ensemble: int = 1
    precision: str = "float64"
    device: str = "auto"
    devices: Any = "auto"
    resume: str | None = None
    retry: bool = False
    windows: Any = "auto"
    reference: bool = True
    estimate: bool = True
    train: TrainSettings = field(default_factory=TrainSettings)
    problem: Any = MISSING
    model: Any = MISSING
    embedding: Any = MISSING
    ansatz: Any = MISSING
    derivatives: Any = MISSING
    gradient: Any = MISSING
    loss: Any = MISSING
    sampler: Any = MISSING
    optimizer: Any = MISSING
    stages: Any = None


GROUPS = tuple(setting.name for setting in fields(Config) if setting.default == MISSING)
"""Settings for each of which an option must be chosen."""


@dataclass
class EvaluateConfig:
    """An evaluation of a finished or interrupted run."""

    run: str = MISSING
    times: int = 201
    points: int = 512
    device: str = "auto"
    reference: bool = True
    estimate: bool = True


def register() -> None:
    """Make the schemas known to Hydra."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=Config)
    store.store(name="evaluate_schema", node=EvaluateConfig)


def build(node: DictConfig, **keywords: Any) -> Any:
    """The object (or, with `_partial_`, the factory) that a config node describes.

    Raises:
        InputError: a `_target_` that is not this package's, a value that the object refuses, or a missing one.
    """
    missing = sorted(OmegaConf.missing_keys(node))
    require(not missing, f"{', '.join(missing)} has no value: give it one.")
    for target in _targets(node):
        require(
            _is_ours(target),
            f"The config wants to call {target}, which is not part of pinn_ac's networks, samplers and so on: use a "
            f"_target_ that is in the __all__ of {', '.join(ROOMS[:-1])} or {ROOMS[-1]}.",
        )
    try:
        made = hydra.utils.instantiate(node, **keywords, _convert_="all")
    except (hydra.errors.InstantiationException, OmegaConfBaseException) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, InputError):
            cause = cause.__cause__
        raise (cause or InputError(f"The config cannot be built: {error}")) from error
    if isinstance(made, functools.partial):  # whose arguments nobody has looked at yet
        unknown = sorted(made.keywords.keys() - inspect.signature(made.func).parameters.keys())
        require(not unknown, f"{node._target_} has no setting {', '.join(unknown)}: see its file under configs/.")
    return made


def check_scalars(config: DictConfig) -> None:
    """Refuse scalars that no run can use."""
    # JAX's keys would be those of the lower 32 bits in single precision.
    require(0 <= config.seed < 2**32, f"seed is {config.seed}: give a whole number from 0 to {2**32 - 1}.")
    require(config.ensemble >= 1, f"ensemble is {config.ensemble}: give a whole number of seeds from 1.")
    least = {"steps": 1, "log_every": 1, "evaluate_every": 1, "checkpoint_every": 1}
    for name, smallest in least.items():
        value = config.train[name]
        require(value is None or value >= smallest, f"train.{name} is {value}: give a whole number from {smallest}.")
    seconds = config.train.seconds
    require(seconds is None or seconds > 0, f"train.seconds is {seconds}: give a positive number of seconds.")
    overfit, ratio = config.train.overfit, config.train.overfit_ratio
    require(
        overfit in REMEDIES, f"train.overfit is {overfit!r}: choose {', '.join(REMEDIES[:-1])} or {REMEDIES[-1]}."
    )
    require(1 < ratio < float("inf"), f"train.overfit_ratio is {ratio}: give a number above 1.")


def is_run(folder: str | Path) -> bool:
    """A folder that a run was started in."""
    return (Path(folder).expanduser() / RUN).is_file()


def is_ensemble(folder: str | Path) -> bool:
    """A folder that an ensemble was started in."""
    return (Path(folder).expanduser() / ENSEMBLE).is_file()


def can_go_on(folder: str | Path) -> bool:
    """A folder that a run or an ensemble was started in."""
    return is_run(folder) or is_ensemble(folder)


def _is_ours(target: str) -> bool:
    """One of the public names of one of the rooms that a config is about."""
    room, _, name = target.rpartition(".")
    return room in ROOMS and name in importlib.import_module(room).__all__


def _targets(node: Any) -> Iterator[str]:
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    if isinstance(plain, dict):
        if "_target_" in plain:
            yield str(plain["_target_"])
        for value in plain.values():
            yield from _targets(value)
    elif isinstance(plain, list):
        for value in plain:
            yield from _targets(value)


def _run_folder(resume: str | None, fresh: str) -> str:
    """A resumed run goes on in its own folder."""
    return str(Path(resume).expanduser()) if resume and can_go_on(resume) else fresh


def _started(form: str) -> str:
    """Hydra's own `now` is another moment in each process of a run."""
    return datetime.fromtimestamp(started()).strftime(form)


# On import, since a launcher's processes import this module, but never run the script.
# Cached, so that a sweep's jobs in other processes and at other times find the folder that it began with.
OmegaConf.register_new_resolver("started", _started, use_cache=True, replace=True)
OmegaConf.register_new_resolver("project", lambda: str(PROJECT), replace=True)
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("job_folder", folder_name, replace=True)
OmegaConf.register_new_resolver("study", study_url, replace=True)
