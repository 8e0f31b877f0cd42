"""Observations: how they are read, and what is refused by one sentence."""

import signal
from dataclasses import replace

import numpy as np
import pytest

import pinn_ac
from pinn_ac.errors import InputError
from pinn_ac.fitting import best_method, choose
from pinn_ac.inverse import Coefficients, Observations, UnknownStart, infer_profile, unknowns_of
from pinn_ac.inverse.profile import _Varying
from pinn_ac.inverse.search import Search
from pinn_ac.problem import HalfWaves
from pinn_ac.running import computing
from pinn_ac.setup import assemble
from pinn_ac.training import StopSignals

PROBLEM = pinn_ac.AllenCahn()


def test_they_are_read_from_csv_and_npz(tmp_path):
    t, x, u = np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.5, -0.5]), np.array([1.0, 2.0, 3.0])
    file = tmp_path / "data.csv"
    file.write_text("x,sigma,u,t\n" + "\n".join(f"{b},0.1,{c},{a}" for a, b, c in zip(t, x, u, strict=True)))
    data = Observations.from_file(file)
    for name, values in (("t", t), ("x", x), ("u", u), ("sigma", np.full(3, 0.1))):
        np.testing.assert_array_equal(getattr(data, name), values)
    np.savez(tmp_path / "data.npz", t=t[:2], x=x, temperature=np.arange(6.0).reshape(2, 3))
    whole = Observations.from_file(tmp_path / "data.npz", {"u": "temperature"})
    np.testing.assert_array_equal(whole.t, np.repeat(t[:2], 3))
    np.testing.assert_array_equal(whole.x, np.tile(x, 2))
    np.testing.assert_array_equal(whole.u, np.arange(6.0))
    assert whole.sigma is None
    turned = {"t": t[:2], "x": x, "u": np.arange(6.0).reshape(3, 2), "sigma": 1 + np.arange(6.0).reshape(3, 2)}
    np.savez(tmp_path / "turned.npz", **turned)  # (n_x, n_t): each u keeps its own sigma
    both = Observations.from_file(tmp_path / "turned.npz")
    np.testing.assert_array_equal(both.sigma, both.u + 1)
    with pytest.raises(InputError, match="holds no u"):
        Observations.from_file(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"u": [0.1, np.nan, 0.2, 0.3]}, "u of observation 2 is NaN"),
        ({"t": [0.1, 0.2]}, "give one shape"),
        ({"u": np.zeros((4, 1))}, r"u \(4, 1\): give one shape"),
        ({"sigma": np.ones((4, 1))}, r"sigma \(4, 1\): give one shape"),
        ({"x": ["a", "b", "c", "d"]}, "x is not made of real numbers"),
        ({"u": np.full(4, 1j)}, "u is not made of real numbers"),
        ({"sigma": [0.1, 0.1, 0.0, 0.1]}, "sigma is not positive"),
        ({"t": [0.1, 0.2, 0.3, 1.5]}, "t = 1.5, outside"),
        ({"t": [-0.1, 0.2, 0.3, 0.5]}, "t = -0.1, outside"),
        ({"x": [0.1, 0.2, 0.3, 1.5]}, "x = 1.5, outside the domain"),
    ],
)
def test_wrong_data_are_refused(changed, sentence):
    given = {"t": [0.1, 0.2, 0.3, 0.4], "x": [0.0] * 4, "u": [0.0] * 4} | changed
    with pytest.raises(InputError, match=sentence):
        Observations(**given).check(PROBLEM, 2)


def test_places_and_times_that_single_precision_has_are_within_their_range():
    short = pinn_ac.AllenCahn(horizon=0.1, domain=(-0.6, 0.6))
    t, x = np.float32(0.1), np.float32(0.6)
    assert float(t) > short.horizon
    assert float(x) > short.domain[1]
    Observations(np.full(3, t), np.full(3, x), np.zeros(3), 0.1).check(short, 1)


def test_too_few_are_refused():
    """With unknown noise one more than unknowns is the least from which it can be told."""
    two = Observations([0.1, 0.2], [0.0, 0.5], [0.0, 0.1])
    with pytest.raises(InputError, match="2 observations cannot determine 2 unknowns and the noise: give 3"):
        two.check(PROBLEM, 2)
    Observations([0.1, 0.2], [0.0, 0.5], [0.0, 0.1], 0.1).check(PROBLEM, 2)


@pytest.mark.parametrize(
    ("unknown", "sentence"),
    [
        ({}, "Nothing is unknown: name one of diffusivity, reaction_rate"),
        ({"viscosity": 1.0}, "AllenCahn has no coefficient viscosity: it has diffusivity, reaction_rate"),
        ({"diffusivity": 0.0}, "unknown.diffusivity is 0.0: give a positive number"),
        ({"diffusivity": "much"}, "unknown.diffusivity is much"),
        ({"initial_condition": 3}, r"in Python, pinn_ac\.inverse\.UnknownStart"),
    ],
)
def test_wrong_unknowns_are_refused(unknown, sentence):
    with pytest.raises(InputError, match=sentence):
        unknowns_of(PROBLEM, unknown)


@pytest.mark.parametrize(
    ("boundary", "unknown", "sentence"),
    [
        ("neumann", {"initial_condition": UnknownStart()}, "periodic series, and problem.boundary is neumann"),
        (("dirichlet", 0.3), {"diffusivity": 1e-3}, "held at states of rest of the reaction"),
    ],
)
def test_walls_that_an_inverse_run_does_not_know_are_refused(boundary, unknown, sentence):
    kind, *b = (boundary,) if isinstance(boundary, str) else boundary
    start = HalfWaves(mean=b[0] if b else 0.0, sine=(0.2,))
    walled = pinn_ac.AllenCahn(boundary=kind, initial_condition=start)
    with pytest.raises(InputError, match=sentence):
        unknowns_of(walled, unknown)


