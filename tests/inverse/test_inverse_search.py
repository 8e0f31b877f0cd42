"""The search for coefficients and its sensitivities, against the spectral solver and its differences."""

import signal
from dataclasses import replace

import numpy as np
import pytest

import pinn_ac
from pinn_ac.fitting import best_method, choose
from pinn_ac.inverse import Coefficients, Observations, UnknownStart, infer_profile
from pinn_ac.inverse.classical import fit_classically, observed, sensitivities
from pinn_ac.inverse.search import Search
from pinn_ac.inverse.steps import damped_step, foreseen, relaxed
from pinn_ac.inverse.tangents import _series
from pinn_ac.problem import Cosine, Fourier, HalfWaves
from pinn_ac.reference import solve
from pinn_ac.running import computing
from pinn_ac.setup import assemble
from pinn_ac.tracking import Memory

EASY = pinn_ac.AllenCahn(diffusivity=1e-2, reaction_rate=2.0, initial_condition=Cosine())
NAMES = ("diffusivity", "reaction_rate")
TRUTH = np.array([1e-2, 2.0])


def random_points(count, start=0.0):
    generator = np.random.default_rng(3)
    return generator.uniform(start, 1, count), generator.uniform(-1, 1, count)


def searched(problem, data, guess, tolerance=1e-8):
    unknowns = Coefficients(problem, guess)
    experiment = assemble(choose(unknowns.first, None, None, 0, best_method(unknowns.first), tolerance))
    told = Memory()
    with computing(experiment):
        search = Search(experiment, unknowns, data, [told])
        place, inferred = search.run(search.begin())
    return search, place, inferred, told


@pytest.fixture(scope="module")
def noise_free():
    t, x = random_points(40)
    data = Observations(t, x, observed(EASY, t, x, 1e-11))
    return data, *searched(EASY, data, {"diffusivity": 3e-2, "reaction_rate": 1.0}, 1e-5)


def test_noise_free_data_give_the_coefficients(noise_free):
    """As well as fields to the tolerance, 1e-5, can, which ln D feels a tenth of."""
    _, _, place, inferred, _ = noise_free
    assert place.settled
    np.testing.assert_allclose(inferred.found, TRUTH, rtol=1e-4)
    assert np.abs(inferred.residuals).max() < 1e-5


@pytest.mark.slow
def test_a_finer_tolerance_gives_them_to_six_digits(noise_free):
    """What is left of the data is the tolerance, 1e-8, of the fields."""
    *_, inferred, _ = searched(EASY, noise_free[0], {"diffusivity": 1.1e-2, "reaction_rate": 1.9})
    np.testing.assert_allclose(inferred.found, TRUTH, rtol=1e-6)
    assert inferred.noise < 1e-7


def test_sensitivities_are_those_of_the_spectral_solver(noise_free):
    """Against extrapolated central differences, which are good to 1e-7 or so; the fields are to 1e-5."""
    data, _, _, inferred, _ = noise_free
    at_found = replace(EASY, **dict(zip(NAMES, inferred.found.tolist(), strict=True)))
    S = sensitivities(at_found, NAMES, data.t, data.x)
    np.testing.assert_allclose(inferred.slopes, S, atol=1e-4 * np.abs(S).max())


def test_the_search_tells_how_it_goes(noise_free):
    _, _, place, _, told = noise_free
    steps = [entry["step"] for entry in told.history]
    assert steps == sorted(steps)
    assert steps[-1] <= place.sweeps
    assert told.history[-1]["reaction_rate"] == pytest.approx(2.0, rel=1e-3)
    assert {entry["stage"] for entry in told.history} == {"search"}


@pytest.mark.landing
def test_a_search_that_was_stopped_goes_on_with_the_same_bits(noise_free, tmp_path):
    """It is stopped in its first round; its second one begins where that one ended."""
    data, whole, place, inferred, told = noise_free

    class Stopping(Memory):
        def log(self, step, stage, figures):
            super().log(step, stage, figures)
            if step == 2:
                signal.raise_signal(signal.SIGINT)

    def search(*trackers):
        return Search(whole.experiment, whole.unknowns, data, trackers, tmp_path)

    with computing(whole.experiment):
        stopped = search(Stopping())
        with pytest.raises(pinn_ac.Stopped):
            stopped.run(stopped.begin())
        resumed, history = search(later := Memory()), later.history
        again = resumed.begin()
        assert 0 < again.sweeps < place.sweeps
        end, found = resumed.run(again)
    assert end.eta == place.eta
    np.testing.assert_array_equal(found.found, inferred.found)
    assert [entry["step"] for entry in history][-1] == told.history[-1]["step"]


