"""The options of every config group, so that a new YAML file is tested by being there."""

from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from pinn_ac.app import config, objects

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

EASY = ("problem/initial_condition=cosine", "problem.diffusivity=1e-3", "problem.reaction_rate=2")
"""A problem that little computing solves, for tests of everything but accuracy."""


IN_PLANE = ("disc", "fourier_2d", "random", "star", "tabulated_2d")
"""Initial conditions of two space dimensions."""


def options(group: str) -> list[str]:
    """The names of the group's YAML files."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def composed(*overrides: str) -> DictConfig:
    """The config of a training run, as the command line would compose it.

    Nearly all of the time goes to the files of the options: they are composed once for each choice of options, and
    Hydra then sets the other words in a copy, as it does itself, and refuses them by the same function. What is
    refused before that, and errors that are not Hydra's own, are left to the whole of it.
    """
    try:
        words = [(word, parsed(word)) for word in overrides]
        if any(override.is_sweep_override() for _, override in words):
            return whole(overrides).copy()
        chosen = whole(tuple(word for word, override in words if is_choice(override))).copy()
    except (HydraException, ValueError):
        return whole(overrides).copy()
    try:
        ConfigLoaderImpl._apply_overrides_to_config([one for _, one in words if not is_choice(one)], chosen)
    except ValueError:
        return whole(overrides).copy()
    return chosen


@cache
def whole(overrides: tuple[str, ...]) -> DictConfig:
    """The same from the files, all at once."""
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", list(overrides))


@cache
def parsed(word: str) -> Override:
    """A word of the command line as Hydra reads it."""
    return OverridesParser.create().parse_override(word)


def is_choice(override: Override) -> bool:
    """Whether it chooses an option of a group, or says something to Hydra."""
    name = override.key_or_group
    return (CONFIGS / name).is_dir() or name.split(".")[0] == "hydra"


def built(group: str, option: str, *overrides: str) -> Any:
    """The object (or the factory) of an option."""
    return objects.build(composed(f"{group}={option}", *overrides)[group])
