"""What Hydra and OmegaConf report about a command line, in sentences for its user."""

import importlib
import re
import typing
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import MappingProxyType, NoneType
from typing import Any

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from pinn_ac.app.config_folder import options

WORDS = MappingProxyType(
    {int: "a whole number", float: "a number", bool: "true or false", str: "a word", NoneType: "null"}
)
"""Type of a setting → what it accepts, in words."""
PHRASES = MappingProxyType(
    {
        "Config group override": "Options are chosen by name, such as optimizer=adam: null and numbers are no names.",
        "An item is already at '([^']*)'": r"\1 has a value already: change it by \1=…, without the +.",
        "Multiple values for ([^ ]*)[.] ": r"\1 is chosen already: change it by \1=…, without the +.",
        "^([^ ]*) appears more than once": r"\1 is chosen already: change it by \1=…, without the +.",
        "delete from config. '([^']*)' does": r"There is no setting \1 that could be deleted: leave ~\1 out.",
        "Sweep parameters '([^\n]*)' requires": r"\1 asks for several runs: add -m.",
        "Ambiguous value for argument '([^\n]*)'": r"\1 holds several values: add -m to run each, or write [a,b].",
        "Could not override '([^']*)'[.]\nDid you mean to override ([^?]*)": r"There is no group \1: choose \2.",
        "In '([^']*)': ConfigKeyError raised while composing config:\nKey '([^']*)' not in": (
            r"The config file \1 sets \2, and there is no such setting: leave it out."
        ),
        # The options of size/network are named by both.
        r"possible interpolation keys: (?![^\n]*\bmodel\b)": (
            "model is None: choose one of configs/model/, by model=NAME."
        ),
        r"possible interpolation keys: (?![^\n]*\bsize\b)": (
            "size is None: choose one of configs/size/, by size=NAME."
        ),
        "Missing mandatory value: ([^ \n]*)": r"\1 has no value: give it one by \1=…",
    }
)
"""Pattern in a message of Hydra's → the sentence that we print instead."""
RESOLVERS = ("started", "run_folder", "job_folder", "study")
"""What can be asked for by `${pinn_ac.NAME:…}`; an earlier version knew these without the prefix."""


def has_no(what: str, unknown: Iterable[str], known: Iterable[str], target: Any = None) -> str:
    """The sentence about settings that something does not have, or has under another name now.

    Args:
        what: the setting that holds them, or the thing.
        unknown: the names that were given.
        known: the names that there are.
        target: the class that is described, if there is one; its `RENAMED` knows former names.

    Example:
        >>> has_no("train", ["stps"], ["steps", "seconds"])
        'train has no setting stps: it has steps, seconds.'
    """
    renamed = getattr(target, "RENAMED", {})
    former = [f"{what}.{key} is called {what}.{renamed[key]} now" for key in unknown if key in renamed]
    if former:
        return f"{', '.join(former)}: write that."
    holder = f"{what} ({target.__name__})" if target is not None else what
    return f"{holder} has no setting {', '.join(unknown)}: it has {', '.join(known) or 'none'}."


def in_words(error: BaseException, sweeping: bool = False) -> str:
    """What Hydra or OmegaConf could not understand, as a sentence that tells the user what to change.

    Args:
        error: what was raised while a config was composed or read.
        sweeping: whether the command line started a sweep, where a setting may belong to some of the options alone.
    """
    cause = error.__cause__ or error
    message = str(error)
    said = message.partition(" override ")[2].partition("\n")[0]
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: write NAME=VALUE, and quote odd signs as in 'NAME=\"a b\"'."
    for pattern, sentence in PHRASES.items():
        if found := re.search(pattern, message):
            return found.expand(sentence)
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        known = error.options or options(group)
        return f"{group}={option} is no option: choose one of {', '.join(known)}."
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        # Hydra first applies the settings that a sweep does not vary to the options of the config without the sweep.
        word = re.search("To append to your config use [+](.*)", message)
        hint = f" Where the sweep chooses another option, one that has it, write ++{word[1]}." if word else ""
        return _unknown_setting(cause) + hint * sweeping
    if isinstance(error, InstantiationException):  # of Hydra's own objects, such as a launcher
        unknown = re.search(r"unexpected keyword argument '(\w+)'", message)
        fault = f"no setting {unknown[1]}: leave it out" if unknown else "settings that it cannot use: see its file"
        return f"{message.rpartition('full_key: ')[2].strip() or 'An object'} has {fault}."
    if old := re.search(rf"Unsupported interpolation type ({'|'.join(RESOLVERS)})\b", str(cause)):
        return f"${{{old[1]}:…}} is called ${{pinn_ac.{old[1]}:…}} now: write that."
    if isinstance(cause, InterpolationKeyError | InterpolationResolutionError | UnsupportedInterpolationType):
        return f"{cause.full_key} refers by ${{…}} to something that does not exist: write the value itself."
    if isinstance(cause, GrammarParseError):
        return f"{said or cause.full_key} holds a ${{…}} that cannot be read: write the value itself."
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return "The command line sets a part of something that has no such part, as seed.x=1 does: leave it out."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        given = said.partition("=")[2] or cause.value
        return f"{cause.full_key} is {given}: give {_wanted(cause)}."
    return _without_details(message)


def _unknown_setting(error: OmegaConfBaseException) -> str:
    holder = error.parent_node
    name, own = (
        holder._get_full_key(None),
        [str(key) for key in holder if key not in ("hydra", "_target_", "_partial_")],
    )
    name = name or str(error.full_key).rpartition(".")[0]
    if not name:
        return f"There is no setting {error.key}: there are {', '.join(own)}."
    room, _, kind = str(holder.get("_target_", "")).rpartition(".")
    target = getattr(importlib.import_module(room), kind, None) if room.startswith("pinn_ac.") else None
    return has_no(f"{name} ({kind})" if kind and target is None else name, [str(error.key)], own, target)


def _wanted(error: OmegaConfBaseException) -> str:
    """What the setting that an error is about accepts."""
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
    """A message on one line, without the parts that only help Hydra's developers."""
    for cut in ("\nConfig search path", "\n    full_key", "\nTo append to your"):
        message = message.partition(cut)[0]
    return " ".join(line.strip() for line in message.strip().splitlines())
