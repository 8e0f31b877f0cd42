"""Conditions reflected at walls: their heat flow against quadrature, their coefficients, their bases."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Cosine, Fourier, HalfWaves, Sine, Tanh, XSquaredCosine
from pinn_ac.problem.lifts import DERIVATIVES, WIDE, fourier_heat_flow
from pinn_ac.problem.reflected import Base, Reflected, bernoulli_function, reflected
from pinn_ac.setup import ROUNDINGS

CASES = {
    "even, with kinks": Reflected(XSquaredCosine(), odd=False),
    "odd, held at −1": Reflected(XSquaredCosine(), odd=True, base=Base((-1.0, -1.0))),
    "a front": Reflected(Tanh(width=0.2, centre=0.3), odd=False),
}


@pytest.fixture(params=CASES)
def condition(request):
    return CASES[request.param]


def unfolded(condition, xi):
    """v on the circle, straight from u₀ and the definition of the reflection."""
    xi = xi - 2 * np.round(xi / 2)
    v = np.asarray(condition.condition(jnp.asarray(2 * np.abs(xi) - 1))) - condition.base(np.abs(xi))
    return np.where(xi < 0, -v, v) if condition.odd else v


def test_values_are_those_of_the_definition(condition):
    """Up to 1e-13: of the functions of jumps ten times v are added up and cancel."""
    xi = np.linspace(-1, 1, 401)
    np.testing.assert_allclose(condition(jnp.asarray(xi)), unfolded(condition, xi), atol=1e-13)


@pytest.mark.landing
def test_what_cancels_is_what_rounding_is_multiplied_by():
    """Where u is held at a value at which the reaction does not rest, u_xx at the wall is reaction/D."""
    problem = AllenCahn(1e-3, 5.0, boundary="dirichlet", initial_condition=Fourier(0.3, (), (0.2,)))
    lost, xi = problem.circle.initial_condition.cancels, np.linspace(-1, 1, 17)
    assert 1000 < lost < 2000
    found = jax.vmap(problem.initial)(jnp.asarray(xi))
    np.testing.assert_allclose(found, problem.initial_condition(jnp.asarray(xi)), atol=5e-15 * lost)
    with jax.enable_x64(False):
        places = jnp.asarray(xi, jnp.float32)
        error = np.abs(jax.vmap(problem.initial)(places) - problem.initial_condition(places)).max()
    assert 0.1 < error / (ROUNDINGS * 6e-8 * lost) < 1


def test_heat_flow_is_the_convolution_with_a_normal_density(condition):
    """By Gauss–Legendre quadrature in pieces between which v is analytic."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    for variance in (1e-4, 4e-3):
        for xi in (0.0, 0.02, 0.4, 1.0):
            reach, total = 12 * variance**0.5, 0.0
            cuts = np.unique(
                np.clip(np.append(np.linspace(xi - reach, xi + reach, 9), [-1, 0, 1, 2]), xi - reach, xi + reach)
            )
            for left, right in itertools.pairwise(cuts):
                y = 0.5 * (left + right) + 0.5 * (right - left) * nodes
                density = np.exp(-((y - xi) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
                total += 0.5 * (right - left) * weights @ (density * unfolded(condition, y))
            found = condition.heat_flow(jnp.asarray(variance), jnp.asarray(xi), WIDE**2)[0]
            assert float(found) == pytest.approx(total, abs=1e-12)


def test_derivatives_and_both_formulas_agree(condition):
    """The closed form has the derivatives of its own series, whose modes are e^{−(kπ)² σ²/2} < 1e-17 from 2000 on."""
    xi, variance = jnp.linspace(-1, 1, 101), jnp.full(101, 2e-5)
    closed = condition.heat_flow(variance, xi, WIDE**2)
    series = fourier_heat_flow(condition.fourier_coefficients(2000), variance, xi)
    assert len(closed) == DERIVATIVES + 1
    for one, other in zip(closed, series, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11 * float(jnp.abs(other).max()))
    for width in (0.99 * WIDE, 1.01 * WIDE):  # on both sides of where the series takes over
        variance = jnp.full(101, width**2)
        switching = condition.heat_flow(variance, xi, 1.0)
        series = fourier_heat_flow(condition.fourier_coefficients(200), variance, xi)
        for one, other in zip(switching, series, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-11)


def test_coefficients_are_integrals(condition):
    c = condition.fourier_coefficients(8)
    wave = np.sin if condition.odd else np.cos
    for k in (1, 2, 7):
        integral = quad(lambda xi, k=k: unfolded(condition, np.array(xi)) * wave(np.pi * k * xi), 0, 1, epsabs=1e-13)[
            0
        ]
        assert (-c[k].imag if condition.odd else c[k].real) == pytest.approx(integral, abs=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_functions_of_one_jump(n):
    """Their coefficients 1/(2 (ikπ)^{n+1}), by quadrature; the jump of the n-th derivative is 1."""
    b = bernoulli_function(n)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    c = [0.5 * weights @ (b(nodes + 1) * np.exp(-1j * np.pi * k * (nodes + 1))) for k in (0, 1, 3)]
    np.testing.assert_allclose(c, [0, *(1 / (2 * (1j * np.pi * k) ** (n + 1)) for k in (1, 3))], atol=1e-15)
    assert b.deriv(n)(0.0) - b.deriv(n)(2.0) == pytest.approx(1.0)


def test_finite_series_stay_series():
    assert reflected(Cosine(), odd=False) == Fourier(0.0, (0.0, -1.0), (0.0, 0.0))  # cos π(2ξ − 1)
    assert reflected(Sine(), odd=True) == Fourier(0.0, (0.0, 0.0), (0.0, -1.0))
    assert reflected(HalfWaves(sine=(1.0,)), odd=True).sine == (1.0,)
    assert isinstance(reflected(Sine(), odd=False), Reflected)  # the slope of sin πx jumps at a wall without flux


@pytest.mark.parametrize("base", [Base((-1.0, 2.0)), Base((0.3, -0.2), (40.0, -7.0), 0.1)])
def test_bases_have_the_values_and_bends_that_they_are_given(base):
    for at, value, bend in zip((0.0, 1.0), base.values, base.bends, strict=True):
        assert base(np.array(at)) == pytest.approx(value, abs=1e-14)
        assert base(np.array(at), 2) == pytest.approx(bend, abs=1e-13)
    xi, h = np.linspace(0.05, 0.95, 19), 1e-4
    for order in (1, 2):  # central differences of second order
        slope = (base(xi + h, order - 1) - base(xi - h, order - 1)) / (2 * h)
        np.testing.assert_allclose(base(xi, order), slope, atol=1e-3)
    assert np.abs(base(np.linspace(0, 1, 101))).max() <= base.largest


def test_what_cannot_be_resolved_is_refused():
    with pytest.raises(InputError, match="too thin"):
        _ = Reflected(Tanh(width=1e-5), odd=False).parts
