"""PirateNet: its formula, the identity of its blocks at first, and its start, fitted to the initial condition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import EASY, composed
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.app.objects import build
from pinn_ac.errors import InputError
from pinn_ac.models import PirateNet
from pinn_ac.models.piratenet import CUTOFF
from pinn_ac.windows import time_windows

Z = np.linspace(-0.9, 1.1, 3)
PLAIN = {"weight_factorization": None, "fourier_features": None}
WORDS = (*EASY, "model=piratenet", "model.width=6", "model.depth=1", "embedding=periodic", "embedding.modes=2")


def formula(params, z, depth):
    """As the paper writes it: f U + (1 − f) V, twice, a third layer, then α h + (1 − α) x."""
    made = params["params"]
    names = (f"Dense_{k}" for k in range(3 + 3 * depth))

    def layer(h):
        W, b = (np.asarray(made[name][part]) for name in [next(names)] for part in ("kernel", "bias"))
        return np.tanh(h @ W + b)

    x = layer(z)
    U, V = layer(x), layer(x)
    for block in range(depth):
        f = layer(x)
        z1 = f * U + (1 - f) * V
        g = layer(z1)
        z2 = g * U + (1 - g) * V
        h = layer(z2)
        alpha = np.asarray(made[f"alpha_{block}"])
        x = alpha * h + (1 - alpha) * x
    return x, x @ np.asarray(made["output"])


def test_it_is_its_formula():
    network = PirateNet(7, 2, **PLAIN)
    params = random_params(network, 3)
    hidden, value = formula(params, Z, 2)
    # Sums of at most 7 products of size one, through nine layers.
    rounding = 400 * np.finfo(float).eps
    np.testing.assert_allclose(network.apply(params, jnp.asarray(Z), True), hidden, rtol=0, atol=rounding)
    assert network.apply(params, jnp.asarray(Z)) == pytest.approx(value, abs=rounding)


def test_with_fourier_features_it_begins_as_linear_in_these():
    network = PirateNet(6, 2, start="drawn")
    params = network.init(jax.random.key(0, impl="unsafe_rbg"), jnp.asarray(Z))
    B = np.asarray(params["params"]["FourierFeatures_0"]["frequencies"])
    features = np.concatenate([np.cos(B @ Z), np.sin(B @ Z)])
    assert [float(params["params"][f"alpha_{block}"][0]) for block in range(2)] == [0, 0]
    np.testing.assert_allclose(network.apply(params, jnp.asarray(Z), True), features, rtol=0, atol=1e-14)
    w = np.asarray(params["params"]["output"])
    assert network.apply(params, jnp.asarray(Z)) == pytest.approx(w @ features, abs=1e-14)
    assert np.any(w)


def test_blocks_have_no_gradient_until_their_alpha_moves():
    network = PirateNet(4, 1, start="drawn", **PLAIN)
    params = random_params(network, 3)
    slopes = {}
    for alpha in (0.0, 0.5):
        params["params"]["alpha_0"] = jnp.asarray([alpha])
        found = jax.grad(network.apply)(params, jnp.asarray(Z))["params"]
        slopes[alpha] = {
            name: float(np.abs(layer["kernel"]).max()) for name, layer in found.items() if "Dense" in name
        }
        assert abs(found["alpha_0"][0]) > 1e-4
    assert [slopes[0.0][f"Dense_{k}"] for k in range(1, 6)] == [0] * 5
    assert min(slopes[0.5].values()) > 0


@pytest.fixture(scope="module")
def soft():
    """An experiment with the soft ansatz, of which the start is a fit."""
    return assemble(composed(*WORDS, "ansatz=soft", "windows=1"))


def features_on_grid(experiment, params, t, x):
    """Φ(z) in plain NumPy, of z = (2t/T − 1, cos πx, cos 2πx): the initial condition is even."""
    made = params["params"]
    B = np.asarray(made["FourierFeatures_0"]["frequencies"])
    T = experiment.field.problem.horizon
    z = np.stack([2 * t / T - 1, np.cos(np.pi * x), np.cos(2 * np.pi * x)], axis=-1)
    return np.concatenate([np.cos(z @ B.T), np.sin(z @ B.T)], axis=-1)


def grid(horizon):
    t, x = np.linspace(0, horizon, 21), -1 + 2 * np.arange(512) / 512
    return (axis.ravel() for axis in np.meshgrid(t, x, indexing="ij"))


def assert_fitted(experiment, params, values):
    """w solves the least-squares problem: by NumPy's pseudo-inverse, and by what a minimum is."""
    t, x = grid(experiment.field.problem.horizon)
    rows, target = features_on_grid(experiment, params, t, x), values(x)
    w = np.asarray(params["params"]["output"])
    # Through singular values from 1e-3 of the largest on, which square the rounding's part.
    np.testing.assert_allclose(w, np.linalg.pinv(rows, rcond=CUTOFF) @ target, rtol=1e-8)
    misfit = rows @ w - target
    assert np.linalg.norm(misfit) < 0.9 * np.linalg.norm(target)  # six features do not go far
    # No change of w along a direction that was kept makes the misfit smaller.
    kept = np.linalg.svd(rows, full_matrices=False)
    gradient = kept[2][kept[1] > CUTOFF * kept[1][0]] @ (rows.T @ misfit)
    assert np.abs(gradient).max() < 1e-9 * np.linalg.norm(rows) * np.linalg.norm(target)
    return misfit


