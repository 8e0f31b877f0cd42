"""Levenberg–Marquardt and its normal equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from test_optimizers import batch_of, flat, follow, linear, objective, rosenbrock

from pinn_ac.errors import InputError
from pinn_ac.loss import Objective
from pinn_ac.optimizers import LevenbergMarquardt
from pinn_ac.optimizers.least_squares import cholesky

EPS = np.finfo(float).eps


def build(target, **settings):
    return LevenbergMarquardt(**settings).build(target)


@pytest.mark.parametrize("damping", [1e-4, 1e-8, 1e-12])
def test_one_step_solves_linear_least_squares_as_the_damping_vanishes(damping):
    target, params, batch, exact = linear()
    optimizer = build(target, damping=damping)
    state, _ = follow(optimizer, params, batch, 1)
    # The step is off by λ κ² relatively, with κ² the condition of the scaled JᵀJ, about ten.
    distance = np.abs(flat(optimizer, state) - exact).max()
    assert distance < 100 * damping + 1e3 * EPS
    assert distance > 1e-3 * damping - 1e3 * EPS  # and λ is what it says: damped, not solved without


def test_each_trial_is_marquardts_formula():
    """One step from the start of Rosenbrock's valley: (JᵀJ + λ diag JᵀJ) δ = −Jᵀr by hand, without acceleration."""
    target, params, batch, _ = rosenbrock()
    settings = {"max_damping_trials": 1, "scaling": "marquardt", "max_acceleration": 0.0, "max_backtracks": 0}
    optimizer = build(target, damping=10.0, **settings)
    state, info = follow(optimizer, params, batch, 1)
    x, y = -1.2, 1.0
    r = np.array([10 * (y - x**2), 1 - x]) / np.sqrt(2)
    J = np.array([[-20 * x, 10], [-1, 0]]) / np.sqrt(2)
    A = J.T @ J
    step = -np.linalg.solve(A + 10 * np.diag(np.diag(A)), J.T @ r)
    np.testing.assert_allclose(flat(optimizer, state), [x + step[0], y + step[1]], rtol=1e-13)
    np.testing.assert_allclose(state.damping, 1.0, rtol=1e-15)  # cut tenfold by the success
    assert int(info[0].evaluations) == 2


def test_trials_that_would_be_the_same_are_not_repeated():
    """At the solution no step lowers the loss, and λ is as large as it gets."""
    target, params, batch, _ = linear()
    exact, _ = follow(build(target, damping=1e-12), params, batch, 3)
    counts = [
        int(follow(build(target, damping=1e9, max_damping_trials=trials), exact.params, batch, 1)[1][0].evaluations)
        for trials in (1, 10)
    ]
    assert counts[0] == counts[1]


def valley(x, y):
    """Residuals, Jacobian and the second derivative along a vector of Rosenbrock's valley."""
    r = np.array([10 * (y - x**2), 1 - x]) / np.sqrt(2)
    J = np.array([[-20 * x, 10], [-1, 0]]) / np.sqrt(2)
    return r, J, lambda v: np.array([-20 * v[0] ** 2, 0]) / np.sqrt(2)


def transtrum():
    """δ₁, δ₂ and 2‖D^½ δ₂‖/‖D^½ δ₁‖ at the start of the valley, by hand, with λ = 10 and D = diag JᵀJ."""
    r, J, second = valley(-1.2, 1.0)
    M = J.T @ J + 10 * np.diag(np.diag(J.T @ J))
    velocity = -np.linalg.solve(M, J.T @ r)
    acceleration = -0.5 * np.linalg.solve(M, J.T @ second(velocity))
    share = 2 * np.sqrt(np.diag(J.T @ J) @ acceleration**2 / (np.diag(J.T @ J) @ velocity**2))
    return velocity, acceleration, share


def test_geodesic_acceleration_is_transtrums_formula():
    """The residuals are quadratic, so that the finite difference is exact but for rounding."""
    target, params, batch, _ = rosenbrock()
    velocity, acceleration, share = transtrum()
    settings = {"damping": 10.0, "max_damping_trials": 1, "scaling": "marquardt", "max_backtracks": 0}
    state, info = follow(build(target, max_acceleration=1.01 * share, **settings), params, batch, 1)
    here = flat(build(target), state)
    # h = 0.1 magnifies the rounding of r, ten here, by 2/h² = 200.
    np.testing.assert_allclose(here, np.array([-1.2, 1.0]) + velocity + acceleration, rtol=1e4 * EPS)
    assert int(info[0].evaluations) == 3
    # Above the bound the try has failed, though it would have lowered the loss.
    state, _ = follow(build(target, max_acceleration=0.99 * share, **settings), params, batch, 1)
    np.testing.assert_array_equal(flat(build(target), state), [-1.2, 1.0])
    np.testing.assert_allclose(state.damping, 30.0)


