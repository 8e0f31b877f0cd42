"""From a configuration to the objects of a run."""

from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from pinn_ac import experiment
from pinn_ac.app.config import GROUPS
from pinn_ac.app.objects import build
from pinn_ac.compute import ComputeSettings
from pinn_ac.errors import require


class Method(NamedTuple):
    """An optimizer that awaits its objective, and how many steps it gets."""

    build: Any
    steps: int


def assemble(config: DictConfig) -> experiment.Experiment:
    """Build every object of the run; nothing is computed yet, and neither the config nor the process is changed.

    Raises:
        InputError: a setting that cannot be used.
    """
    compute = ComputeSettings.of(config.precision, config.device)
    with compute.active():
        setup = build_setup(config)
    return experiment.assemble(setup, compute)


def build_setup(config: DictConfig) -> experiment.Setup:
    """The objects that the groups of a config name."""
    for group in GROUPS:
        chosen = None if OmegaConf.is_missing(config, group) else config[group]
        given = isinstance(chosen, DictConfig) or (group == "optimizer" and bool(config.stages))
        require(given, f"{group} is {chosen}: choose one of configs/{group}/, by {group}=NAME.")
    return experiment.Setup(
        problem=build(config.problem),
        network=build(config.model),
        embedding=build(config.embedding),
        ansatz=build(config.ansatz),
        derivatives=build(config.derivatives),
        gradient=build(config.gradient),
        norm=config.loss.norm,
        weights=config.loss.weights,
        sampler=build(config.sampler),
        optimizers={name: Method(build(node), node.steps) for name, node in stage_configs(config).items()},
        windows=config.windows,
        seconds=config.train.seconds,
        devices=config.devices,
        seed=config.seed,
    )


def stage_configs(config: DictConfig) -> dict[str, DictConfig]:
    """Name → optimizer config of every stage, in order."""
    if config.stages:
        require(
            isinstance(config.stages, DictConfig),
            f"stages is {config.stages}: choose one of configs/stages/, by stages=NAME.",
        )
        for name, node in config.stages.items():
            require(
                isinstance(node, DictConfig),
                f"stages.{name} is {node}: choose an optimizer for it, by +optimizer@stages.{name}=NAME.",
            )
        require(
            config.train.steps is None,
            "train.steps is for a run with one optimizer: set stages.NAME.steps for "
            f"{', '.join(config.stages)}, or leave stages out.",
        )
        stages = dict(config.stages.items())
    else:
        single = config.optimizer.copy()
        if config.train.steps is not None:
            single.steps = config.train.steps
        stages = {str(single.get("_target_")).rpartition(".")[2]: single}
    for name, node in stages.items():
        steps = node.get("steps")
        whole = isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1
        require(whole, f"stage {name} has {steps} steps: give a whole number from 1.")
    return stages
