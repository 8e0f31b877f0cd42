"""L-BFGS, by optax, with its zoom line search."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.compilation import kept
from pinn_ac.errors import is_whole, require
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, Trainable


class LbfgsState(NamedTuple):
    """Parameters and optax's state, with the memory of past steps and the line search's own."""

    params: Any
    inner: Any
    evaluations: jax.Array


def lbfgs(
    objective: Trainable,
    steps: int,
    memory: int = 50,
    linesearch_steps: int = 20,
) -> Optimizer:
    """Limited-memory BFGS (Liu and Nocedal 1989) on the scalar objective.

    The line search differentiates with JAX, whatever `gradient` says of the rest.

    Args:
        objective: what to minimise.
        steps: not needed by the method, which has no schedule.
        memory: pairs of steps and gradient changes that stand for the Hessian.
        linesearch_steps: most evaluations of one line search.

    Raises:
        InputError: a number out of range.
    """
    del steps
    for name, value in (("memory", memory), ("linesearch_steps", linesearch_steps)):
        require(is_whole(value, 1), f"optimizer.{name} is {value}: give a whole number from 1.")
    return kept(objective, _lbfgs, memory, linesearch_steps)


def _lbfgs(objective: Trainable, memory: int, linesearch_steps: int) -> Optimizer:
    search = optax.scale_by_zoom_linesearch(linesearch_steps, initial_guess_strategy="one")
    inner = optax.lbfgs(memory_size=memory, linesearch=search)

    def fresh(params):
        # Some of optax's first numbers are of Python's types, which a step returns as JAX's own: that would compile
        # the second step anew.
        return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), inner.init(params))

    def init(params):
        return LbfgsState(params, fresh(params), jnp.zeros((), int))

    @jax.jit
    def step(state, batch):
        # The value that the line search keeps is of the points it saw, so new points need it evaluated anew.
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
        return LbfgsState(optax.apply_updates(state.params, updates), inner_state, evaluations), Outcome(
            loss, evaluations
        )

    def retreat(state):
        return LbfgsState(state.params, fresh(state.params), state.evaluations)

    return Optimizer(init, step, lambda state: state.params, retreat)