def overshot():
    """r = arctan x at x = 3, where the step of Gauss and Newton goes to −9.5: only a part of it lowers r."""
    target = objective(lambda params, row: jnp.arctan(params["x"]) - row[0])
    return target, {"x": jnp.asarray(3.0)}, batch_of(np.zeros((1, 1)))


@pytest.mark.parametrize("geodesic", [0.0, 100.0])
def test_a_step_that_leads_too_far_is_shortened_along_its_curve(geodesic):
    """By hand, the second derivative by the same difference; a tenth of the step magnifies roundings by 200."""
    target, params, batch = overshot()
    r, J = np.arctan(3.0), 0.1
    velocity = -r / J
    bend = ((np.arctan(3.0 + 0.1 * velocity) - r) / 0.1 - J * velocity) / 0.1
    acceleration = -bend / J if geodesic else 0.0
    places = [3.0 + h * velocity + h**2 * acceleration for h in (1, 0.5, 0.25, 0.125)]
    sizes = np.abs(np.arctan(places))
    k = int(np.flatnonzero(sizes < r)[0])
    while k < 3 and sizes[k + 1] < sizes[k]:
        k += 1
    assert k > 0
    settings = {"damping": 1e-12, "max_acceleration": geodesic, "min_damping": 1e-20, "max_damping_trials": 1}
    state, info = follow(build(target, **settings), params, batch, 1)
    np.testing.assert_allclose(state.params["x"], places[k], rtol=1e-9)
    np.testing.assert_allclose(state.damping, 1e-12 * 10 ** -(1 - k / 3), rtol=1e-12)  # 10 whole, 1 the shortest
    assert int(info[0].evaluations) == 1 + bool(geodesic) + min(k + 2, 4)  # one too short, if there is one
    # Not allowed to shorten it so much, the try has failed.
    state, _ = follow(build(target, max_backtracks=k - 1, **settings), params, batch, 1)
    assert float(state.params["x"]) == 3.0
    np.testing.assert_allclose(state.damping, 3e-12)


@pytest.mark.parametrize(("bend", "h"), [(0.6, 1.0), (0.6669, 1.0), (0.69, 0.5)])
def test_a_shorter_step_must_be_worth_it(bend, h):
    """r = 1 − h + bend h²: a half is worse, lower by less than a hundredth of the loss, and lower by a twentieth."""
    target = objective(lambda params, row: params["x"] + bend * (params["x"] - 1) ** 2 - row[0])
    params, batch = {"x": jnp.asarray(1.0)}, batch_of(np.zeros((1, 1)))
    optimizer = build(target, damping=1e-12, max_acceleration=0.0, max_damping_trials=1)
    state, _ = follow(optimizer, params, batch, 1)
    np.testing.assert_allclose(state.params["x"], 1 - h, atol=1e-11)


def test_a_curve_that_bends_too_much_is_followed_as_far_as_it_holds():
    """The bound is between what half of the step asks and what all of it does: the whole is not tried."""
    target, params, batch, _ = rosenbrock()
    settings = {"damping": 10.0, "max_damping_trials": 1, "scaling": "marquardt"}
    whole, _ = follow(build(target, max_acceleration=100.0, max_backtracks=0, **settings), params, batch, 1)
    velocity, acceleration, share = transtrum()
    optimizer = build(target, max_acceleration=0.6 * share, max_backtracks=1, **settings)
    state, info = follow(optimizer, params, batch, 1)
    expected = np.array([-1.2, 1.0]) + velocity / 2 + acceleration / 4
    np.testing.assert_allclose(flat(optimizer, state), expected, rtol=1e4 * EPS)
    np.testing.assert_allclose(
        flat(optimizer, whole), np.array([-1.2, 1.0]) + velocity + acceleration, rtol=1e4 * EPS
    )
    assert int(info[0].evaluations) == 3
    np.testing.assert_allclose(state.damping, 10.0)  # the shortest leaves λ


@pytest.mark.parametrize("scaling", ["more", "marquardt", "plain"])
def test_scalings_are_what_they_say(scaling):
    """Two steps: by the second one diag JᵀJ has fallen in x and stayed in y."""
    target, params, batch, _ = rosenbrock()
    optimizer = build(target, damping=1.0, max_acceleration=0.0, max_backtracks=0, scaling=scaling)
    place, largest, state, damping = np.array([-1.2, 1.0]), np.zeros(2), optimizer.init(params), 1.0
    for _ in range(2):
        r, J, _ = valley(*place)
        A = J.T @ J
        largest = np.maximum(largest, np.diag(A))
        D = {"more": largest, "marquardt": np.diag(A), "plain": np.full(2, np.diag(A).mean())}[scaling]
        expected = place - np.linalg.solve(A + damping * np.diag(D), J.T @ r)
        state, _ = optimizer.step(state, batch)
        place, damping = flat(optimizer, state), float(state.damping)
        np.testing.assert_allclose(place, expected, rtol=1e3 * EPS)
    assert largest[0] > 1.01 * np.diag(A)[0]  # or the test could not tell more from marquardt


