"""vjp, grad, Jacobians and Hessians, with JAX's conventions."""

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad

from .compiling import compiled

PARAMS = {"w": jnp.arange(6.0).reshape(2, 3) / 7, "b": (jnp.array([0.1, -0.2, 0.3]),)}
X = jnp.array([0.5, -1.0])


def loss(np, params, x, scale=1.0):
    return scale * np.sum(np.tanh(np.dot(x, params["w"]) + params["b"][0]) ** 2)


def close(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    # O(1) numbers in float64, some tens of operations.
    jax.tree.map(lambda x, y: onp.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13), a, b)


ours = lambda *args, **kwargs: loss(np, *args, **kwargs)  # noqa: E731
theirs = lambda *args, **kwargs: loss(jnp, *args, **kwargs)  # noqa: E731


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,), -1, [1, 0]])
def test_argnums(argnums):
    argnums = tuple(argnums) if isinstance(argnums, list) else argnums
    close(ad.grad(ours, argnums)(PARAMS, X), jax.grad(theirs, argnums)(PARAMS, X))
    close(ad.value_and_grad(ours, argnums)(PARAMS, X), jax.value_and_grad(theirs, argnums)(PARAMS, X))


def test_keywords_and_auxiliary_results():
    close(ad.grad(ours)(PARAMS, X, scale=2.0), jax.grad(theirs)(PARAMS, X, scale=2.0))
    f = lambda x: (x**2, {"cube": x**3, "n": 3})  # noqa: E731
    close(ad.value_and_grad(f, has_aux=True)(2.0), jax.value_and_grad(f, has_aux=True)(2.0))
    close(ad.grad(f, has_aux=True)(2.0), jax.grad(f, has_aux=True)(2.0))
    y, pullback, aux = ad.vjp(f, 2.0, has_aux=True)
    assert (float(y), float(pullback(1.0)[0]), float(aux["cube"])) == (4.0, 4.0, 8.0)
    # The auxiliary result of an inner trace may hold values of the outer one.
    assert ad.grad(lambda x: ad.grad(lambda y: (x * y, x * y), has_aux=True)(x)[1])(3.0) == 6.0


def test_vjp_of_containers():
    f = lambda np, p: [p["w"] * 2, (np.sum(p["b"][0]), {"n": np.exp(p["w"])})]  # noqa: E731
    y, pullback = ad.vjp(lambda p: f(np, p), PARAMS)
    expected, expected_pullback = jax.vjp(lambda p: f(jnp, p), PARAMS)
    close(y, expected)
    close(pullback(expected), expected_pullback(expected))


def test_integer_results_have_no_adjoint():
    y, pullback = ad.vjp(lambda x: (x * 2, (x > 0).astype(int)), 3.0)
    assert int(y[1]) == 1
    assert float(pullback((1.0, onp.zeros((), jax.dtypes.float0)))[0]) == 2.0


@pytest.mark.parametrize("argnums", [0, (0, 1)])
def test_jacobians_of_containers(argnums):
    f = lambda np, p, x: {"y": np.tanh(np.dot(x, p["w"])), "z": [x * np.sum(p["b"][0]), np.sum(x)]}  # noqa: E731
    expected = compiled(jax.jacrev(lambda p, x: f(jnp, p, x), argnums), PARAMS, X)
    close(compiled(ad.jacrev(lambda p, x: f(np, p, x), argnums), PARAMS, X), expected)
    close(compiled(ad.jacfwd(lambda p, x: f(np, p, x), argnums), PARAMS, X), expected)
    aux = lambda x: (x * x, x[0])  # noqa: E731
    close(ad.jacrev(aux, has_aux=True)(X), jax.jacrev(aux, has_aux=True)(X))
    close(ad.jacfwd(aux, has_aux=True)(X), jax.jacfwd(aux, has_aux=True)(X))


@pytest.mark.parametrize("argnums", [0, (0, 1)])
def test_hessian_and_its_products(argnums):
    close(compiled(ad.hessian(ours, argnums), PARAMS, X), compiled(jax.hessian(theirs, argnums), PARAMS, X))
    v = jnp.array([0.3, 0.7])
    H = compiled(jax.hessian(theirs, 1), PARAMS, X)
    close(compiled(lambda v: ad.hvp(lambda x: ours(PARAMS, x), (X,), (v,)), v), H @ v)
    both = compiled(lambda v: ad.hvp(ours, (PARAMS, X), (PARAMS, v)), v)
    close(both, compiled(lambda v: jax.jvp(jax.grad(theirs, (0, 1)), (PARAMS, X), (PARAMS, v))[1], v))


def test_every_order_of_nesting():
    f = lambda np, x: np.sin(x) * np.exp(x * x)  # noqa: E731
    expected = compiled(jax.grad(jax.grad(jax.grad(lambda x: f(jnp, x)))), 0.7)
    g = lambda x: f(np, x)  # noqa: E731
    forward = lambda f: lambda x: ad.jvp(f, (x,), (1.0,))[1]  # noqa: E731
    third = lambda x: ad.taylor(g, (x,), ([1.0, None, None],))[1][2]  # noqa: E731
    for derivative in (
        ad.grad(ad.grad(ad.grad(g))),
        forward(forward(forward(g))),
        ad.grad(forward(ad.grad(g))),
        forward(ad.grad(forward(g))),
        ad.derivative(ad.jacfwd(ad.jacrev(g))),
        ad.jacrev(ad.jacrev(ad.jacfwd(g))),
        lambda x: ad.hessian(ad.grad(g))(x),
        ad.grad(lambda x: ad.taylor(g, (x,), ([1.0, None],))[1][1]),
        lambda x: ad.taylor(ad.grad(g), (x,), ([1.0, None],))[1][1],
        third,
    ):
        close(compiled(derivative, 0.7), expected)


