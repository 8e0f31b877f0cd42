"""Functions of jax.numpy and Flax, differentiated by our engine."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from fields import random_params
from pinn_ac import autodiff as ad
from pinn_ac.autodiff import from_jax

from .compiling import compiled


class MLP(nn.Module):
    activation: str = "tanh"

    @nn.compact
    def __call__(self, x):
        for width in (8, 8):
            x = getattr(nn, self.activation)(nn.Dense(width)(x))
        return nn.Dense(1)(x)[0]


def network(activation="tanh"):
    model = MLP(activation)
    params = jax.tree.map(lambda p: p + 0.05, random_params(model, 2))
    return params, lambda params, t, x: model.apply(params, jnp.stack([t, x]))


POINTS = jnp.asarray(onp.random.default_rng(1).uniform(-1.0, 1.0, (6, 2)))


def losses(u):
    """The same residual with each engine's derivatives inside jax.vmap."""

    def jaxs(params, t, x):
        f = lambda t, x: u(params, t, x)  # noqa: E731
        u_x = jax.grad(f, 1)
        return f(t, x), jax.grad(f, 0)(t, x), jax.grad(u_x, 1)(t, x)

    def forward(params, t, x):
        f = lambda t, x: from_jax(u)(params, t, x)  # noqa: E731
        u_x = lambda t, x: ad.jvp(lambda x: f(t, x), (x,), (1.0,))[1]  # noqa: E731
        return f(t, x), ad.jvp(lambda t: f(t, x), (t,), (1.0,))[1], ad.jvp(lambda x: u_x(t, x), (x,), (1.0,))[1]

    def reverse(params, t, x):
        f = lambda t, x: from_jax(u)(params, t, x)  # noqa: E731
        return f(t, x), ad.grad(f, 0)(t, x), ad.grad(lambda x: ad.grad(f, 1)(t, x))(x)

    def series(params, t, x):
        f = lambda t, x: from_jax(u)(params, t, x)  # noqa: E731
        value, ((u_t,), (_, u_xx)) = ad.taylor_curves(f, (t, x), [([1.0], []), ([], [1.0, None])])
        return value, u_t, u_xx

    def loss(derivatives):
        def of_params(params):
            def residual(point):
                value, u_t, u_xx = derivatives(params, point[0], point[1])
                return u_t - 0.1 * u_xx + 5 * (value**3 - value)

            return jnp.mean(jax.vmap(residual)(POINTS) ** 2)

        return of_params

    return {d.__name__: loss(d) for d in (jaxs, forward, reverse, series)}


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_the_gradient_of_a_residual_all_ours(activation):
    params, u = network(activation)
    table = losses(u)
    ours = ("forward", "reverse", "series")

    def all_engines(p):
        gradients = [ad.value_and_grad(from_jax(table[engine]))(p) for engine in ours]
        return gradients, jax.value_and_grad(table["jaxs"])(p)

    gradients, expected = compiled(all_engines, params)
    for engine, got in zip(ours, gradients, strict=True):
        # Third derivatives of O(1) networks in float64.
        close = lambda a, b, engine=engine: onp.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, err_msg=engine)  # noqa: E731
        jax.tree.map(close, got, expected)


def test_the_compiled_gradient_is_no_heavier_than_jaxs():
    params, u = network()
    table = losses(u)
    flops = {}
    for name, f in {
        "jax": jax.value_and_grad(table["jaxs"]),
        "ours": ad.value_and_grad(from_jax(table["series"])),
    }.items():
        flops[name] = jax.jit(f).lower(params).compile().cost_analysis()["flops"]
    assert flops["ours"] <= flops["jax"]


def test_nested_adoption_and_jit():
    f = from_jax(jax.jit(lambda x: jnp.sin(x) * ad.grad(from_jax(jnp.tanh))(x)))
    theirs = lambda x: jnp.sin(x) / jnp.cosh(x) ** 2  # noqa: E731
    onp.testing.assert_allclose(ad.grad(ad.grad(f))(0.4), jax.grad(jax.grad(theirs))(0.4), rtol=1e-12)