def test_walls_are_at_states_of_rest_of_the_reaction_that_is_sought():
    """Not of the one that the problem has, which does not count."""
    still = pinn_ac.AllenCahn(reaction_rate=0.0, boundary="dirichlet", initial_condition=HalfWaves(0.3, sine=(0.2,)))
    with pytest.raises(InputError, match="held at states of rest of the reaction"):
        unknowns_of(still, {"reaction_rate": 2.0})


def test_a_profile_is_marched_with_the_hardest_of_its_values():
    """The largest rate, by which disturbances grow most; the least diffusivity, which makes the thinnest fronts."""
    weights = np.array([1.0, 0.0, 0.0, 0.5])  # n from −0.38 to 0.38
    for name, hardest in (("reaction_rate", np.exp(0.5 * np.tanh(1))), ("diffusivity", np.exp(-0.5 * np.tanh(1)))):
        unknowns = _Varying(PROBLEM, name, 1.0, 1, 1.0, 0)
        found = unknowns.control(np.append(0.0, weights)).coefficients[name]
        assert found == pytest.approx(hardest * unknowns.first.natural.coefficients[name], rel=1e-12)


def test_a_profile_is_refused_between_walls():
    data = Observations([0.1, 0.2, 0.3], [0.0, 0.1, 0.2], [0.0, 0.1, 0.2], 0.1)
    with pytest.raises(InputError, match="on a periodic domain"):
        infer_profile(pinn_ac.AllenCahn(boundary="neumann"), data, "reaction_rate", 1.0)


def test_the_noise_of_the_surest_observations_asks_for_the_tolerance():
    """Half of them are a millionth as uncertain as the others."""
    t, x = np.linspace(0.1, 1, 8), np.linspace(-1, 0.9, 8)
    sigma = np.where(np.arange(8) % 2, 0.5, 5e-7)
    experiment = assemble(choose(PROBLEM, None, None, 0, best_method(PROBLEM), 1e-12))
    unknowns = Coefficients(PROBLEM, {"reaction_rate": 4.0})
    search = Search(experiment, unknowns, Observations(t, x, np.ones(8), sigma))
    assert search.finest_needed(1.0) == pytest.approx(3e-4 * 5e-7 * np.sqrt(2), rel=1e-6)


def test_a_search_that_saw_early_data_alone_has_not_settled():
    experiment = assemble(choose(PROBLEM, None, None, 0, best_method(PROBLEM), 1e-3))
    data = Observations(np.linspace(0.1, 1, 8), np.zeros(8), np.ones(8))
    search = Search(experiment, Coefficients(PROBLEM, {"reaction_rate": 4.0}), data)
    search._over = lambda sweeps: True
    for until, settled in ((0.5 * search.horizon, False), (search.horizon, True)):
        search.until = until
        place = search._next(search.begin(), np.zeros(1), 1.0, 3, 1.0, near=True, coarse=False)
        assert (place.done, place.settled) == (True, settled)


def test_a_march_inside_a_search_hears_the_signal_that_the_search_hears():
    experiment = assemble(choose(PROBLEM, None, None, 0, best_method(PROBLEM), 1e-3))
    march = experiment.march()
    with computing(experiment), StopSignals() as signals:
        signals.received = signal.SIGTERM
        with pytest.raises(pinn_ac.Stopped, match="SIGTERM"):
            march.run(march.begin(), signals)


def test_a_prior_around_a_function_alone_is_refused():
    problem = replace(PROBLEM, initial_condition=lambda xi: np.cos(np.pi * xi))
    with pytest.raises(InputError, match="fourier_coefficients"):
        unknowns_of(problem, {"initial_condition": UnknownStart(around=True)})


def test_wrong_priors_are_refused():
    for words in ({"modes": 1}, {"size": 0.0}, {"decay": -1}):
        with pytest.raises(InputError, match="give"):
            UnknownStart(**words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"data": None}, "give pinn_ac.Observations"),
        ({"precision": "float32", "tolerance": 1e-2}, "double precision"),
        ({"steps": 3}, "experiment=inverse"),
        ({"problem": pinn_ac.AllenCahn2D()}, "in one space dimension"),
        ({"unknown": {"initial_condition": UnknownStart()}}, "give the observations' sigma"),
    ],
)
def test_fit_refuses_what_it_cannot_infer(words, sentence):
    data = Observations([0.1, 0.2, 0.3], [0.0, 0.1, 0.2], [0.0, 0.1, 0.2])
    with pytest.raises(InputError, match=sentence):
        pinn_ac.fit(
            **{"problem": PROBLEM, "data": data, "unknown": {"reaction_rate": 1.0}, "progress": False} | words
        )


def test_units_are_those_of_the_guess_and_the_problem_is_the_same():
    """What is solved for θ is the problem with θ, in units that do not change with it."""
    unknowns = Coefficients(
        pinn_ac.AllenCahn(domain=(0.0, 5.0), horizon=3.0), {"diffusivity": 1e-2, "reaction_rate": 7.0}
    )
    eta = np.log([2e-2, 3.0])
    natural, first = unknowns.natural(eta), unknowns.first
    assert natural.diffusivity == pytest.approx(2e-2 * first.time_unit / first.length_unit**2, rel=1e-13)
    assert natural.reaction_rate == pytest.approx(3.0 * first.time_unit, rel=1e-13)
    assert natural.horizon == pytest.approx(3.0 / first.time_unit, rel=1e-13)
    assert unknowns.problem(eta).reaction_rate == pytest.approx(3.0, rel=1e-13)
    rates = unknowns.directions(eta).coefficients
    np.testing.assert_allclose(rates["reaction_rate"], [0.0, natural.reaction_rate])
