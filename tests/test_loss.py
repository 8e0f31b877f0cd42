"""The objective against NumPy: both norms, weights, the residual vector, its Jacobian."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from composed import built, options
from fields import a_field
from pinn_ac.ansatz import ReactionFlow, Soft
from pinn_ac.compilation import kept
from pinn_ac.derivatives import JaxJvp, OwnTaylor
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Loss, Objective, build_terms
from pinn_ac.models import MLP, Periodic
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.residual import residual_slope

WEIGHTS = {"residual": 0.5, "initial": 30.0}
EPS = np.finfo(float).eps
PROBLEM = AllenCahn(1e-2, 2.0, initial_condition=Sine(0.5, 1))
JAX, SOFT = JaxGradient(), Soft()


def points():
    generator = np.random.default_rng(0)
    residual = np.column_stack([generator.random(13), generator.uniform(-1, 1, 13)])
    initial = np.column_stack([np.zeros(5), generator.uniform(-1, 1, 5)])
    return {"residual": jnp.asarray(residual), "initial": jnp.asarray(initial)}


def setting(norm="mse", weights=WEIGHTS, gradient=JAX, ansatz=SOFT):
    return _setting(norm, tuple(weights.items()), gradient, ansatz, jnp.result_type(float).name)


@cache
def _setting(norm, weights, gradient, ansatz, precision):
    """Made once for all tests that want the same, with what they compile (:func:`jitted`)."""
    field, params = a_field(PROBLEM, Periodic(1), MLP(3, 1, "tanh", 1.0), ansatz)
    objective = Objective(build_terms(field, JaxJvp()), dict(weights), norm, gradient)
    return field, params, objective, jitted(objective, "prepare")(points())


def jitted(objective, name):
    """A method of the objective, compiled once."""
    return kept(objective, _jitted, name)


def _jitted(objective, name):
    return jax.jit(getattr(objective, name))


def direct_vectors(field, params):
    """Each term's vector, from the field itself."""
    drawn, engine = points(), JaxJvp()

    @jax.jit
    @jax.vmap
    def f(point):
        d = engine(lambda t, x: field(params, t, x), point[0], point[1], ("t", "xx"))
        return d["t"] - 1e-2 * d["xx"] + 2.0 * (d["u"] ** 3 - d["u"])

    x = np.asarray(drawn["initial"])[:, 1]
    at_start = jax.jit(jax.vmap(field, (None, None, 0)))(params, jnp.zeros(()), jnp.asarray(x))
    return np.asarray(f(drawn["residual"])), np.asarray(at_start) - 0.5 * np.sin(np.pi * x)


@pytest.fixture(scope="module")
def vectors():
    field, params, _, _ = setting()
    return direct_vectors(field, params)


@pytest.mark.parametrize(("norm", "measure"), [("l1", np.abs), ("mse", np.square)])
def test_loss_is_the_weighted_sum_of_means(norm, measure, vectors):
    _, params, objective, batch = setting(norm)
    f, start = vectors
    means = jitted(objective, "means")(params, batch)
    np.testing.assert_allclose(means["residual"], measure(f).mean(), rtol=1e-12)
    np.testing.assert_allclose(means["initial"], measure(start).mean(), rtol=1e-12)
    expected = 0.5 * measure(f).mean() + 30 * measure(start).mean()
    np.testing.assert_allclose(jitted(objective, "loss")(params, batch), expected, rtol=1e-12)


def test_a_term_without_a_weight_has_weight_one():
    _, params, objective, batch = setting(weights={})
    means = jitted(objective, "means")(params, batch)
    np.testing.assert_allclose(
        jitted(objective, "loss")(params, batch), means["residual"] + means["initial"], rtol=1e-13
    )


def test_an_exact_ansatz_has_no_initial_term():
    _, params, objective, batch = setting(ansatz=ReactionFlow())
    assert set(jax.eval_shape(objective.means, params, batch)) == set(batch.terms) == {"residual"}


def test_residuals_squares_sum_to_the_mean_square_loss(vectors):
    _, params, objective, batch = setting()
    r = jitted(objective, "residuals")(params, batch)
    np.testing.assert_allclose(r @ r, jitted(objective, "loss")(params, batch), rtol=1e-13)
    f, start = vectors
    expected = np.concatenate([f * np.sqrt(0.5 / 13), start * np.sqrt(30 / 5)])
    np.testing.assert_allclose(r, expected, rtol=0, atol=100 * EPS * np.abs(expected).max())


