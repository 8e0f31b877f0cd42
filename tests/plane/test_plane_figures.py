"""Figures of the plane: what they show and what they say."""

import numpy as np
import pytest

import pinn_ac
from pinn_ac.app.evaluate import require_size
from pinn_ac.errors import InputError
from pinn_ac.marching.plane import PlaneKernel
from pinn_ac.plane import SampledPlane
from pinn_ac.reference import PlaneReference
from pinn_ac.reporting.plane import draw_energy, draw_points

PROBLEM = pinn_ac.AllenCahn2D()


def test_the_error_of_the_energy_is_that_of_the_field():
    """Of equal fields it is zero, though a front is thinner than the grid and one's exact slopes are known."""
    t, (x, y) = np.array([0.0, 1.0]), PROBLEM.grids(16)
    w = 0.02
    u = np.broadcast_to(np.tanh(np.sin(np.pi * x) / w)[:, None], (2, 16, 16))
    slope = np.pi * np.cos(np.pi * x) / w * (1 - u[0, :, 0] ** 2)
    u_x = np.broadcast_to(slope[:, None], u.shape)
    sampled = SampledPlane(t, x, y, u, u_x, 0 * u, 0 * u)
    reference = PlaneReference(t, x, y, u, 0.0, "the same")
    together, error = draw_energy(PROBLEM, sampled, reference).axes
    theirs, ours = (line.get_ydata() for line in together.lines)
    np.testing.assert_array_equal(ours, theirs)
    assert len(draw_energy(PROBLEM, sampled).axes) == 1
    assert error.get_title() == "Error of the energy"


def test_the_points_of_a_march_are_counted_and_thinned(monkeypatch):
    """Neither their lift's derivatives nor their features are computed; the title says how many there are."""
    monkeypatch.setattr(PlaneKernel, "at_points", None)
    problem = pinn_ac.AllenCahn2D(diffusivity=0.1)
    choices = pinn_ac.fitting.best_method(problem)
    experiment = pinn_ac.setup.assemble(pinn_ac.fitting.choose(problem, None, None, 0, choices, 1e-3))
    piece = experiment.initial_params()
    piece = piece._replace(length=np.asarray(0.125), pace=np.asarray(1.0), c=(np.arange(len(piece.c)) < 512) + 0.0)
    points, count, _ = experiment.with_windows_of([piece]).counted_collocation([piece], [None], 100)
    assert count == 4096  # six a unit, in chunks of 2048
    assert points.shape == (100, 3)
    assert (points[:, 0] <= 0.125).all()
    assert np.abs(points[:, 1:]).max() <= 1
    title = draw_points(problem, points, count=count).axes[0].get_title()
    assert title == "4,096 collocation points, 100 of them shown"


def test_a_grid_of_the_plane_is_refused_by_its_own_size():
    require_size(51, 1024, 2)
    with pytest.raises(InputError, match="times × points² is 67,108,865: give"):
        require_size(67_108_865, 1, 2)
    with pytest.raises(InputError, match="times × points is"):
        require_size(2**14, 2**13)
