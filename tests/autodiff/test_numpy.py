"""The namespace: jax.numpy's own results, broadcasting of traced values, and JAX's choices where not smooth."""

import ast
import pathlib

import jax
import jax.numpy as jnp
import numpy as onp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad
from pinn_ac.autodiff import from_jax

from .compiling import compiled


def test_without_traced_values_it_is_jax_numpy():
    assert np.pi == jnp.pi
    assert np.float32 is jnp.float32
    assert isinstance(np.sin(1.0), jax.Array)
    assert np.linspace(0, 1, 3).tolist() == [0.0, 0.5, 1.0]
    assert np.concatenate([np.zeros(1), np.ones(1)]).tolist() == [0.0, 1.0]
    assert np.full_like(jnp.ones(2), 3.0).tolist() == [3.0, 3.0]


def test_no_name_of_the_module_hides_one_of_jax_numpy():
    tree = ast.parse(pathlib.Path(np.__file__).read_text())
    names = set()
    for node in tree.body:
        names |= {a.asname or a.name for a in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
        names |= {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
    assert names & set(dir(jnp)) == {"__getattr__", "array", "astype", "power"}


def test_constants_made_like_a_traced_value():
    f = lambda x: np.sum(x * np.zeros_like(x) + np.ones_like(x) * np.full_like(x, 2.0) * x)  # noqa: E731
    assert ad.grad(f)(jnp.ones(3)).tolist() == [2.0] * 3
    assert ad.grad(lambda x: np.shape(x)[0] * x[np.argmax(x)])(jnp.array([1.0, 3.0])).tolist() == [0.0, 2.0]


def test_what_is_no_constant_though_it_is_made_like_one():
    assert ad.grad(lambda v: np.sum(np.full_like(jnp.zeros(3), v)))(2.0) == 3.0
    steps = jnp.array([-1.0, 0.0, 2.0])
    assert ad.grad(lambda h: np.sum(np.heaviside(steps, h)))(0.5) == 1.0
    assert ad.grad(lambda x: np.sum(np.heaviside(x, 0.5)))(steps).tolist() == [0.0] * 3
    places = jnp.array([0.1, 0.9, 0.8])
    assert ad.grad(lambda w: np.histogram(places, 2, weights=w)[0][1])(jnp.ones(3)).tolist() == [0.0, 1.0, 1.0]


def test_settings_of_an_update_and_a_place_out_of_bounds():
    outside, x = jnp.array([0, 5]), jnp.array([3.0, 4.0])
    f = lambda x: x.at[outside].get(mode="fill", fill_value=7.0)  # noqa: E731
    assert f(x).tolist() == [3.0, 7.0]
    assert [part.tolist() for part in ad.jvp(f, (x,), (x,))] == [[3.0, 7.0], [3.0, 0.0]]
    assert [d.tolist() for d in ad.taylor(f, (x,), ([x, x],))[1]] == [[3.0, 0.0]] * 2
    assert ad.jacrev(f)(x).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert ad.grad(lambda x: np.sum(x.at[outside].add(x, mode="drop")))(x).tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.abs(x * 1j),
        ad.from_jax(lambda x: jnp.abs(x * jnp.exp(1j * x))),
        lambda x: x.astype(complex),
        lambda x: (x * 1j).real,
    ],
)
def test_complex_numbers_are_refused_where_the_derivative_would_be_wrong(f):
    with pytest.raises(ad.MissingRuleError, match="complex number"):
        ad.jvp(f, (2.0,), (1.0,))


def test_a_complex_result_has_no_adjoint_of_zero():
    pullback = ad.vjp(from_jax(lambda x: jnp.exp(1j * x)), 0.3)[1]
    with pytest.raises(ad.MissingRuleError, match="a result of the function is complex"):
        pullback(1.0 + 0.0j)


@pytest.mark.parametrize("jacobian", [ad.jacfwd, ad.jacrev, ad.hessian])
def test_jacobians_by_an_empty_array_are_empty(jacobian):
    found = jacobian(lambda p: np.sum(p["a"] ** 2) + np.sum(p["none"]))({"a": jnp.ones(3), "none": jnp.zeros((0, 2))})
    if jacobian is ad.hessian:
        assert found["a"]["a"].tolist() == (2 * jnp.eye(3)).tolist()
        assert (found["a"]["none"].shape, found["none"]["none"].shape) == ((3, 0, 2), (0, 2, 0, 2))
    else:
        assert found["a"].tolist() == [2.0, 2.0, 2.0]
        assert found["none"].shape == (0, 2)


def test_the_order_of_polygamma_has_no_derivative():
    with pytest.raises(ad.MissingRuleError, match="no derivative by its order"):
        ad.grad(from_jax(lambda m: jax.lax.polygamma(m, 2.0)))(1.0)


