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
from pinn_ac.optimizers.fingerprint import fingerprint
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable

SLACK = 1e-6
"""Of a loss, by which the one after a step may be larger, as optax's search takes it for rounding."""


class LBFGSState(NamedTuple):
    """Parameters, optax's state (the memory of past steps and that of the line search), and evaluations so far.

    batch: the fingerprint of the newest step's batch, (2,).
    """

    params: Any
    inner: Any
    evaluations: jax.Array
    batch: jax.Array


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (Liu and Nocedal 1989) by optax, with its zoom line search, on the scalar loss.

    It learns from the last steps s = θ₊ − θ with the changes y = ∇L(θ₊) − ∇L(θ) of the gradient of one and the same
    loss L, that of the batch of the step: where points or their weights have changed since, y ends with the gradient
    at which the line search ended. After a step without positive curvature, sᵀy ≤ eps ‖s‖‖y‖, the memory starts anew.

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
        return LBFGSState(params, fresh(params), jnp.zeros((), int), jnp.zeros(2, jnp.uint32))

    @jax.jit
    def step(state, batch):
        # The value that the line search has kept belongs to its points; on new ones it must be computed anew.
        loss, gradient = objective.value_and_grad(state.params, batch)
        seen = fingerprint(batch)
        learned, usable = _on_one_batch(state.inner, state.params, gradient, (seen != state.batch).any())
        updates, inner_state = inner.update(
            gradient,
            jax.lax.cond(usable, lambda: learned, lambda: fresh(state.params)),
            state.params,
            value=loss,
            grad=gradient,
            value_fn=lambda params: objective.loss(params, batch),
        )
        used = optax.tree.get(inner_state, "info").num_linesearch_steps
        evaluations = state.evaluations + 1 + jnp.asarray(used, int)
        # A search that finds no decrease ends at its last trial, however bad: then there is no step, and no memory.
        lower = inner_state[-1].value <= loss + SLACK * jnp.abs(loss)
        found = optax.apply_updates(state.params, updates), inner_state
        params, inner_state = jax.tree.map(
            lambda new, old: jnp.where(lower, new, old), found, (state.params, fresh(state.params))
        )
        return LBFGSState(params, inner_state, evaluations, seen), StepInfo(loss, evaluations)

    def on_nonfinite(state):
        return state._replace(inner=fresh(state.params))

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)


def _on_one_batch(inner: Any, params: Any, gradient: Any, is_new: jax.Array) -> tuple[Any, jax.Array]:
    """optax's state, of which the next update learns y on the batch of the step before; and whether sᵀy is positive.

    optax takes y as the gradient now less the one that it has kept. On a new batch that one is replaced by the
    gradient now less y = g₊ − g, both on the old batch: g₊ is where the line search ended, g what was kept.
    """
    memory, scaling, search = inner
    ended = optax.tree.sub(search.grad, memory.updates)
    before = jax.tree.map(
        lambda now, y, kept: jnp.where(is_new & (memory.count > 0), now - y, kept), gradient, ended, memory.updates
    )
    s, y = optax.tree.sub(params, memory.params), optax.tree.sub(gradient, before)
    least = jnp.finfo(optax.tree.norm(y).dtype).eps * optax.tree.norm(s) * optax.tree.norm(y)
    usable = (memory.count == 0) | (optax.tree.vdot(s, y) > least)
    return (memory._replace(updates=before), scaling, search), usable
