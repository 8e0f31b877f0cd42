"""SIREN: its formula, and the spread of its first signals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields import random_params
from pinn_ac.models import Siren

Z = np.linspace(-0.9, 1.1, 3)


def key(seed=0):
    """A key whose generator compiles quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def layers(params):
    made = params["params"]
    return [tuple(np.asarray(made[f"Dense_{k}"][part]) for part in ("kernel", "bias")) for k in range(len(made))]


def test_it_is_its_formula():
    network = Siren(5, 3, first_omega=4.0, omega=2.0)
    params = random_params(network, 3)
    *hidden, (W, b) = layers(params)
    h = Z
    for omega, (V, c) in zip((4.0, 2.0, 2.0), hidden, strict=True):
        h = np.sin(omega * (h @ V + c))
    # Sums of at most five products of size one, times 4 · 2 · 2.
    assert network.apply(params, jnp.asarray(Z)) == pytest.approx((h @ W + b)[0], abs=2e3 * np.finfo(float).eps)


def test_the_arguments_of_every_later_sine_begin_as_standard_normal():
    """Over the units of a layer, at a place where the first one has turned several times.

    n weights of variance 6/(n ω²)/3, times ω, of a signal of mean square ½, and the bias: 1 + 2/n. What is measured
    is an average over 1500 units: its sampling error is √(2/1500) = 4 %, that of the signal's mean square no more.
    """
    width, omega = 1500, 7.0
    params = jax.jit(Siren(width, 4, first_omega=40.0, omega=omega).init)(key(), jnp.asarray(Z))
    *hidden, (W, _) = layers(params)
    h = np.sin(40.0 * (Z @ hidden[0][0] + hidden[0][1]))
    for V, c in hidden[1:]:
        arguments = omega * (h @ V + c)
        assert arguments.var() == pytest.approx(1 + 2 / width, rel=0.2)
        assert np.mean(np.abs(arguments) < 1) == pytest.approx(0.683, abs=0.06)  # five of √(0.22/1500)
        h = np.sin(arguments)
    # The sines of a standard normal have mean square (1 − e^{−2})/2 = 0.432.
    assert np.mean(h**2) == pytest.approx(0.432, rel=0.1)
    assert W.var() == pytest.approx(2 / (width * omega**2), rel=0.1)


def test_the_first_weights_are_within_the_inverse_of_the_inputs():
    params = jax.jit(Siren(1500, 1, output_scale=0.5, omega=7.0).init)(key(), jnp.asarray(Z))
    (V, c), (W, b) = layers(params)
    for drawn, bound in ((V, 1 / 3), (c, 1 / 3), (W, 0.5 * (6 / 1500) ** 0.5 / 7.0)):
        assert np.abs(drawn).max() == pytest.approx(bound, rel=0.01)
        assert np.abs(drawn).max() <= bound
        assert drawn.std() == pytest.approx(bound / 3**0.5, rel=0.06)
    assert not b.any()
