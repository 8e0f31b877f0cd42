"""The options of all layered networks, by their formulas: factorised weights, Fourier features, adaptive slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields import random_params
from pinn_ac.errors import InputError
from pinn_ac.models import MLP, ModifiedMLP, Periodic
from pinn_ac.models.fourier_features import FourierFeatures
from pinn_ac.models.layers import dense
from pinn_ac.problem import Burgers

Z = jnp.linspace(-0.9, 1.1, 5)
ROUNDING = 200 * np.finfo(float).eps
"""Sums of at most eight products of size one, through four layers."""


def key(seed=0):
    """A key whose generator compiles quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def as_dense(params, trained):
    """The parameters of the plain network whose weights are the effective ones, V diag(e^s)."""
    factor = np.exp if trained == "exponent" else np.asarray
    return {
        "params": {
            name.replace("FactorizedDense", "Dense"): {
                "kernel": np.asarray(layer["kernel"]) * factor(layer["scale"])[None, :],
                "bias": layer["bias"],
            }
            for name, layer in params["params"].items()
        }
    }


@pytest.mark.parametrize("trained", ["exponent", "factor"])
@pytest.mark.parametrize("make", [MLP, ModifiedMLP])
def test_a_factorised_network_is_the_dense_one_of_its_effective_weights(make, trained):
    network = make(7, 2, "tanh", 1.0, weight_factorization={"trained": trained})
    params = random_params(network, len(Z))
    plain = make(7, 2, "tanh", 1.0).apply(as_dense(params, trained), Z)
    assert network.apply(params, Z) == pytest.approx(float(plain), abs=ROUNDING)


@pytest.mark.parametrize("trained", ["exponent", "factor"])
def test_factorised_weights_start_as_glorot_has_them(trained):
    """V diag(e^s) has variance 2/(in + out), and s the mean and the deviation that were asked for.

    The sampling errors of 40,000 weights and of 400 exponents are 0.7 % and 3.5 % of a deviation; five of each.
    """
    layer = dense(
        400, jax.nn.initializers.glorot_normal(), jax.nn.initializers.zeros, {"mean": 0.7, "trained": trained}
    )
    params = layer.init(key(), jnp.zeros(100))["params"]
    scale = np.asarray(params["scale"])
    s = scale if trained == "exponent" else np.log(scale)
    assert s.mean() == pytest.approx(0.7, abs=5 * 0.1 / 400**0.5)
    assert s.std() == pytest.approx(0.1, rel=0.18)
    weights = np.asarray(params["kernel"]) * np.exp(s)
    assert weights.var() == pytest.approx(2 / 500, rel=0.04)
    # A unit's own scale is in V: of factorised weights alone it would show in the spread of each unit's weights.
    assert abs(np.corrcoef(weights.std(axis=0), np.exp(s))[0, 1]) < 5 / 400**0.5


def test_a_step_of_the_exponent_counts_by_the_factor():
    """∂N/∂s = g ∂N/∂g with g = e^s: what makes training s another thing than training g."""

    def slopes(trained):
        network = MLP(6, 1, "tanh", 1.0, weight_factorization={"trained": trained})
        params = random_params(network, len(Z))
        if trained == "factor":
            for layer in params["params"].values():
                layer["scale"] = jnp.exp(layer["scale"])
        return params, jax.grad(network.apply)(params, Z)["params"]["FactorizedDense_0"]["scale"]

    (_, by_s), (params, by_g) = slopes("exponent"), slopes("factor")
    g = params["params"]["FactorizedDense_0"]["scale"]
    np.testing.assert_allclose(by_s, g * by_g, rtol=1e-12)
    assert np.abs(by_s - by_g).max() > 1e-3


@pytest.mark.parametrize("width", [1, 6, 7])
@pytest.mark.parametrize("seed", [None, 4])
def test_fourier_features_are_their_formula(width, seed):
    layer = FourierFeatures(width, 1.5, seed)
    params = layer.init(key(), Z)
    cosines = (width + 1) // 2
    if seed is None:
        B = np.asarray(params["params"]["frequencies"])
    else:
        assert params == {}  # it stays
        B = np.random.default_rng(4).normal(0, 1.5, (cosines, 5))
    expected = np.concatenate([np.cos(B @ Z), np.sin(B @ Z)[: width - cosines]])
    np.testing.assert_allclose(layer.apply(params, Z), expected, rtol=0, atol=1e-14)


def test_frequencies_are_normal():
    B = FourierFeatures(2000, 3.0).init(key(), Z)["params"]["frequencies"]
    assert B.shape == (1000, 5)
    assert np.std(B) == pytest.approx(3.0, rel=0.05)  # five deviations of an estimate from 5000 draws
    assert abs(np.mean(B)) < 5 * 3.0 / 5000**0.5


