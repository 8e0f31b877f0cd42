"""L-BFGS."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.compilation import kept
from pinn_ac.errors import is_whole, require
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable


class LBFGSState(NamedTuple):
    """Parameters, optax's state (the memory of past steps and that of the line search), and evaluations so far."""

    params: Any
    inner: Any
    evaluations: jax.Array


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (Liu and Nocedal 1989) by optax, with its zoom line search, on the scalar loss.

    The line search differentiates with JAX, whatever `gradient` the objective uses elsewhere. The method wants points
    that stay for a while: each draw of new points changes the function whose curvature it has learned.

    Args:
        memory: number of past steps and gradient changes that approximate the Hessian.
        linesearch_steps: most evaluations in one line search.
        steps: how many steps a stage of training takes.

    Raises:
        InputError: a number out of range.

    Example:
        >>> optimizer = LBFGS(memory=20).build(objective)
    """

    memory: int = 50
    linesearch_steps: int = 20
    steps: int = 3000

    name: ClassVar[str] = "lbfgs"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name in ("memory", "linesearch_steps", "steps"):
            value = getattr(self, name)
            require(is_whole(value, 1), f"optimizer.{name} is {value}: give a whole number from 1.")

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        return kept(objective, _lbfgs, self.memory, self.linesearch_steps)


def _lbfgs(objective: Trainable, memory: int, linesearch_steps: int) -> Optimizer:
    search = optax.scale_by_zoom_linesearch(linesearch_steps, initial_guess_strategy="one")
    inner = optax.lbfgs(memory_size=memory, linesearch=search)

    def fresh(params):
        # Some of optax's first numbers have Python's types, which a step returns as JAX's own: without the conversion
        # the second step would be compiled anew.
        return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), inner.init(params))

    def init(params):
        return LBFGSState(params, fresh(params), jnp.zeros((), int))

    @jax.jit
    def step(state, batch):
        # The value that the line search has kept belongs to its points; on new ones it must be computed anew.
        loss, gradient = objective.value_and_grad(state.params, batch)
        updates, inner_state = inner.update(
            gradient,
            state.inner,
            state.params,
            value=loss,
            grad=gradient,
            value_fn=lambda params: objective.loss(params, batch),
        )
        used = optax.tree.get(inner_state, "info").num_linesearch_steps
        evaluations = state.evaluations + 1 + jnp.asarray(used, int)
        params = optax.apply_updates(state.params, updates)
        return LBFGSState(params, inner_state, evaluations), StepInfo(loss, evaluations)

    def on_nonfinite(state):
        return LBFGSState(state.params, fresh(state.params), state.evaluations)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)