def test_relu_has_jaxs_slope_at_zero():
    x = jnp.array([-1.0, 0.0, 2.0])
    assert ad.grad(from_jax(lambda x: jax.nn.relu(x).sum()))(x).tolist() == [0.0, 0.0, 1.0]
    assert ad.grad(from_jax(lambda x: jax.vmap(jax.nn.relu)(x).sum()))(x).tolist() == [0.0, 0.0, 1.0]


def test_untraced_operations_are_carried_out_as_they_are():
    def f(x, key):
        noise = jax.lax.while_loop(lambda c: c < 3.0, lambda c: c + 1.0, 0.0) + jax.random.normal(key, (3,))
        return jnp.sum(x * noise)

    graph = ad.trace(lambda x: from_jax(f)(x, jax.random.key(0)), jnp.ones(3))
    assert [node.name for node in graph] == ["input", "mul", "reduce_sum"]


def test_other_arguments_may_be_anything():
    f = from_jax(lambda x, how, *, power: {"s": getattr(jnp, how)(x) ** power}["s"])
    assert float(ad.grad(lambda x: f(x, "sin", power=2))(0.5)) == pytest.approx(float(jnp.sin(1.0)), rel=1e-14)
    assert float(f(0.5, "sin", power=2)) == pytest.approx(float(jnp.sin(0.5) ** 2), rel=1e-14)


def test_a_remembered_operation_depends_on_its_static_arguments():
    x = jnp.arange(6.0).reshape(2, 3)
    for axis in (0, 1, 0, None):
        got = ad.grad(lambda x, axis=axis: np.sum(np.cumsum(x, axis=axis) ** 2))(x)
        f = lambda x, axis=axis: jnp.sum(jnp.cumsum(x, axis=axis) ** 2)  # noqa: E731
        onp.testing.assert_allclose(got, jax.grad(f)(x), rtol=1e-14)
    for index in (1, True):  # which are equal
        assert ad.jvp(lambda x, i=index: x[i], (x,), (x,))[0].shape == x[index].shape
    for sign in (0.0, -0.0, 0.0):  # which are equal, and have one hash
        assert ad.grad(lambda x, s=sign: np.copysign(x, s))(1.0) == onp.copysign(1.0, sign)


def test_an_operation_without_a_rule_is_named_with_its_line():
    with pytest.raises(ad.MissingRuleError, match=r"'while' has no rule, used at .*test_replay\.py"):
        ad.grad(from_jax(lambda x: jax.lax.while_loop(lambda c: c < 3, lambda c: c * 2, x)))(1.0)
    with pytest.raises(ad.MissingRuleError, match=r"'svd' has no rule, used at .*test_replay\.py.*np\.linalg\.svd"):
        ad.grad(lambda x: np.linalg.svd(x, compute_uv=False)[0])(jnp.eye(3))
    with pytest.raises(AttributeError, match="no_such_function"):
        np.no_such_function(1.0)


def test_of_two_updates_of_one_place_the_one_that_stays_has_the_derivative():
    f = lambda y: jnp.zeros(2).at[jnp.array([0, 0, 1])].set(y)  # noqa: E731
    for jacobian in (ad.jacrev, ad.jacfwd):
        onp.testing.assert_array_equal(jacobian(from_jax(f))(jnp.ones(3)), jax.jacrev(f)(jnp.ones(3)))


def test_loops_and_products_of_nothing():
    f = lambda x: jax.lax.scan(lambda c, s: (c * x, c * s), x, jnp.zeros(0))[0]  # noqa: E731
    assert ad.grad(from_jax(f))(2.0) == 1.0
    g = lambda x: jnp.sum(jnp.prod(x, axis=0))  # noqa: E731
    assert ad.grad(from_jax(g))(jnp.zeros((3, 0))).shape == (3, 0)


