"""The linear least-squares step: against NumPy's, and what it does where J has no full rank."""

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.optimizers import GaussNewton
from pinn_ac.optimizers.least_squares.shortest import least_squares_step

EPS = np.finfo(float).eps


def system(n, P, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, P)), generator.normal(size=n)


def step(J, r, floor=1e-16, solver="qr"):
    return np.asarray(least_squares_step(jnp.asarray(J), jnp.asarray(r), floor, solver=solver))


@pytest.mark.parametrize("scales", [np.ones(7), np.logspace(-8, 8, 7)], ids=["even", "uneven columns"])
def test_it_is_the_minimiser(scales):
    J, r = system(40, 7)
    expected = -np.linalg.lstsq(J, r)[0]  # well conditioned: of the order of the rounding error
    np.testing.assert_allclose(step(J * scales, r) * scales, expected, rtol=1e3 * EPS)


def test_it_keeps_the_digits_that_the_normal_equations_lose():
    """With condition 1e7 they would be left with 2 digits; a consistent system keeps 16 − 7."""
    J, _ = system(60, 8)
    U, _, V = np.linalg.svd(J, full_matrices=False)
    J = (U * np.logspace(0, -7, 8)) @ V
    solution = V.T @ np.ones(8)
    np.testing.assert_allclose(step(J, -J @ solution), solution, rtol=0, atol=1e8 * EPS)


@pytest.mark.parametrize("scales", [np.ones(7), np.logspace(-8, 8, 7)], ids=["even", "uneven columns"])
def test_the_normal_equations_have_the_same_minimiser(scales):
    """Of the damped problem: in well-conditioned columns rounding is all that differs."""
    J, r = system(40, 7)
    expected = step(J, r, 1e-2)
    assert np.linalg.norm(expected - step(J, r, 1e-3)) > 1e-5 * np.linalg.norm(expected)  # the damping acts
    np.testing.assert_allclose(step(J * scales, r, 1e-2, "normal") * scales, expected, rtol=1e3 * EPS)


def test_the_normal_equations_are_damped_by_the_root_of_rounding_at_least():
    """In a direction weaker than that they give next to nothing, where QR gives all; no rank makes them fail."""
    J, r = np.array([[1.0, 1.0], [1e-11, -1e-11]]), -np.array([1.0, 1e-11])  # δ = (1, 0)
    np.testing.assert_array_equal(step(J, r, 0.0, "normal"), step(J, r, EPS**0.5, "normal"))
    np.testing.assert_allclose(step(J, r, 1e-16), [1, 0], atol=1e-4)
    np.testing.assert_allclose(step(J, r, 1e-16, "normal"), [0.5, 0.5], atol=1e-4)
    equal = np.repeat(J[:, :1], 5, axis=1)
    np.testing.assert_allclose(equal @ step(equal, r, 0.0, "normal"), -r, rtol=0, atol=1e-7)


def test_an_unknown_solver_is_refused():
    with pytest.raises(InputError, match=r"optimizer\.solver is 'svd': choose qr or normal"):
        GaussNewton(solver="svd")


def test_of_equal_columns_each_gets_half_where_the_residuals_can_be_cancelled():
    """What is left of r is a rounding error; in the direction that J has not it is divided by λ at most."""
    J, _ = system(30, 3)
    r = -J @ np.array([2.0, 3.0, 5.0])
    found = step(np.concatenate([J, J[:, :1]], axis=1), r, 1e-12)
    np.testing.assert_allclose(found, [1.0, 3.0, 5.0, 1.0], rtol=1e-3)


def test_without_full_rank_the_step_is_bounded():
    J, r = system(30, 3)
    found = step(np.concatenate([J, J[:, :1]], axis=1), r, 1e-8)
    lengths = np.linalg.norm(J, axis=0)[[0, 1, 2, 0]]
    assert np.linalg.norm(lengths * found) <= np.linalg.norm(r) / 2e-8


def test_a_column_of_zeros_gets_no_step():
    J, r = system(20, 4)
    J[:, 2] = 0
    found = step(J, r, 1e-14)
    assert found[2] == 0
    np.testing.assert_allclose(found[[0, 1, 3]], step(J[:, [0, 1, 3]], r), rtol=1e4 * EPS)


def test_with_fewer_rows_than_columns_it_is_the_shortest_solution():
    J, r = system(4, 9)
    lengths = np.linalg.norm(J, axis=0)
    expected = -np.linalg.lstsq(J / lengths, r)[0] / lengths
    np.testing.assert_allclose(step(J, r, 1e-9), expected, rtol=1e-6)


def test_the_floor_leaves_weak_directions_alone():
    J = np.diag([1.0, 1.0]) @ np.array([[1.0, 1.0], [1e-8, -1e-8]])
    r = -np.array([1.0, 1e-8])  # δ = (1, 0)
    np.testing.assert_allclose(step(J, r, 1e-16), [1, 0], atol=1e-6)
    np.testing.assert_allclose(step(J, r, 1e-4), [0.5, 0.5], atol=1e-3)


def test_a_floor_below_rounding_counts_as_a_twentieth_of_it():
    """With none at all, two equal columns would make a triangle that has no inverse."""
    J = np.array([[1.0, 1.0], [2.0, 2.0], [0.5, 0.5]])
    r = -J[:, 0]
    found = step(J, r, 0.0)
    np.testing.assert_array_equal(found, step(J, r, np.finfo(float).eps / 20))
    np.testing.assert_allclose(J @ found, -r, rtol=1e-12)
