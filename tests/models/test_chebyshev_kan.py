"""The Chebyshev network against NumPy's polynomials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import chebyshev

from fields import random_params
from pinn_ac.derivatives import JaxJvp
from pinn_ac.models import ChebyshevKAN
from pinn_ac.models import chebyshev_kan as ours

Z = np.linspace(-0.9, 1.1, 4)


def formula(params, z):
    for layer in range(len(params["params"])):
        c = np.asarray(params["params"][f"coefficients_{layer}"])
        s = np.tanh(z)
        z = np.array([sum(chebyshev.chebval(s[p], c[p, :, q]) for p in range(len(s))) for q in range(c.shape[2])])
    return z[0]


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_it_is_its_formula(degree):
    network = ChebyshevKAN(5, 2, degree)
    params = random_params(network, 4)
    # Three layers of at most 5 · 6 products of size one, each sum the argument of the next.
    expected = formula(params, Z)
    assert network.apply(params, jnp.asarray(Z)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_polynomials_are_smooth_to_the_end_of_their_interval():
    """T_k'(1) = k² and T_k''(1) = k²(k² − 1)/3, where cos(k arccos s) has 0/0."""
    found = JaxJvp()(lambda t, x: jnp.stack(ours.chebyshev(x, 6)), jnp.asarray(0.0), jnp.asarray(1.0), ("x", "xx"))
    k = np.arange(7.0)
    np.testing.assert_allclose(found["u"], np.ones(7), rtol=1e-15)
    np.testing.assert_allclose(found["x"], k**2, rtol=1e-14)
    np.testing.assert_allclose(found["xx"], k**2 * (k**2 - 1) / 3, rtol=1e-14)


def test_layers_begin_with_the_size_of_one():
    """Coefficients of deviation 1/√(n (m + 1)), and those of the output times its scale."""
    network = ChebyshevKAN(60, 1, 4, output_scale=0.1)
    params = jax.jit(network.init)(jax.random.key(0, impl="unsafe_rbg"), jnp.zeros(50))["params"]
    first, last = (np.asarray(params[f"coefficients_{layer}"]) for layer in (0, 1))
    assert (first.shape, last.shape) == ((50, 5, 60), (60, 5, 1))
    assert first.std() == pytest.approx((50 * 5) ** -0.5, rel=0.03)  # of 15,000: five of 0.6 %
    assert last.std() == pytest.approx(0.1 * (60 * 5) ** -0.5, rel=0.21)  # of 300
