"""The reference against an independent solver: Taylor series in time, in 80-bit arithmetic."""

import math

import numpy as np
import pytest
from scipy import fft

from pinn_ac.problem import AllenCahn, Fourier
from pinn_ac.reference import solve

ORDER = 26
LARGEST = 4.0
"""h D k² of the highest mode: its series of `ORDER` terms then has 1e-12 of a mode that is itself below 1e-6."""


def product(a, b, n):
    """The n-th term of a product of two series."""
    return np.einsum("ij,ij->j", a[: n + 1], b[n::-1])


def taylor_solution(problem, times, modes, points):
    """u at `points` places and the times, by u(t + h) = Σ a_n hⁿ with (n + 1) a_{n+1} = D ∂²a_n + R (a_n − [u³]_n).

    The terms of u³ are Cauchy products; ∂² is taken in Fourier space, where modes above `modes` are left out.
    """
    D, R = np.longdouble(problem.diffusivity), np.longdouble(problem.reaction_rate)
    grid = points * fft.next_fast_len(-(-4 * modes // points), real=True)
    unit = np.longdouble(2) * np.arctan2(np.longdouble(0), np.longdouble(-1)) / np.longdouble(problem.period)
    square = (unit * np.arange(grid // 2 + 1)) ** 2
    kept = np.arange(grid // 2 + 1) <= modes

    c = np.zeros(grid // 2 + 1, np.clongdouble)
    c[: modes + 1] = problem.initial_condition.fourier_coefficients(modes)
    c[1::2] *= -1  # from ξ = −1 on
    u, now, rows = fft.irfft(c, grid, norm="forward"), 0.0, []
    assert u.dtype == np.longdouble
    longest = LARGEST / float(D * square[modes])
    for time in times:
        steps = math.ceil((time - now) / longest)
        h = (np.longdouble(time) - np.longdouble(now)) / steps
        for _ in range(steps):
            a, s = np.empty((2, ORDER + 1, grid), np.longdouble)  # the terms of u and of u²
            a[0], s[0], newest = u, u * u, fft.rfft(u)
            for n in range(ORDER):
                modes_of_cube = fft.rfft(product(s, a, n))
                newest = np.where(kept, (R - D * square) * newest - R * modes_of_cube, 0) / (n + 1)
                a[n + 1] = fft.irfft(newest, grid)
                s[n + 1] = product(a, a, n + 1)
            u = a[ORDER]
            for term in reversed(a[:ORDER]):
                u = term + h * u
        now = time
        rows.append(u[:: grid // points])
    return np.array(rows)


def relative_l2(u, exact):
    return float(np.linalg.norm((u - exact).astype(float)) / np.linalg.norm(exact.astype(float)))


def test_a_smooth_solution_is_good_to_1e_13():
    problem = AllenCahn(5e-2, 4.0, initial_condition=Fourier(0.1, (0.3, -0.2), (0.5,)), horizon=0.5)
    times = [0.125, 0.25]
    reference = solve(problem, np.array(times), 16)
    error = relative_l2(reference.u, taylor_solution(problem, times, 64, 16))
    assert error < 1e-13
    assert error < 2 * max(reference.estimated_error, 1e-15)


@pytest.mark.landing
def test_the_lectures_solution_is_good_to_1e_13():
    """With 1100 modes the oracle is good to 3e-15 at these times; before, it lacks more of the kink's modes."""
    reference = solve(AllenCahn(), np.linspace(0.0, 1.0, 201), 512)
    error = relative_l2(reference.u[[110, 200]], taylor_solution(AllenCahn(), [0.55, 1.0], 1100, 512))
    assert error < 2e-14
    assert reference.estimated_error < 1.5e-13
