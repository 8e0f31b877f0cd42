"""Fields between walls: what they are there whatever their parameters, their estimates, and whole runs."""

from base64 import b64decode
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from fields import assert_lines_agree, random_params
from pinn_ac.ansatz import Decaying, Field, Lifted, ReactionFlow, Soft
from pinn_ac.derivatives import JaxJvp
from pinn_ac.estimate import estimate_error, from_values, march, time_grids
from pinn_ac.evaluation import Sampled, energies, energy, spectral_slope
from pinn_ac.loss import build_terms
from pinn_ac.marching.march import March
from pinn_ac.models import MLP, Periodic, Separable, Splitting
from pinn_ac.problem import AllenCahn, Fourier, HalfWaves, Tanh
from pinn_ac.reporting.curves import draw_energy
from pinn_ac.reporting.notebook import Shown
from pinn_ac.reporting.page_data import RunPage, data_of
from pinn_ac.residual import prepare, residuals
from pinn_ac.sampling import Sobol, wall_points
from pinn_ac.windows import _Estimates

HELD = AllenCahn(1e-2, 2.0, boundary="dirichlet", boundary_values=(-1, -1))
BENT = AllenCahn(0.1, 0.5, boundary="dirichlet", initial_condition=Fourier(0.5, (), (0.3,)))
CHOICES = {
    "reaction flow": (ReactionFlow(), Splitting()),
    "lifted": (Lifted(), Periodic()),
    "decaying": (Decaying(), Periodic(modes=2)),
}


def field_of(problem, ansatz, embedding):
    network = MLP(width=4, depth=1, output_scale=1.0)
    field = Field(problem.natural, embedding, network.apply, ansatz)
    return field, random_params(network, field.features)