def test_a_branch_that_is_not_taken_does_no_harm():
    f = from_jax(lambda x: jax.lax.cond(x > 0, jnp.sqrt, lambda x: 0.0 * x, x))
    assert ad.grad(f)(0.0) == 0.0  # the slope of the square root is infinite there
    assert ad.grad(f)(4.0) == 0.25
    which = from_jax(lambda x, i: jax.lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], x))
    slopes = [float(ad.grad(lambda x, i=i: which(x, i))(0.0)) for i in (-1, 1, 9)]
    assert slopes == [1.0, 0.0, 1.0]


def test_a_function_of_an_element_in_place_is_refused():
    """JAX writes it as a scatter of zeros with the function beside them."""
    with pytest.raises(ad.MissingRuleError, match=r"x\.at\[i\]\.set\(f\(x\[i\]\)\)"):
        ad.grad(from_jax(lambda x: jnp.sum(x.at[0].apply(jnp.sin))))(jnp.ones(3))
    assert ad.grad(from_jax(lambda x: jnp.sum(x.at[0].set(2 * x[0]))))(jnp.ones(3)).tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize("symmetrize", [False, True])
def test_a_factorization_of_a_lower_triangle_is_of_that(symmetrize):
    lower = jnp.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.5, -1.0, 6.0]])
    f = lambda a: jnp.sum(jnp.sin(jnp.linalg.cholesky(a, symmetrize_input=symmetrize)))  # noqa: E731
    change = jnp.array([[0.3, 0.9, -0.4], [0.2, -0.5, 0.8], [0.7, 0.1, 0.6]])

    # Where JAX reads the lower triangle alone, its rule still takes a change to be symmetric.
    mirrored = change if symmetrize else jnp.tril(change) + jnp.tril(change, -1).T

    def both(a):
        ours = from_jax(f)(a), ad.grad(from_jax(f))(a), ad.jvp(from_jax(f), (a,), (change,))[1]
        return ours, (f(a), jax.grad(f)(a), jax.jvp(f, (a,), (mirrored,))[1])

    ours, theirs = compiled(both, lower)
    onp.testing.assert_allclose(ours[0], theirs[0], rtol=1e-14)
    onp.testing.assert_allclose(ours[2], theirs[2], rtol=1e-12)
    # JAX's gradient may lie in either triangle, of which an average would be one and the same change.
    onp.testing.assert_allclose(ours[1] + ours[1].T, theirs[1] + theirs[1].T, rtol=1e-12)


@pytest.mark.parametrize(
    ("solve", "words"),
    [
        (
            lambda a, b: jax.lax.custom_linear_solve(
                lambda x: (a * x[0], a * x[1]), (b, b), lambda _, c: (c[0] / a, c[1] / a)
            ),
            "one array b",
        ),
        (
            lambda a, b: jax.lax.custom_linear_solve(lambda x: a * x, b, lambda _, c: c / a),
            "transpose_solve, or symmetric",
        ),
    ],
)
def test_solves_without_a_rule_are_refused(solve, words):
    with pytest.raises(ad.MissingRuleError, match=words):
        ad.grad(from_jax(lambda a: jax.tree.leaves(solve(a, 2.0))[0]))(3.0)


@pytest.mark.parametrize(
    ("f", "x", "third"), [(np.arctan, 1.0, 0.5), (np.arctan, -1.0, 0.5), (np.arcsinh, 1.0, 2**-2.5 * 1.0)]
)
def test_third_derivatives_by_jacobians_of_jacobians_are_right_at_ties(f, x, third):
    """(6x² − 2)/(1 + x²)³ of arctan x and (2x² − 1)/(1 + x²)^{5/2} of arcsinh x; |x| = 1 is a tie of √(x² + 1)."""
    for first, second in ((ad.jacrev, ad.jacrev), (ad.jacfwd, ad.jacrev), (ad.jacrev, ad.jacfwd)):
        assert float(first(second(ad.jacrev(f)))(x)) == pytest.approx(third, rel=1e-13)
