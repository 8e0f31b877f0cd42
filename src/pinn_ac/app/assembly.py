"""From a configuration to the objects of a run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from pinn_ac import problem as problems
from pinn_ac.app.config import GROUPS
from pinn_ac.app.objects import build
from pinn_ac.compute import ComputeSettings
from pinn_ac.errors import expanded, require
from pinn_ac.experiment import Experiment
from pinn_ac.fitting import choose, stage_name
from pinn_ac.loss import Loss
from pinn_ac.optimizers import Method
from pinn_ac.problem.plane import InPlane
from pinn_ac.setup import Setup
from pinn_ac.setup import assemble as assembled
from pinn_ac.tracking import Jsonl, MLflow, TensorBoard, Tracker, WandB

IN_PLANE = {
    "pinn_ac.problem.Fourier": ("pinn_ac.problem.Fourier2D", ("mean", "cosine", "sine")),
    "pinn_ac.problem.Tabulated": ("pinn_ac.problem.Tabulated2D", ("path", "domain")),
}
"""The target of an initial condition on a line → that of its counterpart in the plane, and the settings of both."""


def assemble(config: DictConfig) -> Experiment:
    """Build every object of the run; nothing is computed yet, and neither the config nor the process is changed.

    Raises:
        InputError: a setting that cannot be used.
    """
    return assembled(setup_of(config))


def setup_of(config: DictConfig) -> Setup:
    """All that the run is made of.

    Raises:
        InputError: a setting that cannot be used.
    """
    with ComputeSettings.of(config.precision, config.device).active():
        problem, choices = arguments(config)
        return choose(problem, None, config.train.seconds, config.seed, choices, config.train.tolerance)


def arguments(config: DictConfig) -> tuple[Any, dict[str, Any]]:
    """What :func:`pinn_ac.fit` is called with for this config: the problem, and the choices.

    Raises:
        InputError: a group without an option, or a setting that an object refuses.
    """
    for group in GROUPS:
        chosen = None if OmegaConf.is_missing(config, group) else config[group]
        given = isinstance(chosen, DictConfig) or (group == "optimizer" and bool(config.stages))
        require(given, f"{group} is {chosen}: choose one of configs/{group}/, by {group}=NAME.")
    choices = {
        "network": build(config.model),
        "embedding": build(config.embedding),
        "ansatz": build(config.ansatz),
        "derivatives": build(config.derivatives),
        "gradient": build(config.gradient),
        "loss": Loss(config.loss.norm, config.loss.weights),
        "weighting": None if config.weighting is None else build(config.weighting),
        "regime": None if config.regime is None else build(config.regime),
        "sampler": build(config.sampler),
        "optimizer": stage_methods(config),
        "windows": config.windows,
        "precision": config.precision,
        "device": config.device,
        "devices": config.devices,
    }
    return build(_in_its_dimensions(config.problem)), choices


def _in_its_dimensions(problem: DictConfig) -> DictConfig:
    """A problem in the plane has the series and the samples of the plane, by the names that they have on a line.

    Raises:
        InputError: a setting that only samples on a line have, or coefficients of a series on a line.
    """
    kind = getattr(problems, str(problem.get("_target_")).rpartition(".")[2], None)
    start = problem.get("initial_condition")
    own = IN_PLANE.get(str(start.get("_target_"))) if isinstance(start, DictConfig) else None
    if own is None or not (isinstance(kind, type) and issubclass(kind, InPlane)):
        return problem
    target, kept = own
    for name, value in start.items():
        require(
            name in (*kept, "_target_", "boundary") or value is None,
            f"problem.initial_condition.{name} is {value}, and only samples on a line have it: leave it out.",
        )
    for name in ("cosine", "sine"):
        waves = start.get(name)
        require(
            not (isinstance(waves, ListConfig) and any(isinstance(one, int | float) for one in waves)),
            f"problem.initial_condition.{name} is {waves}, coefficients of a line, and this problem has two "
            "dimensions: give both cosine and sine as triples [k, l, amplitude], or as [] for none, such as "
            "problem.initial_condition.cosine=[[1,2,0.3]] problem.initial_condition.sine=[].",
        )
    problem = problem.copy()
    problem.initial_condition = {"_target_": target, **{name: start[name] for name in kept}}
    return problem


def trackers(config: DictConfig) -> list[Tracker]:
    """The trackers that a config names, in order."""
    nodes = config.tracker or {}
    require(isinstance(nodes, DictConfig), f"tracker is {nodes}: choose some, as in 'tracker=[jsonl,tensorboard]'.")
    return [build(node) for node in nodes.values()]


FOR_ONE_RUN: dict[type, str] = {Jsonl: "path", TensorBoard: "folder"}
"""Trackers by which several runs would write over each other in one place → the setting that names it."""
FOR_SEVERAL: dict[type, str] = {WandB: "folder", MLflow: "uri"}
"""Those that keep runs apart there."""


def places_outside(config: DictConfig, shared: bool = False) -> Iterator[tuple[str, str, str]]:
    """(Tracker, setting, place) of each file or folder outside of the run's folder that is for one run alone.

    With `shared` also of those that several runs may share, but for MLflow's usual store.
    """
    settings = FOR_ONE_RUN | (FOR_SEVERAL if shared else {})
    for name, one in zip(config.tracker or {}, trackers(config), strict=True):
        setting = next((setting for kind, setting in settings.items() if isinstance(one, kind)), None)
        if setting is None:
            continue
        place = str(getattr(one, setting))
        is_outside = place != MLflow.uri if isinstance(one, MLflow) else _leaves(place)
        if is_outside:
            yield str(name), setting, place


def _leaves(place: str) -> bool:
    """Whether a file or folder lies outside of the one that relative places begin at."""
    path = Path(os.path.normpath(expanded(place)))
    return path.is_absolute() or path.parts[:1] == (os.pardir,)


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
    return {stage_name(method): method}
