"""Adam, by optax, with a learning-rate schedule."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, require
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, Trainable

SCHEDULES = ("constant", "cosine", "exponential")


class AdamState(NamedTuple):
    """Parameters, optax's state, and the factor on the learning rate that failures have left."""

    params: Any
    inner: Any
    caution: jax.Array
    evaluations: jax.Array


def adam(
    objective: Trainable,
    steps: int,
    learning_rate: float = 1e-3,
    schedule: str = "cosine",
    final_share: float = 1e-2,
    b1: float = 0.9,
    b2: float = 0.999,
) -> Optimizer:
    """Adam (Kingma and Ba 2015) on the scalar objective.

    Args:
        objective: what to minimise.
        steps: the length of the schedule.
        learning_rate: where the schedule starts.
        schedule: "constant", "cosine" or "exponential".
        final_share: the share of `learning_rate` at the end of a cosine or exponential schedule.
        b1: decay of the first moment.
        b2: decay of the second moment.

    Raises:
        InputError: an unknown schedule, or a number out of range.
    """
    require(schedule in SCHEDULES, f"optimizer.schedule is {schedule!r}: choose one of {', '.join(SCHEDULES)}.")
    require(
        is_number(learning_rate) and learning_rate > 0,
        f"optimizer.learning_rate is {learning_rate}: give a positive number.",
    )
    require(
        is_number(final_share) and 0 < final_share <= 1,
        f"optimizer.final_share is {final_share}: give a number in (0, 1].",
    )
    for name, value in (("b1", b1), ("b2", b2)):
        require(is_number(value) and 0 <= value < 1, f"optimizer.{name} is {value}: give a number in [0, 1).")
    return kept(objective, _adam, steps, learning_rate, schedule, final_share, b1, b2)


def _adam(
    objective: Trainable, steps: int, learning_rate: float, schedule: str, final_share: float, b1: float, b2: float
) -> Optimizer:
    rates = {
        "constant": optax.constant_schedule(learning_rate),
        "cosine": optax.cosine_decay_schedule(learning_rate, max(steps, 1), alpha=final_share),
        "exponential": optax.exponential_decay(learning_rate, max(steps, 1), final_share),
    }
    inner = optax.adam(rates[schedule], b1=b1, b2=b2)

    def init(params):
        return AdamState(params, inner.init(params), jnp.ones(()), jnp.zeros((), int))

    @jax.jit
    def step(state, batch):
        loss, gradient = objective.value_and_grad(state.params, batch)
        updates, inner_state = inner.update(gradient, state.inner, state.params)
        updates = jax.tree.map(lambda update: state.caution * update, updates)
        evaluations = state.evaluations + 1
        moved = AdamState(optax.apply_updates(state.params, updates), inner_state, state.caution, evaluations)
        return moved, Outcome(loss, evaluations)

    def retreat(state):
        return state._replace(caution=state.caution / 4)

    return Optimizer(init, step, lambda state: state.params, retreat)