@pytest.mark.parametrize("on_a_grid", [True, False])
def test_series_are_summed_at_any_points(on_a_grid):
    generator = np.random.default_rng(0)
    c = generator.normal(size=6) + 1j * generator.normal(size=6)
    variance, xi = generator.uniform(0, 0.1, 4), generator.uniform(-1, 1, 4)
    if on_a_grid:
        variance, xi = (one.ravel() for one in np.meshgrid(variance, np.linspace(-1, 1, 5), indexing="ij"))
    k = np.pi * np.arange(6)
    terms = 2 * c * np.exp(1j * np.outer(xi, k) - 0.5 * np.outer(variance, k**2))
    terms[:, 0] /= 2
    for order, found in enumerate(_series(c, variance, xi, 3)):
        np.testing.assert_allclose(found, (terms * (1j * k) ** order).sum(axis=1).real, rtol=1e-12, atol=1e-11)


def test_a_step_is_that_of_damped_least_squares():
    generator = np.random.default_rng(0)
    rho, S = generator.normal(size=20), generator.normal(size=(20, 3)) * [0.7, 1.0, 1.4]
    lengths = np.linalg.norm(S, axis=0)
    rows = np.vstack([S, np.sqrt(0.3) * np.diag(lengths)])
    expected = np.linalg.lstsq(rows, -np.concatenate([rho, np.zeros(3)]))[0]
    np.testing.assert_allclose(damped_step(rho, S, 0.3), expected, rtol=1e-9)
    whole = -np.linalg.lstsq(S, 100 * rho)[0]
    np.testing.assert_allclose(damped_step(100 * rho, S, 0.0), np.clip(whole, -1, 1), rtol=1e-9)  # a factor of e
    assert not damped_step(rho, np.zeros((20, 3)), 0.1).any()


def test_what_a_step_would_gain_is_the_projection_on_the_columns():
    generator = np.random.default_rng(0)
    rho, S = generator.normal(size=20), generator.normal(size=(20, 2)) * [1.0, 1e-6]
    gain, longest = foreseen(rho, S, 0.0)
    step = np.linalg.lstsq(S, rho)[0]
    assert gain == pytest.approx(rho @ rho - np.sum((rho - S @ step) ** 2), rel=1e-9)
    assert longest == pytest.approx(np.abs(step).max(), rel=1e-6)
    assert foreseen(rho, S, np.inf)[1] == 0.0  # nothing gains so much


def test_damping_follows_how_well_the_step_was_foreseen():
    S, rho = np.eye(2), np.array([1.0, 1.0])
    step = damped_step(rho, S, 0.0)
    assert relaxed(rho, S, step, np.zeros(2)) == 0.1  # all of it
    assert relaxed(rho, S, step, np.sqrt(0.5) * rho) == pytest.approx(1.0)  # half
    assert relaxed(rho, S, step, 0.99 * rho) > 1.5  # hardly any


@pytest.mark.slow
def test_noisy_data_give_what_least_squares_through_the_spectral_solver_gives(noise_free):
    data = noise_free[0]
    noisy = Observations(data.t, data.x, data.u + 0.01 * np.random.default_rng(5).normal(size=len(data)))
    guess = {"diffusivity": 2e-2, "reaction_rate": 1.0}
    *_, inferred, _ = searched(EASY, noisy, guess, 1e-5)
    classical = fit_classically(EASY, noisy, guess).inferred
    # Both stop within a thirtieth of a standard error of the minimum.
    assert (np.abs(inferred.found - classical.found) < 0.07 * classical.standard_errors).all()
    np.testing.assert_allclose(inferred.standard_errors, classical.standard_errors, rtol=0.02)
    assert inferred.noise == pytest.approx(classical.noise, rel=1e-3)
    assert (np.abs(inferred.found - TRUTH) < 3 * inferred.standard_errors).all()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["start", "place"])
def test_designs_that_determine_nothing_are_named(where):
    """All at t = 0; and all where u = 0 by symmetry, at x = ½."""
    t, x = random_points(100)
    t, x = (np.zeros(100), x) if where == "start" else (t, np.full(100, 0.5))
    data = Observations(t, x, observed(EASY, t, x) + 0.01 * np.random.default_rng(1).normal(size=100))
    *_, inferred, _ = searched(EASY, data, {"diffusivity": 2e-2, "reaction_rate": 1.0}, 1e-3)
    assert not inferred.is_determined
    assert "singular" in inferred.sentence()
    assert inferred.metrics()["inferred"]["reaction_rate"]["value"] is None
    if where == "start":  # the search stays where it was
        np.testing.assert_allclose(inferred.found, [2e-2, 1.0], rtol=1e-12)


