"""Residual-based attention by its recursion, and what becomes of values of points when others are drawn."""

import numpy as np
import pytest
from weighed import DRAWN, Given, jacobians, weighed

from pinn_ac.weighting import RBA


def test_multipliers_are_those_of_the_recursion():
    """γ λ + η |r|/max|r|, and the weights are their squares; of absolute values they are λ itself."""
    weighting, lam = RBA(eta=0.1, gamma=0.8, start=0.2), np.full(24, 0.2)
    generator = np.random.default_rng(0)
    state = weighting.init(DRAWN)
    for power in (2, 2, 1):
        r = generator.standard_normal(24)
        lam = 0.8 * lam + 0.1 * np.abs(r) / np.abs(r).max()
        state, found = weighting.update(state, Given(residuals={"residual": r}, power=power), DRAWN)
        np.testing.assert_allclose(found["residual"], lam**power, rtol=1e-14)
        assert set(found) == {"residual"}
    figures = weighting.figures(state)
    assert [float(figures[name]) for name in ("attention_mean", "attention_most")] == pytest.approx(
        [lam.mean(), lam.max()]
    )
    r = np.abs(jacobians()["residual"][0])
    _, _, batch, weights, _ = weighed(RBA())
    np.testing.assert_allclose(weights.terms["residual"].weight, (0.01 * r / r.max()) ** 2, rtol=1e-12)
    assert weights.terms["initial"].weight is None
    assert batch.terms["residual"].weight is None


def test_no_multiplier_passes_its_bound_and_the_largest_residual_reaches_it():
    weighting = RBA(eta=0.1, gamma=0.9)
    assert weighting.bound == pytest.approx(1.0)
    state, generator = weighting.init(DRAWN), np.random.default_rng(0)
    for _ in range(150):
        r = generator.uniform(-0.5, 0.5, 24)
        r[7] = 1.0  # the largest
        state, _ = weighting.update(state, Given(residuals={"residual": r}), DRAWN)
        assert state.values["residual"].max() <= weighting.bound * (1 + 1e-15)
    assert float(state.values["residual"][7]) == pytest.approx(1 - 0.9**150, rel=1e-12)  # up to rounding


def test_residuals_that_all_vanish_leave_finite_multipliers():
    _, found = RBA().update(RBA(start=1.0).init(DRAWN), Given(residuals={"residual": np.zeros(24)}), DRAWN)
    np.testing.assert_array_equal(found["residual"], np.full(24, 0.999**2))


def test_new_points_take_over_the_values_of_the_nearest_and_kept_ones_their_own():
    weighting = RBA()
    before = np.array([[0.0, -1.0], [0.0, 1.0], [1e-3, -1.0], [1e-3, 1.0]])  # t counts in its own range
    state = weighting.init({"residual": before})
    state = state._replace(values={"residual": np.array([1.0, 2.0, 3.0, 4.0])})
    now = np.array([[1e-3, 1.0], [2e-4, -0.9], [9e-4, -0.4], [0.0, 1.0], [0.0, 1.0]])
    state = weighting.renew(state, {"residual": now})
    np.testing.assert_array_equal(state.values["residual"], [4.0, 1.0, 3.0, 2.0, 2.0])
    np.testing.assert_array_equal(state.places["residual"], now)
