"""Reference solutions between walls: against Chebyshev collocation, exact solutions, and values found elsewhere."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Fourier, HalfWaves, Sine, Tanh
from pinn_ac.reference import load_or_solve, solve
from pinn_ac.reference.etd import Stepper
from pinn_ac.reference.held import Held
from pinn_ac.reference.refinement import refine_space, refine_time

WALLS = {
    "neumann": AllenCahn(0.1, 2.0, boundary="neumann"),
    "zero": AllenCahn(0.1, 2.0, boundary="dirichlet", initial_condition=Sine(0.7)),
    "held": AllenCahn(0.1, 2.0, boundary="dirichlet", boundary_values=(-1, -1)),
    "apart": AllenCahn(0.1, 2.0, boundary="dirichlet", initial_condition=Tanh(0.4, 0.2)),
    "bent": AllenCahn(0.1, 2.0, boundary="dirichlet", initial_condition=Fourier(0.4, (), (0.3,))),
}


def differentiation(n):
    """Chebyshev's points cos(πj/n), and the matrix of their interpolant's derivative (Trefethen 2000, chapter 6)."""
    x = np.cos(np.pi * np.arange(n + 1) / n)
    c = np.r_[2, np.ones(n - 1), 2] * (-1.0) ** np.arange(n + 1)
    d = np.outer(c, 1 / c) / (x[:, None] - x + np.eye(n + 1))
    return x, d - np.diag(d.sum(axis=1))


def by_collocation(problem, n=48):
    """(x, u(T)) by Chebyshev collocation and an implicit integrator: nothing of ours is in it."""
    x, d = differentiation(n)
    rate, diffusivity, second = problem.reaction_rate, problem.diffusivity, d @ d
    start = np.asarray(problem.initial_condition(x), float)

    def full(inner):
        if problem.boundary == "dirichlet":
            return np.r_[start[0], inner, start[-1]]
        ends = np.linalg.solve(d[np.ix_([0, n], [0, n])], -d[np.ix_([0, n], range(1, n))] @ inner)
        return np.r_[ends[0], inner, ends[1]]

    # full() is affine, so the linear part is a matrix.
    shift = full(np.zeros(n - 1))
    linear = np.column_stack([full(one) - shift for one in np.eye(n - 1)])

    def change(t, inner):
        u = full(inner)
        return (diffusivity * second @ u + rate * (u - u**3))[1:-1]

    def jacobian(t, inner):
        return (diffusivity * second @ linear + (rate * (1 - 3 * full(inner) ** 2))[:, None] * linear)[1:-1]

    found = solve_ivp(change, (0, 1), start[1:-1], "Radau", jac=jacobian, rtol=1e-8, atol=1e-10)
    return x, full(found.y[:, -1])


@pytest.mark.parametrize(
    "name",
    [
        "zero",
        pytest.param("held", marks=pytest.mark.landing),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("neumann", "apart", "bent")),
    ],
)
def test_two_independent_roads_lead_to_the_same_numbers(name):
    """Radau's tolerance leaves 1e-8; a corner of u₀ at a wall (Neumann) leaves the collocation 1e-6 at 48 points."""
    problem = WALLS[name]
    x, u = by_collocation(problem)
    ours = solve(problem, np.array([1.0]), 33)
    matrix = np.polynomial.chebyshev.chebvander(ours.x, len(x) - 1)
    coefficients = np.linalg.solve(np.polynomial.chebyshev.chebvander(x, len(x) - 1), u)
    np.testing.assert_allclose(ours.u[0], matrix @ coefficients, atol=2e-6 if name == "neumann" else 5e-8)


def test_values_found_elsewhere():
    front = AllenCahn(1e-2, 1.0, boundary="neumann", initial_condition=Tanh(0.1 * 2**0.5))
    assert solve(front, np.array([1.0]), 21).u[0, 11] == pytest.approx(0.608859, abs=2e-6)
    wave = AllenCahn(1e-4, 1.0, domain=(0, 1), boundary="dirichlet", initial_condition=HalfWaves(sine=(1.0,)))
    np.testing.assert_allclose(solve(wave, np.array([1.0]), 5).u[0, 1:3], [0.937998210, 0.999866153], atol=1e-9)


