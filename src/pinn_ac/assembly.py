"""From a configuration to the objects of a run: the road, once."""

from collections.abc import Callable, Mapping
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
from pinn_ac.residual import splitting_slope
from pinn_ac.sampling import Guides, Sampler, Sobol, draw_points
from pinn_ac.seeds import named_key
from pinn_ac.training import Stage

Points = Mapping[str, Any]


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

    def draw(self, step: int, params: Parameters, previous: Points, enlargement: int = 1) -> dict[str, np.ndarray]:
        """The collocation points that training goes on with at a step, in the run's precision.

        Args:
            step: how many there were before.
            params: the network's parameters at that step.
            previous: the points of the draw before; empty at the first one.
            enlargement: how many times `sampler.num_points` are drawn.
        """
        every = self.sampler.resample_every
        index, count = step // every if every else 0, enlargement * self.sampler.num_points
        drawn = self.sampler.draw(self.box, self.seed, index, self.guides(params), previous, count)
        # Rounded here, since they are saved so: what a resumed run computes from them must have the same bits.
        return {name: values.astype(jax.dtypes.canonicalize_dtype(float)) for name, values in drawn.items()}

    def guides(self, params: Parameters) -> Guides:
        """What adaptive samplers may ask with the network's parameters as they are; computed when they ask."""
        residual, slope, layer = self._guides

        def at(function: Callable[..., jax.Array]) -> Callable[[np.ndarray], np.ndarray]:
            return lambda points: np.asarray(function(jnp.asarray(points, float)), np.float64)

        return Guides(at(lambda points: residual(params, points)), at(slope), at(layer))

    @cached_property
    def _guides(self) -> tuple[Callable, Callable, Callable]:
        problem, term = self.problem, self.objective.terms["residual"]

        def residual(params, points):
            return jnp.abs(self.objective.vector("residual", params, {"residual": term.prepare(points)}))

        slope = jax.jit(lambda points: splitting_slope(problem, self.engine, points))
        return jax.jit(residual), slope, jax.jit(lambda points: problem.kink_layer(*points.T))

    def held_out(self) -> Batch:
        """A batch of Sobol points that training never sees."""
        sampler = Sobol(self.sampler.num_points, self.sampler.num_initial)
        return self.prepare(draw_points(sampler, self.box, self.seed, "validation", 0))

    @cached_property
    def prepare(self) -> Callable[[Points], Batch]:
        """`Objective.prepare`, compiled, on points in the run's precision."""
        compiled = jax.jit(self.objective.prepare)
        return lambda points: compiled({name: jnp.asarray(values, float) for name, values in points.items()})

    @property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where points are drawn: half of the domain is enough where the solution is even."""
        left, right = self.problem.domain
        start = 0.5 * (left + right) if self.problem.initial_condition.even else left
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
    sampler = _build_sampler(config.sampler, field, network)
    return Experiment(problem, network, field, engine, objective, sampler, stages, config.seed)


def _build_sampler(node: DictConfig, field: Field, network: Any) -> Sampler:
    """The sampler; `num_points: null` becomes the least power of two that is four times the network's parameters.

    With fewer points than that a least-squares method fits them and not the solution (measured).
    """
    if "num_points" not in node or node.num_points is not None:
        return build(node)
    point = jax.ShapeDtypeStruct((), float)
    background = jax.eval_shape(field.background, point, point)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(background.shape[0] - 1)))
    enough = 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
    return build(node, num_points=1 << (enough - 1).bit_length())


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
