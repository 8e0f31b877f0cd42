"""Scores of fields whose errors, residuals and energies are known in closed form."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fields import KdV
from pinn_ac.errors import InputError
from pinn_ac.evaluation import Sampled, energy, largest_rise, score, spectral_slope
from pinn_ac.problem import AllenCahn, Burgers, Cosine, Fourier, Sine

T = np.linspace(0, 1, 41)
X = -1 + 2 * np.arange(128) / 128


def heat_wave(problem: AllenCahn, amplitude: float = 0.8) -> Sampled:
    """amplitude e^{−Dπ²t} cos πx, which solves the equation with R = 0."""
    t, x = np.meshgrid(T, X, indexing="ij")
    rate = problem.unit_diffusivity * np.pi**2
    u = amplitude * np.exp(-rate * t) * np.cos(np.pi * x)
    u_x = -np.pi * amplitude * np.exp(-rate * t) * np.sin(np.pi * x)
    u_t, u_xx = -rate * u, -(np.pi**2) * u
    return Sampled(T, X, u, u_x, problem.residual({"u": u, "t": u_t, "xx": u_xx}, {}))


def uniform_state(problem: AllenCahn, start: float = 0.3) -> Sampled:
    """The reaction alone: constant in x, from u = start."""
    u = np.tile(np.asarray(problem.react(T, start))[:, None], (1, X.size))
    u_t = problem.reaction_rate * (u - u**3)
    flat = np.zeros_like(u)
    return Sampled(T, X, u, flat, problem.residual({"u": u, "t": u_t, "xx": flat}, {}))


def as_reference(sampled: Sampled) -> SimpleNamespace:
    return SimpleNamespace(t=sampled.t, x=sampled.x, u=sampled.u, label="closed form")


HEAT = AllenCahn(diffusivity=0.05, reaction_rate=0.0, initial_condition=Cosine(0.8))
REACTION = AllenCahn(initial_condition=Fourier(mean=0.3))


@pytest.mark.parametrize(("problem", "field"), [(HEAT, heat_wave), (REACTION, uniform_state)])
def test_an_exact_solution_has_no_error_no_residual_and_a_falling_energy(problem, field):
    exact = field(problem)
    metrics = score(problem, exact, as_reference(exact))
    assert metrics["relative_l2"] == metrics["max_error"] == 0
    assert metrics["relative_l2_by_time"] == [0.0] * len(T)
    assert metrics["residual_rms"] < 1e-14
    assert metrics["residual_l1"] < 1e-14
    assert metrics["energy_violation"] == metrics["maximum_principle_violation"] == 0
    assert metrics["energy_final"] < metrics["energy_initial"]
    assert metrics["reference"] == "closed form"


def test_a_known_perturbation_gives_its_own_size():
    exact = heat_wave(HEAT)
    scaled = replace(exact, u=1.01 * exact.u)
    metrics = score(HEAT, scaled, as_reference(exact))
    assert metrics["relative_l2"] == pytest.approx(0.01, rel=1e-10)
    assert metrics["relative_l2_by_time"] == pytest.approx([0.01] * len(T), rel=1e-10)
    assert metrics["max_error"] == pytest.approx(0.008, rel=1e-10)


def test_the_error_is_a_ratio_of_norms_over_the_whole_grid_not_a_mean_of_rows():
    exact = heat_wave(HEAT)
    late = exact.u.copy()
    late[-1] *= 3
    metrics = score(HEAT, replace(exact, u=late), as_reference(exact))
    last, whole = np.linalg.norm(exact.u[-1]), np.linalg.norm(exact.u)
    assert metrics["relative_l2"] == pytest.approx(2 * last / whole, rel=1e-12)
    assert metrics["relative_l2_by_time"][-1] == pytest.approx(2.0, rel=1e-12)
    assert metrics["relative_l2_by_time"][:-1] == [0.0] * (len(T) - 1)


def test_the_residual_counts_every_time_but_the_first():
    exact = heat_wave(HEAT)
    residual = np.where(np.arange(X.size) % 2, 3.0, -1.0) * np.ones((len(T), 1))
    residual[0] = np.nan  # what a kink gives at t = 0
    metrics = score(HEAT, replace(exact, residual=residual), None)
    assert metrics["residual_l1"] == pytest.approx(2.0)
    assert metrics["residual_rms"] == pytest.approx(np.sqrt(5.0))
    assert "relative_l2" not in metrics
    assert "reference" not in metrics


def test_energy_of_a_wave_is_its_closed_form_on_any_period():
    problem = AllenCahn(diffusivity=0.02, reaction_rate=3.0, domain=(0.0, 4.0), initial_condition=Sine(0.7))
    x = 4 * np.arange(64) / 64
    u, u_x = 0.7 * np.sin(np.pi * x / 2), 0.35 * np.pi * np.cos(np.pi * x / 2)
    gradient = 0.5 * 0.02 * (0.35 * np.pi) ** 2 * 2
    well = 0.25 * 3.0 * 4 * (1 - 0.7**2 + 3 / 8 * 0.7**4)
    assert energy(problem, u[None], u_x[None])[0] == pytest.approx(gradient + well, rel=1e-13)
    np.testing.assert_allclose(spectral_slope(problem, u[None])[0], u_x, atol=1e-13)


def test_energy_decays_at_the_rate_of_the_dissipation():
    exact = heat_wave(HEAT)
    energies = energy(HEAT, exact.u, exact.u_x)
    u_t = -HEAT.unit_diffusivity * np.pi**2 * exact.u
    dissipated = HEAT.period * np.mean(u_t**2, axis=1)
    np.testing.assert_allclose(np.gradient(energies, T, edge_order=2)[1:-1], -dissipated[1:-1], rtol=2e-3)


def test_a_rise_of_the_energy_is_reported_as_a_share_of_the_first():
    assert largest_rise(np.array([4.0, 3.0, 3.4, 3.2, 3.3])) == pytest.approx(0.1)
    assert largest_rise(np.array([4.0, 3.0, 3.0])) == 0
    assert largest_rise(np.array([0.0, 0.5])) == 0.5
    rising = heat_wave(HEAT)
    backwards = replace(rising, u=rising.u[::-1], u_x=rising.u_x[::-1])
    assert score(HEAT, backwards, None)["energy_violation"] > 0


def test_fronts_too_thin_for_the_grid_raise_no_alarm():
    """Moving tanh fronts of width 1e-4, which points 1.6e-2 apart may hit or miss."""
    problem, width = AllenCahn(diffusivity=1e-8, reaction_rate=2.0), 1e-4
    t, x = np.meshgrid(T, X, indexing="ij")
    y = np.abs(x) - 0.49 - 0.01 * t
    u, u_x = np.tanh(y / width), np.sign(x) / np.cosh(np.minimum(np.abs(y) / width, 300)) ** 2 / width
    assert largest_rise(energy(problem, u, u_x)) > 0.1
    fronts = Sampled(T, X, u, u_x, np.zeros_like(u))
    assert score(problem, fronts, None)["energy_violation"] == 0


def test_the_maximum_principle_allows_what_the_initial_condition_has():
    tall = AllenCahn(initial_condition=Cosine(1.5))
    exact = heat_wave(HEAT)
    over = replace(exact, u=exact.u + 0.3)
    assert score(HEAT, over, None)["maximum_principle_violation"] == pytest.approx(0.1, abs=1e-12)
    assert score(tall, over, None)["maximum_principle_violation"] == 0


def test_the_default_problem_split_in_two_decays_in_energy():
    problem = AllenCahn()
    t, x = np.meshgrid(T, X, indexing="ij")
    u = np.asarray(problem.react(t, problem.lift(t, x)))
    energies = energy(problem, u, spectral_slope(problem, u))
    assert largest_rise(energies) == 0


def test_what_a_problem_does_not_have_is_not_scored():
    exact = heat_wave(HEAT)
    metrics = score(KdV(), exact, as_reference(exact))
    assert not [name for name in metrics if name.startswith(("energy", "maximum"))]
    assert {"relative_l2", "residual_rms"} <= set(metrics)


def test_the_energy_and_the_bound_are_those_of_the_problem():
    """u²/2 of Burgers' equation, and max |u₀|."""
    exact, problem = heat_wave(HEAT), Burgers(initial_condition=Sine(0.5))
    metrics = score(problem, exact, None)
    for name, row in (("energy_initial", 0), ("energy_final", -1)):
        assert metrics[name] == pytest.approx(np.mean(exact.u[row] ** 2), rel=1e-13)
    assert metrics["maximum_principle_violation"] == pytest.approx(0.3, abs=1e-12)


