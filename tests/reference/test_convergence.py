"""Refinement in time and space: the orders that theory gives, from both sides."""

import io
import math

import numpy as np
import pytest
from rich.console import Console
from scipy import fft

from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine
from pinn_ac.reference import solve, study
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.march import Work, march
from pinn_ac.reference.refinement import refine_space, refine_time

SMOOTH = AllenCahn(1e-2, 5, initial_condition=Fourier(0.1, (0.3, -0.2), (0.4,)))


def final(problem, modes, steps, points=512):
    """u at the horizon, by equal steps."""
    rows, system = [], Galerkin(problem, modes)
    schedule = [[problem.horizon / steps] * steps]
    march(system, schedule, lambda c: rows.append(system.sample(c, points)), Work(math.inf))
    return rows[0]


def test_order_in_time_is_four():
    solutions = [final(SMOOTH, 96, steps) for steps in (40, 80, 160, 320, 2560)]
    errors = [np.linalg.norm(u - solutions[-1]) for u in solutions[:-1]]
    orders = np.log2(errors[:-1]) - np.log2(errors[1:])
    # Rh falls from 0.125 to 0.016, and with it the fifth-order term's share.
    np.testing.assert_allclose(orders, 4, atol=0.4)
    assert orders[-1] == pytest.approx(4, abs=0.1)


def test_smooth_solutions_converge_spectrally():
    modes = (16, 32, 48, 64)
    finest = final(SMOOTH, 192, 400)
    errors = np.array([np.abs(final(SMOOTH, count, 400) - finest).max() for count in modes])
    # Poles δ = (π/2)√(2D/R) from the axis: e^{−πδk}, a factor e^{−πδ16} = e^{−5.0} a row at the rate of interfaces.
    assert (errors[1:] < errors[:-1] * math.exp(-3.5)).all()
    assert errors[-1] > 1e-13, "nothing was left to converge"


class Sampled(XSquaredCosine):
    """The lecture's condition with the coefficients of its samples, aliased."""

    def __init__(self, count):
        super().__init__()
        object.__setattr__(self, "count", count)

    def fourier_coefficients(self, modes):
        xi = 2 * np.arange(self.count) / self.count
        xi = np.where(xi < 1, xi, xi - 2)
        own = fft.rfft(xi**2 * np.cos(np.pi * xi), norm="forward")[: modes + 1]
        return np.concatenate([own, np.zeros(modes + 1 - len(own))])


@pytest.fixture(scope="module")
def lecture():
    return solve(AllenCahn())


def along(problem, modes, points=512):
    """Default rows for t > 0 with a fixed number of modes, and steps graded towards the kink's start."""
    system, rows = Galerkin(problem, modes), []
    graded = [0.005 / 2**k for k in range(1, 16)]
    start = [step for step in [graded[-1], *reversed(graded)] for step in [step / 4] * 4]
    march(system, [start, *[[0.00125] * 4] * 199], lambda c: rows.append(system.sample(c, points)), Work(math.inf))
    return np.array(rows)


def relative_l2(rows, exact):
    return np.linalg.norm(rows - exact) / np.linalg.norm(exact)


def test_exact_coefficients_resolve_the_kink(lecture):
    # 2048 and 4096 points of a grid; the steps' own error is some 1e-11.
    assert relative_l2(along(AllenCahn(), 1023), lecture.u[1:]) == pytest.approx(9.4e-10, rel=0.15)
    assert relative_l2(along(AllenCahn(), 2047), lecture.u[1:]) < 3e-11


def test_samples_of_the_kink_do_not(lecture):
    # A spurious source of mass 4/(3N²): second order, and far above the exact coefficients' error.
    errors = [
        relative_l2(along(AllenCahn(initial_condition=Sampled(count)), count // 2 - 1), lecture.u[1:])
        for count in (512, 1024, 2048)
    ]
    orders = np.log2(errors[:-1]) - np.log2(errors[1:])
    assert errors[-1] == pytest.approx(9e-7, rel=0.2)
    np.testing.assert_allclose(orders, 2, atol=0.35)


def test_default_meets_its_requirement(lecture):
    # The estimate is the error of the coarser solution; the finer one's is some 16 times less.
    assert lecture.estimated_error < 1e-10
    assert lecture.u.dtype == np.float64
    finer = along(AllenCahn(), 6000)
    assert relative_l2(lecture.u[1:], finer) < 1e-10
    assert np.abs(lecture.u[1] - finer[0]).max() < 1e-8


def test_study_finds_both_orders():
    problem = AllenCahn(1e-2, 5, horizon=0.5, initial_condition=Sine(0.5))
    levels = refine_time(problem, 3, points=64)
    assert levels[2].order == pytest.approx(4, abs=0.3)
    assert [level.steps for level in levels] == [levels[0].steps * 2**k for k in range(3)]
    space = refine_space(problem, points=64)
    errors = [level.relative_l2 for level in space]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[-1] < 1e-12


def test_study_prints_two_tables(monkeypatch):
    monkeypatch.setattr("pinn_ac.reference.refinement.refine_time", lambda problem: refine_time(problem, 2, 16))
    text = io.StringIO()
    problem = AllenCahn(1e-2, 1, horizon=0.1, initial_condition=Sine(0.5))
    study(problem, Console(file=text, width=120))
    assert "More modes" in text.getvalue()
    assert "Shorter steps" in text.getvalue()
