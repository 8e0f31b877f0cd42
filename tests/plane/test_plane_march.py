"""The march in the plane: its kernel against formulas and derivatives by another way, and its sizes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from pinn_ac.ansatz import Decaying, ReactionFlow
from pinn_ac.derivatives import InPlaneEngine, JaxJvp
from pinn_ac.marching import march_for
from pinn_ac.marching.march import rows_in
from pinn_ac.marching.pieces import on_its_rung
from pinn_ac.marching.plane import PlaneWindow
from pinn_ac.marching.plane_lift import BLOCK, lift_on_grid, strong_modes, with_modes
from pinn_ac.models import MLP
from pinn_ac.problem import Fourier2D, transfer_plane
from pinn_ac.problem.double_series import ORDERS
from pinn_ac.residual import monomials
from pinn_ac.sampling import Sobol

# Without symmetries, on a rectangle, so that x and y, and k and −k, are told apart.
SERIES = Fourier2D(mean=0.1, cosine=((1, -1, 0.25), (2, 0, -0.3)), sine=((0, 1, 0.2), (-1, 3, 0.1)))
PROBLEM = pinn_ac.AllenCahn2D(diffusivity=0.05, domain=((0.0, 4.0), (0.0, 2.0)), initial_condition=SERIES)


@pytest.fixture(scope="module")
def experiment():
    choices = pinn_ac.fitting.best_method(PROBLEM)
    return pinn_ac.setup.assemble(pinn_ac.fitting.choose(PROBLEM, None, None, 0, choices, 1e-4))


@pytest.fixture(scope="module")
def march(experiment):
    kernel = experiment.kernel
    return march_for(PROBLEM)(PROBLEM.natural, kernel, experiment.setup.marching_settings, 1e-4, 0)


def test_a_window_is_compared_at_each_time_once():
    rows, local = rows_in(np.linspace(0, 1, 11), 0.35, 0.25)
    np.testing.assert_array_equal(rows, [4, 5, 6])
    np.testing.assert_allclose(local, [0.05, 0.15, 0.25])
    assert len(rows_in(np.linspace(0, 1, 101), 0.0, 1.0)[0]) == 8


def test_the_networks_jet_is_that_of_an_engine(experiment):
    """Of the composition with polynomial features, by forward differentiation; to a few rounding errors."""
    kernel, draw = experiment.kernel, np.random.default_rng(0).normal
    K, d, orders = 5, kernel.inputs, kernel.orders
    A, b, c = (jnp.asarray(draw(size=shape)) for shape in ((K, d), (K,), (K,)))
    background = {name: jnp.asarray(draw(size=(1 + d, BLOCK))) for name in ("u", *orders)}
    found = kernel._network_jet(A, b, c, background)
    engine = InPlaneEngine(JaxJvp())

    def network(t, x):
        jet = {name: values[1:, 7] for name, values in background.items()}
        return jnp.tanh(A @ monomials(jet, t, x, orders) + b) @ c

    exact = engine(network, jnp.zeros(()), jnp.zeros(2), orders)
    assert set(found) == set(exact) == {"u", *orders}
    for name, value in exact.items():
        np.testing.assert_allclose(found[name][7], value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("points", [4, 9, 32])
def test_the_lift_on_a_grid_is_that_at_its_points(points):
    """On grids that are coarser than its waves, too, whose series has more room than it needs."""
    condition = with_modes(transfer_plane(SERIES.on_grid(24), 8), 32)
    assert len(strong_modes(condition)) == 64
    problem, t = PROBLEM.natural, np.array([0.0, 0.3])
    found = lift_on_grid(problem, condition, 0.5, t, points).reshape(len(ORDERS), 2, -1)
    places = problem.places(points**2)
    for row, time in enumerate(t):
        variance, xi = problem.at_pace(0.5).heat_coordinates(time, places)
        exact = jax.vmap(lambda one, variance=variance: SERIES.heat_derivatives(variance, one))(xi).T
        np.testing.assert_allclose(found[:, row], exact, atol=1e-10)  # of third derivatives up to 0.1 (3π)³


def test_the_points_of_a_window_are_dense_where_the_solution_is_steep(march):
    """The density is 1 + a |∇Φ(t, g)|, here by differentiation, to the table's accuracy."""
    window, problem = march.window(0, PROBLEM.natural.initial_condition), PROBLEM.natural
    t, x = np.array([0.0, 0.05, 0.1]), np.array([[0.2, 0.1], [-0.7, 0.4], [1.0, -0.5]])
    found = window._density(0.1, 1.0)(t, x)
    slope = jax.jit(jax.vmap(jax.grad(lambda t, x: problem.flow(t, problem.lift(t, x)), argnums=1)))(t, x)
    weight = window.settings.spacing.arc_length
    assert weight > 0
    np.testing.assert_allclose(found, 1 + weight * np.linalg.norm(slope, axis=1), rtol=0.02)