@pytest.mark.slow
def test_viscosity_is_an_unknown_too():
    problem = pinn_ac.Burgers(viscosity=0.05)
    t, x = random_points(40)
    data = Observations(t, x, observed(problem, t, x, 1e-11))
    _, place, inferred, _ = searched(problem, data, {"viscosity": 0.5})
    assert place.settled
    assert inferred.found[0] == pytest.approx(0.05, rel=1e-6)


@pytest.mark.landing
@pytest.mark.parametrize("boundary", ["dirichlet", "neumann"])
def test_coefficients_are_found_between_walls(boundary):
    """Of the reference on a grid, which is a solver of its own; from a guess that is off."""
    held = boundary == "dirichlet"
    condition = HalfWaves(mean=-1.0, sine=(0.8, 0.1)) if held else HalfWaves(mean=0.1, cosine=(0.5, 0.2))
    problem = pinn_ac.AllenCahn(2e-2, 2.0, domain=(0.0, 2.0), boundary=boundary, initial_condition=condition)
    known = solve(problem, np.linspace(0, 1, 8), 17)
    data = Observations(*np.meshgrid(known.t[1:], known.x, indexing="ij"), known.u[1:])
    _, place, inferred, _ = searched(problem, data, {"diffusivity": 3e-2, "reaction_rate": 1.5}, 1e-5)
    assert place.settled
    np.testing.assert_allclose(inferred.found, [2e-2, 2.0], rtol=1e-4)
    assert inferred.noise < 1e-5


@pytest.mark.slow
def test_the_record_problem_from_a_decade_off():
    problem = pinn_ac.AllenCahn()
    generator = np.random.default_rng(0)
    t, x = generator.uniform(0, 1, 200), generator.uniform(-1, 1, 200)
    data = Observations(t, x, observed(problem, t, x, 1e-11))
    *_, inferred, _ = searched(problem, data, {"diffusivity": 1e-3, "reaction_rate": 1.0}, 1e-9)
    np.testing.assert_allclose(inferred.found, [1e-4, 5.0], rtol=1e-6)


@pytest.mark.slow
def test_an_initial_condition_is_found_from_later_data():
    """Drawn from the prior; of seven coefficients none is three posterior deviations off."""
    start, generator = UnknownStart(modes=3, size=0.4), np.random.default_rng(1)
    a = start.deviations * generator.normal(size=7)
    truth = replace(EASY, initial_condition=Fourier(a[0], tuple(a[1:4].tolist()), tuple(a[4:].tolist())))
    t, x = random_points(80, start=0.5)
    data = Observations(t, x, observed(truth, t, x) + 0.01 * generator.normal(size=80), 0.01)
    solution = pinn_ac.fit(EASY, data=data, unknown={"initial_condition": start}, tolerance=1e-4, progress=False)
    inferred = solution.inferred
    assert (np.abs(inferred.found - a) < 3 * inferred.standard_errors).all()
    assert (inferred.standard_errors < 0.1 * start.deviations).all()  # the data say far more than the prior
    np.testing.assert_allclose(solution(0.7, 0.3), observed(truth, np.array([0.7]), np.array([0.3]))[0], atol=0.02)


class WithProfile(pinn_ac.AllenCahn):
    """R(x) = 2 exp(0.4 cos πx + 0.2 sin πx) on the spectral solver's grid, whose first point is x = 0."""

    symmetries = frozenset()

    def reaction(self, u):
        return rate(2 * np.arange(len(u)) / len(u)) * (u - u**3)


def rate(x):
    return 2.0 * np.exp(0.4 * np.cos(np.pi * x) + 0.2 * np.sin(np.pi * x))


@pytest.mark.slow
def test_a_rate_that_depends_on_x_is_found():
    condition = Fourier(0.1, (0.5,), (0.2,))
    t, x = random_points(150)
    u = observed(WithProfile(diffusivity=1e-2, initial_condition=condition), t, x)
    data = Observations(t, x, u + 0.005 * np.random.default_rng(2).normal(size=150), 0.005)
    known = pinn_ac.AllenCahn(diffusivity=1e-2, initial_condition=condition)
    profile = infer_profile(known, data, "reaction_rate", 1.0)
    places = np.linspace(-1, 1, 21)
    errors = profile.standard_error(places)
    assert (errors < 0.05 * rate(places)).all()
    assert (np.abs(profile(places) - rate(places)) < 3.5 * errors).all()
