"""First-order methods: any gradient transformation of optax's, with a learning-rate schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable

SCHEDULES = ("constant", "cosine", "exponential")


class FirstOrderState(NamedTuple):
    """Parameters, optax's state, a factor on the learning rate, and the number of evaluations.

    lr_scale: 1, and a quarter of what it was after each loss that was not finite.
    """

    params: Any
    inner: Any
    lr_scale: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class FirstOrder:
    """A method that turns the gradient of the loss into an update; subclasses give `transformation`.

    With the rate η, the length N of the schedule and the fraction q the learning rate at step k is η ("constant"),
    η (q + (1 − q) (1 + cos πk/N)/2) ("cosine") or η q^{k/N} ("exponential").

    Args:
        learning_rate: η > 0.
        schedule: "constant", "cosine" or "exponential".
        final_lr_fraction: q in (0, 1]: what is left of the learning rate at the end of the schedule.
        steps: N, also how many steps a stage of training takes.

    Raises:
        InputError: an unknown schedule, or a number out of range.
    """

    learning_rate: float = 2e-3
    schedule: str = "cosine"
    final_lr_fraction: float = 1e-2
    steps: int = 10_000

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"final_share": "final_lr_fraction"})

    def __post_init__(self) -> None:
        require(
            self.schedule in SCHEDULES,
            f"optimizer.schedule is {self.schedule!r}: choose one of {', '.join(SCHEDULES)}.",
        )
        require(
            is_number(self.learning_rate) and self.learning_rate > 0,
            f"optimizer.learning_rate is {self.learning_rate}: give a positive number.",
        )
        require(
            is_number(self.final_lr_fraction) and 0 < self.final_lr_fraction <= 1,
            f"optimizer.final_lr_fraction is {self.final_lr_fraction}: give a number in (0, 1].",
        )
        require(is_whole(self.steps, 1), f"optimizer.steps is {self.steps}: give a whole number from 1.")

    def rates(self) -> optax.Schedule:
        """Step → learning rate."""
        return {
            "constant": lambda: optax.constant_schedule(self.learning_rate),
            "cosine": lambda: optax.cosine_decay_schedule(
                self.learning_rate, self.steps, alpha=self.final_lr_fraction
            ),
            "exponential": lambda: optax.exponential_decay(self.learning_rate, self.steps, self.final_lr_fraction),
        }[self.schedule]()

    def transformation(self) -> optax.GradientTransformation:
        """Gradient → update, in optax's terms, with the learning rate of `rates`."""
        raise NotImplementedError

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        return kept(objective, _first_order, self)


def require_decay(name: str, value: Any) -> None:
    """Refuse a decay rate of a moving average that is not in [0, 1)."""
    require(is_number(value) and 0 <= value < 1, f"optimizer.{name} is {value}: give a number in [0, 1).")


def _first_order(objective: Trainable, method: FirstOrder) -> Optimizer:
    inner = method.transformation()

    def init(params):
        return FirstOrderState(params, inner.init(params), jnp.ones(()), jnp.zeros((), int))

    @jax.jit
    def step(state, batch):
        loss, gradient = objective.value_and_grad(state.params, batch)
        updates, inner_state = inner.update(gradient, state.inner, state.params)
        updates = jax.tree.map(lambda update: state.lr_scale * update, updates)
        params = optax.apply_updates(state.params, updates)
        evaluations = state.evaluations + 1
        return FirstOrderState(params, inner_state, state.lr_scale, evaluations), StepInfo(loss, evaluations)

    def on_nonfinite(state):
        return state._replace(lr_scale=state.lr_scale / 4)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)
