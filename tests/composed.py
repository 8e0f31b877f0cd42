"""The options of every config group, so that a new YAML file is tested by being there."""

from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from pinn_ac.app import config, objects

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

EASY = ("problem/initial_condition=cosine", "problem.diffusivity=1e-3", "problem.reaction_rate=2")
"""A problem that little computing solves, for tests of everything but accuracy."""


def options(group: str) -> list[str]:
    """The names of the group's YAML files."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def composed(*overrides: str) -> DictConfig:
    """The config of a training run, as the command line would compose it."""
    return _composed(overrides).copy()


@cache
def _composed(overrides: tuple[str, ...]) -> DictConfig:
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", list(overrides))


def built(group: str, option: str, *overrides: str) -> Any:
    """The object (or the factory) of an option."""
    return objects.build(composed(f"{group}={option}", *overrides)[group])