@pytest.fixture(params=options("gradient"))
def gradient(request):
    return built("gradient", request.param)


@pytest.mark.parametrize("norm", ["l1", "mse"])
def test_gradient_is_that_of_the_loss(gradient, norm):
    _, params, objective, batch = setting(norm, gradient=gradient)
    value, found = jitted(objective, "value_and_grad")(params, batch)
    expected_value, expected = jax.jit(jax.value_and_grad(objective.loss))(params, batch)
    np.testing.assert_allclose(value, expected_value, rtol=1e-13)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    found, expected = ravel_pytree(found)[0], ravel_pytree(expected)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=200 * EPS * np.abs(expected).max())


def jacobian(objective, params, batch):
    flat, unravel = ravel_pytree(params)
    r, J = kept(objective, _rows)(params, batch)
    return flat, lambda flat: jitted(objective, "residuals")(unravel(flat), batch), np.asarray(r), np.asarray(J)


def _rows(objective):
    """(params, batch) → r and J, compiled."""

    @jax.jit
    def rows(params, batch):
        flat, unravel = ravel_pytree(params)
        return objective.residuals_and_jacobian(flat, unravel, batch)

    return rows


def test_jacobian_is_the_residuals_derivative(gradient):
    """By central differences, and by ⟨Jv, w⟩ = ⟨v, Jᵀw⟩ with JAX's two modes."""
    _, params, objective, batch = setting(gradient=gradient)
    flat, residuals, r, J = jacobian(objective, params, batch)
    assert J.shape == (18, len(flat))
    np.testing.assert_allclose(r, residuals(flat), rtol=0, atol=100 * EPS * np.abs(r).max())
    h = 1e-5
    for column, unit in zip(J.T, np.eye(len(flat)), strict=True):
        differences = np.asarray(residuals(flat + h * unit) - residuals(flat - h * unit)) / (2 * h)
        # h² times a third derivative (tens), and rounding eps/h, both times residuals of size ten.
        np.testing.assert_allclose(column, differences, rtol=0, atol=1e-7 * max(1, np.abs(J).max()))
    generator = np.random.default_rng(1)
    v, w = jnp.asarray(generator.standard_normal(len(flat))), jnp.asarray(generator.standard_normal(18))
    _, Jv = jax.jvp(residuals, (flat,), (v,))
    (JTw,) = jax.vjp(residuals, flat)[1](w)
    scale = np.abs(J).sum()
    np.testing.assert_allclose(J @ v, Jv, rtol=0, atol=100 * EPS * scale)
    np.testing.assert_allclose(w @ J, JTw, rtol=0, atol=100 * EPS * scale)
    np.testing.assert_allclose(Jv @ w, v @ JTw, rtol=0, atol=100 * EPS * scale)


def test_gradient_of_the_mean_square_is_twice_the_residuals_through_their_jacobian():
    _, params, objective, batch = setting()
    _, _, r, J = jacobian(objective, params, batch)
    _, gradient = jitted(objective, "value_and_grad")(params, batch)
    np.testing.assert_allclose(ravel_pytree(gradient)[0], 2 * r @ J, rtol=1e-11, atol=1e-12)


def test_a_zero_weight_silences_a_term():
    _, params, objective, batch = setting(weights={"residual": 1.0, "initial": 0.0})
    means = jitted(objective, "means")(params, batch)
    np.testing.assert_allclose(jitted(objective, "loss")(params, batch), means["residual"], rtol=1e-14)
    _, _, r, J = jacobian(objective, params, batch)
    assert not r[13:].any()
    assert not J[13:].any()


def test_loss_has_the_precision(precision):
    _, params, objective, batch = setting()
    value, gradient = jitted(objective, "value_and_grad")(params, batch)
    assert value.dtype == precision
    assert {leaf.dtype.name for leaf in jax.tree.leaves(gradient)} == {precision}


