"""The schemas of the commands' configs, and the checks that a config passes before anything is built from it."""

import shutil
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.app.help import listed
from pinn_ac.app.jobs import folder_name, study_url
from pinn_ac.app.program import spelled
from pinn_ac.app.wording import has_no, in_words
from pinn_ac.errors import InputError, expanded, require
from pinn_ac.files import holds
from pinn_ac.parallel import started
from pinn_ac.running import Plan
from pinn_ac.solution import CONFIG, ENSEMBLE


@dataclass
class TrainSettings:
    """How long a run trains, and how often it logs and evaluates; configs/config.yaml explains each setting."""

    steps: int | None = None
    seconds: float | None = None
    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None
    overfit: str = "enlarge"
    overfit_ratio: float = 1000.0
    tolerance: float | None = None


@dataclass
class DataSettings:
    """The observations of an inverse run; configs/config.yaml explains each setting."""

    file: str | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class Config:
    """A training run. Numbers and words are typed here; groups are objects, built from their `_target_`."""

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
    animate: Any = False
    train: TrainSettings = field(default_factory=TrainSettings)
    data: DataSettings = field(default_factory=DataSettings)
    unknown: dict[str, Any] = field(default_factory=dict)
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
    weighting: Any = None
    regime: Any = None
    tracker: Any = None


GROUPS = tuple(setting.name for setting in fields(Config) if setting.default == MISSING)
"""The groups of which a run needs an option each."""


@dataclass
class EvaluateConfig:
    """An evaluation of a finished or interrupted run."""

    run: str = MISSING
    times: int | None = None
    points: int | None = None
    device: str = "auto"
    reference: bool = True
    estimate: bool = True
    animate: Any = False


@dataclass
class ReferenceConfig:
    """A study of the reference solution of one problem."""

    problem: Any = MISSING


WHOLE = MappingProxyType(
    {Config: "A run", EvaluateConfig: "An evaluation", ReferenceConfig: "A study of the reference"}
)
"""What a schema describes, for messages."""


def register() -> None:
    """Make the schemas known to Hydra."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=_train_schema())
    store.store(name="evaluate_schema", node=EvaluateConfig)
    store.store(name="reference_schema", node=ReferenceConfig)


def _train_schema() -> DictConfig:
    """That of a run, whose unknowns and names of data are any."""
    schema = OmegaConf.structured(Config)
    for holder in (schema.unknown, schema.data.names):
        OmegaConf.set_struct(holder, False)
    return schema


def check_names(config: DictConfig, schema: type = Config) -> None:
    """Refuse a setting that does not exist, has no value, or refers to something that does not exist.

    Groups that are objects are left to :func:`pinn_ac.app.objects.build`, and a group for which no option was chosen
    to whoever builds it.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise InputError(in_words(error)) from error
    assert isinstance(plain, dict)
    known: dict[str, tuple[str, ...]] = {"": _names(schema)}
    if schema is Config:
        known |= {"train": _names(TrainSettings), "data": _names(DataSettings), "loss": ("norm", "weights")}
    for holder, names in known.items():
        own = plain.get(holder) if holder else plain
        if not isinstance(own, dict):
            continue
        unknown = [str(key) for key in own if key not in names]
        require(not unknown, has_no(holder or WHOLE[schema], unknown, names))
        missing = [name for name in names if own.get(name, MISSING) == MISSING and name not in GROUPS]
        dotted = ", ".join(f"{holder}.{name}" if holder else name for name in missing)
        require(not missing, f"{dotted} has no value: give it one.")


def _names(schema: type) -> tuple[str, ...]:
    return tuple(setting.name for setting in fields(schema))


def check_scalars(config: DictConfig) -> None:
    """Refuse settings that a run does not have, and numbers and words that it cannot use."""
    check_names(config)
    require(config.ensemble >= 1, f"ensemble is {config.ensemble}: give a whole number of seeds from 1.")
    require(
        animation(config.animate) is None or config.ensemble == 1,
        "animate is for a run by itself, and members of an ensemble are drawn on demand: leave it out, and give it "
        "to evaluate.",
    )
    inverse = config.data.file is not None
    require(
        inverse or not (config.unknown or config.data.names),
        "what is unknown is found from observations, and data.file is null: give their file.",
    )
    require(
        not inverse or config.ensemble == 1,
        f"ensemble is {config.ensemble}, and a run with observations trains one seed: leave it out.",
    )
    steps = config.train.steps
    require(steps is None or steps >= 1, f"train.steps is {steps}: give a whole number from 1.")
    plan(config)


ANIMATIONS = MappingProxyType({False: None, True: "gif", "gif": "gif", "mp4": "mp4"})
"""The setting `animate` → the suffix of the film."""


def animation(wanted: Any) -> str | None:
    """The suffix of the film that `animate` asks for; None for no film.

    Raises:
        InputError: it is none of the choices, or there is no ffmpeg to write an mp4.
    """
    known = isinstance(wanted, bool | str) and wanted in ANIMATIONS
    require(known, f"animate is {wanted}: choose true, gif, mp4 or false.")
    require(
        wanted != "mp4" or shutil.which("ffmpeg") is not None,
        "animate=mp4 needs the program ffmpeg, which is not here: install it, or choose animate=gif.",
    )
    return ANIMATIONS[wanted]


def plan(config: DictConfig) -> Plan:
    """The settings `train` of a config, less the steps, which are an optimizer's.

    Raises:
        InputError: one that is out of range.
    """
    return Plan(**{name: config.train[name] for name in _names(Plan)})


def is_run(folder: str | Path) -> bool:
    """Whether a run was started in the folder."""
    return holds(expanded(folder), CONFIG)


def is_ensemble(folder: str | Path) -> bool:
    """Whether an ensemble was started in the folder."""
    return holds(expanded(folder), ENSEMBLE)


def can_go_on(folder: str | Path) -> bool:
    """Whether a run or an ensemble was started in the folder, and can be resumed there."""
    return is_run(folder) or is_ensemble(folder)


def _run_folder(resume: str | None, fresh: str) -> str:
    """A resumed run continues in its own folder."""
    return str(expanded(resume)) if resume and can_go_on(resume) else fresh


def _started(form: str) -> str:
    """When the run started, in strftime's format; Hydra's own `now` differs between the processes of one run."""
    return datetime.fromtimestamp(started()).strftime(form)


# Registered on import, because the processes that a launcher starts import this module but do not run the script.
# Cached, so that a sweep's jobs in other processes and at other times find the folder that the sweep began with.
OmegaConf.register_new_resolver("pinn_ac.started", _started, use_cache=True, replace=True)
OmegaConf.register_new_resolver("pinn_ac.run_folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("pinn_ac.job_folder", folder_name, replace=True)
OmegaConf.register_new_resolver("pinn_ac.study", study_url, replace=True)
OmegaConf.register_new_resolver("pinn_ac.command", spelled, replace=True)
OmegaConf.register_new_resolver("pinn_ac.groups", listed, replace=True)