@pytest.mark.parametrize(
    ("problem", "choice"),
    [
        pytest.param(BENT, "lifted", marks=pytest.mark.landing),
        pytest.param(BENT, "reaction flow", marks=pytest.mark.landing),
        pytest.param(HELD, "decaying", marks=pytest.mark.landing),
        pytest.param(HELD, "reaction flow", marks=pytest.mark.slow),
        pytest.param(HELD, "lifted", marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "bent" if value is BENT else "rest",
)
def test_hard_walls_are_met_whatever_the_parameters(problem, choice):
    """To rounding: sin π is 1.2e-16, and values are of size one."""
    field, params = field_of(problem, *CHOICES[choice])
    at = jax.vmap(lambda t, x: field(params, t, x))
    for xi, value in zip((0.0, 1.0), problem.boundary_values, strict=True):
        np.testing.assert_allclose(at(jnp.array([0.0, 0.1, 1.0]), jnp.full(3, xi)), value, atol=1e-13)
    xi = jnp.linspace(0, 1, 9)
    expected = problem.initial_condition(2 * xi - 1)
    np.testing.assert_allclose(at(jnp.zeros(9), xi), expected, atol=1e-11)
    assert np.ptp(at(jnp.full(9, 0.5), xi) - jax.vmap(field.problem.lift)(jnp.full(9, 0.5), xi)) > 1e-3


@pytest.mark.landing
def test_prepared_points_and_grids_give_the_same_residual():
    """The polynomial of the background, and the products of a separable network's factors, carry the walls along."""
    network = Separable(width=4, depth=1, rank=2)
    problem = HELD.natural
    field = Field(problem, Periodic(), network.apply, Lifted(), factors=network.factors)
    params = random_params(network, field.features)
    t, x = np.linspace(0.1, 0.9, 3), np.linspace(0.2, 0.8, 3)
    points = jnp.asarray(np.stack(np.meshgrid(t, x, indexing="ij"), axis=-1).reshape(-1, 2))
    engine = JaxJvp()
    on_grid = residuals(field, engine, params, prepare(field, engine, points))

    def f(t, x):
        u_t, u_xx = jax.grad(field, 1)(params, t, x), jax.grad(jax.grad(field, 2), 2)(params, t, x)
        return problem.residual({"u": field(params, t, x), "t": u_t, "xx": u_xx}, {"t": t, "x": x})

    np.testing.assert_allclose(on_grid, jax.vmap(f)(*points.T), atol=1e-10)


@pytest.mark.landing
def test_a_soft_field_learns_its_walls_by_a_term():
    field, params = field_of(
        AllenCahn(1e-2, boundary="dirichlet", initial_condition=HalfWaves(1.0, (0.5,))), Soft(), Periodic()
    )
    assert field.problem.boundary_values == (1.5, 0.5)
    terms = build_terms(field, JaxJvp())
    assert set(terms) == {"residual", "initial", "boundary"}
    points = wall_points(Sobol(8, 6), ((0.0, 2.0), (0.0, 1.0)), 0, "training", 0)
    assert sorted(set(points[:, 1])) == [0.0, 1.0]
    assert np.ptp(points[:, 0]) > 0.5
    found = jax.vmap(terms["boundary"].at_point, (None, 0))(params, terms["boundary"].prepare(jnp.asarray(points)))
    expected = [float(field(params, *jnp.asarray(point))) - (0.5 if point[1] else 1.5) for point in points]
    np.testing.assert_allclose(found, expected, atol=1e-14)
    hard, _ = field_of(HELD, Lifted(), Periodic())
    assert set(build_terms(hard, JaxJvp())) == {"residual"}


@pytest.mark.parametrize("kind", ["held", "zero", "neumann"])
def test_a_known_error_is_estimated(kind):
    """Of the heat equation: e = 1e-4 t w(s) added to its solution, with w zero, or of no slope, at the walls."""
    wave, slope = (np.cos, "cosine") if kind == "neumann" else (np.sin, "sine")
    condition = HalfWaves(mean=2.0 * (kind != "zero"), **{slope: (0.0, 0.5)})
    boundary = "neumann" if kind == "neumann" else "dirichlet"
    problem = AllenCahn(0.05, 0.0, domain=(1.0, 3.0), boundary=boundary, initial_condition=condition)

    def derivatives(t, x):
        s = np.pi * (x - 1) / 2
        u = condition.mean + 0.5 * np.exp(-0.05 * np.pi**2 * t) * wave(2 * s)
        e, w = 1e-4 * t * wave(3 * s), 1e-4 * wave(3 * s)
        return {"u": u + e, "residual": w + 0.05 * (1.5 * np.pi) ** 2 * e}

    t, x = np.linspace(0, 1, 201)[:, None], np.linspace(1, 3, 513)[None]
    whole = derivatives(t, x)["u"]
    error = np.linalg.norm(1e-4 * t * wave(1.5 * np.pi * (x - 1))) / np.linalg.norm(whole)
    found = estimate_error(problem, derivatives, points=256, steps=100)
    assert not found["estimate_unreliable"]
    assert found["estimated_relative_l2"] == pytest.approx(error, rel=1e-2)


@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_a_window_of_a_march_is_compared_at_the_points_of_the_reference(boundary):
    """Both walls are among these, so that they are none of the grid's: a field that is 1 % too large is so there."""
    problem = AllenCahn(1e-2, 2.0, domain=(1.0, 3.0), boundary=boundary, initial_condition=HalfWaves(1.0, (0.5,)))
    t, x = np.linspace(0, 1, 5), problem.grid(512)
    asked = []

    def values_at(lift, piece, t, xi):
        asked.append(xi)
        return 1.01 * np.cos(t[:, None] * xi), None

    local, xi = problem.to_natural(t, x)
    reference = SimpleNamespace(t=t, x=x, u=np.cos(local[:, None] * xi))
    kernel, piece = SimpleNamespace(values_at=values_at), SimpleNamespace(start=0.0, length=0.5, pace=1.0)
    run = March(problem.natural, kernel, None, 1e-6, 0, reference=reference, stated=problem)
    found = run.error_in(SimpleNamespace(lift=lambda pace: None), piece)
    assert found["window_relative_l2"] == pytest.approx(0.01)
    np.testing.assert_array_equal(asked[0], xi[::2])


def test_odd_points_between_held_walls_lie_on_no_wall():
    """Heat alone takes e = sin πξ between the walls to e^{−Dπ²t} sin πξ, exactly at any points."""
    condition = HalfWaves(mean=2.0, sine=(0.0, 0.5))
    problem = AllenCahn(0.05, 0.0, boundary="dirichlet", initial_condition=condition).natural
    for points in (16, 20):
        xi, t = np.abs(-1 + 2 * np.arange(points) / points), time_grids(1.0, (), 8)[0]
        window = from_values(t, *np.zeros((2, len(t), points)))
        for first in (0, 1):
            start, part = np.sin(np.pi * xi[first::2]), window.coarsened(first)
            *_, end = march(problem, part, start)
            np.testing.assert_allclose(end, np.exp(-problem.diffusivity * np.pi**2) * start, atol=1e-14)


def test_a_run_under_way_estimates_its_error_between_the_walls_alone():
    """Of the heat equation, as above, in natural units, in the first of 8 windows; beyond the walls is no field."""
    condition = HalfWaves(mean=2.0, sine=(0.0, 0.5))
    problem = AllenCahn(0.05, 0.0, domain=(1.0, 3.0), boundary="dirichlet", initial_condition=condition)
    diffusivity = problem.natural.diffusivity
    assert diffusivity == pytest.approx(0.05 / 4)

    def field(condition, params, t, xi):
        assert (xi >= 0).all()
        w = 1e-4 * np.sin(3 * np.pi * xi)
        u = 2 + 0.5 * np.exp(-diffusivity * 4 * np.pi**2 * t) * np.sin(2 * np.pi * xi) + t * w
        return {"u": u, "residual": w * (1 + diffusivity * 9 * np.pi**2 * t)}

    programs = SimpleNamespace(derivatives=lambda orders: field)
    estimates = _Estimates(SimpleNamespace(problem=problem, windows=8, programs=programs))
    t, xi = np.linspace(0, 1 / 8, 26)[:, None], np.linspace(0, 1, 513)[None]
    error = np.linalg.norm(1e-4 * t * np.sin(3 * np.pi * xi)) / np.linalg.norm(field(None, None, t, xi)["u"])
    assert estimates.after([None], (), None) == pytest.approx(error, rel=1e-2)


def test_energies_between_walls_are_integrals_over_them():
    """Of u = cos πx on [0, 1] with R = 0: (D/2) π² ∫ sin² = D π²/4. Simpson's rule errs by h⁴ e⁗/180."""
    problem = AllenCahn(0.3, 0.0, domain=(0.0, 1.0), boundary="neumann")
    x = problem.grid(101)
    assert x[0] == 0
    assert x[-1] == 1
    u = np.cos(np.pi * x)[None]
    slope = spectral_slope(problem, u)
    np.testing.assert_allclose(slope[0], -np.pi * np.sin(np.pi * x), atol=2e-4)  # a cubic spline's, h³
    assert energy(problem, u, -np.pi * np.sin(np.pi * x)[None])[0] == pytest.approx(0.3 * np.pi**2 / 4, rel=1e-6)


def test_energies_of_a_field_and_of_the_reference_are_compared_by_the_same_slopes():
    """Of a front as thin as five cells: a spline's slopes are wrong by more than a good network is."""
    problem = AllenCahn(1e-3, 5.0, boundary="dirichlet", initial_condition=Tanh(0.02))
    t, x = np.array([0.0, 1.0]), problem.grid(512)
    u, u_x = (np.stack([values, values]) for values in (np.tanh(x / 0.02), 50 / np.cosh(x / 0.02) ** 2))
    field, reference = Sampled(t, x, u, u_x, 0 * u), SimpleNamespace(t=t, x=x, u=u, label="itself")
    assert np.abs(spectral_slope(problem, u) / u_x.max() - u_x / u_x.max()).max() > 1e-5
    np.testing.assert_array_equal(*energies(problem, field, reference))
    whole = AllenCahn(1e-3, 5.0)  # nor of a period's kinks, which 512 points do not resolve
    ours = Sampled(t, x, np.abs(u), u_x, 0 * u)
    np.testing.assert_array_equal(*energies(whole, ours, SimpleNamespace(t=t, x=x, u=np.abs(u))))
    np.testing.assert_array_equal(energies(problem, field, None)[0], energy(problem, u, u_x))
    shown = draw_energy(problem, field, reference).axes[1].get_lines()[0].get_ydata()
    assert np.max(shown) < 1e-14
    course = data_of(RunPage("a run", problem, {}, sampled=field, reference=reference))["course"]
    assert course["energy"] == course["energy_reference"]


def test_pages_and_notebooks_show_both_walls():
    problem = AllenCahn(1e-2, domain=(0.0, 3.0), boundary="dirichlet")
    t, x = np.array([0.0, 1.0]), problem.grid(512)
    u = np.stack([x, x])
    field = data_of(RunPage("a run", problem, {}, sampled=Sampled(t, x, u, u, u)))["field"]
    places = np.frombuffer(b64decode(field["x"]["data"]), np.float32)
    assert (places[0], places[-1], len(places)) == (0, 3, 256)
    assert np.ptp(np.diff(places)) < 1.01 * 3 / 511  # even but for one place of the grid

    class OfPlaces(Shown):
        experiment, num_parameters = SimpleNamespace(problem=problem), 0

        def __call__(self, t, x):
            self.x = x
            return x + t

    shown = OfPlaces()
    assert shown._repr_png_()
    assert (shown.x.min(), shown.x.max()) == problem.domain


@pytest.fixture(scope="module")
def solution():
    return pinn_ac.fit(HELD, network=MLP(width=6, depth=1), steps=3, progress=False)


def test_single_precision_is_refused_where_it_has_no_digits():
    """u₀ is 0.3 at the walls, and D u_xx must be −5 (0.3 − 0.3³) there."""
    bent = AllenCahn(1e-4, 5.0, boundary="dirichlet", initial_condition=Fourier(0.3, (), (0.2,)))
    with pytest.raises(pinn_ac.InputError, match=r"errors of 0.00\d in the initial condition.*set precision=float64"):
        pinn_ac.fit(bent, network=MLP(4, 1), precision="float32", steps=1, progress=False)


@pytest.mark.landing
def test_solutions_end_at_their_walls(solution):
    sampled = solution.sample(5, 9)
    np.testing.assert_array_equal(sampled.x, np.linspace(-1, 1, 9))
    np.testing.assert_allclose(sampled.u[:, [0, -1]], -1, atol=1e-12)
    np.testing.assert_allclose(jax.jit(solution)(0.5, jnp.array([-1.0, 0.3])), solution(0.5, [-1.0, 0.3]), atol=1e-13)
    with pytest.raises(pinn_ac.InputError, match="between the walls"):
        solution(0.5, 1.1)
    h = 1e-5  # slopes have the user's units
    slope = (solution(0.5, 0.3 + h) - solution(0.5, 0.3 - h)) / (2 * h)
    assert solution.derivatives(0.5, 0.3, "x")["x"] == pytest.approx(slope, rel=1e-7)


@pytest.mark.landing
def test_lines_of_points_reach_both_walls():
    """The walls are the ends of the grid of a march's Fourier transforms if there are 2^k + 1 points."""
    marched = pinn_ac.fit(HELD, tolerance=1e-2, progress=False)
    assert_lines_agree(marched, 9)
    assert_lines_agree(marched, 12)


@pytest.mark.slow
def test_the_estimate_is_the_error(solution):
    """Of a field that has hardly been trained, to the 30 % for which an estimate is called reliable."""
    assert solution.estimate().reliable
    assert solution.estimate() == pytest.approx(solution.error(), rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("problem", [HELD, BENT], ids=["rest", "bent"])
def test_a_tolerance_is_met_between_walls(problem):
    solution = pinn_ac.fit(problem, tolerance=1e-6, reference=True, progress=False)
    assert solution.error() <= 2e-6
    assert all(entry["window_relative_l2"] <= 2e-6 for entry in solution.history)


@pytest.mark.slow
def test_a_soft_run_with_windows_learns(tmp_path):
    solution = pinn_ac.fit(
        HELD,
        network=MLP(width=12, depth=2),
        embedding=Periodic(modes=3),
        ansatz=Soft(),
        windows=2,
        steps=150,
        progress=False,
    )
    assert solution.error() < 2e-2
    assert np.abs(solution([0.2, 0.9], 1.0) + 1).max() < 2e-2
    again = pinn_ac.load_run(solution.save(tmp_path / "run"))
    np.testing.assert_array_equal(again(0.5, [-1.0, 0.2]), solution(0.5, [-1.0, 0.2]))