def test_a_jacobian_inside_a_trace_that_it_closes_over():
    def f(np, engine, a):
        J = engine.jacfwd(lambda x: np.sin(a * x) * x[0])(X)
        K = engine.jacrev(lambda x: np.sin(a * x) * x[0])(X)
        return np.sum(J * J * a[0]) + np.sum(K**3)

    a = jnp.array([0.3, 0.9])
    close(compiled(ad.grad(lambda a: f(np, ad, a)), a), compiled(jax.grad(lambda a: f(jnp, jax, a)), a))


def test_under_jit_and_vmap():
    xs = jnp.linspace(-1, 1, 10).reshape(5, 2)
    close(jax.jit(ad.grad(ours))(PARAMS, X), jax.jit(jax.grad(theirs))(PARAMS, X))
    per_point = jax.vmap(ad.grad(ours, 1), (None, 0))(PARAMS, xs)
    close(per_point, compiled(jax.vmap(jax.grad(theirs, 1), (None, 0)), PARAMS, xs))
    close(
        compiled(jax.vmap(ad.hessian(ours, 1), (None, 0)), PARAMS, xs),
        compiled(jax.vmap(jax.hessian(theirs, 1), (None, 0)), PARAMS, xs),
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_precision_is_kept(dtype):
    params = jax.tree.map(lambda x: x.astype(dtype), PARAMS)
    f = lambda p, x: 2.0 * ours(p, x) + np.mean(x) ** 2 * 0.5 + np.var(x) + np.sum(np.maximum(x, 0.1))  # noqa: E731

    def everything(params, x):
        return (
            ad.value_and_grad(f, (0, 1))(params, x),
            ad.hessian(f, 1)(params, x),
            ad.taylor(f, (params, x), ([], [jnp.ones(2, dtype), None, None])),
            ad.jvp(f, (params, x), (params, x)),
        )

    results = jax.eval_shape(everything, params, X.astype(dtype))
    assert {leaf.dtype for leaf in jax.tree.leaves(results)} == {jnp.dtype(dtype)}


def test_mixed_precision_gives_each_argument_its_own():
    x, y = jnp.float32(2.0), jnp.float64(3.0)
    gx, gy = ad.grad(lambda x, y: x * y, (0, 1))(x, y)
    assert (gx.dtype, gy.dtype) == (jnp.float32, jnp.float64)
    assert ad.jvp(lambda x: x + y, (x,), (x,))[1].dtype == jnp.float64


def test_what_grad_refuses():
    with pytest.raises(TypeError, match=r"grad requires real floating-point inputs, got int"):
        ad.grad(lambda x: x * 2.0)(jnp.arange(3))
    with pytest.raises(TypeError, match="real floating-point"):
        ad.grad(lambda x: x * 2.0)(3)
    with pytest.raises(TypeError, match=r"one real scalar as its result, got float64\[3\]"):
        ad.grad(lambda x: x * 2.0)(jnp.arange(3.0))
    with pytest.raises(TypeError, match="one real scalar"):
        ad.grad(lambda x: (x, x))(1.0)
    with pytest.raises(TypeError, match="one real scalar"):
        ad.grad(lambda x: x > 0)(1.0)
    with pytest.raises(ValueError, match="argnums names argument 2"):
        ad.grad(lambda x: x, 2)(1.0)
    with pytest.raises(TypeError, match="structure of the result"):
        ad.vjp(lambda x: (x, x), 1.0)[1](1.0)
    with pytest.raises(ValueError, match=r"a cotangent of shape \(2,\)"):
        ad.vjp(lambda x: x, 1.0)[1](X)


def test_stopped_gradients():
    assert ad.grad(lambda x: x * ad.stop_gradient(x))(3.0) == 3.0
    assert ad.grad(ad.grad(lambda x: x * x * ad.stop_gradient(x)))(3.0) == 6.0


def test_the_adjoint_trace_of_the_lecture():
    graph = ad.trace(lambda x1, x2: np.log(x1) + x1 * x2 - np.sin(x2), 2.0, 5.0)
    adjoints = [None] * len(graph)
    steps = list(ad.accumulation(graph, [jnp.ones(())], adjoints))
    onp.testing.assert_allclose([float(a) for a in adjoints], [5.5, 1.716, 1, 1, 1, -1, 1], atol=5e-4)
    # v̄0 of the notes is our v1: first -cos 5 = -0.284 by the sine, then 2 more by the product.
    second_input = [float(step.adjoint) for step in steps if step.parent is graph.nodes[1]]
    onp.testing.assert_allclose(second_input, [-0.284, 1.716], atol=5e-4)
    assert ad.adjoints_of_nodes(graph, [jnp.ones(())])[0] == adjoints[0]
    tangents = ad.tangents_of_nodes(graph, [1.0, None])
    onp.testing.assert_allclose([0.0 if t is None else float(t) for t in tangents], [1, 0, 0.5, 5, 5.5, 0, 5.5])
