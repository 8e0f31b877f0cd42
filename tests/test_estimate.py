"""The estimated error of fields whose error is known, in closed form or from the reference solver."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from fields import known_error
from pinn_ac.errors import InputError
from pinn_ac.estimate import (
    Window,
    estimate_error,
    march,
    points_needed,
    steps_needed,
    time_grids,
    without_spikes,
)
from pinn_ac.problem import AllenCahn, AllenCahn2D, Cosine, Fourier, Fourier2D
from pinn_ac.reference import solve
from pinn_ac.reference.grids import HALVINGS, MOST_HALVINGS, fastest_decay_on_grid, halvings_of

FLAT = AllenCahn(initial_condition=Fourier(mean=0.3))
EVEN_TIMES = np.linspace(0, 1, 201)


def estimated(*arguments, **keywords):
    """The estimate, which must be one to trust."""
    found = estimate_error(*arguments, **keywords)
    assert found["estimate_unreliable"] is False
    return found["estimated_relative_l2"]


def flat_solution(problem, start):
    """Constant in x, from u = start: a solution of the equation, of another u₀ than the problem's unless 0.3."""

    def derivatives(t, x):
        u = np.asarray(problem.react(t, start)) + 0 * x
        return {"u": u, "residual": np.zeros_like(u)}

    return derivatives


def flat_error(problem, start, times):
    exact = np.asarray(problem.react(times, 0.3))
    return np.linalg.norm(np.asarray(problem.react(times, start)) - exact) / np.linalg.norm(exact)


@pytest.fixture(scope="module", params=["wide", "thin"])
def solution(request):
    """A problem, and u* on the grid of 200 steps × 512 points, with the rows of the 201 even times."""
    diffusivity, rate = {"wide": (1e-3, 2.0), "thin": (1e-4, 5.0)}[request.param]  # interfaces
    problem = AllenCahn(diffusivity, rate, initial_condition=Cosine(0.8))
    (t,) = time_grids(1.0, (), 200)
    return problem, t, solve(problem, t, 512).u, np.r_[0, HALVINGS + 1 : len(t)]


@pytest.mark.parametrize("size", [1e-1, 1e-5, 1e-8])
def test_a_solution_with_a_known_error_added_has_that_error(solution, size):
    """e = size t (cos 3πx + sin 2πx cos 7t) is resolved by far; ETD2RK leaves (7h)²/12 + (Rh)² ~ 1e-3 of it."""
    problem, times, exact, even = solution

    def derivatives(t, x):
        assert np.array_equal(t.ravel(), times)
        e, e_t, e_xx = known_error(size, t, x)
        # f of u* + e, without the terms that cancel since u* is a solution
        reaction = problem.reaction_rate * e * (3 * exact**2 + 3 * exact * e + e**2 - 1)
        return {"u": exact + e, "residual": e_t - problem.diffusivity * e_xx + reaction}

    error = derivatives(times[:, None], -1 + 2 * np.arange(512) / 512)["u"] - exact
    true = np.linalg.norm(error[even]) / np.linalg.norm(exact[even])
    assert estimated(problem, derivatives, points=512, steps=200) == pytest.approx(true, rel=5e-3)


def test_a_resting_interface_has_no_error():
    """u = tanh((½ − |x|)/δ), δ = √(2D/R), rests; its kinks at 0 and 1 are e^{−1/δ} = e^{−50} in size."""
    width = 0.02
    problem = AllenCahn(
        diffusivity=1e-3, initial_condition=lambda xi: jnp.tanh((0.5 - jnp.abs(xi)) / width), horizon=10.0
    )

    def derivatives(t, x):
        u = np.tanh((0.5 - np.abs(x)) / width) + 0 * t
        return {"u": u, "residual": problem.residual({"u": u, "t": 0.0, "xx": -2 * u * (1 - u**2) / width**2}, {})}

    assert estimated(problem, derivatives) < 1e-13


@pytest.mark.parametrize(("rate", "horizon"), [(5.0, 1.0), (0.0, 1.0), (20.0, 10.0)])
def test_a_field_that_starts_elsewhere_is_wrong_from_the_start(rate, horizon):
    """No residual, but u(0) ≠ u₀. Rh ≤ 1/16 on the longest: (Rh)² ~ 4e-3 while e lives."""
    problem = AllenCahn(reaction_rate=rate, horizon=horizon, initial_condition=FLAT.initial_condition)
    true = flat_error(problem, 0.33, horizon * EVEN_TIMES)
    assert estimated(problem, flat_solution(problem, 0.33), points=8) == pytest.approx(true, rel=5e-3)


def test_a_field_that_starts_as_it_should_and_solves_the_equation_has_no_error():
    assert estimated(FLAT, flat_solution(FLAT, 0.3), points=8) < 1e-13


