"""jvp, linearize and derivative, with JAX's conventions."""

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad

X = jnp.array([0.5, -1.0, 2.0])


def f(np, p, x):
    return {"y": np.sin(p * x), "z": (np.sum(x) * p, jnp.arange(3))}


def test_jvp_of_containers():
    primals, tangents = (jnp.asarray(0.7), X), (jnp.asarray(0.1), X**2)
    got = ad.jvp(lambda p, x: f(np, p, x), primals, tangents)
    expected = jax.jvp(lambda p, x: f(jnp, p, x), primals, tangents)
    jax.tree.map(lambda a, b: onp.testing.assert_array_equal(a.dtype, b.dtype), got, expected)
    onp.testing.assert_allclose(got[1]["y"], expected[1]["y"], rtol=1e-14)
    onp.testing.assert_allclose(got[1]["z"][0], expected[1]["z"][0], rtol=1e-14)
    assert got[1]["z"][1].dtype == jax.dtypes.float0


def test_auxiliary_results():
    assert ad.jvp(lambda x: (x * x, x), (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, 3.0)


def test_linearize_traces_once():
    calls = []

    def g(x):
        calls.append(1)
        return np.exp(x) * x[0]

    y, push = ad.linearize(g, X)
    J = jax.jacfwd(lambda x: jnp.exp(x) * x[0])(X)
    onp.testing.assert_allclose(jax.vmap(push)(jnp.eye(3)).T, J, rtol=1e-14)
    onp.testing.assert_allclose(jax.jit(push)(X), J @ X, rtol=1e-14)
    onp.testing.assert_allclose(push(X), J @ X, rtol=1e-14)
    onp.testing.assert_allclose(y, jnp.exp(X) * 0.5, rtol=1e-14)
    assert len(calls) == 1


def test_derivative_of_a_scalar_argument():
    df = ad.derivative(lambda a, x: {"s": np.sin(a * x)}, argnum=1)
    onp.testing.assert_allclose(df(X, 0.3)["s"], X * jnp.cos(0.3 * X), rtol=1e-14)
    with pytest.raises(TypeError, match="scalar argument"):
        ad.derivative(np.sin)(X)


def test_what_jvp_refuses():
    with pytest.raises(TypeError, match="real floating-point"):
        ad.jvp(lambda x: x, (3,), (1.0,))
    with pytest.raises(TypeError, match="same structure"):
        ad.jvp(lambda x: x, (3.0,), (1.0, 2.0))
    with pytest.raises(TypeError, match="a tangent of shape"):
        ad.jvp(lambda x: x, (3.0,), (X,))
    with pytest.raises(TypeError, match="a tangent of shape"):
        ad.jvp(lambda x: x, (3.0,), (1,))


def test_a_constant_function_has_zero_tangent():
    assert ad.jvp(lambda x: jnp.ones(2), (1.0,), (1.0,))[1].tolist() == [0.0, 0.0]
    assert ad.jacfwd(lambda x: jnp.ones(2))(X).tolist() == [[0.0] * 3] * 2
