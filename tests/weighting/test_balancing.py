"""Weights of whole terms against explicit Jacobians, alone and after causal weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighed import DRAWN, Given, N, jacobians, weighed

from pinn_ac.weighting import NTK, Causal, GradientNorm, ReLoBRaLo, SoftAdapt, Together
from pinn_ac.weighting.gradient_norm import RULES

TERMS = ("residual", "initial")
CLOSE = {"rtol": 1e-10}
"""Double precision; a norm of a gradient of 24 points loses some hundred roundings."""


def gradients(weights=None):
    """Of Σ w r²/n of each term: 2/n Σ w r ∂r."""
    w = {"residual": np.ones(N), "initial": np.ones(5)} | (weights or {})
    return {name: 2 / len(r) * (w[name] * r) @ J for name, (r, J) in jacobians().items()}


def expected(rule, found):
    norms = {name: np.linalg.norm(g) for name, g in found.items()}
    mean = np.mean(list(norms.values()))
    if rule == "largest":
        sizes = {name: np.abs(g).mean() for name, g in found.items()}
        sizes = {name: size + 1e-5 * np.mean(list(sizes.values())) for name, size in sizes.items()}
        return {"residual": 1.0, "initial": np.abs(found["residual"]).max() / sizes["initial"]}
    total = {"mean": mean, "sum": 2 * mean, "residual": norms["residual"]}[rule]
    weights = {name: total / (norm + 1e-5 * mean) for name, norm in norms.items()}
    return weights | ({"residual": 1.0} if rule == "residual" else {})


def test_gradient_norms_against_the_jacobian():
    weighting = GradientNorm(momentum=0.75, every=2)
    made, params, batch, found, state = weighed(weighting)
    for name, target in expected("mean", gradients()).items():
        np.testing.assert_allclose(state.weights[name], 0.75 + 0.25 * target, **CLOSE)
        assert found.terms[name].weight == pytest.approx(np.full(len(DRAWN[name]), state.weights[name]))
        np.testing.assert_array_equal(weighting.figures(state)[f"weight_{name}"], state.weights[name])
    again, _ = made.weigh(state, params, batch, DRAWN)
    assert again.weights == state.weights  # the second step renews none
    third, _ = made.weigh(again, params, batch, DRAWN)
    for name, target in expected("mean", gradients()).items():
        np.testing.assert_allclose(third.weights[name], 0.75**2 + (1 - 0.75**2) * target, **CLOSE)


class Gradients:
    """Measured, with gradients that are given, each as a tree of two leaves."""

    terms = TERMS

    def __init__(self, found):
        self.gradient = lambda name: {"a": jnp.asarray(found[name][:3]), "b": jnp.asarray(found[name][3:])}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_what_it_says(rule):
    found = GradientNorm(rule=rule).targets(Gradients(gradients()))
    for name, target in expected(rule, gradients()).items():
        np.testing.assert_allclose(found[name], target, **CLOSE)


def test_balanced_gradients_have_one_length():
    """The rule of the mean: λ_k ‖∇L_k‖ is their mean, up to the floor of 1e-5 of it."""
    norms = {name: np.linalg.norm(g) for name, g in gradients().items()}
    mean = np.mean(list(norms.values()))
    for name, weight in GradientNorm().targets(Gradients(gradients())).items():
        assert float(weight) * (norms[name] + 1e-5 * mean) == pytest.approx(mean)
        assert abs(weight - 1) > 0.01


def test_kernels_against_the_trace_of_the_jacobian():
    """With the weights of the sampler, of which the mean is taken too."""
    density = np.linspace(0.5, 1.5, N)
    _, _, _, found, state = weighed(NTK(momentum=0.75), DRAWN | {"residual_weights": density})
    J = {name: J for name, (_, J) in jacobians().items()}
    K = {"residual": np.trace(density[:, None] * J["residual"] @ J["residual"].T) / N}
    K["initial"] = np.trace(J["initial"] @ J["initial"].T) / 5
    mean = np.mean(list(K.values()))
    for name, w in (("residual", density), ("initial", np.ones(5))):
        expected = 0.75 + 0.25 * mean / (K[name] + 1e-5 * mean)
        np.testing.assert_allclose(state.weights[name], expected, **CLOSE)
        np.testing.assert_allclose(found.terms[name].weight, expected * w, **CLOSE)


@pytest.mark.parametrize("kind", [GradientNorm, NTK])
def test_after_causal_weights_it_is_the_causally_weighted_residual_that_is_balanced(kind):
    """As in jaxpi: the kernel's diagonal is averaged in each chunk and multiplied by the weight of the chunk."""
    causal = Causal(2.0, chunks=4)
    _, _, _, alone, _ = weighed(causal)
    v = np.asarray(alone.terms["residual"].weight)
    assert v.min() < 0.9
    weighting = Together({"causal": causal, "balance": kind(momentum=0.0)})
    _, _, _, found, state = weighed(weighting)
    if kind is GradientNorm:
        targets = expected("mean", gradients({"residual": v}))
    else:
        diagonal = np.sum(jacobians()["residual"][1] ** 2, axis=1)
        order = np.argsort(DRAWN["residual"][:, 0])
        chunks, w = diagonal[order].reshape(4, -1).mean(1), v[order].reshape(4, -1)[:, 0]
        K = np.array([np.mean(w * chunks), np.mean(np.sum(jacobians()["initial"][1] ** 2, axis=1))])
        targets = dict(zip(TERMS, K.mean() / (K + 1e-5 * K.mean()), strict=True))
    np.testing.assert_allclose(found.terms["residual"].weight, v * targets["residual"], **CLOSE)
    np.testing.assert_allclose(found.terms["initial"].weight, np.full(5, targets["initial"]), **CLOSE)
    assert set(weighting.figures(state)) >= {"causal_tolerance", "weight_residual", "weight_initial"}