@pytest.mark.landing
def test_the_end_of_a_window_is_its_field_there(march):
    """By the value's own path, on the whole grid and on one for fewer modes; unused features change nothing."""
    window = march.window(0, PROBLEM.natural.initial_condition)
    draw = np.random.default_rng(1).normal
    piece = march.blank()._replace(length=np.asarray(0.1), pace=np.asarray(1.0))
    used = np.arange(len(piece.b)) < 40
    A = 0.1 * draw(size=piece.A.shape) * used[:, None]
    piece = piece._replace(A=A, b=draw(size=used.size) * used, c=1e-2 * draw(size=used.size) * used)
    u, u_x, _, _ = window.kernel.evaluated(piece, window.condition, np.array([0.1]), 64)
    assert len(on_its_rung(piece).b) == 64
    np.testing.assert_allclose(window.kernel.end(piece, window.condition, 64), u[0], atol=1e-13)
    wave = 2 * np.pi / 2 * np.fft.fftfreq(64, 1 / 64)[:, None]
    by_fourier = np.fft.ifft(1j * wave * np.fft.fft(u[0], axis=0), axis=0).real
    np.testing.assert_allclose(u_x[0], by_fourier, atol=1e-6)  # of what 64 points leave out
    wide = PlaneWindow(window.kernel, window.condition, 0, 0, 2 * (96 + 12), window.settings)
    carried, whole = wide.carried(piece, 96), transfer_plane(wide.end(piece), 96)
    assert carried.matrix.shape == whole.matrix.shape
    np.testing.assert_allclose(carried.matrix, whole.matrix, atol=1e-13)
    assert float(carried.steepest_slope) == pytest.approx(float(whole.steepest_slope), rel=0.01)  # on another grid


@pytest.mark.landing
@pytest.mark.parametrize("ansatz", [ReactionFlow(), Decaying()])
def test_a_plain_networks_window_ends_where_the_next_begins(ansatz):
    """The series through its end is its field there, by the lift on a grid or, without one, by points."""
    choices = {"network": MLP(width=4, depth=1), "ansatz": ansatz, "windows": 2, "sampler": Sobol(16)}
    experiment = pinn_ac.setup.assemble(
        pinn_ac.fitting.choose(replace(PROBLEM, reaction_rate=0.5), 1, None, 0, choices)
    )
    params = experiment.initial_params()
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # the last layer begins at zero
    field, end = experiment.field, experiment.field.problem.horizon
    condition = transfer_plane(0.5 * SERIES.on_grid(24), 8)
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 2))
    for start in (None, condition):
        found = experiment.transfer(params, start)
        here = field.starting_from(start)
        exact = jax.vmap(lambda x, here=here: here(params, jnp.asarray(end), x))(jnp.asarray(places))
        at = found(field.problem.to_unit(jnp.asarray(places)))
        np.testing.assert_allclose(at, exact, atol=1e-7)  # `HELD`, of what 32 modes leave out
