"""Initial conditions: values, exact Fourier coefficients, symmetry, and what they refuse."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from pinn_ac.ansatz import Soft
from pinn_ac.errors import InputError
from pinn_ac.fitting import choose, fit
from pinn_ac.models import MLP, Periodic
from pinn_ac.optimizers import Adam
from pinn_ac.problem import (
    AllenCahn,
    AllenCahn2D,
    BandLimited,
    Cosine,
    Fourier,
    Problem,
    Random2D,
    Sine,
    Tabulated,
    Tanh,
    XSquaredCosine,
    initial_conditions,
)
from pinn_ac.problem.initial_conditions import LONG, values_at, values_on_grid
from pinn_ac.problem.reflected import reflected
from pinn_ac.reference import load_or_solve, solve, usual_grid
from pinn_ac.reference.refinement import refine_time
from pinn_ac.sampling import Sobol
from pinn_ac.setup import assemble

CONDITIONS = {
    "x_squared_cosine": XSquaredCosine(),
    "half_x_squared_cosine": XSquaredCosine(-0.5),
    "cosine": Cosine(0.7, 3),
    "sine": Sine(0.5, 2),
    "fourier": Fourier(0.2, (0.3, 0.0, -0.1), (0.0, 0.4)),
    "constant": Fourier(0.3),
}
XI = np.linspace(-1, 1, 201)


def series(coefficients, xi):
    """Σ_k c_k e^{ikπξ} over both signs of k."""
    k = np.arange(len(coefficients))
    return (np.where(k == 0, 1, 2) * coefficients * np.exp(1j * np.pi * k * xi[:, None])).sum(-1).real


@pytest.fixture(params=CONDITIONS)
def condition(request):
    return CONDITIONS[request.param]


def test_lecture_condition_is_the_default():
    np.testing.assert_allclose(AllenCahn().initial_condition(XI), XI**2 * np.cos(np.pi * XI), rtol=1e-15)


def test_values_are_the_sum_of_the_series(condition):
    modes = 4000
    values = condition(jnp.asarray(XI))
    # A band-limited series is complete: only rounding is left. A kink's tail is 2 Σ_{k>n} 2/(πk)² ≤ 4/(π² n).
    tolerance = 4 / (np.pi**2 * modes) if condition.kinks else 1e-13
    np.testing.assert_allclose(series(condition.fourier_coefficients(modes), XI), values, atol=tolerance)


def test_coefficients_are_those_of_quadrature(condition):
    exact = condition.fourier_coefficients(40)
    assert exact.shape == (41,)
    nodes, weights = np.polynomial.legendre.leggauss(200)  # u₀ is analytic on (−1, 1): exact to rounding
    u = np.asarray(condition(jnp.asarray(nodes)))
    for k in (0, 1, 2, 3, 7, 40):
        quadrature = 0.5 * np.sum(weights * u * np.exp(-1j * np.pi * k * nodes))
        assert abs(exact[k] - quadrature) < 1e-14


def test_kinked_coefficients_far_out():
    # Clenshaw–Curtis with a cosine weight: exact for any wavenumber.
    exact = XSquaredCosine().fourier_coefficients(3000)
    for k in (100, 1001, 3000):
        value, _ = integrate.quad(lambda x: x**2 * math.cos(math.pi * x), 0, 1, weight="cos", wvar=k * math.pi)
        assert abs(exact[k].real - value) < 1e-14
    assert abs(exact[3000].real) * (3000 * math.pi) ** 2 == pytest.approx(2, rel=1e-5)


def test_fewer_coefficients_are_the_first_ones(condition):
    np.testing.assert_array_equal(condition.fourier_coefficients(2), condition.fourier_coefficients(50)[:3])


def test_evenness_is_that_of_the_values(condition):
    values = np.asarray(condition(jnp.asarray(XI)))
    assert condition.even == bool(np.allclose(values, values[::-1], atol=1e-12))


@pytest.mark.parametrize(("condition", "jump"), [(XSquaredCosine(), 4.0), (XSquaredCosine(0.5), 2.0)])
def test_kink_is_where_the_slope_jumps(condition, jump):
    (kink,) = condition.kinks
    slope = jax.grad(lambda xi: condition(xi))
    assert float(slope(-kink) - slope(kink)) == pytest.approx(jump, rel=1e-14)


def test_whole_and_plain_numbers_are_places_too(condition):
    np.testing.assert_allclose(condition(np.arange(-1, 2)), condition(jnp.array([-1.0, 0.0, 1.0])), atol=1e-15)
    assert condition(0.5) == condition(jnp.asarray(0.5))


def test_single_precision_stays_single(condition):
    values = condition(jnp.asarray(XI, jnp.float32))
    assert values.dtype == jnp.float32
    # A phase kπξ ≤ 10 carries ten roundings of float32, 6e-8 each.
    np.testing.assert_allclose(values, condition(jnp.asarray(XI)), atol=2e-6)


def test_unit_coordinate_wraps_periodically():
    problem = AllenCahn(domain=(1.0, 4.0))
    x = np.array([1.0, 2.5, 3.25, 4.0 + 1.5, 1.0 - 0.75])
    np.testing.assert_allclose(np.cos(np.pi * problem.to_unit(x)), np.cos(np.pi * (x - 2.5) / 1.5), atol=1e-14)
    assert (np.abs(problem.to_unit(x)) <= 1).all()


class OnPlane:
    """A function on the plane, and no more."""

    dimension = 2

    def __call__(self, xi):
        return xi[..., 0]


BAD = {
    "negative diffusivity": lambda: AllenCahn(diffusivity=-1e-4),
    "zero diffusivity": lambda: AllenCahn(diffusivity=0),
    "diffusivity in words": lambda: AllenCahn(diffusivity="much"),
    "infinite reaction": lambda: AllenCahn(reaction_rate=math.inf),
    "negative reaction": lambda: AllenCahn(reaction_rate=-1),
    "no horizon": lambda: AllenCahn(horizon=0),
    "NaN horizon": lambda: AllenCahn(horizon=math.nan),
    "truth for a number": lambda: AllenCahn(horizon=True),
    "empty domain": lambda: AllenCahn(domain=(1, 1)),
    "reversed domain": lambda: AllenCahn(domain=(1, -1)),
    "three ends": lambda: AllenCahn(domain=(0, 1, 2)),
    "endless domain": lambda: AllenCahn(domain=(0, math.inf)),
    "domain in words": lambda: AllenCahn(domain=("a", "b")),
    "domain a number": lambda: AllenCahn(domain=2.0),
    "NaN amplitude": lambda: XSquaredCosine(math.nan),
    "zero kink": lambda: XSquaredCosine(0.0),
    "zero sine": lambda: Sine(0.0),
    "half a wave": lambda: Cosine(1.0, 0.5),
    "no wave": lambda: Sine(1.0, 0),
    "backward wave": lambda: Sine(1.0, -2),
    "a class": lambda: AllenCahn(initial_condition=Sine),
    "a class in the plane": lambda: AllenCahn2D(initial_condition=Random2D),
    "a word": lambda: AllenCahn(initial_condition="sine"),
    "a function in the plane": lambda: AllenCahn2D(initial_condition=OnPlane()),
    "zero series": lambda: Fourier(0.0, (0.0,), ()),
    "NaN in the series": lambda: Fourier(0.0, (1.0, math.nan), ()),
    "a word in the series": lambda: Fourier(0.0, ("a",), ()),
    "a number for the series": lambda: Fourier(0.0, 1.0, ()),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_bad_parameters_get_a_sentence(make):
    with pytest.raises(InputError, match=r"problem\..*: .*\.$"):
        make()


def wave(xi):
    """A function, and no more."""
    return jnp.cos(jnp.pi * xi)


class Decay(Problem):
    """u_t + u = 0: nothing more is known of it."""

    orders = ("t",)
    symmetries = frozenset({"even"})

    def residual(self, u, point):
        return u["t"] + u["u"]


@pytest.mark.parametrize("choices", [{}, {"ansatz": Soft(), "embedding": Periodic(), "sampler": Sobol(8)}], ids=str)
def test_a_function_alone_is_refused_where_more_is_needed(choices):
    """Without the heat flow there is no lift, and without the coefficients no reference."""
    problem, sentence = AllenCahn(initial_condition=wave), "where .*heat_flow.*Fourier, or .*Tabulated"
    with pytest.raises(InputError, match=sentence):
        assemble(choose(problem, 1, None, 0, choices))
    for solver in (solve, load_or_solve, refine_time):
        with pytest.raises(InputError, match=sentence):
            solver(problem)


def test_a_function_alone_is_enough_for_an_equation_of_which_nothing_else_is_known():
    choices = {"network": MLP(width=3, depth=1), "optimizer": Adam(), "sampler": Sobol(16, 8)}
    problem = Decay(initial_condition=wave)
    with pytest.raises(InputError, match="where even, kinks"):  # but not for the windows after the first
        assemble(choose(problem, 1, None, 0, choices | {"windows": 2}))
    solution = fit(problem, steps=1, progress=False, **choices)
    assert np.isfinite(solution.history[-1]["loss"])
    assert solution.sample().u.shape == (201, 512)
    assert solution.sample(3, 8).u.shape == (3, 8)


def test_a_function_alone_is_enough_between_walls():
    """What is needed is asked of its reflection."""
    front = Tanh(width=0.3)
    known, alone = (AllenCahn(boundary="neumann", initial_condition=start) for start in (front, lambda xi: front(xi)))
    exact = known.circle.initial_condition.fourier_coefficients(64)
    np.testing.assert_allclose(alone.circle.initial_condition.fourier_coefficients(64), exact, atol=1e-15)
    assert alone.steepest_slope == pytest.approx(known.steepest_slope, rel=1e-3)  # of differences, on a grid
    thin = Tanh(width=1e-3)
    still = (replace(known, reaction_rate=0.0, initial_condition=one) for one in (thin, lambda xi: thin(xi)))
    grids = [usual_grid(one) for one in still]
    assert grids[0] == grids[1] > (201, 512)
    assert assemble(choose(alone, 1, None, 0, {})).windows == assemble(choose(known, 1, None, 0, {})).windows


@pytest.mark.parametrize("modes", [700, 5000])
def test_a_long_series_is_found_on_a_grid_by_a_transform(modes):
    """Modes beyond those of the grid included, which are others there."""
    c = np.random.default_rng(0).normal(size=(2, modes)) / np.arange(1, modes + 1) ** 2
    long = Fourier(0.2, tuple(c[0]), tuple(c[1]))
    assert long.terms > LONG
    expected = series(long.coefficients, -1 + 2 * np.arange(64) / 64)
    np.testing.assert_allclose(values_on_grid(long, 64), expected, atol=1e-12)
    np.testing.assert_allclose(AllenCahn(initial_condition=long).initial_values(64), expected, atol=1e-12)
    np.testing.assert_allclose(values_at(long, XI), series(long.coefficients, XI), atol=1e-12)


def test_a_hundred_thousand_samples_of_a_step_have_a_bound_at_once(tmp_path, monkeypatch):
    """Their series has 5e4 terms; summed at 8193 points it takes 3 GB for each array, and there are several."""
    n = 100_000
    x = -1 + 2 * np.arange(n) / n
    np.savez(tmp_path / "step.npz", x=x, u=np.where(np.abs(x) < 0.5, 2.0, -1.5))
    monkeypatch.setattr(BandLimited, "heat_flow", None)  # nothing is summed
    problem = AllenCahn(initial_condition=Tabulated(str(tmp_path / "step.npz")))
    # Between samples the interpolant of a jump of 3.5 overshoots by 9 % of it; at most of these points there is none.
    assert 2.0 <= problem.bound <= 2.0 + 0.1 * 3.5
    np.testing.assert_allclose(problem.initial_values(16)[[0, 7]], [-1.5, 2.0], atol=1e-3)


@pytest.mark.landing
def test_a_long_series_between_walls_is_summed_at_some_points_after_others(monkeypatch):
    thin = reflected(lambda xi: jnp.tanh(xi / 2e-3), odd=False)
    assert thin.terms > LONG
    whole = values_at(thin, np.linspace(0, 1, 33))
    monkeypatch.setattr(initial_conditions, "AT_ONCE", 4 * thin.terms)
    np.testing.assert_allclose(values_at(thin, np.linspace(0, 1, 33)), whole, rtol=1e-14, atol=1e-14)