@pytest.mark.parametrize("norm", ["l1", "mse"])
def test_points_with_weights_count_by_them(norm, vectors):
    """Against NumPy; equal weights of 1 are as none, and the means of the other term have none."""
    _, params, objective, batch = setting(norm)
    f, start = vectors
    weights = np.random.default_rng(3).uniform(0.1, 3, 13)
    weighted = jitted(objective, "prepare")(points() | {"residual_weights": jnp.asarray(weights)})
    assert set(weighted.terms) == {"residual", "initial"}
    np.testing.assert_array_equal(weighted.terms["residual"].weight, weights)
    assert weighted.terms["initial"].weight is weighted.context is None
    means = jitted(objective, "means")(params, weighted)
    measure = np.abs if norm == "l1" else np.square
    np.testing.assert_allclose(means["residual"], np.mean(weights * measure(f)), rtol=1e-12)
    np.testing.assert_allclose(means["initial"], measure(start).mean(), rtol=1e-12)
    even = jitted(objective, "prepare")(points() | {"residual_weights": jnp.ones(13)})
    np.testing.assert_allclose(
        jitted(objective, "loss")(params, even), jitted(objective, "loss")(params, batch), rtol=1e-14
    )


def test_gradient_goes_through_the_weights_of_points(gradient):
    _, params, objective, _ = setting(gradient=gradient)
    weights = jnp.asarray(np.random.default_rng(3).uniform(0.1, 3, 13))
    weighted = jitted(objective, "prepare")(points() | {"residual_weights": weights})
    _, found = jitted(objective, "value_and_grad")(params, weighted)
    expected = ravel_pytree(jax.jit(jax.grad(objective.loss))(params, weighted))[0]
    np.testing.assert_allclose(ravel_pytree(found)[0], expected, rtol=0, atol=200 * EPS * np.abs(expected).max())


def test_residuals_and_jacobian_carry_the_roots_of_the_weights():
    _, params, objective, batch = setting()
    weights = jnp.asarray(np.random.default_rng(3).uniform(0.1, 3, 13))
    weighted = jitted(objective, "prepare")(points() | {"residual_weights": weights})
    _, _, r, J = jacobian(objective, params, batch)
    _, residuals, r_weighted, J_weighted = jacobian(objective, params, weighted)
    factors = np.concatenate([np.sqrt(weights), np.ones(5)])
    np.testing.assert_allclose(r_weighted, factors * r, rtol=1e-12)
    np.testing.assert_allclose(J_weighted, factors[:, None] * J, rtol=1e-10, atol=1e-12)
    r = residuals(ravel_pytree(params)[0])
    np.testing.assert_allclose(r, r_weighted, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(r @ r, jitted(objective, "loss")(params, weighted), rtol=1e-12)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "heavy", None, True])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(InputError, match=r"loss\.weights\.residual is .*: give zero or a positive number"):
        setting(weights={"residual": weight})


def test_weights_of_no_term_are_refused():
    with pytest.raises(InputError, match=r"loss\.weights\.inital .*residual, initial"):
        setting(weights={"residual": 1.0, "inital": 3.0})


def test_unknown_norm_is_refused():
    with pytest.raises(InputError, match=r"loss\.norm is 'l2': choose l1 or mse"):
        setting(norm="l2")


