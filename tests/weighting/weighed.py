"""A small objective with two terms, what a weighting makes of it, and something measured that is given as it is."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from fields import a_field
from pinn_ac.ansatz import Soft
from pinn_ac.derivatives import JaxJvp
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import MLP, Periodic
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.programs import Programs

N = 24
DRAWN = {
    "residual": np.column_stack([np.random.default_rng(0).random(N), np.random.default_rng(1).uniform(-1, 1, N)]),
    "initial": np.column_stack([np.zeros(5), np.linspace(-1, 0.6, 5)]),
}


class Given:
    """Measured, as it is given: the residuals of each term, or the losses of "residual" alone."""

    def __init__(self, losses=None, residuals=None, power=2, weights=None):
        self.terms = tuple(residuals or ("residual",))
        self.power = power
        self.residuals = lambda name: jnp.asarray(residuals[name])
        self.weights = lambda name: (
            jnp.ones(len(losses if residuals is None else residuals[name])) if weights is None else weights[name]
        )
        self.losses = lambda name: (
            jnp.asarray(losses) if losses is not None else self.weights(name) * jnp.abs(residuals[name]) ** power
        )
        self.mean = lambda name: jnp.mean(self.losses(name))
        self.weighted = lambda more: Given(None, residuals, power, more)  # of points that have no other weights
        self.gradient = lambda name: {"a": self.weights(name) * residuals[name], "b": jnp.ones(2)}
        self.squared_row_norms = lambda name: jnp.asarray(residuals[name]) ** 2


@cache
def target():
    """The objective of a small network with a soft initial condition, so that there are two terms."""
    network = MLP(3, 1, "tanh", 1.0)
    field, params = a_field(AllenCahn(1e-2, 2.0, initial_condition=Sine(0.5, 1)), Periodic(1), network, Soft())
    return network, field, Objective(build_terms(field, JaxJvp()), {"initial": 10.0}, "mse", JaxGradient()), params


_MADE = []


def programs(weighting):
    """Of that objective, compiled once for each weighting."""
    network, field, objective, params = target()
    for of, made in _MADE:
        if of == weighting:
            return made, params
    _MADE.append((weighting, Programs(network, field, JaxJvp(), objective, weighting)))
    return _MADE[-1][1], params


@cache
def preparing():
    return programs(None)[0].prepare


def weighed(weighting, drawn=DRAWN, state=None):
    """The programs, the parameters, the batch with the weights that the sampler gives and that with all weights."""
    made, params = programs(weighting)
    batch = preparing()(drawn, None)
    state = weighting.init(made.objective.drawn(drawn)) if state is None else state
    state, with_weights = made.weigh(state, params, batch, drawn)
    return made, params, batch, with_weights, state


def flat_of(params):
    """The parameters as a vector, and the way back."""
    return ravel_pytree(params)


@cache
def jacobians():
    """Name of a term → r (n,) and ∂r/∂params (n, P) at the points of :data:`DRAWN`, without any weight."""
    _, _, objective, params = target()
    batch, found = preparing()(DRAWN, None), {}
    flat, unravel = ravel_pytree(params)
    for name, points in batch.terms.items():

        def residuals(flat, name=name, points=points):
            return objective.vector(name, unravel(flat), points)

        r, J = jax.jit(lambda flat, of=residuals: (of(flat), jax.jacrev(of)(flat)))(flat)
        found[name] = np.asarray(r), np.asarray(J)
    return found