def test_jumps_between_windows_are_errors(precision):
    """The second window starts from another value; at the break itself the field is undefined."""
    jump = 0.3712
    before, after = (flat_solution(FLAT, start) for start in (0.3, 0.33))

    def derivatives(t, x):
        first, second = before(t, x), after(t, x)
        values = {name: np.where(t < jump, first[name], second[name]).astype(precision) for name in first}
        return {name: np.where(t == jump, np.nan, value) for name, value in values.items()}

    exact = np.asarray(FLAT.react(EVEN_TIMES, 0.3), float)
    error = np.asarray(FLAT.react(EVEN_TIMES, 0.33), float) - exact
    error[: np.searchsorted(EVEN_TIMES, jump)] = 0
    true = np.linalg.norm(error) / np.linalg.norm(exact)
    assert estimated(FLAT, derivatives, breaks=(jump,), points=8) == pytest.approx(true, rel=2e-3)


def test_several_windows_of_one_field_change_nothing():
    derivatives = flat_solution(FLAT, 0.33)
    whole = estimated(FLAT, derivatives, points=8)
    assert estimated(FLAT, derivatives, breaks=(0.21, 0.5, 0.77), points=8) == pytest.approx(whole, rel=1e-4)


def test_the_march_is_of_second_order():
    """A manufactured e on a manufactured u, both smooth, over four grids."""
    x = np.pi * (-1 + 2 * np.arange(32) / 32)
    errors = []
    for steps in (16, 32, 64, 128):
        t = time_grids(1.0, (), steps)[0][:, None]
        u, e = 0.6 * np.cos(x) * np.cos(t), 0.2 * np.sin(2 * t + x)
        e_t, e_xx = 0.4 * np.cos(2 * t + x), -(np.pi**2) * e
        problem = AllenCahn(diffusivity=0.05, reaction_rate=2.0, initial_condition=Cosine())
        f = -e_t + 0.05 * e_xx + 2 * e * (1 - 3 * u**2 - 3 * u * e - e**2)
        rows = np.array(list(march(problem, Window(t.ravel(), u, f), e[0])))
        errors.append(np.abs(rows - e).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((orders > 1.85) & (orders < 2.15)), orders


def test_half_the_grid_is_the_grid_of_half_the_steps():
    (fine,), (coarse,) = (time_grids(2.0, (), steps) for steps in (40, 20))
    values = np.arange(len(fine))[:, None] + np.arange(8) / 8
    half = Window(fine, values, values).coarsened()
    np.testing.assert_allclose(half.t, coarse, rtol=1e-15)
    assert half.u.shape == (len(coarse), 4)
    assert np.array_equal(half.u[:, 0] % 1, np.zeros(len(coarse)))


def broken(name, point):
    """A field with one value that is not finite."""

    def derivatives(t, x):
        values = flat_solution(FLAT, 0.33)(t, x)
        values[name][point] = np.nan
        return values

    return derivatives


@pytest.mark.parametrize(("name", "point"), [("residual", (50, 3)), ("u", (0, 0)), ("u", (50, 3))])
def test_an_estimate_of_what_is_not_finite_is_none(name, point):
    found = estimate_error(FLAT, broken(name, point), points=16)
    assert found == {"estimated_relative_l2": None, "estimate_unreliable": True}


def test_the_residual_at_the_very_start_is_not_used():
    """At a kink it is rounding error, or not a number."""
    whole = estimated(FLAT, flat_solution(FLAT, 0.33), points=16)
    assert estimated(FLAT, broken("residual", (0, 3)), points=16) == whole


def test_a_lone_spike_is_left_out_and_all_that_is_resolved_or_stays_is_kept():
    t, x = np.linspace(0, 1, 41)[:, None], np.pi * (-1 + 2 * np.arange(64) / 64)
    smooth = np.exp(-(((x - 0.3) / 0.15) ** 2)) * np.cos(9 * t) + 1e-3
    assert np.array_equal(without_spikes(smooth), smooth)
    spiky = smooth.copy()
    spiky[13, 7], spiky[20, 40:42] = 1e6, -1e6
    np.testing.assert_allclose(without_spikes(spiky), smooth, atol=0.1)
    staying = smooth.copy()
    staying[10:, 7] = 50.0
    assert np.array_equal(without_spikes(staying), staying)


def test_a_residual_too_thin_for_the_grid_is_said_to_be_so():
    """It hits one point, x = 0, which counts as a whole cell: half as much on a grid twice as fine."""

    def derivatives(t, x):
        u = np.asarray(FLAT.react(t, 0.3)) + 0 * x
        return {"u": u, "residual": 1e-3 * np.exp(-((x / 1e-4) ** 2)) + 0 * t}

    assert estimate_error(FLAT, derivatives, points=64)["estimate_unreliable"] is True


def test_what_a_first_grid_is_too_coarse_for_is_tried_on_a_finer_one():
    """A residual of width 0.01 hits one point of 128; a grid of 256 resolves it."""
    asked = []

    def derivatives(t, x):
        asked.append(x.size)
        u = np.asarray(FLAT.react(t, 0.3)) + 0 * x
        return {"u": u, "residual": 1e-3 * np.exp(-((x / 0.01) ** 2)) + 0 * t}

    coarse = estimated(FLAT, derivatives, points=128)
    assert asked == [128, 256]
    assert coarse == pytest.approx(estimated(FLAT, derivatives, points=512), rel=0.05)


def test_an_absurd_residual_stays_within_the_maximum_principle():
    def derivatives(t, x):
        u = 0.3 + 0 * t + 0 * x
        return {"u": u, "residual": np.full_like(u, -1e6)}

    # u + e = 1 wherever e ends, so e is 0.7 of it.
    assert estimated(FLAT, derivatives, points=8) == pytest.approx(0.7, rel=2e-2)


def test_the_grid_follows_the_problem():
    assert (points_needed(AllenCahn()), points_needed(AllenCahn(reaction_rate=0.0))) == (1024, 512)
    assert points_needed(AllenCahn(reaction_rate=20.0)) == 2048
    assert points_needed(AllenCahn(diffusivity=1e-3)) == 512
    assert (steps_needed(AllenCahn(), 1024), steps_needed(AllenCahn(horizon=10.0), 1024)) == (400, 800)
    assert steps_needed(AllenCahn(reaction_rate=20.0, horizon=10.0), 2048) == 3200


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"breaks": (0.5, 0.5)}, "give ascending times between 0 and 1"),
        ({"breaks": (1.0,)}, "give ascending times between 0 and 1"),
        ({"points": 9}, "points is 9: give an even whole number from 8"),
        ({"steps": 1.5}, "steps is 1.5: give a whole number from 2"),
    ],
)
def test_unusable_settings_are_refused_with_a_sentence(setting, sentence):
    with pytest.raises(InputError, match=sentence):
        estimate_error(FLAT, SimpleNamespace(), **setting)