@pytest.mark.landing
@pytest.mark.parametrize("norm", ["l1", "mse"])
def test_many_points_are_kept_unprepared_and_taken_in_chunks(norm, gradient):
    """Chunks of 4 of 13 and 5 points, prepared anew in each, with weights: sums in another order, nothing else."""
    _, params, objective, _ = setting(norm, gradient=gradient)
    drawn = points() | {"residual_weights": jnp.linspace(0.5, 1.5, 13)}
    many = replace(objective, most_prepared=17, most_at_once=4)
    batch, unprepared = objective.prepare(drawn), many.prepare(drawn)
    assert [leaf.shape for leaf in jax.tree.leaves(unprepared)] == [(5, 2), (13, 2), (13,)]
    assert batch.context is None is not unprepared.context
    for one, other in (("value_and_grad", "value_and_grad"), ("means", "means")):
        found, expected = jitted(many, one)(params, unprepared), jitted(objective, other)(params, batch)
        np.testing.assert_allclose(*(ravel_pytree(each)[0] for each in (found, expected)), rtol=1e-12, atol=1e-14)
    if norm == "mse":
        for one, other in zip(
            kept(many, _rows)(params, unprepared), kept(objective, _rows)(params, batch), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_unprepared_points_keep_the_condition_of_their_window():
    _, params, objective, batch = setting()
    condition = Sine(0.3, 2)
    many = replace(objective, most_prepared=17)

    @jax.jit
    def losses(params, batch):
        there = (one.prepare(points(), condition) for one in (many, objective))
        return *(one.loss(params, each) for one, each in zip((many, objective), there, strict=True)), (
            objective.loss(params, batch)
        )

    unprepared, expected, elsewhere = losses(params, batch)
    np.testing.assert_allclose(unprepared, expected, rtol=1e-13)
    assert abs(expected - elsewhere) > 1e-3


def test_what_a_weighting_may_ask_is_what_the_objective_has(gradient):
    """In chunks of 4 unprepared points, with weights, against the residual vector and its Jacobian."""
    _, params, objective, _ = setting(weights={"residual": 1.0, "initial": 1.0}, gradient=gradient)
    weights = jnp.linspace(0.5, 1.5, 13)
    drawn = points() | {"residual_weights": weights}
    r, J = (np.asarray(one) for one in kept(objective, _rows)(params, objective.prepare(drawn)))
    many = replace(objective, most_prepared=17, most_at_once=4)
    batch = many.prepare(drawn)

    @jax.jit
    def asked(params, batch):
        measured = many.measured(params, batch)
        names = ("residuals", "losses", "mean", "gradient", "squared_row_norms")
        return {name: {term: getattr(measured, name)(term) for term in measured.terms} for name in names}

    found = asked(params, batch)
    for term, rows, w in (("residual", slice(13), np.asarray(weights)), ("initial", slice(13, 18), np.ones(5))):
        vector = r[rows] * np.sqrt(len(w) / w)
        slopes = J[rows] * np.sqrt(len(w) / w)[:, None]
        close = {"rtol": 1e-11, "atol": 1e-12}
        np.testing.assert_allclose(found["residuals"][term], vector, **close)
        np.testing.assert_allclose(found["losses"][term], w * vector**2, **close)
        np.testing.assert_allclose(found["mean"][term], np.mean(w * vector**2), **close)
        np.testing.assert_allclose(found["squared_row_norms"][term], np.sum(slopes**2, axis=1), **close)
        np.testing.assert_allclose(ravel_pytree(found["gradient"][term])[0], 2 * r[rows] @ J[rows], **close)


def test_slopes_of_the_residual_are_terms_where_they_have_a_weight():
    """At the points of the residual, with their weights, against the slopes themselves."""
    loss = Loss("mse", {"residual": 1.0, "initial": 3.0, "residual_t": 0.0, "residual_x": 0.5})
    assert loss.slopes == ("residual_x",)
    assert Loss().slopes == ()
    field, params = a_field(PROBLEM, Periodic(1), MLP(3, 1, "tanh", 1.0), SOFT)
    terms = build_terms(field, OwnTaylor(), loss.slopes)
    assert set(terms) == {"residual", "initial", "residual_x"}
    objective = Objective(terms, loss.weights, loss.norm, JAX)
    w = jnp.linspace(0.5, 1.5, 13)
    drawn = points() | {"residual_weights": w}

    @jax.jit
    def computed(params):
        batch = objective.prepare(drawn)
        prepared = batch.terms["residual_x"].prepared
        slopes = jax.vmap(lambda point: residual_slope(field, OwnTaylor(), params, point, axis="x"))(prepared)
        return objective.means(params, batch), objective.loss(params, batch), slopes

    means, total, slopes = computed(params)
    np.testing.assert_allclose(means["residual_x"], np.mean(w * slopes**2), rtol=1e-12)
    expected = means["residual"] + 3 * means["initial"] + 0.5 * means["residual_x"]
    np.testing.assert_allclose(total, expected, rtol=1e-13)
    assert means["residual_x"] > 1e-3
    assert objective.drawn(drawn)["residual_x"] is drawn["residual"]
    with pytest.raises(
        InputError, match=r"loss.weights.residual_y is the weight of no term: .* residual_t, residual_x"
    ):
        Loss(weights={"residual_y": 1.0})
