"""The heat flow on lines of constant time: against the same series and closed forms, point by point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac import AllenCahn
from pinn_ac.marching.lift import Lift, in_chunks
from pinn_ac.problem import Fourier, Sine, XSquaredCosine

TIMES, COLUMNS = np.array([0.0, 0.01, 0.3]), np.array([[0, 5, 64], [1, 32, 63], [127, 127, 2]])
CONDITIONS = {
    "series": Fourier(mean=0.1, cosine=(0.3, 0.0, -0.2), sine=(0.5, 0.1)),
    "sine": Sine(wavenumber=3),
    "kink": XSquaredCosine(),
}


def exact(problem, variance, xi):
    flow = jax.vmap(lambda v, x: problem.initial_condition.heat_flow(v, x, problem.largest_variance))
    return flow(jnp.asarray(variance), jnp.asarray(xi))


@pytest.mark.parametrize("pace", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", CONDITIONS)
def test_all_derivatives_are_those_of_the_condition(name, pace):
    problem = AllenCahn(diffusivity=0.02, initial_condition=CONDITIONS[name]).natural
    lift = Lift(problem, problem.initial_condition, pace, 128)
    found = lift.at(TIMES, COLUMNS, lambda *point: exact(problem, *point))
    variance = np.broadcast_to(2 * problem.diffusivity * pace * TIMES[:, None], COLUMNS.shape)
    expected = exact(problem, variance.ravel(), (-1 + 2 * COLUMNS / 128).ravel())
    for order, (one, other) in enumerate(zip(found, expected, strict=True)):
        # A transform of 128 points loses a few rounding errors of the largest value, times (3π)^order.
        np.testing.assert_allclose(one.ravel(), other, rtol=0, atol=1e-14 * 10.0**order)


@pytest.mark.parametrize("name", CONDITIONS)
def test_any_places_have_the_derivatives_of_the_condition(name):
    problem = AllenCahn(diffusivity=0.02, initial_condition=CONDITIONS[name]).natural
    lift, xi = Lift(problem, problem.initial_condition, 0.5, 128), np.array([-1.0, -0.7123, 0.01, 0.6, 1.0])
    found = lift.at_places(TIMES, xi, lambda *point: exact(problem, *point))
    expected = exact(problem, np.repeat(problem.diffusivity * TIMES, len(xi)), np.tile(xi, len(TIMES)))
    for order, (one, other) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(one.ravel(), other, rtol=0, atol=1e-14 * 10.0**order)


def test_lines_of_a_kinked_condition_are_its_flow_but_for_the_kink():
    """With modes of 1/k² beyond K = 2048 left out, values are wrong by less than 4/(π² K) at t = 0, and not later."""
    problem = AllenCahn(diffusivity=0.02).natural
    lines = Lift(problem, problem.initial_condition, 1.0, 4096).lines(TIMES)[0]
    xi = -1 + 2 * np.arange(4096) / 4096
    for t, line in zip(TIMES, lines, strict=True):
        expected = np.asarray(exact(problem, np.full(4096, 2 * problem.diffusivity * t), xi)[0])
        np.testing.assert_allclose(line, expected, rtol=0, atol=2e-4 if t == 0 else 1e-13)


def test_chunks_are_of_one_size_and_leave_nothing_out():
    sizes = []

    def doubled(x, pairs):
        sizes.append(x.shape)
        return 2 * x, pairs.sum(axis=0)

    x = np.arange(10.0)
    found, sums = in_chunks(doubled, 4, x, np.stack([x, x**2]))
    assert set(sizes) == {(4,)}
    np.testing.assert_array_equal(found, 2 * x)
    np.testing.assert_array_equal(sums, x + x**2)