@pytest.mark.parametrize("diffusivity", [4e4, 1e6])
def test_what_a_layer_of_fast_diffusion_leaves_behind_is_in_the_estimate(diffusivity):
    """u = m + w, w = a e^{−λt} cos πx, of which each part solves its own equation: m' = R(m − m³), and the heat's.

    Its residual, R(3m²w + 3mw² + w³ − w), is gone after 1/λ. Its mean has then moved m by −R (3/4) m a²/λ, but for
    the trapezoidal rule at times that double, which finds an eighth or so too much.
    """
    m, a, rate = 0.3, 0.5, 5.0
    problem = AllenCahn(diffusivity, rate, initial_condition=Fourier(m, (a,)))
    decay = np.pi**2 * diffusivity

    def derivatives(t, x):
        flat, w = np.asarray(problem.react(t, m)), a * np.exp(-decay * t) * np.cos(np.pi * x)
        return {"u": flat + w, "residual": rate * (3 * flat**2 * w + 3 * flat * w**2 + w**3 - w)}

    moved = -rate * 0.75 * m * a**2 / decay
    exact = np.asarray(problem.react(EVEN_TIMES, m))
    error = moved * (np.asarray(problem.react(EVEN_TIMES, m + 1e-6)) - exact) / 1e-6
    true = np.linalg.norm(error) / np.linalg.norm(exact)
    found = estimate_error(problem, derivatives, points=16)
    assert found["estimated_relative_l2"] == pytest.approx(true, rel=0.25)


def test_the_first_times_of_a_grid_see_the_fastest_decay():
    for fastest, halvings in ((0.0, HALVINGS), (100.0, HALVINGS), (1e6, 16), (1e30, MOST_HALVINGS)):
        (t,) = time_grids(1.0, (), 100, fastest)  # cells of 1/100
        assert halvings_of(t) == halvings
        assert t[1] <= 0.25 / min(fastest, 1e9) if fastest > 100 else t[1] == 0.01 / 2**HALVINGS
        coarse = Window(t, *np.zeros((2, len(t), 4))).coarsened()
        assert halvings_of(coarse.t) == halvings
        assert coarse.t[1] == t[2]


def test_modes_count_that_leave_something_behind():
    """c_k leaves 30 |c_k|²/(2 D π² k²) with R = 5 and |u| ≤ 1."""
    xi = -1 + 2 * np.arange(64) / 64

    def fastest(u, **changed):
        return fastest_decay_on_grid(AllenCahn(**{"diffusivity": 1.0, "reaction_rate": 5.0, **changed}), u)

    slow = 0.3 + 0.5 * np.cos(np.pi * xi)
    assert fastest(slow) == pytest.approx(np.pi**2)
    assert fastest(slow + 1e-3 * np.cos(7 * np.pi * xi)) == pytest.approx(49 * np.pi**2)
    assert fastest(slow + 1e-8 * np.cos(7 * np.pi * xi)) == pytest.approx(np.pi**2)
    assert fastest(slow, reaction_rate=0.0) == 0  # nothing is moved
    assert fastest(np.full(64, np.nan)) == 0


def test_modes_of_the_plane_count_by_both_wavenumbers():
    x, y = np.meshgrid(*2 * (-1 + 2 * np.arange(32) / 32,), indexing="ij")
    problem = AllenCahn2D(diffusivity=1.0, reaction_rate=5.0, initial_condition=Fourier2D(mean=0.3)).natural
    u = 0.3 + 0.1 * np.cos(np.pi * x) + 0.1 * np.sin(3 * np.pi * x - 2 * np.pi * y)
    assert fastest_decay_on_grid(problem, u) == pytest.approx(problem.diffusivity * 13 * np.pi**2)
