"""Every row of the table, in every mode, against JAX and against differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad

from .cases import CASES, Case
from .compiling import compiled
from .test_slopes import ORACLES

# Both sides evaluate the same smooth functions of O(1) numbers in float64; rules that differ in the order of their
# operations differ by a few ε = 2e-16 per operation, amplified at higher orders by numbers below 1e4.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def same(ours, theirs):
    jax.tree.map(lambda a, b: onp.testing.assert_allclose(a, b, **CLOSE), ours, theirs)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)


def random_like(tree, seed):
    rng = onp.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.uniform(-1, 1, x.shape), x.dtype), tree)


def both(case: Case):
    return (lambda *xs: case.f(np, *xs)), (lambda *xs: case.f(jnp, *xs))


def derivatives_along(engine, f, xs, first, second):
    """d^k/ds^k f(x + s a + s²/2 b) at s = 0 for k = 0..4, by nested forward mode."""

    def along(s):
        return f(*(x + s * a + s * s / 2 * b for x, a, b in zip(xs, first, second, strict=True)))

    def grown(g):
        def with_next(s):
            values, slopes = engine.jvp(g, (s,), (1.0,))
            return [*values, slopes[-1]]

        return with_next

    g = lambda s: [along(s)]  # noqa: E731
    for _ in range(4):
        g = grown(g)
    return g(jnp.zeros(()))


def first_order(engine, f, xs, v, w):
    """f, J v and Jᵀ w."""
    y, dy = engine.jvp(f, xs, v)
    return y, dy, engine.vjp(f, *xs)[1](w)


def all_modes(engine, f, xs, v, w):
    """f, J v, Jᵀ w, and the derivative of Jᵀ w along v, forward over reverse."""
    return *first_order(engine, f, xs, v, w), engine.jvp(lambda *xs: engine.vjp(f, *xs)[1](w), xs, v)[1]


def own_series(f, xs, first, second):
    value, series = ad.taylor(f, xs, [[a, b, None, None] for a, b in zip(first, second, strict=True)])
    return [value, *series]


def rows_of(case):
    """The rows of the table that the case uses; nothing is computed."""
    found = set()
    trace = lambda *xs: found.update(node.name for node in ad.trace(both(case)[0], *xs))  # noqa: E731
    jax.eval_shape(trace, *case.arrays())
    return found - {"input"}


ROWS = {name: rows_of(case) for name, case in CASES.items()}


def covering(rows):
    """A few cases that together use all these rows; the others run before a change lands."""
    left = set(rows)
    while left:
        name = max(ROWS, key=lambda name: len(ROWS[name] & left) / (10 + len(ROWS[name])))
        if not ROWS[name] & left:
            return  # test_every_row_of_the_table_is_tested will say so
        left -= ROWS[name]
        yield name


# test_slopes compares the elementwise rows with exact arithmetic, in every mode and to the third order.
QUICK = {*covering(set(ad.TABLE) - set(ORACLES)), "exp", "operators", "power"}


each_row = pytest.mark.parametrize(
    "case", [pytest.param(c, id=n, marks=() if n in QUICK else pytest.mark.landing) for n, c in CASES.items()]
)


@pytest.mark.parametrize("case", [c for n, c in CASES.items() if n not in QUICK], ids=lambda c: c.name)
def test_first_order(case):
    """Of the cases that are not among the quick ones of `test_all_modes`, which asserts this too."""
    ours, theirs = both(case)
    xs = tuple(case.arrays())
    v, w = random_like(xs, 1), random_like(jax.eval_shape(theirs, *xs), 2)
    same(*compiled(lambda *a: (first_order(ad, ours, *a), first_order(jax, theirs, *a)), xs, v, w))


@each_row
def test_all_modes(case):
    ours, theirs = both(case)
    xs = tuple(case.arrays())
    v, w = random_like(xs, 1), random_like(jax.eval_shape(theirs, *xs), 2)

    def everything(xs, v, w):
        numeric = ad.central_difference(lambda packed: ours(*packed), xs, 6e-6, v)
        reverse_over_forward = ad.vjp(lambda *xs: ad.jvp(ours, xs, v)[1], *xs)[1](w)
        return all_modes(ad, ours, xs, v, w), all_modes(jax, theirs, xs, v, w), reverse_over_forward, numeric

    got, expected, reverse_over_forward, numeric = compiled(everything, xs, v, w)
    same(got, expected)
    same(reverse_over_forward, expected[3])
    dy, x_bar = got[1], got[2]
    # A central difference of step ε^{1/3} is right to about ε^{2/3} = 4e-11, times derivatives below 1e4.
    jax.tree.map(lambda a, b: onp.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), dy, numeric)
    inner = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(dy), jax.tree.leaves(w), strict=True))
    onp.testing.assert_allclose(inner, sum(jnp.vdot(a, b) for a, b in zip(x_bar, v, strict=True)), **CLOSE)


@pytest.mark.landing
@each_row
def test_taylor_to_order_four(case):
    ours, theirs = both(case)
    xs = tuple(case.arrays(6))
    first, second = random_like(xs, 7), random_like(xs, 8)
    same(*compiled(lambda *a: (own_series(ours, *a), derivatives_along(jax, theirs, *a)), xs, first, second))


def test_every_row_of_the_table_is_tested():
    of_reverse_mode_alone = {"custom_vjp"}  # tested in test_custom
    assert set(ad.TABLE) - of_reverse_mode_alone == set().union(*ROWS.values())


@pytest.mark.parametrize("mode", ["jvp", "vjp"])
def test_a_rule_wrong_by_a_thousandth_is_caught(mode, monkeypatch):
    """The tester tested: the comparison of the table and check_grads both notice a planted mistake."""
    right = ad.TABLE["exp"]
    wrong = lambda *args, **params: 1.001 * getattr(right, mode)(*args, **params)  # noqa: E731
    planted = dataclasses.replace(right, **{mode: wrong})
    monkeypatch.setattr(np, "exp", planted)
    ad.check_grads(lambda x: np.sin(x), (0.3,), order=2)
    with pytest.raises(AssertionError, match="differs from the central difference"):
        ad.check_grads(lambda x: np.exp(x), (0.3,), order=1)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        test_all_modes(CASES["exp"])