def test_the_rise_of_the_energy_does_not_depend_on_units():
    """Not even where E starts at 0, of which it cannot be a share."""
    rises = []
    for length, time in ((1.0, 1.0), (3.0, 50.0)):
        problem = AllenCahn(1e-2 * length**2 / time, 5 / time, domain=(-length, length), horizon=time)
        u = 1 - 0.2 * T[:, None] * np.cos(np.pi * X)
        u_x = 0.2 * np.pi / length * T[:, None] * np.sin(np.pi * X)
        sampled = Sampled(time * T, length * X, u, u_x, np.zeros_like(u))
        rises.append(score(problem, sampled, None)["energy_violation"])
    assert rises[0] > 1e-3
    assert rises[1] == pytest.approx(rises[0], rel=1e-12)


def test_metrics_are_plain_json():
    exact = heat_wave(HEAT)
    metrics = score(HEAT, exact, as_reference(exact))
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_what_cannot_be_scored_is_refused_in_a_sentence():
    exact = heat_wave(HEAT)
    broken = exact.u.copy()
    broken[3, 5] = np.nan
    with pytest.raises(InputError, match=r"u is nan at t = 0.075, x = -0.92"):
        score(HEAT, replace(exact, u=broken), None)
    shifted = SimpleNamespace(t=T, x=X + 0.01, u=exact.u, label="shifted")
    with pytest.raises(InputError, match="another grid"):
        score(HEAT, exact, shifted)
    with pytest.raises(InputError, match="u_x has shape"):
        replace(exact, u_x=exact.u_x[1:])