def test_fourier_features_take_the_place_of_the_input():
    network = MLP(6, 2, "tanh", 1.0, fourier_features={"stddev": 1.5, "seed": 4})
    params = random_params(network, 6)
    features = FourierFeatures(6, 1.5, 4).apply({}, Z)
    assert network.apply(params, Z) == MLP(6, 2, "tanh", 1.0).apply(params, features)


def test_fourier_features_keep_the_period():
    network, problem = MLP(6, 1, "tanh", 1.0, fourier_features={"stddev": 5.0}), Burgers()

    def slope(x, embedding, params):
        return jax.grad(lambda x: network.apply(params, embedding(problem, jnp.asarray(0.3), x)))(x)

    embedding = Periodic(2, symmetry=False)
    params = random_params(network, 5)
    left, right = (slope(jnp.asarray(side), embedding, params) for side in (-0.8, 1.2))
    np.testing.assert_allclose(left, right, rtol=1e-12)
    assert abs(left) > 1e-3


@pytest.mark.parametrize(("per", "shapes"), [("network", [(1,)]), ("layer", [(1,)] * 3), ("neuron", [(6,)] * 3)])
def test_adaptive_slopes_start_at_the_plain_network_and_are_factors_of_its_arguments(per, shapes):
    plain, network = (MLP(6, 3, "tanh", 1.0, adaptive_slopes=one) for one in (None, {"per": per, "factor": 5.0}))
    params = random_params(plain, len(Z))["params"]
    began = network.init(key(), Z)["params"]
    slopes = {name: layer for name, layer in began.items() if name not in params}
    assert [layer["slope"].shape for layer in slopes.values()] == shapes
    assert all((layer["slope"] == 0.2).all() for layer in slopes.values())
    assert network.apply({"params": params | slopes}, Z) == pytest.approx(
        float(plain.apply({"params": params}, Z)), abs=ROUNDING
    )
    changed = {
        name: {"slope": 0.1 * (1 + k) * layer["slope"] / 0.2} for k, (name, layer) in enumerate(slopes.items())
    }
    z = np.asarray(Z)
    for k in range(3):
        W, b = (np.asarray(params[f"Dense_{k}"][part]) for part in ("kernel", "bias"))
        z = np.tanh(5 * 0.1 * (1 if per == "network" else 1 + k) * (z @ W + b))
    expected = (z @ params["Dense_3"]["kernel"] + params["Dense_3"]["bias"])[0]
    assert network.apply({"params": params | changed}, Z) == pytest.approx(float(expected), abs=ROUNDING)


def test_each_neuron_has_its_slope():
    network = MLP(3, 1, "sin", 1.0, adaptive_slopes={"per": "neuron", "factor": 2.0})
    params = random_params(network, len(Z))["params"]
    W, b = (np.asarray(params["Dense_0"][part]) for part in ("kernel", "bias"))
    h = np.sin(2 * np.asarray(params["AdaptiveActivation_0"]["slope"]) * (np.asarray(Z) @ W + b))
    expected = (h @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"])[0]
    assert network.apply({"params": params}, Z) == pytest.approx(float(expected), abs=ROUNDING)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("weight_factorization", True, r"is True: give null, or settings such as \{mean: 1.0, stddev: 0.1\}"),
        ("weight_factorization", {"sigma": 1}, "has no sigma: it has mean, stddev, trained"),
        ("weight_factorization", {"mean": "much"}, r"\.mean is much: give a number"),
        ("weight_factorization", {"stddev": -1}, r"\.stddev is -1: give zero or a positive number"),
        ("weight_factorization", {"trained": "both"}, r"\.trained is 'both': choose exponent or factor"),
        ("fourier_features", 2.0, r"is 2.0: give null, or settings such as \{stddev: 2.0"),
        ("fourier_features", {"stddev": 0}, r"\.stddev is 0: give a positive number"),
        ("fourier_features", {"seed": -1}, r"\.seed is -1: give null or a whole number from 0"),
        ("adaptive_slopes", "layer", r"is layer: give null, or settings such as \{per: layer, factor: 10.0\}"),
        ("adaptive_slopes", {"per": "unit"}, r"\.per is 'unit': choose one of network, layer, neuron"),
        ("adaptive_slopes", {"factor": 0.5}, r"\.factor is 0.5: give a number from 1"),
    ],
)
def test_options_that_are_none_are_refused(option, value, sentence):
    with pytest.raises(InputError, match=f"model.{option}.*{sentence}" if sentence.startswith("is") else sentence):
        MLP(**{option: value})
