"""Initial conditions are solved on their smallest period, about an axis where they have one."""

from types import MappingProxyType

import numpy as np
import pytest

from pinn_ac.problem import AllenCahn, Burgers, Cosine, Fourier, Problem, Sine, XSquaredCosine
from pinn_ac.problem.own_period import own_period
from pinn_ac.reference import solve

XI = np.linspace(-1, 1, 41)
CONDITIONS = {
    "a sine": (Sine(0.7), 1, True),
    "three sines": (Sine(0.5, 3), 3, True),
    "four cosines": (Cosine(-0.3, 4), 4, True),
    "a wave with a phase": (Fourier(0.2, (0.3,), (0.4,)), 1, True),
    "two waves with one axis": (Fourier(0.1, (0.0, 0.3, 0.0, 0.2), (0.0, -0.4, 0.0, 0.0)), 2, False),
    "two waves shifted together": (
        Fourier(0.0, (np.cos(0.3), np.cos(0.6)), (np.sin(0.3), np.sin(0.6))),
        1,
        True,
    ),
    "waves without an axis": (Fourier(0.1, (0.3, -0.2), (0.5, 0.1)), 1, False),
}
"""Name → condition, how many periods it has, whether it is even about an axis."""


@pytest.mark.parametrize(("condition", "repeats", "even"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_a_condition_is_that_of_its_own_period_about_its_axis(condition, repeats, even):
    own = own_period(condition, True, True)
    assert own.repeats == repeats
    assert own.condition.even == even
    # Sums of a few terms of size one, and the rounding of folded coordinates.
    np.testing.assert_allclose(own.condition(own.fold(XI)), condition(XI), rtol=0, atol=1e-14)
    np.testing.assert_allclose(own.fold(own.unfold(XI[1:-1])), XI[1:-1], rtol=0, atol=4e-15)


@pytest.mark.parametrize("condition", [Cosine(), XSquaredCosine(), Fourier(0.1, (0.3, -0.2), (0.5, 0.1))])
def test_what_has_the_period_and_axis_of_the_domain_stays_as_it_is(condition):
    own = own_period(condition, True, True)
    assert own == (1, 0.0, condition)
    assert own.fold(XI) is XI


def test_an_axis_is_sought_only_where_mirrored_solutions_are_solutions():
    assert AllenCahn(initial_condition=Sine(0.5, 3)).own_period.axis != 0
    burgers = Burgers(initial_condition=Sine(0.5, 3)).own_period
    assert (burgers.repeats, burgers.axis) == (3, 0.0)


def test_an_equation_that_may_change_with_x_keeps_its_domain():
    class Unknown(Problem):
        orders = ("t",)
        dimensions = MappingProxyType({})

        def residual(self, u, point):
            return u["t"] - point["x"]

    assert Unknown(initial_condition=Sine(0.5, 3)).own_period.repeats == 1


@pytest.mark.parametrize("condition", [Sine(0.5, 2), Fourier(0.2, (0.3,), (0.4,))], ids=["sines", "a phase"])
def test_the_natural_problem_has_the_same_solution(condition):
    """Both by the reference solver, on grids whose points fall together; its own error there is 1e-12 or less."""
    problem = AllenCahn(
        diffusivity=2e-2, reaction_rate=3.0, domain=(0.0, 3.0), horizon=0.4, initial_condition=condition
    )
    t, n = np.linspace(0, problem.horizon, 3), 32
    x = 3.0 * np.arange(n) / n
    natural_t, xi = problem.to_natural(t, x)
    u, natural = solve(problem, t, n).u, solve(problem.natural, natural_t, 256)
    for at, row in zip(xi, u.T, strict=True):
        # Trigonometric interpolation between the points of the natural grid.
        k = np.fft.fftfreq(256, 1 / 256)
        there = np.real(np.fft.fft(natural.u) / 256 @ np.exp(1j * np.pi * k * (at - natural.x[0])))
        np.testing.assert_allclose(there, row, rtol=0, atol=1e-11)
