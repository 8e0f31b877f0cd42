"""The reference keeps what the equation keeps: symmetries, scaling, the bound and the decay of the energy."""

import numpy as np
import pytest

from pinn_ac.problem import AllenCahn, Cosine, Fourier, Sine, Tabulated, XSquaredCosine
from pinn_ac.reference import solve

ROUNDING = 1e-13
"""A few hundred modes of size ≤ 1, each with its rounding."""


def reflect(u):
    """u(−ξ) on ξ_j = −1 + 2j/n."""
    return np.roll(u[:, ::-1], 1, axis=1)


@pytest.mark.parametrize("condition", [XSquaredCosine(), Cosine(0.5, 2), Fourier(0.1, (0.4, 0.3))])
def test_even_stays_even(condition):
    u = solve(AllenCahn(1e-3, horizon=8, initial_condition=condition), np.array([0, 1.0, 8.0]), 128).u
    np.testing.assert_allclose(u, reflect(u), atol=ROUNDING)


@pytest.mark.parametrize("condition", [Sine(0.5, 1), Sine(1e-3, 3), Fourier(sine=(0.4, 0.3))])
def test_odd_stays_odd(condition):
    u = solve(AllenCahn(1e-3, horizon=8, initial_condition=condition), np.array([0, 1.0, 8.0]), 128).u
    np.testing.assert_allclose(u, -reflect(u), atol=ROUNDING)


def test_a_shorter_period_stays_though_rounding_would_break_it():
    # Eight interfaces in one period attract each other: rounding, grown e^{RT}-fold, would merge pairs of them.
    u = solve(AllenCahn(2e-3, 20, horizon=3, initial_condition=Sine(0.5, 4)), np.array([0, 3.0]), 256).u
    np.testing.assert_allclose(u, np.roll(u, 64, axis=1), atol=ROUNDING)
    np.testing.assert_allclose(u, -np.roll(u, 32, axis=1), atol=ROUNDING)
    assert np.abs(u[1]).max() > 0.9


def test_shifts_commute_with_the_flow(tmp_path):
    n, shift = 64, 13
    xi = -1 + 2 * np.arange(n) / n
    u0 = np.exp(np.sin(np.pi * xi)) - 1.2 + 0.3 * np.cos(3 * np.pi * xi)
    solutions = []
    for name, samples in (("a.csv", u0), ("b.csv", np.roll(u0, shift))):
        np.savetxt(tmp_path / name, np.column_stack([xi, samples]), delimiter=",", fmt="%.17g")
        problem = AllenCahn(1e-3, initial_condition=Tabulated(str(tmp_path / name)))
        solutions.append(solve(problem, np.array([0, 0.3, 1.0]), n).u)
    # No symmetry: rounding may grow by e^{RT} = 150.
    np.testing.assert_allclose(np.roll(solutions[0], shift, axis=1), solutions[1], atol=150 * ROUNDING)


def test_a_changed_sign_changes_the_sign():
    up, down = (
        solve(AllenCahn(1e-3, initial_condition=Fourier(s * 0.1, (s * 0.3,), (s * 0.4,))), points=64) for s in (1, -1)
    )
    np.testing.assert_array_equal(up.u, -down.u)


@pytest.mark.parametrize("condition", [XSquaredCosine(), Fourier(0.1, (0.3,), (0.4,))])
def test_domains_scale(condition):
    unit = solve(AllenCahn(1e-2, initial_condition=condition), points=100)
    wide = solve(AllenCahn(1e-2 * np.pi**2, domain=(0, 2 * np.pi), initial_condition=condition), points=100)
    np.testing.assert_allclose(wide.x, np.pi * (1 + unit.x), atol=1e-15)
    np.testing.assert_allclose(wide.u, unit.u, atol=ROUNDING)


def test_times_scale():
    # D, R and 1/t by one factor: the same solution.
    slow = solve(AllenCahn(1e-3, 4, horizon=1.0, initial_condition=Sine(0.5)), points=64)
    quick = solve(AllenCahn(4e-3, 16, horizon=0.25, initial_condition=Sine(0.5)), points=64)
    np.testing.assert_allclose(quick.u, slow.u, atol=150 * ROUNDING)


@pytest.mark.parametrize("condition", [XSquaredCosine(), Fourier(0.1, (0.3, 0.2), (0.4,)), Cosine(1.5, 3)])
def test_energy_falls_and_the_maximum_holds(condition):
    problem = AllenCahn(1e-3, initial_condition=condition)
    u = solve(problem, np.linspace(0.0, 1, 41), 1024).u[1:]
    u_x = np.fft.irfft(1j * np.pi * np.arange(513) * np.fft.rfft(u), 1024)
    energy = 2 * np.asarray(problem.energy_density(u, u_x)).mean(1)
    # Sums of 1024 squares to 1e-15 each, of slopes up to 40.
    assert (np.diff(energy) <= 1e-11).all()
    assert np.abs(u).max() <= max(1.0, np.abs(u[0]).max()) + 1e-12
