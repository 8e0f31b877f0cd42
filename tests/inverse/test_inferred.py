"""What is said of the unknowns: against the formulas of linear least squares, written out with NumPy."""

import numpy as np
import pytest

from pinn_ac.inverse import Inferred

NAMES, FOUND = ("diffusivity", "reaction_rate"), np.array([1e-4, 5.0])


@pytest.fixture
def slopes():
    return np.random.default_rng(0).normal(size=(50, 2)) @ np.array([[0.1, 0.02], [0.0, 2.0]])


def test_the_covariance_is_that_of_least_squares(slopes):
    residuals = 0.01 * np.random.default_rng(1).normal(size=50)
    inferred = Inferred(NAMES, FOUND, slopes, residuals)
    variance = residuals @ residuals / 48
    C = variance * np.linalg.inv(slopes.T @ slopes)
    assert inferred.noise == pytest.approx(np.sqrt(variance), rel=1e-12)
    np.testing.assert_allclose(inferred.covariance, C, rtol=1e-10)
    np.testing.assert_allclose(inferred.standard_errors, FOUND * np.sqrt(np.diag(C)), rtol=1e-10)
    assert inferred.correlation[0, 1] == pytest.approx(C[0, 1] / np.sqrt(C[0, 0] * C[1, 1]), rel=1e-9)
    assert inferred.condition == pytest.approx(np.linalg.cond(slopes), rel=1e-9)
    assert inferred.sentence() is None
    assert inferred.chi_squared is None


def test_given_noise_weighs_each_observation(slopes):
    sigma = np.geomspace(1e-3, 1e-2, 50)
    inferred = Inferred(NAMES, FOUND, slopes, 2 * sigma, sigma)
    C = np.linalg.inv(slopes.T @ np.diag(sigma**-2) @ slopes)
    np.testing.assert_allclose(inferred.covariance, C, rtol=1e-10)
    assert inferred.chi_squared == pytest.approx(4 * 50 / 48)


def test_an_unknown_with_a_prior_has_the_priors_deviation_where_the_data_say_nothing():
    """Also where what was found is 1, as the slope of an unknown by itself is."""
    nothing, one = np.zeros((5, 1)), np.ones(1)
    inferred = Inferred(("cos_1",), one, nothing, np.zeros(5), np.ones(5), scales=one, prior=np.array([2.0]))
    assert inferred.standard_errors == pytest.approx([2.0])


def test_a_prior_counts_as_observations(slopes):
    prior = np.array([np.inf, 0.5])
    inferred = Inferred(
        NAMES, FOUND, slopes, np.zeros(50), np.full(50, 0.1), scales=np.array([1e-4, 1.0]), prior=prior
    )
    C = np.linalg.inv(slopes.T @ slopes / 0.01 + np.diag([0, 4.0]))
    np.testing.assert_allclose(inferred.covariance, C, rtol=1e-10)
    np.testing.assert_allclose(inferred.standard_errors, np.sqrt(np.diag(C)) * [1e-4, 1.0], rtol=1e-10)
    assert inferred.degrees_of_freedom == pytest.approx(50 - np.trace(C @ slopes.T @ slopes / 0.01), rel=1e-12)


def test_a_given_noise_below_the_solvers_error_is_not_believed(slopes):
    sigma, floor = np.full(50, 1e-6), 1e-3
    inferred = Inferred(NAMES, FOUND, slopes, np.zeros(50), sigma, floor)
    C = (sigma[0] ** 2 + floor**2) * np.linalg.inv(slopes.T @ slopes)
    np.testing.assert_allclose(inferred.covariance, C, rtol=1e-10)


def test_an_unknown_that_is_known_well_is_not_lost_with_another(slopes):
    """D is uncertain by e^1.5, and the data feel a little of R in that direction."""
    S = np.linalg.qr(slopes)[0] * [1 / 1.5, 100.0]
    turned = np.array([[1.0, 0.02], [-0.02, 1.0]]) / np.hypot(1, 0.02)
    inferred = Inferred(NAMES, FOUND, S @ turned, np.zeros(50), np.ones(50))
    of_diffusivity, of_rate = inferred.standard_errors / FOUND
    assert np.isinf(of_diffusivity)
    assert of_rate == pytest.approx(0.03, rel=0.1)
    assert "do not determine diffusivity: the singular direction is" in inferred.sentence()


def test_one_unknown_is_not_to_be_fixed():
    alone = Inferred(NAMES[:1], FOUND[:1], np.zeros((9, 1)), np.zeros(9), np.ones(9))
    assert alone.sentence().endswith("observe at other times and places.")


def test_the_estimates_of_many_draws_of_the_noise_spread_as_is_said(slopes):
    """For u linear in the logarithms the standard error is exact; 4000 draws tell it to 2 %."""
    generator = np.random.default_rng(2)
    estimates = np.array([np.linalg.lstsq(slopes, 0.01 * generator.normal(size=50))[0] for _ in range(4000)])
    inferred = Inferred(NAMES, FOUND, slopes, np.zeros(50), np.full(50, 0.01))
    np.testing.assert_allclose(estimates.std(axis=0), inferred.standard_errors / FOUND, rtol=0.05)


@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_data_that_feel_nothing_give_no_number(noise):
    """As those at t = 0: u does not depend on the coefficients there; with noise and without."""
    residuals = noise * np.random.default_rng(0).normal(size=100)
    inferred = Inferred(NAMES, FOUND, np.zeros((100, 2)), residuals, floor=1e-9)
    metrics = inferred.metrics()
    assert not inferred.is_determined
    assert metrics["inferred"] == {name: {"value": None, "standard_error": None} for name in NAMES}
    assert "do not determine diffusivity and reaction_rate" in metrics["inferred_undetermined"]
    assert "every direction is singular, which they do not feel at all" in metrics["inferred_undetermined"]


def test_a_direction_that_noise_hides_is_named_and_the_rest_is_kept(slopes):
    lame = slopes * [1e-3, 1.0]  # a standard error of ln D of about 14
    inferred = Inferred(NAMES, FOUND, lame, 0.01 * np.random.default_rng(1).normal(size=50))
    metrics = inferred.metrics()
    assert metrics["inferred"]["diffusivity"] == {"value": None, "standard_error": None}
    assert metrics["inferred"]["reaction_rate"]["value"] == 5.0
    assert "do not determine diffusivity: the singular direction is diffusivity^1" in inferred.sentence()


def test_two_unknowns_that_only_their_product_tells_apart():
    one = np.random.default_rng(0).normal(size=(100, 1))
    inferred = Inferred(NAMES, FOUND, one @ [[1.0, 1.0]], 0.01 * np.ones(100))
    either = ("diffusivity^0.71 · reaction_rate^-0.71", "diffusivity^-0.71 · reaction_rate^0.71")
    assert any(words in inferred.sentence() for words in either)
    assert not np.isfinite(inferred.standard_errors).any()


def test_no_noise_is_claimed_below_the_solvers_error(slopes):
    assert Inferred(NAMES, FOUND, slopes, np.zeros(50), floor=1e-9).noise == 1e-9
