"""Every row of the table, in every mode, against JAX and against differences."""

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad

from .cases import CASES, Case

# Both sides evaluate the same smooth functions of O(1) numbers in float64; rules that differ in the order of their
# operations differ by a few ε = 2e-16 per operation, amplified at higher orders by numbers below 1e4.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def same(ours, theirs):
    jax.tree.map(lambda a, b: onp.testing.assert_allclose(a, b, **CLOSE), ours, theirs)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)


def random_like(tree, seed):
    rng = onp.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.uniform(-1, 1, x.shape), x.dtype), tree)


def both(case: Case):
    return (lambda *xs: case.f(np, *xs)), (lambda *xs: case.f(jnp, *xs))


every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@every_case
def test_first_order(case):
    ours, theirs = both(case)
    xs = tuple(case.arrays())
    v = random_like(xs, 1)
    y, dy = ad.jvp(ours, xs, v)
    expected_y, expected_dy = jax.jvp(theirs, xs, v)
    same((y, dy), (expected_y, expected_dy))
    w = random_like(dy, 2)
    x_bar = ad.vjp(ours, *xs)[1](w)
    same(x_bar, jax.vjp(theirs, *xs)[1](w))
    inner = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(dy), jax.tree.leaves(w), strict=True))
    onp.testing.assert_allclose(inner, sum(jnp.vdot(a, b) for a, b in zip(x_bar, v, strict=True)), **CLOSE)


@every_case
def test_second_order_both_ways(case):
    ours, theirs = both(case)
    xs = tuple(case.arrays(3))
    v = random_like(xs, 4)
    w = random_like(theirs(*xs), 5)

    def reverse(engine, f):
        return lambda *xs: engine.vjp(f, *xs)[1](w)

    expected = jax.jvp(reverse(jax, theirs), xs, v)[1]
    same(ad.jvp(reverse(ad, ours), xs, v)[1], expected)
    same(ad.vjp(lambda *xs: ad.jvp(ours, xs, v)[1], *xs)[1](w), expected)


@every_case
def test_taylor_to_order_four(case):
    ours, theirs = both(case)
    xs = tuple(case.arrays(6))
    first, second = random_like(xs, 7), random_like(xs, 8)
    value, series = ad.taylor(ours, xs, [[a, b, None, None] for a, b in zip(first, second, strict=True)])

    def along(s):
        return theirs(*(x + s * a + s * s / 2 * b for x, a, b in zip(xs, first, second, strict=True)))

    expected, f = [], along
    for _ in range(4):
        f = lambda s, f=f: jax.jvp(f, (s,), (1.0,))[1]  # noqa: E731
        expected.append(f)
    same(value, along(0.0))
    for got, f in zip(series, expected, strict=True):
        same(got, jax.jit(f)(0.0))


@every_case
def test_against_central_differences(case):
    ours, _ = both(case)
    ad.check_grads(ours, case.arrays(9), order=1)


def test_every_row_of_the_table_is_tested():
    seen = set()
    for case in CASES.values():
        seen |= {node.name for node in ad.trace(lambda *xs, c=case: c.f(np, *xs), *case.arrays())}
    assert set(ad.TABLE) - seen == set()
