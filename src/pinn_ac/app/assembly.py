"""From a configuration to the objects of a run."""

from omegaconf import DictConfig, OmegaConf

from pinn_ac import experiment
from pinn_ac.app.config import GROUPS, build
from pinn_ac.compute import ComputeSettings
from pinn_ac.errors import require
from pinn_ac.optimizers import Method


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
        optimizers=stage_methods(config),
        weighting=None if config.weighting is None else build(config.weighting),
        windows=config.windows,
        seconds=config.train.seconds,
        devices=config.devices,
        seed=config.seed,
    )


def stage_methods(config: DictConfig) -> dict[str, Method]:
    """Name → the method of every stage, in order."""
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
        return {str(name): build(node) for name, node in config.stages.items()}
    single = config.optimizer.copy()
    if config.train.steps is not None:
        single.steps = config.train.steps
    method = build(single)
    return {method.name: method}
