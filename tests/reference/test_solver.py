"""The solver's interface: any grid in t and x, its label, its independence of JAX's precision, what it refuses."""

import jax
import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Burgers, Fourier, Sine
from pinn_ac.reference import solve, solver
from pinn_ac.reference.march import intervals

QUICK = AllenCahn(1e-2, 5, horizon=0.5, initial_condition=Fourier(0.1, (0.3,), (0.4,)))


@pytest.fixture(scope="module")
def fine():
    return solve(QUICK, points=512)


def test_default_grid(fine):
    np.testing.assert_array_equal(fine.t, np.linspace(0, 0.5, 201))
    np.testing.assert_allclose(fine.x, -1 + 2 * np.arange(512) / 512, atol=1e-16)
    assert fine.u.shape == (201, 512)
    assert 0 < fine.estimated_error <= 1e-10
    assert fine.label.startswith("Fourier ETDRK4, ")
    assert fine.label.endswith(f"estimated relative L2 error {fine.estimated_error:.1e}")


@pytest.mark.parametrize("points", [1, 2, 7, 64, 1000])
def test_any_number_of_points(fine, points):
    u = solve(QUICK, fine.t[::50], points).u
    common = np.gcd(points, 512)
    np.testing.assert_allclose(u[:, :: points // common], fine.u[::50, :: 512 // common], atol=1e-10)


@pytest.mark.parametrize("times", [[0.5], [0.0025, 0.5], [0.0, 0.25, 0.2525, 0.5], [0.0, 0.1, 0.4]])
def test_any_times(fine, times):
    reference = solve(QUICK, np.array(times), 512)
    rows = np.rint(np.array(times) / 0.0025).astype(int)
    np.testing.assert_allclose(reference.u, fine.u[rows], atol=1e-10)


def test_irregular_times_and_beyond_the_horizon():
    times = np.array([0.0, 1e-4, 1 / 3, 0.5, 2.0])
    long = solve(AllenCahn(1e-2, 5, horizon=2.0, initial_condition=QUICK.initial_condition), times, 32)
    np.testing.assert_allclose(solve(QUICK, times, 32).u, long.u, atol=1e-10)


def test_times_closer_than_their_rounding_make_no_step_back():
    lengths = intervals(np.array([2 / 3, 2 / 3 + 1e-14, 1.0]))  # 2/3 is rounded up, beyond the second one
    assert min(lengths) > 0
    assert sum(lengths) == pytest.approx(1.0, rel=1e-11)


def test_the_first_row_is_the_initial_condition_itself():
    reference = solve(AllenCahn(domain=(0.0, 4.0)), [0.0], 101)
    xi = reference.x / 2 - 1
    np.testing.assert_allclose(reference.u[0], xi**2 * np.cos(np.pi * xi), atol=1e-15)
    assert reference.estimated_error == 0


def test_precision_of_jax_does_not_matter(fine):
    with jax.enable_x64(False):
        single = solve(QUICK, points=512)
    np.testing.assert_array_equal(single.u, fine.u)


@pytest.mark.parametrize("times", [[], [0.1, 0.1], [0.2, 0.1], [-0.1, 0.2], [0.0, np.nan], [[0.0, 1.0]], 1.0])
def test_bad_times_get_a_sentence(times):
    with pytest.raises(InputError, match=r"times must ascend .*\.$"):
        solve(QUICK, times)


@pytest.mark.parametrize("points", [0, -3, 2.5, True])
def test_bad_points_get_a_sentence(points):
    with pytest.raises(InputError, match=r"points are .*\.$"):
        solve(QUICK, points=points)


WIDER = r"change problem.diffusivity, problem.reaction_rate or problem.horizon so that"

REFUSED = {
    "kink in thin air": (AllenCahn(1e-9), None, "initial condition still needs more than"),
    "thin shocks": (Burgers(1e-8), None, "change problem.viscosity, problem.speed or problem.horizon so that"),
    "kink too early": (AllenCahn(), [0.0, 1e-8, 1.0], "set reference=false"),
    "thin interfaces": (AllenCahn(1e-10, 50, initial_condition=Sine()), None, f"interfaces of .* need .*{WIDER}"),
}


@pytest.mark.parametrize(("problem", "times", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_resolved_is_refused(problem, times, sentence):
    with pytest.raises(InputError, match=sentence):
        solve(problem, times)


def test_a_solution_that_is_gone_has_a_reference():
    """Its squares are below the smallest number there is."""
    gone = AllenCahn(diffusivity=1.0, reaction_rate=0.0, horizon=40.0, initial_condition=Sine(1e-100))
    found = solve(gone, np.array([20.0, 40.0]), 32)
    assert 0 < np.abs(found.u[0]).max() < 1e-180
    np.testing.assert_allclose(found.u[0], gone.initial_values(32) * np.exp(-20 * np.pi**2), rtol=1e-9, atol=1e-195)
    assert found.estimated_error < 1e-10


def test_too_much_work_is_refused(monkeypatch):
    monkeypatch.setattr(solver, "WORK", 1e4)
    with pytest.raises(InputError, match=r"takes more than a minute or two: .*\.$"):
        solve(QUICK)


def test_steps_that_never_suffice_are_refused():
    with pytest.raises(InputError, match="cannot follow this problem's start"):
        solve(AllenCahn(1e-2, 5, initial_condition=Sine(1e6)), [10.0])


def test_absurd_sizes_are_refused():
    with pytest.raises(InputError, match=r"reaches 5e\+199: .*\.$"):
        solve(AllenCahn(initial_condition=Sine(1e200)))


def test_refinement_that_does_not_converge_is_refused(monkeypatch):
    monkeypatch.setattr(solver, "RELATIVE_L2", 1e-17)
    with pytest.raises(InputError, match=r"refinement leaves .*\.$"):
        solve(QUICK)


def test_refinement_goes_on_until_the_estimate_is_small(monkeypatch):
    monkeypatch.setattr(solver, "TOLERANCE", 1e-6)
    reference = solve(QUICK, points=512)
    assert reference.estimated_error <= 1e-10