def test_a_vanishing_gradient_gets_a_finite_weight():
    found = GradientNorm().targets(Gradients({"residual": np.ones(6), "initial": np.zeros(6)}))
    assert float(found["initial"]) == pytest.approx(1e5)
    found = GradientNorm().targets(Gradients({"residual": np.zeros(6), "initial": np.zeros(6)}))
    assert list(map(float, found.values())) == [1.0, 1.0]


def test_figures_of_the_same_name_are_told_apart():
    weighting = Together({"first": NTK(), "second": NTK()})
    figures = weighting.figures(weighting.init(DRAWN))
    assert set(figures) == {"weight_residual", "weight_initial", "second_weight_residual", "second_weight_initial"}


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


def losses_of(values):
    """Measured, with these means of the two terms."""
    return Given(residuals={name: np.sqrt([value]) for name, value in zip(TERMS, values, strict=True)})


COURSE = np.array([[4.0, 1.0], [3.0, 1.5], [2.0, 1.2], [2.5, 0.1], [1.0, 0.2]])
"""The means of the two terms, step by step."""
PLACES = {name: np.zeros((1, 2)) for name in TERMS}


def followed(weighting):
    """The weights of both terms along the course, and the last state."""
    state, found = weighting.init(PLACES), []
    for values in COURSE:
        state, weights = weighting.update(state, losses_of(values), PLACES)
        found.append([float(weights[name][0]) for name in TERMS])
        assert [float(weighting.figures(state)[f"weight_{name}"]) for name in TERMS] == found[-1]
    return np.array(found), state


@pytest.mark.parametrize("remembering", [1.0, 0.0])
def test_relative_losses_with_and_without_lookback_to_the_start(remembering):
    found, _ = followed(ReLoBRaLo(memory=0.7, temperature=0.5, remembering=remembering))
    expected = [np.ones(2)]
    for t in range(1, 5):
        alpha = 0.0 if t == 1 else 0.7
        since, start = (2 * softmax(COURSE[t] / (0.5 * COURSE[k] + 1e-12)) for k in (t - 1, 0))
        before = expected[-1] if remembering else start
        expected.append(alpha * before + (1 - alpha) * since)
    np.testing.assert_allclose(found, expected, rtol=1e-11)  # at step 0 the 1e-12 beside unequal losses shows
    np.testing.assert_allclose(found.sum(axis=1), 2, rtol=1e-14)


def test_lookbacks_are_as_frequent_as_they_should_be():
    """400 draws: a share of 0.7 to within four standard deviations of 0.023."""
    weighting, looks = ReLoBRaLo(memory=1.0, remembering=0.7), 0
    state = weighting.init(PLACES, 1)
    update = jax.jit(lambda state, values: weighting.update(state, _Means(values), PLACES)[0])
    for k in range(402):
        before = state.weights["residual"]
        state = update(state, jnp.asarray([1.0, 1.0 + k]))
        looks += int(k > 1 and state.weights["residual"] != before)
    assert abs(looks / 400 - 0.3) < 0.092


class _Means:
    terms = TERMS

    def __init__(self, values):
        self.mean = lambda name: values[TERMS.index(name)]


@pytest.mark.parametrize("variant", ["plain", "normalized", "loss_weighted"])
def test_rates_of_losses(variant):
    found, _ = followed(SoftAdapt(0.5, variant))
    for t, weights in enumerate(found):
        s = COURSE[t] - COURSE[max(t - 1, 0)]
        if variant == "normalized":
            s = s / (np.abs(s).sum() + 1e-8)
        expected = softmax(0.5 * s)
        if variant == "loss_weighted":
            expected = COURSE[t] * expected / (COURSE[t] @ expected + 1e-8)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)
        assert weights.sum() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("order", range(1, 6))
def test_a_backward_difference_is_exact_for_polynomials_of_its_order(order):
    difference, t = SoftAdapt(order=order).difference, np.arange(-order, 1.0)
    for power in range(order + 1):
        assert difference @ t**power == pytest.approx(float(power == 1), abs=1e-9)
    assert abs(difference @ t ** (order + 1)) > 0.5  # and no further


def test_the_history_of_losses_reaches_as_far_as_its_order():
    found, state = followed(SoftAdapt(0.5, order=3))
    for k, name in enumerate(TERMS):
        np.testing.assert_allclose(state.losses[name], COURSE[1:, k], rtol=1e-15)
    np.testing.assert_allclose(found[-1], softmax(0.5 * SoftAdapt(order=3).difference @ COURSE[1:]), rtol=1e-12)
    assert found[0] == pytest.approx([0.5, 0.5])
