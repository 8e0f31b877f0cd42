"""The reference in the plane: exact solutions, its order, symmetries, and the law of the shrinking disc."""

import numpy as np
import pytest

from pinn_ac import AllenCahn, AllenCahn2D
from pinn_ac.errors import InputError
from pinn_ac.evaluation import energy, largest_rise
from pinn_ac.problem import Cosine, Disc, Fourier2D
from pinn_ac.reference import load_or_solve, solve, solve_plane
from pinn_ac.reference.plane import TRUNCATION, PlaneGalerkin, finer, modes_needed_plane, steps_needed_plane
from pinn_ac.reporting.plane import spectral_slopes

TIMES = np.array([0.0, 0.2, 0.4])
SMOOTH = {"diffusivity": 0.03, "reaction_rate": 3.0, "horizon": 0.4}


def test_without_a_reaction_it_is_the_heat_flow():
    condition = Fourier2D(sine=((2, 1, 0.4),))
    problem = AllenCahn2D(diffusivity=0.02, reaction_rate=0.0, horizon=0.4, initial_condition=condition)
    found = solve_plane(problem, TIMES, 16)
    for t, u in zip(TIMES, found.u, strict=True):
        variance, xi = problem.heat_coordinates(t, np.array([found.x[3], found.y[5]]))
        np.testing.assert_allclose(u[3, 5], condition.heat_flow(variance, xi)[0], atol=1e-13)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_field_of_one_coordinate_is_the_solution_on_a_line(axis):
    wave = [0, 0]
    wave[axis] = 1
    plane = AllenCahn2D(**SMOOTH, initial_condition=Fourier2D(cosine=((*wave, 0.9),)))
    line = AllenCahn(**SMOOTH, initial_condition=Cosine(amplitude=0.9))
    u, exact = solve_plane(plane, TIMES, 16).u, solve(line, TIMES, 16).u
    values = np.moveaxis(u, 1 + axis, 1)
    np.testing.assert_allclose(values, np.broadcast_to(exact[:, :, None], values.shape), atol=1e-9)  # the tolerance


def test_the_order_is_four():
    system = PlaneGalerkin(AllenCahn2D(**SMOOTH), 12)
    ends = [next(system.march(np.array([0.4]), [steps])) for steps in (4, 8, 16, 128)]
    errors = [np.abs(c - ends[-1]).max() for c in ends[:-1]]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert ((orders > 3.5) & (orders < 4.7)).all(), orders


def test_x_and_y_are_alike_and_the_energy_falls():
    swapped = Fourier2D(cosine=((-1, 1, 0.25), (1, 1, -0.25), (2, 1, 0.3)))
    times = np.linspace(0, 0.4, 5)
    problem = AllenCahn2D(**SMOOTH)
    one = solve_plane(problem, times, 32)
    other = solve_plane(AllenCahn2D(**SMOOTH, initial_condition=swapped), times, 32)
    np.testing.assert_allclose(one.u, other.u.transpose(0, 2, 1), atol=1e-12)
    np.testing.assert_allclose(one.u, one.u[:, -np.arange(32)][:, :, -np.arange(32)], atol=1e-12)  # u(−x, −y) = u
    energies = energy(problem, one.u, *spectral_slopes(problem, one.u))
    assert largest_rise(energies) == 0
    assert energies[-1] < 0.9 * energies[0]


def test_the_cache_gives_the_same(tmp_path):
    problem = AllenCahn2D(**SMOOTH)
    made, kept = (load_or_solve(problem, TIMES, 16, tmp_path) for _ in range(2))
    np.testing.assert_array_equal(made.u, kept.u)
    assert kept.label == made.label
    assert len(list(tmp_path.iterdir())) == 1
    load_or_solve(AllenCahn2D(**SMOOTH, initial_condition=Fourier2D(cosine=((1, 0, 0.5),))), TIMES, 16, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_every_step_is_halved():
    """Also where times are so close that one step each is enough; and the label tells all steps."""
    times = np.linspace(0.0, 0.4, 41)
    counts = steps_needed_plane(AllenCahn2D(**SMOOTH), times[1:])
    assert len(counts) == 40
    assert finer(24, counts) == (30, [2 * count for count in counts])
    assert steps_needed_plane(AllenCahn2D(**SMOOTH), np.linspace(0.0, 0.4, 401)[1:]) == [1] * 400
    assert " modes along an axis, 160 steps" in solve_plane(AllenCahn2D(**SMOOTH), times, 16).label


@pytest.mark.parametrize(
    "problem",
    [
        AllenCahn2D(diffusivity=2e-5),  # too thin an interface
        AllenCahn2D(domain=((-8, 8), (-8, 8)), initial_condition=Fourier2D(cosine=((16, 0, 1.0),))),
        AllenCahn2D(horizon=100.0),  # too many steps
    ],
)
def test_what_takes_too_long_is_refused_before_it_begins(monkeypatch, problem):
    monkeypatch.setattr(PlaneGalerkin, "march", None)  # which would end in another error
    with pytest.raises(InputError, match=r"needs about \d+ modes along an axis and \d+ steps.*reference=false"):
        solve_plane(problem)


def test_thin_interfaces_are_not_clipped():
    """e^{−π² m w/2} = `TRUNCATION`, w = 2√(2D/R)/side."""
    for diffusivity, side in ((1e-4, 2.0), (1e-3, 2 * np.pi)):
        problem = AllenCahn2D(diffusivity=diffusivity, domain=((0, side), (0, side)))
        w = 2 / side * np.sqrt(2 * diffusivity / 5)
        assert modes_needed_plane(problem) == pytest.approx(-np.log(TRUNCATION) / (0.5 * np.pi**2 * w), abs=1)


@pytest.mark.landing
def test_a_disc_shrinks_by_its_curvature():
    """r² = r₀² − 2Dt, to the order (w/r)²; half of that rate, or twice, would be seen."""
    D, R = 2e-3, 2.5
    w = (2 * D / R) ** 0.5  # 0.04
    problem = AllenCahn2D(diffusivity=D, reaction_rate=R, horizon=12.0, initial_condition=Disc(radius=0.5, width=w))
    system = PlaneGalerkin(problem, 40)
    times = np.array([2.0, 12.0])  # by the first the front has its own profile
    areas = []
    for c in system.march(times, [40, 200]):
        u = system.values(c, 160)
        areas.append(np.mean(0.5 * (1 + u)) * 4)  # of the disc: u = ±1 but for a front that is nearly odd about r
    rate = (areas[1] - areas[0]) / (times[1] - times[0]) / np.pi
    assert rate == pytest.approx(-2 * D, rel=0.05)
