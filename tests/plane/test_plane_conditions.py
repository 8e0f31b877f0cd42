"""Initial conditions of the plane: their formulas, their heat flow, and what is refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import composed
from pinn_ac import AllenCahn, AllenCahn2D
from pinn_ac.app.assembly import arguments
from pinn_ac.errors import InputError
from pinn_ac.problem import Disc, Fourier2D, LocalPlane, Random2D, Star, Tabulated2D, transfer_plane
from pinn_ac.problem.double_series import ORDERS, coefficients, grid_values, trimmed
from pinn_ac.reference import solve_plane

SERIES = Fourier2D(mean=0.1, cosine=((1, -1, 0.25), (2, 0, -0.5)), sine=((0, 1, 0.2), (-1, 3, 0.3)))
PLACES = np.random.default_rng(0).uniform(-1, 1, (7, 2))


def formula(xi, eta):
    """The series, term by term."""
    wave = np.pi * (-xi + 3 * eta)
    return (
        0.1
        + 0.25 * np.cos(np.pi * (xi - eta))
        - 0.5 * np.cos(2 * np.pi * xi)
        + 0.2 * np.sin(np.pi * eta)
        + 0.3 * np.sin(wave)
    )


def test_a_double_series_is_its_formula():
    np.testing.assert_allclose(SERIES(PLACES), formula(*PLACES.T), atol=1e-14)  # a few rounding errors of terms ≤ 1
    grid = -1 + 2 * np.arange(16) / 16
    np.testing.assert_allclose(SERIES.on_grid(16), formula(grid[:, None], grid), atol=1e-14)
    np.testing.assert_allclose(coefficients(SERIES.on_grid(16), 4), SERIES.matrix, atol=1e-15)


def test_the_heat_flow_is_exact():
    """Each wave decays by its own factor; the derivatives are those of the waves, by independent differentiation."""
    variance = jnp.array([0.03, 0.11])  # not equal, as on a rectangle

    def flow(xi):
        terms = [(1, -1, 0.25, jnp.cos), (2, 0, -0.5, jnp.cos), (0, 1, 0.2, jnp.sin), (-1, 3, 0.3, jnp.sin)]
        waves = [
            a
            * jnp.exp(-0.5 * jnp.pi**2 * (k**2 * variance[0] + m**2 * variance[1]))
            * f(jnp.pi * (k * xi[0] + m * xi[1]))
            for k, m, a, f in terms
        ]
        return 0.1 + sum(waves)

    place = jnp.asarray(PLACES[0])
    g, gradient = SERIES.heat_flow(variance, place)
    np.testing.assert_allclose(g, flow(place), atol=1e-14)
    np.testing.assert_allclose(gradient, jax.jit(jax.grad(flow))(place), atol=1e-13)
    found = dict(zip(ORDERS, SERIES.heat_derivatives(variance, place), strict=True))
    third = jax.jit(jax.jacfwd(jax.jacfwd(jax.jacfwd(flow))))(place)
    for (i, j), value in found.items():
        if i + j == 3:
            np.testing.assert_allclose(value, third[(0,) * i + (1,) * j], atol=1e-10)  # of the size of (3π)³


def test_the_polynomial_has_the_flows_derivatives():
    variance, place = jnp.array([0.03, 0.11]), jnp.asarray(PLACES[1])
    local = LocalPlane(SERIES, variance, place, SERIES.heat_derivatives(variance, place))

    def both(of, variance, place):
        def values(variance, xi):
            g, gradient = of.heat_flow(variance, xi)
            return jnp.hstack([g, gradient])

        first = jax.jacfwd(values, argnums=(0, 1))(variance, place)
        second = jnp.diagonal(jax.jacfwd(jax.jacfwd(values, 1), 1)(variance, place), axis1=1, axis2=2)
        return values(variance, place), *first, second

    of_flow, of_polynomial = (jax.jit(partial(both, of))(variance, place) for of in (SERIES, local))
    for found, exact in zip(of_polynomial, of_flow, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-10)


def test_fronts_are_their_formulas_up_to_what_is_cut():
    disc, star = Disc(radius=0.5, width=0.1), Star(width=0.05, amplitude=0.2)
    r, angle = np.hypot(*PLACES.T), np.arctan2(PLACES[:, 1], PLACES[:, 0])
    np.testing.assert_allclose(disc(PLACES), np.tanh((0.25 - r**2) / 0.1), atol=1e-6)  # its sides: e^{−15}
    rho = 0.5 * (1 + 0.2 * np.cos(5 * angle))
    np.testing.assert_allclose(star(PLACES), np.tanh((rho - r) / 0.05), atol=1e-6)


def test_a_disc_stays_one_on_a_rectangle(tmp_path):
    """It has the domain of its problem, whose natural one has other units; so have samples."""
    domain = (0.0, 4.0), (0.0, 2.0)
    problem = AllenCahn2D(domain=domain, initial_condition=Disc(radius=0.4, width=0.1))
    disc = problem.initial_condition
    assert disc.domain == domain
    arrays = AllenCahn2D(domain=np.array(domain), initial_condition=Disc(0.4, 0.1, np.array(domain)))
    assert (arrays.domain, arrays.initial_condition) == (domain, disc)
    assert problem.natural.initial_condition is disc
    assert Disc(radius=1.5).on_domain(((0.0, 4.0), (0.0, 4.0))).radius == 1.5  # which is too large for [−1, 1)²
    x, y = 4 * np.arange(8) / 8, 2 * np.arange(8) / 8
    np.savez(tmp_path / "u.npz", x=x, y=y, u=np.cos(np.pi * (0.5 * x[:, None] + y)))
    samples = AllenCahn2D(domain=domain, initial_condition=Tabulated2D(str(tmp_path / "u.npz"))).initial_condition
    np.testing.assert_allclose(samples([0.25, 0.5]), np.cos(0.75 * np.pi), atol=1e-14)  # (ξ, η) = (x/2 − 1, y − 1)
    np.testing.assert_allclose(disc([[0.2, 0.0], [0.0, 0.4]]), 0.0, atol=1e-8)  # r = 0.4 along x and along y


def test_random_fields_follow_their_seed():
    one, same, other = Random2D(seed=1), Random2D(seed=1), Random2D(seed=2)
    np.testing.assert_array_equal(one.matrix, same.matrix)
    assert np.abs(one.matrix - other.matrix).max() > 0.01
    assert one.largest == pytest.approx(0.9)
    assert len(Random2D(modes=2).matrix) == 6


def test_samples_are_interpolated(tmp_path):
    """On even grids of unequal size, with a repeated end along x, and shifted along y."""
    x, y = np.linspace(-1, 1, 13), -1 + 2 * (np.arange(16) + 0.25) / 16
    np.savez(tmp_path / "u.npz", x=x, y=y, u=formula(x[:, None], y))
    np.testing.assert_allclose(Tabulated2D(tmp_path / "u.npz")(PLACES), formula(*PLACES.T), atol=1e-13)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.linspace(0, 0.99, 64)}, "no even grid of one period"),  # whose period would be 1.0057
        ({"x": np.arange(64) / 64 + 0.02}, "no even grid of one period"),  # the last lies outside
        ({"u": np.full((64, 8), 1j)}, "not as real numbers"),
    ],
)
def test_samples_of_another_period_or_of_complex_numbers_are_refused(tmp_path, change, words):
    held = {"x": np.arange(64) / 64, "y": np.arange(8) / 8, "u": np.ones((64, 8))}
    square = {"domain": ((0.0, 1.0), (0.0, 1.0))}
    np.savez(tmp_path / "u.npz", **held)
    assert AllenCahn2D(initial_condition=Tabulated2D(tmp_path / "u.npz"), **square).initial_condition.largest == 1.0
    np.savez(tmp_path / "u.npz", **held | change)
    with pytest.raises(InputError, match=words):
        AllenCahn2D(initial_condition=Tabulated2D(tmp_path / "u.npz"), **square)


def test_a_condition_keeps_its_domain_in_natural_units():
    square = ((0.0, 4.0), (0.0, 4.0))
    problem = AllenCahn2D(domain=square, initial_condition=Disc(radius=1.0, width=0.4, domain=square))
    assert problem.natural.initial_condition.domain == square
    assert problem.natural.domain == ((-1.0, 1.0), (-1.0, 1.0))


def test_a_transfer_keeps_the_field():
    condition = transfer_plane(SERIES.on_grid(24), 8)
    np.testing.assert_allclose(condition(PLACES), formula(*PLACES.T), atol=1e-13)
    assert float(condition.steepest_slope) == pytest.approx(SERIES.steepest_slope, rel=0.1)  # on another grid
    assert len(trimmed(np.asarray(condition.matrix), 1e-13)) == 8  # wavenumbers 0 to 3
    np.testing.assert_allclose(grid_values(np.asarray(condition.matrix), 24), SERIES.on_grid(24), atol=1e-13)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: Fourier2D(cosine=((1, 0.5, 1),)), "whole wavenumbers"),
        (lambda path: Fourier2D(cosine=()), "zero everywhere"),
        (lambda path: Fourier2D(cosine=(), sine=((0, 0, 1.0),)), "zero everywhere"),
        (lambda path: Fourier2D(cosine=5), r"cosine is 5: give a list of triples"),
        (lambda path: AllenCahn2D(initial_condition=Disc(radius=1.2)), "give a smaller radius"),
        (lambda path: AllenCahn2D(initial_condition=Disc(width=1e-4)), "give a larger width"),
        (lambda path: AllenCahn2D(initial_condition=Disc(domain=((0, 4), (0, 2)))), "leave the former out"),
        (lambda path: AllenCahn2D(initial_condition=Disc(domain=((0, 4), (0, 4)))), "leave the former out"),
        (lambda path: Fourier2D(cosine=((600, 0, 1.0),)), "from -511 to 511"),
        (lambda path: Disc(domain=5), "two pairs of finite numbers.*or choose problem=allen_cahn_2d"),
        (lambda path: Disc(domain=((0, np.inf), (0, 1))), "two pairs of finite numbers"),
        (lambda path: Star(amplitude=1.0), "from 0 to below 1"),
        (lambda path: Star(width=0.1), "too wide"),
        (lambda path: Random2D(modes=0), "whole number from 1"),
        (lambda path: AllenCahn2D(initial_condition=Tabulated2D(path)), "no even grid of one period"),
        (lambda path: Tabulated2D("none.npz"), "there is no file"),
        (lambda path: AllenCahn2D(domain=(-1.0, 1.0)), "two pairs of finite numbers"),
        (lambda path: AllenCahn2D(domain=5), "two pairs of finite numbers"),
        (lambda path: AllenCahn2D(boundary="neumann"), "periodic sides alone"),
        (lambda path: AllenCahn2D(boundary="dirichlet"), "periodic sides alone"),
        (lambda path: AllenCahn2D(boundary_values=(0.0, 0.0)), "periodic sides alone"),
        (lambda path: solve_plane(AllenCahn()), "for two dimensions"),
        (lambda path: AllenCahn(initial_condition=Disc()), "has 1: choose another"),
        (lambda path: AllenCahn2D(initial_condition=AllenCahn().initial_condition), "has 2: choose another"),
    ],
)
def test_wrong_ones_are_refused(tmp_path, make, words):
    path = tmp_path / "half.npz"
    np.savez(path, x=np.linspace(0, 1, 9), y=np.linspace(-1, 1, 9), u=np.ones((9, 9)))
    with pytest.raises(InputError, match=words):
        make(str(path))


def test_a_figure_is_smooth_where_periods_meet():
    """tanh alone would have a corner at the sides, of the size that is left of it there: here 5e-4."""
    wide = Disc(radius=0.5, width=0.2)
    assert len(wide.matrix) < 64
    xi = np.array([0.0, 0.3, 0.5])
    plain = np.tanh((0.25 - xi**2) / 0.2)
    periods = 2.0 * np.arange(-3, 4)
    away = (xi[:, None, None] - periods[:, None]) ** 2 + periods**2
    exact = np.sum(1 + np.tanh((0.25 - away) / 0.2), axis=(1, 2)) - 1
    np.testing.assert_allclose(wide(np.stack([xi, 0 * xi], -1)), exact, atol=1e-8)  # cut at 1e-10 of the largest
    np.testing.assert_allclose(exact[:2], plain[:2], atol=1e-6)


def test_series_and_samples_have_the_names_that_they_have_on_a_line(tmp_path):
    x = -1 + 2 * np.arange(8) / 8
    np.savez(tmp_path / "u.npz", x=x, y=x, u=np.cos(np.pi * (x[:, None] + x)))
    words = "problem=allen_cahn_2d", "problem/initial_condition=fourier"
    waves = "problem.initial_condition.cosine=[[1,2,0.3]]", "problem.initial_condition.sine=[]"
    series = arguments(composed(*words, *waves))[0].initial_condition
    assert series == Fourier2D(cosine=((1, 2, 0.3),))
    for wrong in (waves[:1], waves[1:], (), ("problem.initial_condition.cosine=[1,2,0.3]", waves[1])):
        with pytest.raises(InputError, match=r"such as problem.initial_condition.cosine=\[\[1,2,0.3\]\]"):
            arguments(composed(*words, *wrong))
    words = (
        *words[:1],
        "problem/initial_condition=tabulated",
        f"problem.initial_condition.path={tmp_path / 'u.npz'}",
    )
    found = arguments(composed(*words))[0].initial_condition
    np.testing.assert_allclose(found([0.25, 0.5]), np.cos(0.75 * np.pi), atol=1e-14)
    with pytest.raises(InputError, match="only samples on a line have it"):
        arguments(composed(*words, "problem.initial_condition.x_name=places"))
    with pytest.raises(InputError, match="this condition is for two dimensions"):
        arguments(composed("problem/initial_condition=disc"))
