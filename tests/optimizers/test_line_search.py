"""The strong-Wolfe line search: its two conditions, its count, and directions that lead nowhere."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.optimizers.line_search import strong_wolfe

EPS = np.finfo(float).eps
# Functions of one number → (f, where from, where its minimum is). The last is not finite from 1 on.
LINES = {
    "parabola": (lambda x: (x - 2.0) ** 2, 0.0, 2.0),
    "More and Thuente's first": (lambda x: -x / (x**2 + 2), 0.0, 2.0**0.5),
    "quartic": (lambda x: x**4 - 8 * x, 0.0, 2.0 ** (1 / 3)),
    "barrier": (lambda x: -3 * x - jnp.log(1 - x), 0.0, 2 / 3),
}


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def search(f, start, direction, **settings):
    """The search's end, from f alone."""
    return compiled(f, tuple(settings.items()))(start, direction)


@cache
def compiled(f, settings):
    value_and_grad = jax.value_and_grad(f)
    return jax.jit(lambda x, p: strong_wolfe(value_and_grad, x, *value_and_grad(x), p, **dict(settings)))


@cache
def line(name):
    return lambda x: LINES[name][0](x[0])


def along(name, stretch, **settings):
    start = jnp.asarray([LINES[name][1]])
    return line(name), search(line(name), start, jnp.asarray([stretch]), **settings)


def assert_wolfe(f, found, start, direction, c1=1e-4, c2=0.9):
    slope = float(jax.grad(f)(start) @ direction)
    assert found.success
    assert found.value <= f(start) + c1 * found.length * slope
    assert abs(float(found.gradient @ direction)) <= -c2 * slope
    np.testing.assert_allclose(found.flat, start + found.length * direction, rtol=4 * EPS)
    value, gradient = jax.value_and_grad(f)(found.flat)
    # The compiled loop may round differently from the plain call.
    np.testing.assert_allclose(found.value, value, rtol=1e-13)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("stretch", [1e-4, 1.0, 1e3])
@pytest.mark.parametrize("name", LINES)
def test_both_conditions_hold_from_steps_far_too_short_to_far_too_long(name, stretch):
    f, found = along(name, stretch)
    assert_wolfe(f, found, jnp.asarray([LINES[name][1]]), jnp.asarray([stretch]))


@pytest.mark.parametrize("name", LINES)
def test_a_strict_condition_leads_to_the_minimum(name):
    f, found = along(name, 1.0, c2=1e-8, evaluations=60)
    assert_wolfe(f, found, jnp.asarray([LINES[name][1]]), jnp.asarray([1.0]), c2=1e-8)
    # |f'| ≤ 1e-8 |f'(0)|, and f'' at these minima is between 0.04 and 2 |f'(0)|.
    np.testing.assert_allclose(found.flat, [LINES[name][2]], atol=1e-6)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [2.0, -3.0], [0.9, 0.8]])
def test_steepest_descent_into_rosenbrocks_valley(start):
    start = jnp.asarray(start)
    direction = -jax.grad(rosenbrock)(start)  # far too long a step
    assert_wolfe(rosenbrock, search(rosenbrock, start, direction), start, direction)


def test_a_good_first_step_costs_one_evaluation_and_a_cubic_one_more():
    assert along("parabola", 2.0)[1].evaluations == 1
    # From a step too long on a parabola the first interpolation is its minimum.
    found = along("parabola", 8.0, c2=1e-6)[1]
    assert found.evaluations == 2
    np.testing.assert_allclose(found.flat, [2.0], rtol=1e-14)


def test_every_call_is_counted_and_none_is_made_twice():
    places = []

    def f(x):
        places.append(float(x[0]))
        return (x[0] - 2) ** 4, 4 * (x - 2) ** 3

    start = jnp.asarray([0.0])
    value, gradient = f(start)
    with jax.disable_jit():
        found = strong_wolfe(f, start, value, gradient, jnp.asarray([100.0]), c2=1e-3)
    assert found.success
    assert len(places) - 1 == found.evaluations == len(set(places)) - 1
    assert float(found.flat[0]) in places


@pytest.mark.parametrize("direction", [-1.0, 0.0, jnp.nan])
def test_a_direction_that_does_not_descend_costs_nothing(direction):
    _, found = along("parabola", direction)
    assert not found.success
    assert (found.evaluations, found.length, found.value) == (0, 0, 4)
    np.testing.assert_array_equal(found.flat, [0.0])


def test_a_search_that_ends_too_soon_keeps_the_lowest_point():
    """A slope that never flattens."""
    found = search(lambda x: -x[0], jnp.asarray([0.0]), jnp.asarray([1.0]), evaluations=5)
    assert not found.success
    assert found.evaluations == 5
    np.testing.assert_array_equal([found.flat[0], found.value, found.length], [4.0**4, -(4.0**4), 4.0**4])


def test_where_no_trial_is_lower_it_stays():
    """|x| from 0, with a slope that it does not have."""
    start, slope = jnp.asarray([0.0]), jnp.asarray([-1.0])
    rising = lambda x: (jnp.abs(x[0]), jnp.sign(x))  # noqa: E731
    found = strong_wolfe(rising, start, jnp.asarray(0.0), slope, jnp.asarray([1.0]), evaluations=200)
    assert not found.success
    assert found.length == 0
    np.testing.assert_array_equal(found.gradient, slope)
