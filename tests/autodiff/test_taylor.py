"""Taylor mode against closed forms, jet and nested derivatives."""

import math

import jax
import jax.numpy as jnp
import numpy as onp
import pytest
from jax.experimental import jet

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad


@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (np.exp, 0.3, lambda k: math.exp(0.3)),
        (np.sin, 0.3, lambda k: math.sin(0.3 + k * math.pi / 2)),
        (np.log, 0.7, lambda k: (-1) ** (k - 1) * math.factorial(k - 1) / 0.7**k),
        (lambda x: 1 / x, 0.7, lambda k: (-1) ** k * math.factorial(k) / 0.7 ** (k + 1)),
        (lambda x: x**0.5, 0.7, lambda k: math.prod(0.5 - j for j in range(k)) * 0.7 ** (0.5 - k)),
        (lambda x: 2**x, 0.7, lambda k: math.log(2) ** k * 2**0.7),
        (lambda x: x**3, 0.7, lambda k: [3 * 0.7**2, 6 * 0.7, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0][k - 1]),
    ],
)
def test_eight_orders_of_closed_forms(f, x, derivative):
    _, series = ad.taylor(f, (x,), ([1.0] + [None] * 7,))
    # Orders up to 8 sum products of numbers below 1e6: ε times that, relatively 1e-12 of the larger terms.
    onp.testing.assert_allclose(series, [derivative(k) for k in range(1, 9)], rtol=1e-11, atol=1e-10)


def test_the_convention_is_that_of_jet():
    f = lambda np, x, y: np.tanh(x) * np.exp(x * y) / (2 + np.sin(y))  # noqa: E731
    series = ([0.5, -1.0, 2.0], [1.5, 0.3, -0.7])
    got = ad.taylor(lambda *a: f(np, *a), (0.3, 0.4), series)
    expected = jet.jet(lambda *a: f(jnp, *a), (0.3, 0.4), series)
    onp.testing.assert_allclose(got[0], expected[0], rtol=1e-13)
    onp.testing.assert_allclose(got[1], expected[1], rtol=1e-11)


def test_several_curves_in_one_pass():
    u = lambda np, t, x: np.sin(3 * x) * np.exp(-t) + x * t**2  # noqa: E731
    calls = []

    def field(t, x):
        calls.append(1)
        return u(np, t, x)

    t, x = 0.4, 0.7
    value, ((u_t,), (u_x, u_xx)) = ad.taylor_curves(field, (t, x), [([1.0], []), ([], [1.0, None])])
    J, H = jax.grad(lambda t, x: u(jnp, t, x), (0, 1))(t, x), jax.hessian(lambda x: u(jnp, t, x))(x)
    onp.testing.assert_allclose([value, u_t, u_x, u_xx], [u(jnp, t, x), *J, H], rtol=1e-13)
    assert len(calls) == 1


def test_containers_and_missing_coefficients():
    f = lambda p, x: {"y": p["a"] * x, "constant": jnp.ones(2)}  # noqa: E731
    p, x = {"a": jnp.array([1.0, 2.0])}, jnp.array([3.0, 4.0])
    y, series = ad.taylor(f, (p, x), ([{"a": x}, None, {"a": p["a"]}], [None, x]))
    onp.testing.assert_allclose(y["y"], [3.0, 8.0])
    onp.testing.assert_allclose(series[0]["y"], x * x)
    onp.testing.assert_allclose(series[1]["y"], p["a"] * x)
    onp.testing.assert_allclose(series[2]["y"], p["a"] * x + 3 * x * x)
    assert all(s["constant"].tolist() == [0.0, 0.0] for s in series)
    # A curve that starts at rest: no first coefficient.
    _, (first, second) = ad.taylor(np.linalg.inv, (jnp.eye(2) * 2.0,), ([None, jnp.eye(2)],))
    onp.testing.assert_allclose(first, jnp.zeros((2, 2)), atol=1e-15)
    onp.testing.assert_allclose(second, -0.25 * jnp.eye(2), rtol=1e-14)


def test_what_taylor_refuses():
    with pytest.raises(ValueError, match="a curve has 1 series for 2 arguments"):
        ad.taylor(lambda x, y: x, (1.0, 2.0), ([1.0],))
    with pytest.raises(ValueError, match="a coefficient of shape"):
        ad.taylor(np.sin, (1.0,), ([jnp.ones(3)],))
    with pytest.raises(TypeError, match="real floating-point"):
        ad.taylor(np.sin, (1,), ([1.0],))
