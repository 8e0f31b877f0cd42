"""The self-scaled methods: the update against SciPy's BFGS and NumPy, finite termination, resets, honest counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import BFGS
from test_optimizers import batch_of, flat, follow, objective, rosenbrock

from pinn_ac.optimizers import SSBFGS, SSBroyden
from pinn_ac.optimizers.self_scaled import Curvature, SelfScaled, updated
from pinn_ac.optimizers.ssbfgs import scaling as bfgs_scaling
from pinn_ac.optimizers.ssbroyden import scaling as broyden_scaling

EPS = np.finfo(float).eps
METHODS = {method.name: method for method in (SSBFGS, SSBroyden)}


class Unscaled(SelfScaled):
    """BFGS itself: θ = 0 and τ = 1."""

    rule = staticmethod(lambda curvature: (0.0, 1.0))


def a_step(seed, size=6):
    """A positive definite H and s, y with sᵀy > 0."""
    generator = np.random.default_rng(seed)
    root = generator.standard_normal((size, size))
    H = root @ root.T / size + 0.1 * np.eye(size)
    s, y = generator.standard_normal((2, size))
    return (H, s, y) if s @ y > 0 else (H, s, -y)


def test_the_update_is_bfgs_or_dfp_at_the_ends_of_the_family():
    for seed in range(5):
        H, s, y = a_step(seed)
        rho, one = 1 / (s @ y), np.eye(len(s))
        V = one - rho * np.outer(y, s)
        bfgs = V.T @ H @ V + rho * np.outer(s, s)
        dfp = H - np.outer(H @ y, H @ y) / (y @ H @ y) + rho * np.outer(s, s)
        size = np.abs(bfgs).max()
        np.testing.assert_allclose(updated(H, s, y, H @ y, 1.0, 1.0), bfgs, rtol=0, atol=1e3 * EPS * size)
        np.testing.assert_allclose(updated(H, s, y, H @ y, 0.0, 1.0), dfp, rtol=0, atol=1e3 * EPS * size)


@pytest.mark.parametrize(("phi", "tau"), [(1.0, 0.3), (0.4, 1.0), (1.7, 2.0)])
def test_every_update_maps_y_to_s_and_is_symmetric(phi, tau):
    H, s, y = a_step(0)
    new = np.asarray(updated(jnp.asarray(H + H.T), s, y, (H + H.T) @ y, phi, tau))
    np.testing.assert_allclose(new @ y, s, rtol=0, atol=1e3 * EPS * np.abs(new).max())
    np.testing.assert_array_equal(new, new.T)


def test_without_scaling_it_is_bfgs_as_scipy_has_it():
    """θ = 0 and τ = 1 along a real descent: the same inverse Hessian from the same steps."""
    target, params, batch, _ = rosenbrock()
    optimizer = Unscaled().build(target)
    state, peer = optimizer.init(params), BFGS(init_scale="auto")
    peer.initialize(2, "inv_hess")
    gradient = jax.jit(lambda state: target.value_and_grad(optimizer.params(state), batch)[1]["place"])
    for _ in range(12):
        new, _ = optimizer.step(state, batch)
        peer.update(flat(optimizer, new) - flat(optimizer, state), np.asarray(gradient(new) - gradient(state)))
        state = new
        expected = peer.get_matrix()
        # y is a difference of gradients, whose rounding each update adds to.
        np.testing.assert_allclose(state.inverse_hessian, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
    assert int(state.resets) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_quadratic_ends_in_as_many_steps_as_it_has_directions(method):
    """With exact line searches the directions of the whole family are conjugate, however H is scaled."""
    size, curvatures = 8, np.logspace(0, 2, 8)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]
    rows = np.sqrt(size * curvatures)[:, None] * rotation
    target = objective(lambda params, row: row @ (params["x"] - 1))
    optimizer = METHODS[method](linesearch_steps=30, c2=2e-4).build(target)
    batch = batch_of(rows)
    _, infos = follow(optimizer, {"x": jnp.zeros(size)}, batch, size + 3)
    losses = np.array([float(info.loss) for info in infos])
    assert losses[size + 2] < 1e-12 * losses[0]
    assert losses[size // 2] > 1e-8 * losses[0]  # it was no matter of course


def by_hand(H, s, y, alpha, g):
    """Numbers of the self-scaled Broyden update as Urbán, Stefanou and Pons write them."""
    size = len(s)
    rho = 1 / (y @ s)
    h, b = rho * (y @ H @ y), -alpha * rho * (s @ g)
    a = b * h - 1
    c = np.sqrt(a / (1 + a))
    rho_minus = min(1, h * (1 - c))
    theta = max((rho_minus - 1) / a, min(1 / rho_minus, (1 - b) / b))
    sigma = 1 + theta * a
    sigma_hat, rho_hat = abs(sigma) ** (1 / (1 - size)), min(1, 1 / b)
    tau = min(rho_hat * sigma_hat, sigma) if theta <= 0 else rho_hat * min(sigma_hat, 1 / theta)
    return Curvature(a, b, h, size), theta, tau


@pytest.mark.parametrize("stretch", [0.01, 0.3, 1.0, 3.0, 100.0])
def test_scaling_is_the_published_one_and_keeps_h_positive_definite(stretch):
    for seed in range(10):
        H, s, y = a_step(seed)
        y = stretch * y
        g = -np.linalg.solve(H, s) / 0.7  # s = −0.7 Hg
        curvature, theta, tau = by_hand(H, s, y, 0.7, g)
        curvature = Curvature(*map(jnp.asarray, curvature[:3]), curvature.size)
        np.testing.assert_allclose(broyden_scaling(curvature), (theta, tau), rtol=1e-10)
        np.testing.assert_allclose(bfgs_scaling(curvature), (0, min(1, 1 / curvature.b)), rtol=1e-15)
        for theta, tau in (broyden_scaling(curvature), bfgs_scaling(curvature)):
            new = updated(H, s, y, H @ y, (1 - theta) / (1 + theta * curvature.a), tau)
            assert np.linalg.eigvalsh(new).min() > 0


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_scaling_is_finite_at_the_ends_of_what_can_happen(size):
    for a in (EPS, 1e-8, 1.0, 1e8, 1e15):
        for b in (1e-8, 1 - EPS, 1.0, 1e8):
            theta, tau = broyden_scaling(Curvature(jnp.asarray(a), jnp.asarray(b), jnp.asarray((1 + a) / b), size))
            phi = (1 - theta) / (1 + theta * a)
            assert np.isfinite([theta, tau, phi]).all(), (a, b)
            assert 0 < tau <= 1, (a, b)


class Plain:
    """An objective that is a function of one vector, as `Trainable` asks; the batch is of no effect."""

    norm = "mse"

    def __init__(self, f):
        self.loss = lambda params, batch: f(params)
        self.value_and_grad = lambda params, batch: jax.value_and_grad(f)(params)


def bowl(x):
    return jnp.sum(jnp.cosh(x * jnp.arange(1.0, 4.0)) - 1)


START, BATCH = jnp.asarray([1.0, -0.5, 0.8]), {"points": jnp.zeros(3)}


def run(state, optimizer, steps=1, batch=BATCH):
    for _ in range(steps):
        state, info = optimizer.step(state, batch)
    return state, info


def test_an_inverse_hessian_that_leads_uphill_is_given_up():
    optimizer = SSBroyden().build(Plain(bowl))
    state, _ = run(optimizer.init(START), optimizer, 3)
    assert (int(state.resets), bool(state.fresh)) == (0, False)
    for bad in (-state.inverse_hessian, jnp.nan * state.inverse_hessian):
        new, info = run(state._replace(inverse_hessian=bad), optimizer)
        assert new.value < info.loss
        assert (int(new.resets), bool(new.fresh)) == (1, False)
        assert np.linalg.eigvalsh(new.inverse_hessian).min() > 0


def test_a_search_that_finds_nothing_gives_it_up_too_and_moves_nothing():
    optimizer = SSBroyden(linesearch_steps=1).build(Plain(bowl))
    state = optimizer.init(START)
    state, _ = run(state._replace(inverse_hessian=1e9 * state.inverse_hessian, fresh=jnp.asarray(False)), optimizer)
    np.testing.assert_array_equal(state.params, START)
    assert (int(state.resets), bool(state.fresh), int(state.evaluations)) == (1, True, 2)
    again, info = run(state, optimizer)
    assert again.value < info.loss
    assert int(again.resets) == 1


def test_a_step_without_curvature_teaches_nothing():
    optimizer = SSBFGS(linesearch_steps=3).build(Plain(lambda x: -jnp.sum(x)))
    state, _ = run(optimizer.init(START), optimizer, 2)
    assert state.value < -jnp.sum(START)
    assert bool(state.fresh)
    assert np.isfinite(state.inverse_hessian).all()
    known = state._replace(inverse_hessian=2 * jnp.eye(3), fresh=jnp.asarray(False))
    np.testing.assert_array_equal(run(known, optimizer)[0].inverse_hessian, 2 * np.eye(3))


def test_points_that_stay_cost_no_evaluation_and_new_ones_cost_one_and_keep_h():
    optimizer = SSBroyden().build(Plain(bowl))
    first, _ = run(optimizer.init(START), optimizer)
    same, _ = run(first, optimizer)
    other, _ = run(first, optimizer, batch={"points": jnp.ones(3)})
    assert int(other.evaluations) == int(same.evaluations) + 1
    np.testing.assert_array_equal(other.params, same.params)  # the objective itself has not changed
    np.testing.assert_array_equal(other.inverse_hessian, same.inverse_hessian)
    assert int(other.resets) == 0