FUNCTIONS = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "maximum",
    "arctan2",
    "logaddexp",
    "hypot",
    "where",
    "mod",
]


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), name=st.sampled_from(FUNCTIONS))
def test_broadcasting_on_random_shapes(shapes, name):
    rng = onp.random.default_rng(0)
    x, y = (jnp.asarray(rng.uniform(0.5, 2.0, s)) for s in shapes.input_shapes)

    def f(np, x, y):
        z = np.where(x > 1, x, y * 2) if name == "where" else getattr(np, name)(x, y)
        return np.sum(z * np.sin(z))

    def everything(x, y):
        return (
            ad.value_and_grad(lambda x, y: f(np, x, y), (0, 1))(x, y),
            ad.jvp(lambda x, y: f(np, x, y), (x, y), (y.sum() * x, y)),
            ad.taylor(lambda x, y: f(np, x, y), (x, y), ([x, None], [None, y])),
        )

    theirs = lambda x, y: f(jnp, x, y)  # noqa: E731

    def all_of_jax(x, y):
        second = lambda s: theirs(x + s * x, y + s * s / 2 * y)  # noqa: E731
        return (
            jax.value_and_grad(theirs, (0, 1))(x, y),
            jax.jvp(theirs, (x, y), (y.sum() * x, y)),
            (theirs(x, y), [jax.jvp(second, (0.0,), (1.0,))[1], jax.grad(jax.grad(second))(0.0)]),
        )

    got, expected = compiled(lambda x, y: (everything(x, y), all_of_jax(x, y)), x, y)
    # Sums of at most 27 O(10) numbers in float64.
    jax.tree.map(lambda a, b: onp.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11), got, expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda np, x: np.maximum(x, 0.0),
        lambda np, x: np.minimum(x, -x),
        lambda np, x: np.abs(x),
        lambda np, x: np.clip(x, 0.0, 1.0),
        lambda np, x: np.max(x * jnp.zeros(5) + x[0]),
        lambda np, x: np.min(x**2, axis=0),
        lambda np, x: np.sqrt(np.abs(x)),
        lambda np, x: np.sinc(x),
        lambda np, x: np.logaddexp(x, x),
        lambda np, x: x**2 + x**0 + x**1,
        lambda np, x: x**2.0 + x**1.0,
        lambda np, x: np.where(x == 0, 0.0, x),
        lambda np, x: np.prod(x),
        lambda np, x: np.sort(x * 0.0 + x),
        lambda np, x: np.sign(x) * x,
        lambda np, x: np.linalg.norm(x[1:3]),
        lambda np, x: np.ptp(x),
        lambda np, x: np.cbrt(x),
        lambda np, x: np.exp(-1 / np.where(x == 0, 1.0, x) ** 2),
        lambda np, x: np.hypot(x, x),
        lambda np, x: np.arctan2(x, 1.0 + x),
        lambda np, x: np.logaddexp(x, -jnp.inf),
    ],
)
def test_jaxs_choice_where_not_smooth(f):
    x = jnp.array([0.0, 1.0, 0.0, -1.0, 1.0])
    ours, theirs = (lambda x: f(np, x)), (lambda x: f(jnp, x))
    both = compiled(
        lambda x: [(ad.jacrev(ours)(x), jax.jacrev(theirs)(x)), (ad.jacfwd(ours)(x), jax.jacfwd(theirs)(x))], x
    )
    for got, expected in both:
        onp.testing.assert_allclose(got, expected, rtol=1e-14, equal_nan=True)


def test_powers_at_zero():
    for p in (1.0, 2.0, 2.5):
        got = ad.grad(np.power, (0, 1))(0.0, p)
        onp.testing.assert_allclose(got, jax.grad(jnp.power, (0, 1))(0.0, p))
    assert ad.grad(np.power, (0, 1))(0.0, 0.0) == (0.0, 0.0)  # where JAX has nan for the first
    assert ad.grad(lambda x: x**2)(-3.0) == -6.0
    assert ad.grad(ad.grad(lambda x: x**2))(0.0) == 2.0


def test_sinc_is_smooth_at_and_near_zero():
    for x in (0.0, 1e-9, 1e-3, 0.0999, 0.1001):
        expected = [-(onp.pi**2) / 3 * x + onp.pi**4 / 30 * x**3 - onp.pi**6 / 840 * x**5 + onp.pi**8 / 45360 * x**7]
        _, series = ad.taylor(np.sinc, (x,), ([1.0] + [None] * 3,))
        # The next term of the series, (π x)^10/(3991680 x), is below 3e-11 relatively for x ≤ 0.1.
        onp.testing.assert_allclose(series[0], expected[0], rtol=1e-7, atol=1e-15)
        onp.testing.assert_allclose(
            series[1], -(onp.pi**2) / 3 + onp.pi**4 / 10 * x**2, atol=0.2 * x**3 + 1e-13 + 60 * x**4
        )