@pytest.mark.landing
def test_the_public_file_as_far_as_it_is_accurate():
    """Numbers of DeepXDE's Allen_Cahn.mat; they differ from the solution by up to 5e-4."""
    held = AllenCahn(1e-3, boundary="dirichlet", boundary_values=(-1, -1))
    public = {
        0.5: [-1.000000, -0.981567, -0.036442, 0.468724, 0.012026, 0.468724, -0.036442, -0.981567, -1.000000],
        1.0: [-1.000000, -0.999858, -0.247812, 0.987328, 0.275729, 0.987328, -0.247812, -0.999858, -1.000000],
    }
    ours = solve(held, np.array([0.5, 1.0]), 9).u
    np.testing.assert_allclose(ours, list(public.values()), atol=6e-4)


def test_heat_between_held_walls_is_exact():
    """u = b₀ + (b₁ − b₀) s + ½ e^{−D(2π/L)² t} sin 2πs, s = (x − a)/L."""
    condition = HalfWaves(mean=2.0, cosine=(), sine=(0.0, 0.5))
    problem = AllenCahn(0.1, 0.0, domain=(1.0, 3.0), boundary="dirichlet", initial_condition=condition)
    found = solve(problem, np.array([0.0, 0.7]), 33)
    s = (found.x - 1) / 2
    np.testing.assert_allclose(found.u[0], 2 + 0.5 * np.sin(2 * np.pi * s), atol=1e-14)
    expected = 2 + 0.5 * np.exp(-0.1 * np.pi**2 * 0.7) * np.sin(2 * np.pi * s)
    np.testing.assert_allclose(found.u[1], expected, atol=1e-13)


@pytest.mark.landing
def test_a_resting_front_rests():
    """tanh(x/√(2D/R)); its slope at the walls is e^{−2/0.05} and less."""
    problem = AllenCahn(6.25e-3, 5.0, boundary="neumann", initial_condition=Tanh(0.05))
    found = solve(problem, np.array([1.0]), 65)
    np.testing.assert_allclose(found.u[0], np.tanh(found.x / 0.05), atol=1e-11)


def test_the_error_falls_with_the_fourth_power_of_the_modes():
    """Σ_{k>m} k⁻⁵ ~ m⁻⁴ at a point; without the jump of N that is taken out it would be m⁻² or m⁻³."""
    circle = WALLS["apart"].circle

    def end(modes, steps=64):
        system = Held(circle, modes)
        stepper = Stepper(system.linear, system.nonlinear)
        state = stepper.begin(system.start())
        for _ in range(steps):
            state, _ = stepper.advance(state, 1 / steps)
        return system.sample(state.c, 64)

    exact = end(512)
    errors = [np.abs(end(modes) - exact).max() for modes in (48, 96, 192)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 3.5).all(), (errors, orders)
    assert (orders < 5).all(), (errors, orders)


def test_a_study_refines_the_solution_between_the_walls(monkeypatch):
    """Its steps are of fourth order, and so are its modes, of which there are as many as the solver begins with."""
    monkeypatch.setattr("pinn_ac.reference.refinement.check_times", lambda problem, times: np.array([0.0, 0.25]))
    problem = AllenCahn(0.1, 2.0, boundary="dirichlet", initial_condition=HalfWaves(1.0, (), (-0.5,)))
    time, space = refine_time(problem, 3, points=32), refine_space(problem, points=32)
    assert time[-1].order == pytest.approx(4, abs=0.5)
    assert [level.modes for level in space] == [64, 128, 256, 384, 512]
    assert time[0].modes == 512
    orders = np.diff(-np.log2([level.relative_l2 for level in space[:3]]))
    assert (orders > 3.5).all(), orders
    assert space[-1].relative_l2 < 1e-10


@pytest.mark.landing
def test_both_ends_are_there_and_one_point_is_none():
    found = solve(WALLS["held"], np.array([0.0, 0.5]), 6)
    assert found.x[0] == -1
    assert found.x[-1] == 1
    assert found.u.shape == (2, 6)
    np.testing.assert_allclose(found.u[:, [0, -1]], -1, atol=1e-14)
    with pytest.raises(InputError, match="2 or more"):
        solve(WALLS["held"], np.array([0.5]), 1)


def test_references_between_walls_are_kept_by_their_boundary(tmp_path):
    """Each kind of walls has a file of its own, which is found again."""
    problems = [
        AllenCahn(0.1, 0.0, boundary=boundary, initial_condition=HalfWaves(sine=(0.0, amplitude)))
        for boundary, amplitude in (("neumann", 0.5), ("dirichlet", 0.5), ("dirichlet", 0.25))
    ]
    for problem in problems:
        first, again = (load_or_solve(problem, np.array([0.0, 0.1]), 5, tmp_path) for _ in range(2))
        np.testing.assert_array_equal(first.u, again.u)
    assert len(list(tmp_path.iterdir())) == 3
