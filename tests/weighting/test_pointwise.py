"""Weights of single points by their recursions, and what becomes of them when other points are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from weighed import DRAWN, Given, N, jacobians, weighed

from pinn_ac.weighting import BRDR, RBA, VRBA, SelfAdaptive


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


def some(generator, count=N):
    """Residuals of both terms."""
    return {"residual": generator.standard_normal(count), "initial": generator.standard_normal(5)}


SHARES = {
    "quadratic": lambda s, b: s,
    "power": lambda s, b: s**3,
    "exponential": lambda s, b: np.exp(b * s) / np.exp(b),
    "logarithm": lambda s, b: np.log(b * s + 1) / np.log(b + 1),
    "cosh": lambda s, b: np.sinh(b * s) / np.sinh(b),
}
"""q over its largest value, as functions of s = |r|/max|r| and b = log(k + 2)/c."""


@pytest.mark.parametrize("potential", SHARES)
def test_variational_multipliers_are_those_of_the_recursion(potential):
    weighting, lam = VRBA(potential, eta=0.1, most=0.4, start=0.3, mixing=0.9, strength=0.7), np.full(N, 0.3)
    state, generator = weighting.init(DRAWN), np.random.default_rng(0)
    for k in range(3):
        r = some(generator)
        s = np.abs(r["residual"]) / np.abs(r["residual"]).max()
        share = SHARES[potential](s, np.log(k + 2) / 0.7)
        lam = 0.75 * lam + 0.1 * (0.9 * share + 0.1)
        state, found = weighting.update(state, Given(residuals=r, power=2 - k % 2), DRAWN)
        np.testing.assert_allclose(found["residual"], lam ** (2 - k % 2), rtol=1e-13)
    assert lam.max() < 0.4


def test_the_quadratic_potential_is_residual_based_attention():
    r = some(np.random.default_rng(0))
    one, other = VRBA(eta=0.1, most=1.0, start=0.2), RBA(eta=0.1, gamma=0.9, start=0.2)
    found = [w.update(w.init(DRAWN), Given(residuals=r), DRAWN)[1]["residual"] for w in (one, other)]
    np.testing.assert_allclose(*found, rtol=1e-15)


def test_variational_weights_end_when_they_are_told_to():
    """After two steps all weights are 1, and the multipliers stay as they are."""
    weighting, endless, generator = VRBA(until=2), VRBA(), np.random.default_rng(0)
    state = weighting.init(DRAWN)
    for _ in range(2):
        r = some(generator)
        expected = endless.update(state, Given(residuals=r), DRAWN)
        state, weights = weighting.update(state, Given(residuals=r), DRAWN)
        # The branch is compiled as a whole, which rounds a product and a sum once.
        np.testing.assert_allclose(weights["residual"], expected[1]["residual"], rtol=1e-14)
        np.testing.assert_allclose(state.values["residual"], expected[0].values["residual"], rtol=1e-14)
    ended, weights = weighting.update(state, Given(residuals=some(generator)), DRAWN)
    np.testing.assert_array_equal(weights["residual"], np.ones(N))
    np.testing.assert_array_equal(ended.values["residual"], state.values["residual"])
    assert ended.steps == 3


def test_a_sharp_potential_stays_finite_where_its_exponentials_would_not():
    s, steps = jnp.asarray([0.0, 0.5, 1.0]), jnp.asarray(10**6)
    for potential in ("exponential", "cosh"):
        share = VRBA(potential, strength=0.01).share(s, steps)  # b = 1382
        np.testing.assert_allclose(share, [0.0, 0.0, 1.0], atol=1e-250)


MASKS = {
    "square": (np.square, lambda lam: 2 * lam),
    "linear": (lambda lam: lam, np.ones_like),
    "sigmoid": (lambda lam: 1 / (1 + np.exp(-lam)), lambda lam: np.exp(-lam) / (1 + np.exp(-lam)) ** 2),
}


@pytest.mark.parametrize("mask", MASKS)
def test_multipliers_ascend_by_an_adam_of_their_own_and_never_fall(mask):
    """Against optax.adam on the negative gradient, for the multipliers of each term by themselves."""
    g, slope = MASKS[mask]
    weighting = SelfAdaptive(0.1, 0.8, 0.9, mask, residual=2.0, initial=3.0)
    state, generator = weighting.init(DRAWN, 4), np.random.default_rng(0)
    lam = {name: np.asarray(value[0]) for name, value in state.values.items()}
    assert 1.5 < lam["residual"].max() <= 2
    assert 1.5 < lam["initial"].max() <= 3
    assert min(one.min() for one in lam.values()) >= 0
    adam = optax.adam(0.1, b1=0.8, b2=0.9)
    inner = adam.init(lam)
    for _ in range(3):
        r = some(generator)
        state, found = weighting.update(state, Given(residuals=r), DRAWN)
        for name in lam:
            np.testing.assert_allclose(found[name], g(lam[name]), rtol=1e-14)  # before the step of ascent
        downhill = {name: -slope(lam[name]) * r[name] ** 2 / len(r[name]) for name in lam}
        step, inner = adam.update(downhill, inner)
        lam = {name: lam[name] + np.asarray(step[name]) for name in lam}
        for name in lam:
            np.testing.assert_allclose(state.values[name][0], lam[name], rtol=1e-12)
            assert (state.values[name][0] > found[name] if mask == "linear" else step[name] > 0).all()


def test_the_ascent_ends_where_it_is_told_to_and_a_term_that_is_not_there_has_no_multipliers():
    weighting, generator = SelfAdaptive(ascent_steps=2), np.random.default_rng(0)
    state, course = weighting.init({"residual": DRAWN["residual"]}), []
    for _ in range(4):
        before = state
        state, found = weighting.update(state, Given(residuals={"residual": 1 + generator.random(N)}), DRAWN)
        course.append(np.asarray(found["residual"]))
        assert set(found) == {"residual"}
    assert (course[0] < course[1]).all()
    assert (course[1] < course[2]).all()
    np.testing.assert_array_equal(course[2], course[3])
    for one, other in zip(jax.tree.leaves(state.values), jax.tree.leaves(before.values), strict=True):
        np.testing.assert_array_equal(one, other)  # the moments too
    assert state.steps == 4


def test_decay_rates_are_balanced_by_the_recursion_with_mean_one():
    weighting, generator = BRDR(memory=0.9, momentum=0.8), np.random.default_rng(0)
    state, M, w = weighting.init(DRAWN), np.zeros(N + 5), np.ones(N + 5)
    for k in range(1, 5):
        r = some(generator)
        R = np.concatenate([r["residual"], r["initial"]])
        M = 0.9 * M + 0.1 * R**4
        d = R**2 / (np.sqrt(M / (1 - 0.9**k)) + 1e-14)
        w = 0.8 * w + 0.2 * d / d.mean()
        state, found = weighting.update(state, Given(residuals=r), DRAWN)
        all_ = np.concatenate([found["residual"], found["initial"]])
        np.testing.assert_allclose(all_, w, rtol=1e-12)
        assert all_.mean() == pytest.approx(1, rel=1e-14)
    assert np.ptp(w) > 0.3
    other = {name: np.concatenate([points[::2], points[:1]]) for name, points in DRAWN.items()}
    state = weighting.renew(state, other)
    assert np.concatenate([w for _, w in state.points.values.values()]).mean() == pytest.approx(1, rel=1e-14)


def test_a_point_whose_residual_stays_gets_weight_from_those_that_decay():
    weighting = BRDR(memory=0.9, momentum=0.9)
    state, r = weighting.init(DRAWN), {"residual": np.ones(N), "initial": np.ones(5)}
    for _ in range(20):
        state, found = weighting.update(state, Given(residuals=r), DRAWN)
        r = {"residual": np.append(r["residual"][:-1] * 0.8, 1.0), "initial": r["initial"] * 0.8}
    assert found["residual"][-1] > 1 > found["residual"][0]
    state, found = weighting.update(state, Given(residuals={k: 0 * v for k, v in r.items()}), DRAWN)
    assert np.isfinite(found["residual"]).all()


def test_the_scale_of_the_loss_follows_its_steepness():
    """s ← (1 − η) s + 2ℓ/‖∇ℓ‖². For ℓ = Σ p²/2 the gradient is p, and s ℓ with s = 1/η ends at p = 0 in one step."""
    p, eta = np.array([3.0, 4.0]), 0.25
    points = {"residual": np.column_stack([np.arange(2), np.arange(2)])}

    class Quadratic(Given):
        def __init__(self, residuals):
            super().__init__(residuals=residuals)
            self.weighted = lambda more: self
            self.mean = lambda name: jnp.asarray(p @ p / 2)
            self.gradient = lambda name: {"a": jnp.asarray(p[:1]), "b": jnp.asarray(p[1:])}

    weighting = BRDR(learning_rate=eta)
    state = weighting.init(points)._replace(scale=jnp.asarray(8.0))
    for _ in range(9):
        state, found = weighting.update(state, Quadratic({"residual": p}), points)
        _, w = BRDR().update(BRDR().init(points), Given(residuals={"residual": p}), points)
        np.testing.assert_allclose(found["residual"], state.scale * w["residual"], rtol=1e-13)
    assert float(state.scale) == pytest.approx(1 / eta + (8 - 1 / eta) * (1 - eta) ** 9, rel=1e-12)
    assert float(weighting.figures(state)["weight_scale"]) == state.scale
