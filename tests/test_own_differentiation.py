"""Training by our own differentiation alone: the same numbers as JAX's, and not one derivative of JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.interpreters import ad
from jax.flatten_util import ravel_pytree

from composed import composed, options
from pinn_ac.app.assembly import assemble

SMALL = ("model.width=6", "model.depth=2", "sampler.num_points=64", "sampler.num_initial=16", "sampler=uniform")
OWN = [name for name in options("derivatives") if name.startswith("own")]


def losses(steps, *overrides):
    """The loss of every step, on points that stay."""
    experiment = assemble(composed(*SMALL, f"train.steps={steps}", *overrides))
    optimizer = experiment.stages[0].optimizer
    batch = experiment.prepare(experiment.draw(0, None, {}))
    state, history = optimizer.init(experiment.initial_params()), []
    for _ in range(steps):
        state, outcome = optimizer.step(state, batch)
        history.append(float(outcome.loss))
    return np.array(history)


@pytest.fixture
def no_jax_derivatives(monkeypatch):
    """Every way into JAX's differentiation raises, the tracer that all of forward and reverse mode go through too."""

    def refuse(*args, **kwargs):
        raise AssertionError("a derivative by JAX")

    for name in ("grad", "value_and_grad", "jvp", "vjp", "linearize", "jacfwd", "jacrev", "hessian"):
        monkeypatch.setattr(jax, name, refuse)
    monkeypatch.setattr(ad.JVPTrace, "__init__", refuse)
    monkeypatch.setattr(ad.LinearizeTrace, "__init__", refuse)


def test_the_guard_of_these_tests_works(no_jax_derivatives):
    with pytest.raises(AssertionError, match="a derivative by JAX"):
        losses(1, "optimizer=adam")


def test_two_hundred_steps_of_adam_are_those_of_jax():
    # The gradients differ by rounding, 1e-16; Adam's division by √v hardly amplifies it.
    own = losses(200, "optimizer=adam", "derivatives=own_taylor", "gradient=own")
    by_jax = losses(200, "optimizer=adam", "derivatives=jax_jvp", "gradient=jax")
    assert own[-1] < 0.5 * own[0]
    assert np.allclose(own, by_jax, rtol=1e-10, atol=0)


@pytest.mark.parametrize("engine", OWN)
def test_a_run_of_our_own_calls_no_derivative_of_jax(no_jax_derivatives, engine):
    history = losses(3, "optimizer=adam", f"derivatives={engine}", "gradient=own", "ansatz=soft", "loss=l1")
    assert history[-1] < history[0]


@pytest.mark.landing
def test_slopes_of_the_residual_need_none_either(no_jax_derivatives):
    words = ("ansatz=soft", "embedding=periodic", "loss=gradient_enhanced", "loss.norm=l1")
    history = losses(3, "optimizer=adam", "derivatives=own_taylor", "gradient=own", *words)
    assert history[-1] < history[0]


@pytest.mark.parametrize(
    "choice",
    [
        "optimizer=levenberg_marquardt",
        pytest.param("optimizer=ssbroyden", marks=pytest.mark.landing),
        pytest.param("optimizer.solver=cg", marks=pytest.mark.slow),
    ],
)
def test_second_order_methods_need_none_either(no_jax_derivatives, choice):
    history = losses(3, "derivatives=own_taylor", "gradient=own", choice)
    assert history[-1] < history[0]


@pytest.mark.parametrize("model", ["mlp", pytest.param("modified_mlp", marks=pytest.mark.slow)])
def test_the_jacobian_is_that_of_jax(model):
    found = []
    for gradient in ("own", "jax"):
        experiment = assemble(composed(*SMALL, f"model={model}", "derivatives=own_forward", f"gradient={gradient}"))
        flat, unravel = ravel_pytree(experiment.initial_params())
        batch = experiment.prepare(experiment.draw(0, None, {}))
        found.append(
            jax.jit(lambda flat, e=experiment, u=unravel, b=batch: e.objective.residuals_and_jacobian(flat, u, b))(
                flat
            )
        )
    (r, J), (r_jax, J_jax) = found
    # Sums of a few hundred terms in another order.
    assert np.allclose(r, r_jax, rtol=0, atol=1e-13 * float(jnp.abs(r_jax).max()))
    assert np.allclose(J, J_jax, rtol=0, atol=1e-12 * float(jnp.abs(J_jax).max()))
