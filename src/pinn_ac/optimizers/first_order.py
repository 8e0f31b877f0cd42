"""First-order methods: any gradient transformation of optax's, with a learning-rate schedule."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.optimizers.combiners import COMBINERS, require_combiner, require_terms
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable
from pinn_ac.optimizers.schedules import Scheduled


class FirstOrderState(NamedTuple):
    """Parameters, optax's state, a factor on the learning rate, and the number of evaluations.

    lr_scale: 1, and a quarter of what it was after each loss that was not finite.
    """

    params: Any
    inner: Any
    lr_scale: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class FirstOrder(Scheduled):
    """A method that turns the gradient of the loss into an update; subclasses give `transformation`.

    Args:
        learning_rate, schedule, final_lr_fraction, steps, warmup_steps, decay_rate, decay_steps: see
            :class:`~pinn_ac.optimizers.schedules.Scheduled`.
        combine: what takes the place of the gradient Σ_k g_k of the loss, from the gradients g_k of its terms:
            "pcgrad", "config" or "dcgd", as :mod:`pinn_ac.optimizers.combiners` defines them; None for Σ_k g_k.

    Raises:
        InputError: an unknown name, a number out of range, or a decay for a schedule that has none; from `build`: a
            combiner for a loss with a single term, or "dcgd" for one with more than two.
    """

    combine: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_combiner(self.combine)

    def transformation(self) -> optax.GradientTransformation:
        """Gradient → update, in optax's terms, with the learning rate of `rates`."""
        raise NotImplementedError

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        if self.combine is not None:
            require_terms(self.combine, len(objective.terms))
        return kept(objective, _first_order, self)


def _first_order(objective: Trainable, method: FirstOrder) -> Optimizer:
    inner = method.transformation()

    def init(params):
        return FirstOrderState(params, inner.init(params), jnp.ones(()), jnp.zeros((), int))

    def direction(params, batch):
        """The loss, and the gradient or what takes its place."""
        if method.combine is None:
            return objective.value_and_grad(params, batch)
        values, gradients = zip(*objective.terms_and_grads(params, batch).values(), strict=True)
        _, unravel = ravel_pytree(params)
        G = jnp.stack([ravel_pytree(gradient)[0] for gradient in gradients])
        return sum(values), unravel(COMBINERS[method.combine](G))

    @jax.jit
    def step(state, batch):
        loss, gradient = direction(state.params, batch)
        updates, inner_state = inner.update(gradient, state.inner, state.params)
        updates = jax.tree.map(lambda update: state.lr_scale * update, updates)
        params = optax.apply_updates(state.params, updates)
        evaluations = state.evaluations + 1
        return FirstOrderState(params, inner_state, state.lr_scale, evaluations), StepInfo(loss, evaluations)

    def on_nonfinite(state):
        return state._replace(lr_scale=state.lr_scale / 4)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)
