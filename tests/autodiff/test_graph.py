"""The Wengert list: what it records, what it refuses, and that traces never disturb each other."""

import math
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad


def lecture(x1, x2):
    return np.log(x1) + x1 * x2 - np.sin(x2)


def test_the_list_of_the_lecture():
    graph = ad.trace(lecture, 2.0, 5.0)
    assert [repr(node) for node in graph] == [
        "v0 = input()",
        "v1 = input()",
        "v2 = log(v0)",
        "v3 = mul(v0, v1)",
        "v4 = add(v2, v3)",
        "v5 = sin(v1)",
        "v6 = sub(v4, v5)",
    ]
    # The notes print three decimals; -sin 5 = +0.959.
    expected = [2.0, 5.0, 0.693, 10.0, 10.693, -0.959, 11.652]
    onp.testing.assert_allclose([float(node.value) for node in graph], expected, atol=5e-4)
    assert graph.nodes[3].parents == (graph.nodes[0], graph.nodes[1])


def test_constants_stay_out_of_the_list():
    graph = ad.trace(lambda x: 2 * x + np.sin(1.0) * np.ones(3) + (x > 0), 1.5)
    assert [node.name for node in graph] == ["input", "mul", "add", "add"]
    assert graph.nodes[1].arguments[0] == 2
    assert graph.nodes[1].operands[0] == 2


def test_perturbations_are_not_confused():
    def derivative(f, x):
        return ad.jvp(f, (x,), (1.0,))[1]

    assert derivative(lambda x: x * derivative(lambda y: x + y, 1.0), 1.0) == 1.0
    assert ad.grad(lambda x: x * ad.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert ad.grad(lambda x: x * derivative(lambda y: x * y * y, 3.0))(2.0) == 24.0


@pytest.mark.parametrize(
    ("use", "where"),
    [
        (lambda x: x if x else -x, "Python bool"),
        (lambda x: math.sin(x), "Python float"),
        (lambda x: int(x), "Python int"),
        (lambda x: [1.0, 2.0][x], "index"),
        (lambda x: onp.asarray(x), "NumPy or jax.numpy array"),
        (lambda x: complex(x), "complex"),
    ],
)
def test_a_traced_value_is_no_python_number(use, where):
    with pytest.raises(ad.TracedValueError, match=where) as caught:
        ad.grad(use)(1.0)
    assert "test_graph.py" in str(caught.value)
    assert "lambda x:" in str(caught.value)


def test_a_jax_function_refuses_a_traced_value():
    f = lambda x: jnp.sin(x)  # noqa: E731  # this line is named
    words = r"test_graph\.py.*this line is named\n.*pass the whole jax\.numpy function to autodiff\.from_jax"
    with pytest.raises(ad.TracedValueError, match=words):
        ad.grad(f)(1.0)
    with pytest.raises(TypeError, match="unsupported operand"):  # one of the user's own stays as it is
        ad.grad(lambda x: x * (1.0 + "one"))(1.0)


def test_comparisons_decide_python_branches():
    assert ad.grad(lambda x: x * x if x > 1 else x)(3.0) == 6.0


def test_an_escaped_value_is_named():
    kept = []
    ad.grad(lambda x: kept.append(x) or x)(1.0)
    with pytest.raises(ad.EscapedValueError, match="has_aux"):
        kept[0] + 1
    with pytest.raises(ad.EscapedValueError):
        ad.grad(lambda x: kept[0] * 2 + 0 * x)(1.0)


def test_an_exception_leaves_nothing_behind():
    kept = []

    def fails(x):
        kept.append(x)
        return ad.grad(lambda y: x * y / math.nope)(1.0)  # type: ignore[attr-defined]

    for _ in range(2):
        with pytest.raises(AttributeError):
            ad.grad(fails)(1.0)
        assert ad.grad(lambda x: x * x)(3.0) == 6.0
    with pytest.raises(ad.EscapedValueError):
        kept[0] + 1


def test_threads_do_not_meet():
    results = {}

    def work(i):
        f = lambda x: np.sin(x * i) * ad.grad(lambda y: y**3 * x)(float(i))  # noqa: E731
        results[i] = [float(ad.grad(f)(0.1 * k)) for k in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(1, 5):
        f = lambda x, i=i: jnp.sin(x * i) * 3 * i**2 * x  # noqa: E731
        onp.testing.assert_allclose(results[i], [jax.grad(f)(0.1 * k) for k in range(20)], rtol=1e-12)


@pytest.mark.parametrize("n", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_deep_graphs(n):
    assert n > sys.getrecursionlimit()

    def f(x):
        for _ in range(n):
            x = x * 1.00001
        return x

    # d/dx x c^n = c^n; n products each round to ε/2, so n ε in relative error at worst.
    onp.testing.assert_allclose(float(ad.grad(f)(2.0)), math.exp(n * math.log(1.00001)), rtol=n * 2.3e-16)


def test_the_same_value_twice_and_an_unused_argument():
    assert ad.grad(lambda x, y: x * x + x, argnums=(0, 1))(3.0, 1.0) == (7.0, 0.0)
    assert ad.grad(lambda x: np.sum(np.ones(3)))(3.0) == 0.0


def test_repr_names_the_node_and_its_level():
    seen = []
    ad.grad(lambda x: seen.append(repr(x * 2)) or x)(1.0)
    assert seen[0].startswith("Value(v1 at level")