def test_the_floor_holds_a_parameter_that_hardly_matters():
    """(A + λ max(diag A, floor · mean)) δ = −Jᵀr by hand: without the floor the step is invariant and huge."""
    target = objective(lambda params, row: row[0] * params["one"] + row[1] * params["other"] - row[2])
    rows = np.array([[1.0, 1e-8, 1.0], [1.0, -1e-8, 3.0]])
    params = {"one": jnp.asarray(0.0), "other": jnp.asarray(0.0)}
    J, r = rows[:, :2] / np.sqrt(2), -rows[:, 2] / np.sqrt(2)
    A = J.T @ J
    steps = []
    for floor in (0.0, 1e-4):
        optimizer = build(target, damping=1e-2, max_acceleration=0.0, min_scaling=floor)
        state, _ = follow(optimizer, params, batch_of(rows), 1)
        D = np.maximum(np.diag(A), floor * np.diag(A).mean())
        steps.append(flat(optimizer, state))
        np.testing.assert_allclose(steps[-1], -np.linalg.solve(A + 1e-2 * np.diag(D), J.T @ r), rtol=1e-12)
    assert abs(steps[0][1]) > 9e7
    assert abs(steps[1][1]) < 0.1


def test_a_matrix_that_is_not_positive_definite_is_a_failed_try():
    """Two equal columns and the least of λ: the second pivot is zero or below, until λ has grown."""
    target = objective(lambda params, row: row[0] * params["one"] + row[0] * params["other"] - row[1])
    batch = batch_of(np.array([[0.1, 2.0], [0.3, 6.0]]))
    params = {"one": jnp.asarray(0.0), "other": jnp.asarray(0.0)}
    optimizer = build(target, damping=1e-25, min_damping=1e-30, damping_increase=1e3)
    assert not np.isfinite(cholesky.factor(jnp.ones((2, 2)), jnp.asarray(1e-25), jnp.ones(2))).all()
    state, info = follow(optimizer, params, batch, 1)
    np.testing.assert_allclose(flat(optimizer, state).sum(), 20, rtol=1e-6)
    assert int(info[0].evaluations) > 3


def test_failed_tries_raise_the_damping_and_move_nothing():
    """At the minimum no step lowers the loss."""
    target, _, batch, exact = rosenbrock()
    optimizer = build(target, damping=1e-3, damping_increase=2.0, max_damping_trials=4)
    state, _ = follow(optimizer, {"place": jnp.asarray(exact)}, batch, 1)
    np.testing.assert_array_equal(flat(optimizer, state), exact)
    np.testing.assert_allclose(state.damping, 16e-3, rtol=1e-14)


@pytest.mark.parametrize("precision_bits", [64, 32])
def test_a_long_stay_at_a_minimum_does_not_paralyse(precision_bits):
    """Hundreds of steps that all fail, as at the bottom for a fixed set of points; then new points come."""
    jax.config.update("jax_enable_x64", precision_bits == 64)
    try:
        target, params, batch, _ = rosenbrock()
        optimizer = build(target)
        state, _ = follow(optimizer, params, batch, 300)
        assert np.isfinite(state.damping)
        moved = batch_of(np.array([[1.0, 0.3], [0.0, 1.0]]))
        start = float(target.loss(optimizer.params(state), moved))
        state = optimizer.init({"place": jnp.asarray([0.5, 0.5])})._replace(damping=state.damping)
        start = float(target.loss(optimizer.params(state), moved))
        for _ in range(40):
            state, _ = optimizer.step(state, moved)
        assert target.loss(optimizer.params(state), moved) < 1e-6 * start
    finally:
        jax.config.update("jax_enable_x64", True)


def test_a_parameter_without_effect_stays_and_hinders_nobody(precision):
    target = objective(lambda params, row: row[0] * params["used"] - row[1] + 0 * params["unused"])
    batch = batch_of(np.array([[1.0, 2.0], [3.0, 6.0]]))
    optimizer = build(target)
    state, _ = follow(optimizer, {"unused": jnp.asarray(7.0), "used": jnp.asarray(0.0)}, batch, 8)
    params = optimizer.params(state)
    assert float(params["unused"]) == 7.0
    # The finite difference of the acceleration magnifies rounding by 2/h² = 200, so that shorter steps may fail.
    np.testing.assert_allclose(params["used"], 2.0, rtol=400 * np.finfo(precision).eps)


def test_it_refuses_an_objective_that_is_no_sum_of_squares():
    target = linear()[0]
    with pytest.raises(InputError, match=r"sum of squares: set loss\.norm=mse"):
        build(Objective(target.terms, {}, "l1", target.gradient))


def test_residuals_of_the_flat_parameters_are_those_of_the_tree():
    target, params, batch, _ = linear()
    vector, unravel = ravel_pytree(params)
    r, J = target.residuals_and_jacobian(vector, unravel, batch)
    np.testing.assert_allclose(r, target.residuals(params, batch), rtol=1e-14)
    np.testing.assert_allclose(r - J @ vector, target.residuals(unravel(0 * vector), batch), atol=1e-14)