def test_methods_and_attributes():
    def f(np, x):
        parts = (
            x.sum(),
            x.mean(axis=0).max(),
            x.T.ravel()[1],
            x.reshape(-1).dot(x.flatten()),
            x.swapaxes(0, 1).min(),
        )
        more = x.astype(float).std() + x.transpose(1, 0).squeeze().trace() + x.clip(0, 1).prod() + x.cumsum().var()
        return sum(parts) + more + x.ndim * x.size * len(x) * x.repeat(2).take(3) + x.at[0].set(2.0).sum()

    x = jnp.array([[0.3, 0.8], [0.5, 0.2]])
    got, expected = compiled(lambda x: (ad.grad(lambda x: f(np, x))(x), jax.grad(lambda x: f(jnp, x))(x)), x)
    onp.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_list_of_integers_is_an_index():
    assert ad.grad(lambda x: np.sum(x[[0, 2, 2]]))(jnp.ones(3)).tolist() == [1.0, 0.0, 2.0]


def test_containers_as_arguments():
    f = lambda np, d: np.sum(np.stack(d["a"]) @ d["b"][0]) * np.hstack(d["b"])[1]  # noqa: E731
    d = {"a": (jnp.arange(2.0), jnp.ones(2)), "b": [jnp.array([0.5, 2.0]), jnp.array([1.0])]}
    got, expected = compiled(lambda d: (ad.grad(lambda d: f(np, d))(d), jax.grad(lambda d: f(jnp, d))(d)), d)
    jax.tree.map(lambda a, b: onp.testing.assert_allclose(a, b, rtol=1e-14), got, expected)
    assert jax.tree.structure(got) == jax.tree.structure(expected)


def test_what_r_and_c_join():
    x, y = jnp.arange(1.0, 4.0), jnp.asarray([0.5, 2.0, 1.5])
    joins = (
        lambda np, x, y: np.r_[x, 1.0, y, 0:3],
        lambda np, x, y: np.r_["0,2", x, y],
        lambda np, x, y: np.c_[x, y, x],
    )

    def both(join, x, y):
        got = ad.grad(lambda x, y: np.sum(join(np, x, y) ** 2), (0, 1))(x, y)
        expected = jax.grad(lambda x, y: jnp.sum(join(jnp, x, y) ** 2), (0, 1))(x, y)
        return (join(np, x, y), got), (join(jnp, x, y), expected)

    for got, expected in compiled(lambda x, y: [both(join, x, y) for join in joins], x, y):
        jax.tree.map(onp.testing.assert_array_equal, got, expected)


def test_methods_of_universal_functions():
    x = jnp.arange(1.0, 4.0)
    assert ad.grad(lambda x: np.multiply.reduce(x))(x).tolist() == [6.0, 3.0, 2.0]
    assert ad.grad(lambda x: np.sum(np.add.accumulate(x)))(x).tolist() == [3.0, 2.0, 1.0]
    assert ad.grad(lambda x: np.sum(np.multiply.outer(x, x)))(x).tolist() == [12.0, 12.0, 12.0]
    onp.testing.assert_allclose(ad.grad(lambda x: np.logaddexp.reduce(x))(x), jax.nn.softmax(x), rtol=1e-15)


def test_python_numbers_as_operands():
    functions = (
        lambda np, x: np.dot(x, 0.79),
        lambda np, x: np.dot(0.79, x),
        lambda np, x: np.inner(x, 0.79),
        lambda np, x: np.tensordot(x, 0.79, 0),
        lambda np, x: np.outer(x, 0.79),
        lambda np, x: np.kron(x, 0.79),
        lambda np, x: np.multiply(0.79, x),
        lambda np, x: np.where(True, x, 0.79) * 0.79,
        lambda np, x: np.append(x, 0.79),
        lambda np, x: np.pad(x, 2, constant_values=0.79) * 0.79,
        lambda np, x: np.clip(x, 0.5, 2) * 0.79,
    )

    def both(f, x):
        ours = lambda x: np.sum(f(np, x))  # noqa: E731
        theirs = lambda x: jnp.sum(f(jnp, x))  # noqa: E731
        second = ad.taylor(ours, (x,), ([x, None],))[1][1]
        return (
            (ad.grad(ours)(x), ad.jvp(ours, (x,), (x,))),
            (jax.grad(theirs)(x), jax.jvp(theirs, (x,), (x,))),
            second,
        )

    for got, expected, second in compiled(lambda x: [both(f, x) for f in functions], jnp.ones(3)):
        jax.tree.map(onp.testing.assert_array_equal, got, expected)
        assert second == 0.0


def test_a_plain_array_cannot_be_filled_with_traced_values():
    def fill(x):
        c = np.zeros(2)
        return c.at[0].set(x)

    with pytest.raises(ad.TracedValueError, match=r"autodiff\.numpy\.array or stack"):
        ad.jvp(fill, (1.0,), (1.0,))
    made = lambda x: np.array([x, 0.0]) + np.stack([0.0 * x, x])  # noqa: E731
    assert ad.jvp(made, (1.0,), (1.0,))[1].tolist() == [1.0, 1.0]


def test_the_rank_of_a_matrix_is_a_constant():
    assert ad.grad(lambda a: np.linalg.matrix_rank(a) * np.sum(a))(jnp.eye(2)).tolist() == [[2.0, 2.0], [2.0, 2.0]]
