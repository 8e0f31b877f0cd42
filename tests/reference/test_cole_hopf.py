"""Burgers' equation: the reference against the Cole–Hopf solution, its orders, and what the equation conserves."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from fields import known_error
from pinn_ac.estimate import estimate_error, points_needed, steps_needed, time_grids
from pinn_ac.evaluation import spectral_slope
from pinn_ac.problem import Burgers, Fourier, Sine
from pinn_ac.reference import solve
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.grids import HALVINGS
from pinn_ac.reference.march import Work, march
from pinn_ac.reference.resolution import largest_speed, modes_needed

STEEPEST = 1.6037 / np.pi
"""The time of the maximum slope; Basdevant et al., Computers & Fluids 14 (1986) 23–41, table 1."""
TIMES = np.array([0.0, 0.25, 0.5, STEEPEST, 1.0])
SMOOTH = Burgers(0.02, initial_condition=Fourier(0.3, (0.2,), (-0.5, 0.1)), horizon=0.5)


def cole_hopf(viscosity, t, x):
    """u(t, x) for u₀ = −sin πx, on all x at once.

    u = −∫ sin π(x − η) g dη / ∫ g dη with g = exp(−cos π(x − η)/(2πν) − η²/(4νt)). The trapezoidal rule on the line
    converges faster than any power of the step for this analytic integrand.
    """
    eta = np.arange(-2.5, 2.5, 1e-3)
    y = np.asarray(x)[:, None] - eta
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity) - eta**2 / (4 * viscosity * t)
    g = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -np.sum(np.sin(np.pi * y) * g, axis=1) / np.sum(g, axis=1)


@pytest.fixture(scope="module")
def standard():
    """ν = 0.01/π, on points that resolve the shock."""
    return solve(Burgers(), TIMES, 2048)


def test_cole_hopf_by_the_trapezoidal_rule_is_the_integral():
    """To 30 digits, in and beside the shock; the absolute error near x = 0 is that of rounding terms of size 1."""
    viscosity, t, x = 0.01 / math.pi, 0.5, [-0.7, -0.01, 0.002]
    with mpmath.workdps(30):

        def integral(factor, at):
            def integrand(eta):
                y = mpmath.pi * (at - eta)
                return factor(y) * mpmath.exp(
                    -mpmath.cos(y) / (2 * mpmath.pi * viscosity) - eta**2 / (4 * viscosity * t)
                )

            return mpmath.quad(integrand, mpmath.linspace(-2, 2, 41))

        exact = [float(-integral(mpmath.sin, at) / integral(lambda y: 1, at)) for at in x]
    np.testing.assert_allclose(cole_hopf(viscosity, t, x), exact, atol=1e-14)


@pytest.mark.landing
def test_the_reference_is_the_cole_hopf_solution(standard):
    near = np.abs(standard.x) < 0.02
    points = np.flatnonzero(near | (np.arange(2048) % 32 == 0))
    for row, t in enumerate(standard.t):
        exact = -np.sin(np.pi * standard.x[points]) if t == 0 else cole_hopf(0.01 / np.pi, t, standard.x[points])
        np.testing.assert_allclose(standard.u[row, points], exact, atol=1e-9)
    assert standard.estimated_error < 1e-10


def test_the_steepest_slope_is_that_of_the_literature(standard):
    slopes = spectral_slope(Burgers(), standard.u)
    assert -slopes[3].min() == pytest.approx(152.00516, abs=5e-4)
    assert -slopes[2].min() < 152.0
    assert -slopes[4].min() < 152.0


def final(problem, modes, steps, points=256):
    rows, system = [], Galerkin(problem, modes)
    march(
        system, [[problem.horizon / steps] * steps], lambda c: rows.append(system.sample(c, points)), Work(math.inf)
    )
    return rows[0]


def test_order_in_time_is_four_on_both_sides():
    solutions = [final(SMOOTH, 96, steps) for steps in (25, 50, 100, 200, 1600)]
    errors = [np.linalg.norm(u - solutions[-1]) for u in solutions[:-1]]
    orders = np.log2(errors[:-1]) - np.log2(errors[1:])
    np.testing.assert_allclose(orders, 4, atol=0.3)
    assert orders[-1] == pytest.approx(4, abs=0.12)


def test_convergence_in_space_is_spectral():
    finest = final(SMOOTH, 192, 200)
    errors = np.array([np.abs(final(SMOOTH, modes, 200) - finest).max() for modes in (16, 24, 32, 40)])
    ratios = errors[1:] / errors[:-1]
    assert (ratios < 0.4).all(), "e^{-8πδ} a row, with poles no nearer than δ = 0.05"
    np.testing.assert_allclose(np.log(ratios), np.log(ratios).mean(), rtol=0.35)
    assert errors[-1] > 1e-13, "nothing was left to converge"


def test_the_nonlinear_term_is_free_of_aliasing():
    """Up to the last mode, where its derivative is largest, against the exact convolution of the coefficients."""
    system = Galerkin(replace(SMOOTH, speed=1.5), 12)
    generator = np.random.default_rng(0)
    c = generator.normal(size=13) + 1j * generator.normal(size=13)
    c[0] = c[0].real
    both = np.concatenate([c[:0:-1].conj(), c])
    square = np.convolve(both, both)[24 : 24 + 13]
    exact = -1j * np.pi * np.arange(13) * 1.5 / 2 * square
    np.testing.assert_allclose(system.nonlinear(c), exact, atol=1e-12)


def test_the_mean_is_conserved_and_the_energy_decays_at_its_rate():
    problem = replace(SMOOTH, domain=(0.0, 3.0), speed=1.5)
    reference = solve(problem, np.linspace(0, 0.5, 101), 256)
    np.testing.assert_allclose(reference.u.mean(axis=1), 0.3, atol=1e-14)
    slopes = spectral_slope(problem, reference.u)
    energies = problem.period * problem.energy_density(reference.u, slopes).mean(axis=1)
    dissipated = problem.viscosity * problem.period * np.mean(slopes**2, axis=1)
    assert (np.diff(energies) < 0).all()
    simpson = (dissipated[:-2:2] + 4 * dissipated[1:-1:2] + dissipated[2::2]).sum() * 0.005 / 3
    assert energies[0] - energies[-1] == pytest.approx(simpson, rel=1e-6)
    assert np.abs(reference.u).max() <= problem.bound


def test_a_moving_frame_moves_the_solution():
    """u₀ + V gives V + u(t, x − c V t): no symmetry is taken for granted that the equation does not keep."""
    times = np.array([0.0, 0.25, 0.5])
    problem = Burgers(0.02, 2.0, initial_condition=Fourier(0.0, (), (-0.5, 0.1)))
    rest = solve(problem, times, 256).u
    moving = solve(replace(problem, initial_condition=Fourier(0.5, (), (-0.5, 0.1))), times, 256).u
    assert np.abs(rest + np.roll(rest[:, ::-1], 1, axis=1)).max() < 1e-13, "odd at rest"
    for row, t in enumerate(times):  # c V t = t = 32 t/0.25 points
        np.testing.assert_allclose(np.roll(rest[row], round(t * 128)) + 0.5, moving[row], atol=1e-10)


@pytest.mark.parametrize("symmetry", ["cosine", "two waves"])
def test_the_symmetries_of_other_equations_are_not_enforced(symmetry):
    """An even u₀ does not stay even, nor one of odd waves alone change its sign in half a period."""
    condition = Fourier(0.0, (0.5,)) if symmetry == "cosine" else Fourier(0.0, (), (0.5, 0.0, 0.2))
    u = solve(Burgers(0.02, initial_condition=condition), [0.0, 0.5], 256).u
    broken = u - np.roll(u[:, ::-1], 1, axis=1) if symmetry == "cosine" else u + np.roll(u, 128, axis=1)
    assert np.abs(broken[0]).max() < 1e-14
    assert np.abs(broken[1]).max() > 0.1


def test_a_shorter_period_is_kept():
    u = solve(Burgers(0.02, initial_condition=Sine(-1.0, 4)), [0.0, 1.0], 256).u
    np.testing.assert_allclose(u, np.roll(u, 64, axis=1), atol=1e-15)


def test_without_speed_it_is_the_heat_flow():
    problem = Burgers(0.05, 0.0, initial_condition=SMOOTH.initial_condition)
    reference = solve(problem, [0.0, 0.3, 1.0], 64)
    exact = problem.lift(reference.t[:, None], reference.x[None])
    np.testing.assert_allclose(reference.u, exact, atol=1e-14)


def test_resolutions_follow_the_shock():
    assert modes_needed(Burgers(), 0.005) == pytest.approx(30 / np.pi / (np.pi * 0.01 / np.pi) + 16, rel=1e-2)
    assert modes_needed(Burgers(horizon=0.01), 0.005) < 200, "no shock has formed yet"
    assert largest_speed(Burgers(speed=-2.0)) == pytest.approx(2.0)
    assert (points_needed(Burgers()), points_needed(Burgers(1e-3))) == (1024, 4096)
    assert (steps_needed(Burgers(), 1024), steps_needed(Burgers(1e-3), 4096)) == (400, 1001)


@pytest.fixture(scope="module")
def on_the_grid():
    """u* with a shock on the grid that the estimate chooses, and the rows of the 201 even times."""
    problem = Burgers(0.01)
    points = points_needed(problem)
    (t,) = time_grids(1.0, (), steps_needed(problem, points))
    return problem, t, solve(problem, t, points).u, np.r_[0, HALVINGS + 1 : len(t)]


@pytest.mark.parametrize("size", [1e-1, 1e-6])
def test_the_estimate_of_a_known_error_is_that_error(on_the_grid, size):
    """e = size t (cos 3πx + sin 2πx cos 7t) on u*, which has a shock."""
    problem, times, exact, even = on_the_grid

    def derivatives(t, x):
        assert np.array_equal(t.ravel(), times)
        e, e_t, e_xx = known_error(size, t, x)
        # f of u* + e, without the terms that cancel since u* is a solution
        convection = spectral_slope(problem, problem.speed * (exact * e + 0.5 * e**2))
        return {"u": exact + e, "residual": e_t - problem.viscosity * e_xx + convection}

    x = -1 + 2 * np.arange(exact.shape[1]) / exact.shape[1]
    error = derivatives(times[:, None], x[None])["u"] - exact
    true = np.linalg.norm(error[even]) / np.linalg.norm(exact[even])
    found = estimate_error(problem, derivatives)
    assert found["estimated_relative_l2"] == pytest.approx(true, rel=5e-3)
    assert not found["estimate_unreliable"]


def test_the_estimate_of_another_viscosity_is_the_distance_to_its_solution(on_the_grid):
    """An error in the shock alone: the solution with ν' = 1.02 ν has the residual (ν' − ν) u_xx."""
    problem, times, exact, even = on_the_grid
    other = replace(problem, viscosity=1.02 * problem.viscosity)
    u = solve(other, times, exact.shape[1]).u
    f = (other.viscosity - problem.viscosity) * spectral_slope(problem, spectral_slope(problem, u))
    true = np.linalg.norm((u - exact)[even]) / np.linalg.norm(exact[even])
    found = estimate_error(problem, lambda t, x: {"u": u, "residual": f})
    assert true > 5e-4
    assert found["estimated_relative_l2"] == pytest.approx(true, rel=5e-3)