def test_the_start_is_the_least_squares_fit_to_the_initial_condition(soft):
    """At all times: u(t, x) as the experiment evaluates it is the fit too."""
    params = soft.initial_params()
    misfit = assert_fitted(soft, params, lambda x: np.cos(np.pi * x))
    t, x = grid(1.0)
    u = soft.programs.values(None, params, jnp.asarray(t), jnp.asarray(x))["u"]
    np.testing.assert_allclose(u, np.cos(np.pi * x) + misfit, rtol=0, atol=1e-11)


def test_a_later_window_is_fitted_to_where_it_begins(soft):
    drawn = soft.initial_params()
    condition = soft.transfer({"params": {**drawn["params"], "output": jnp.ones(6)}}, None)  # whatever that may be
    params = soft.initial_params(condition)
    assert_fitted(soft, params, lambda x: np.tile(jax.vmap(condition)(jnp.asarray(x[:512])), 21))
    first = drawn["params"]
    assert not np.array_equal(first["output"], params["params"]["output"])
    np.testing.assert_array_equal(first["alpha_0"], params["params"]["alpha_0"])


def test_the_start_with_the_initial_condition_built_in_is_zero():
    params = assemble(composed(*WORDS, "ansatz=lifted")).initial_params()["params"]
    assert not np.any(params["output"])


def test_a_start_that_is_drawn_is_not_fitted():
    experiment = assemble(composed(*WORDS, "ansatz=soft", "model.start=drawn"))
    params = {"params": {"output": jnp.ones(6)}}
    assert experiment.programs.fitted(params, None) is params
    network = PirateNet(400, 1, output_scale=10.0, start="drawn", **PLAIN)
    drawn = network.init(jax.random.key(0, impl="unsafe_rbg"), jnp.asarray(Z))
    assert np.std(drawn["params"]["output"]) == pytest.approx(10 * (2 / 401) ** 0.5, rel=0.18)  # of 400 numbers
    with pytest.raises(InputError, match=r"model\.start is 'given': choose fitted or drawn"):
        PirateNet(start="given")


def test_an_experiment_of_another_network_leaves_the_start_a_fit():
    """Most of them set the scale of drawn weights for all networks."""
    node = composed("experiment=rba", "model=piratenet").model
    assert node.output_scale == 1.0
    assert build(node).is_fitted
    assert build(composed("experiment=piratenet").model).is_fitted
    assert not build(composed("experiment=piratenet", "model.start=drawn").model).is_fitted


@pytest.mark.landing
def test_a_run_enters_its_second_window_with_the_fit_to_where_that_begins():
    experiment = assemble(composed(*WORDS, "ansatz=soft", "windows=2", "sampler.num_points=64"))
    drawn = experiment.initial_params()["params"]
    first = {
        "params": {**drawn, "output": 10 * jnp.ones(6)}
    }  # no start that a fresh network would not be better than
    begun = time_windows(experiment).enter((first,)).start()
    fitted = experiment.initial_params(experiment.transfer(first, None))
    np.testing.assert_array_equal(begun["params"]["output"], fitted["params"]["output"])
    assert not np.array_equal(fitted["params"]["output"], drawn["output"])
