"""From a configuration to the objects of a run: the road, once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from omegaconf import DictConfig

from pinn_ac.ansatz import Field, Parameters
from pinn_ac.config import build
from pinn_ac.derivatives import Engine
from pinn_ac.errors import require
from pinn_ac.loss import Batch, Objective, build_terms
from pinn_ac.problem import AllenCahn
from pinn_ac.sampling import Sampler, Sobol, draw_points
from pinn_ac.seeds import named_key
from pinn_ac.training import Stage


@dataclass(frozen=True)
class Experiment:
    """What a configuration describes, ready to train or to evaluate."""

    problem: AllenCahn
    network: Any
    field: Field
    engine: Engine
    objective: Objective
    sampler: Sampler
    stages: list[Stage]
    seed: int

    def initial_params(self) -> Parameters:
        """The network's parameters before training; they follow the seed."""
        features = self.field.background(jnp.zeros(()), jnp.asarray(self.problem.domain[1]))[1:]
        return jax.jit(self.network.init)(named_key(self.seed, "network"), features)

    def points(self, step: int) -> dict[str, np.ndarray]:
        """The collocation points of a step."""
        every = self.sampler.resample_every
        return draw_points(self.sampler, self.box, self.seed, "training", step // every if every else 0)

    def held_out(self) -> Batch:
        """A batch of Sobol points that training never sees."""
        sampler = Sobol(self.sampler.num_points, self.sampler.num_initial)
        return self.prepare(draw_points(sampler, self.box, self.seed, "validation", 0))

    @cached_property
    def prepare(self) -> Callable[[dict[str, np.ndarray]], Batch]:
        """`Objective.prepare`, compiled, on points in the run's precision."""
        compiled = jax.jit(self.objective.prepare)
        return lambda points: compiled({name: jnp.asarray(values, float) for name, values in points.items()})

    @property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where points are drawn: half of the domain is enough where u is built even."""
        left, right = self.problem.domain
        start = 0.5 * (left + right) if self.field.embedding.even(self.problem) else left
        return (0.0, self.problem.horizon), (start, right)


def assemble(config: DictConfig) -> Experiment:
    """Build every object of the run; nothing is computed yet.

    Raises:
        InputError: a setting that cannot be used.
    """
    problem = build(config.problem)
    network = build(config.model)
    field = Field(problem, build(config.embedding), network.apply, build(config.ansatz))
    engine = build(config.derivatives)
    objective = Objective(build_terms(field, engine), config.loss.weights, config.loss.norm, build(config.gradient))
    stages = [Stage(name, build(node)(objective), node.steps) for name, node in stage_configs(config).items()]
    return Experiment(problem, network, field, engine, objective, build(config.sampler), stages, config.seed)


def stage_configs(config: DictConfig) -> dict[str, DictConfig]:
    """Name → optimizer config of every stage, in order."""
    if config.stages:
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
        stages = {single._target_.rpartition(".")[2]: single}
    for name, node in stages.items():
        steps = node.get("steps")
        whole = isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1
        require(whole, f"stage {name} has {steps} steps: give a whole number from 1.")
    return stages
