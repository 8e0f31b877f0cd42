"""The schema of a configuration, and the checks that it passes before anything is built from it."""

import importlib
import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, NamedTuple

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from pinn_ac.app.jobs import RUN, folder_name, study_url
from pinn_ac.errors import InputError, require
from pinn_ac.parallel import started

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
"""In the checkout a link to the folder at its top; in a wheel that folder itself."""


class Kind(NamedTuple):
    """The objects of a group: the room that holds them, and what they offer that others of that room do not."""

    room: str
    offers: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "problem": Kind("problem", "residual"),
        "initial_condition": Kind("problem", "heat_flow"),
        "model": Kind("models", "apply"),
        "embedding": Kind("models", "even"),
        "ansatz": Kind("ansatz", "combine"),
        "derivatives": Kind("derivatives", "__call__"),
        "gradient": Kind("gradients", "linearize"),
        "sampler": Kind("sampling", "draw"),
        "optimizer": Kind("optimizers", "build"),
        "weighting": Kind("weighting", "update"),
    }
)
"""What a config may name lies in one of these rooms, and in its `__all__`."""
WORDS = MappingProxyType(
    {int: "a whole number", float: "a number", bool: "true or false", str: "a word", NoneType: "null"}
)
"""What a typed setting takes."""
PHRASES = MappingProxyType(
    {
        "Config group override": "An option is chosen by its name, such as optimizer=adam: null or a number is none.",
        "An item is already at '([^']*)'": r"\1 has a value already: change it by \1=…, without the +.",
        "Multiple values for ([^ ]*)[.] ": r"\1 is chosen already: change it by \1=…, without the +.",
        "^([^ ]*) appears more than once": r"\1 is chosen already: change it by \1=…, without the +.",
        "delete from config. '([^']*)' does": r"There is no setting \1 that could be deleted: leave ~\1 out.",
        "Sweep parameters '([^\n]*)' requires": r"\1 asks for several runs: add -m.",
        "Ambiguous value for argument '([^\n]*)'": r"\1 holds several values: add -m to run each, or write [a,b].",
        "Could not override '([^']*)'[.]\nDid you mean to override ([^?]*)": r"There is no group \1: choose \2.",
        "Missing mandatory value: ([^ \n]*)": r"\1 has no value: give it one by \1=…",
    }
)
"""What Hydra says, and what we say instead."""
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
    weighting: Any = None
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
    """The object that a config node describes.

    Args:
        node: a group's, or one of `stages`, with a `_target_`.
        keywords: settings that take the place of the node's.

    Raises:
        InputError: a `_target_` that is no object of this group, a setting that the object does not have, one that is
            missing, or a value that it refuses.
    """
    try:
        name, plain = node._get_full_key(None), OmegaConf.to_container(node, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise InputError(in_words(error)) from error
    assert isinstance(plain, dict)
    settings = {str(key): value for key, value in plain.items()} | keywords
    _check_object(name, settings)
    try:
        return hydra.utils.instantiate(node, **keywords, _convert_="all")
    except Exception as error:  # the object's own sentence, or whatever Python makes of a value of another kind
        said: BaseException | None = error
        while said is not None and not isinstance(said, InputError):
            said = said.__cause__
        own = {
            key: value for key, value in settings.items() if not key.startswith("_") and not isinstance(value, dict)
        }
        listed = ", ".join(f"{key}={value}" for key, value in own.items())
        raise said or InputError(
            f"{name} cannot be made of {listed}: its file in configs/ says what each setting may be."
        ) from error


def _check_object(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a node, and the nodes in it, whose object is none of its group or does not have just these settings."""
    own, needed = [key for key in settings if key not in ("_target_", "_partial_")], []
    if "_target_" in settings or _group(name) in KINDS:
        target = _object(name, settings.get("_target_"))
        partial = settings.get("_partial_", False)
        require(partial is False, f"{name}._partial_ is {partial}: leave it out.")
        known = _settings(target)
        unknown = [key for key in own if key not in known]
        require(not unknown, _has_no(name, target, unknown, known))
        needed = [key for key, setting in known.items() if setting.default is setting.empty and key not in own]
    missing = [f"{name}.{key}" for key in (*own, *needed) if settings.get(key, MISSING) == MISSING]
    require(not missing, f"{', '.join(missing)} has no value: give it one.")
    for key in own:
        for part in _mappings(settings[key]):
            _check_object(f"{name}.{key}", part)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The value if it is a mapping, or the mappings in a list, as Hydra looks for objects in them."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _mappings(part)


def _group(name: str) -> str:
    """The group whose objects may stand at a place of the config."""
    return "optimizer" if name.startswith("stages.") else name.rpartition(".")[2]


def _object(name: str, target: Any) -> Any:
    """The class that `_target_` names.

    Raises:
        InputError: it is none that may stand here: a run's folder may be a stranger's.
    """
    group, (room, _, own) = _group(name), str(target).rpartition(".")
    kind = KINDS.get(group)
    found: Any = None
    if kind is not None and room == f"pinn_ac.{kind.room}":
        module = importlib.import_module(room)
        now = getattr(module, "RENAMED", {}).get(own)
        require(now is None, f"{name}._target_ is {target}, now {room}.{now}: write that, and no _partial_.")
        found = getattr(module, own) if own in module.__all__ else None
    fits = isinstance(found, type) and not getattr(found, "_is_protocol", False)
    if not fits or kind is None or not any(kind.offers in vars(base) for base in found.__mro__):
        options = [path for path in CONFIGS.rglob(f"{group}/*.yaml") if "experiment" not in path.parts]
        choice = (
            f"choose one of {', '.join(sorted(path.stem for path in options))} by its name"
            if options
            else "leave it out"
        )
        raise InputError(f"{name}._target_ is {target}, which is not part of pinn_ac or not of this group: {choice}.")
    return found


def _settings(target: Any) -> dict[str, inspect.Parameter]:
    """What a config may say of an object; Flax and the run itself give the others."""
    known = dict(inspect.signature(target).parameters)
    return {key: setting for key, setting in known.items() if key not in ("parent", "name")}


def _has_no(name: str, target: Any, unknown: Sequence[str], known: Iterable[str]) -> str:
    """That a node, and the object that it describes if there is one, has no such settings, or has them renamed."""
    renamed = getattr(target, "RENAMED", {})
    former = [f"{name}.{key} is called {name}.{renamed[key]} now" for key in unknown if key in renamed]
    if former:
        return f"{', '.join(former)}: write that."
    what = f"{name} ({target.__name__})" if target is not None else name
    return f"{what} has no setting {', '.join(unknown)}: it has {', '.join(known) or 'none'}."


def in_words(error: BaseException, sweeping: bool = False) -> str:
    """What Hydra or OmegaConf does not understand of the user's words, in a sentence, without Python's own terms."""
    cause = error.__cause__ or error
    message = str(error)
    said = message.partition(" override ")[2].partition("\n")[0]
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: write NAME=VALUE, and quotes as in 'NAME=\"a b\"' about odd signs."
    for pattern, sentence in PHRASES.items():
        if found := re.search(pattern, message):
            return found.expand(sentence)
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        known = error.options or sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
        return f"{group}={option} is no option: choose one of {', '.join(known)}."
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        # The settings of a sweep that it does not vary are first given to the options that it would have without.
        word = re.search("To append to your config use [+](.*)", message)
        hint = f" Where the sweep chooses another option, one that has it, write ++{word[1]}." if word else ""
        return _unknown_setting(cause) + hint * sweeping
    if isinstance(error, InstantiationException):  # of Hydra's own objects, such as a launcher
        unknown = re.search(r"unexpected keyword argument '(\w+)'", message)
        fault = f"no setting {unknown[1]}: leave it out" if unknown else "settings that it cannot use: see its file"
        return f"{message.rpartition('full_key: ')[2].strip() or 'An object'} has {fault}."
    if isinstance(cause, InterpolationKeyError | InterpolationResolutionError | UnsupportedInterpolationType):
        return f"{cause.full_key} asks by ${{…}} for something that is not there: write what is meant."
    if isinstance(cause, GrammarParseError):
        return f"{said or cause.full_key} holds a ${{…}} that cannot be read: write what is meant."
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return "The command line sets a part of something that has no such part, as seed.x=1 does: leave it out."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        given = said.partition("=")[2] or cause.value
        return f"{cause.full_key} is {given}: give {_wanted(cause)}."
    return _without_details(message)


def _unknown_setting(error: OmegaConfBaseException) -> str:
    holder = error.parent_node
    own = [str(key) for key in holder if key not in ("hydra", "_target_", "_partial_")]
    name = holder._get_full_key(None) or str(error.full_key).rpartition(".")[0]
    if not name:
        return f"There is no setting {error.key}: there are {', '.join(own)}."
    try:
        target = _object(name, holder.get("_target_")) if "_target_" in holder else None
    except InputError as not_ours:
        return str(not_ours)
    return _has_no(name, target, [str(error.key)], own)


def _wanted(error: OmegaConfBaseException) -> str:
    """What a typed setting takes, in words."""
    schema = error.object_type
    hint = typing.get_type_hints(schema).get(str(error.key)) if is_dataclass(schema) else None
    kinds = typing.get_args(hint) or (hint,)
    for kind in kinds:
        if is_dataclass(kind):
            return "its settings one by one, such as " + ", ".join(
                f"{error.full_key}.{setting.name}" for setting in fields(kind)
            )
    words = [WORDS[kind] for kind in kinds if kind in WORDS]
    return " or ".join(words) if words else "a value that its file in configs/ allows"


def _without_details(message: str) -> str:
    """A message on one line, less what helps only Hydra's developers."""
    for cut in ("\nConfig search path", "\n    full_key", "\nTo append to your"):
        message = message.partition(cut)[0]
    return " ".join(line.strip() for line in message.strip().splitlines())


def check_names(config: DictConfig, schema: type = Config) -> None:
    """Refuse a setting that there is none of, one that has no value, and one that refers to nothing.

    Groups that are objects are left to `build`, and to say that one was not chosen to who builds them.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise InputError(in_words(error)) from error
    assert isinstance(plain, dict)
    known = {"": _names(schema), "train": _names(TrainSettings), "loss": ("norm", "weights")}
    for holder, names in known.items():
        own = plain.get(holder) if holder else plain
        if not isinstance(own, dict):
            continue
        unknown = [str(key) for key in own if key not in names]
        require(
            not unknown, _has_no(holder or "A run" if schema is Config else "An evaluation", None, unknown, names)
        )
        missing = [name for name in names if own.get(name, MISSING) == MISSING and name not in GROUPS]
        dotted = ", ".join(f"{holder}.{name}" if holder else name for name in missing)
        require(not missing, f"{dotted} has no value: give it one.")


def _names(schema: type) -> tuple[str, ...]:
    return tuple(setting.name for setting in fields(schema))


def check_scalars(config: DictConfig) -> None:
    """Refuse settings that no run has, and scalars that no run can use."""
    check_names(config)
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


def _run_folder(resume: str | None, fresh: str) -> str:
    """A resumed run goes on in its own folder."""
    return str(Path(resume).expanduser()) if resume and can_go_on(resume) else fresh


def _started(form: str) -> str:
    """Hydra's own `now` is another moment in each process of a run."""
    return datetime.fromtimestamp(started()).strftime(form)


# On import, since a launcher's processes import this module, but never run the script.
# Cached, so that a sweep's jobs in other processes and at other times find the folder that it began with.
OmegaConf.register_new_resolver("started", _started, use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("job_folder", folder_name, replace=True)
OmegaConf.register_new_resolver("study", study_url, replace=True)
