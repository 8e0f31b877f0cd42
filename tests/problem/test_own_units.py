"""A problem without `dimensions` is trained in its own units: on any domain, in one time window and in two."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import composed
from fields import random_params
from pinn_ac.app.assembly import arguments
from pinn_ac.fitting import choose
from pinn_ac.problem import AllenCahn, Fourier
from pinn_ac.setup import assemble
from pinn_ac.solution import Solution

CONDITION = Fourier(0.1, (0.4,), (0.0, 0.3))
DOMAIN = (0.5, 3.5)
SLOW = {"reaction_rate": 1.5, "domain": DOMAIN, "horizon": 2.0, "initial_condition": CONDITION}


@dataclass(frozen=True)
class Undimensioned(AllenCahn):
    """Allen–Cahn's equation without units."""

    dimensions = None


def solution_of(problem, windows):
    """A field with random parameters, of a run that is not trained."""
    words = ("model.width=5", "model.depth=1", "sampler.num_points=64", "sampler=monitor")
    setup = choose(problem, None, None, 0, arguments(composed(*words))[1] | {"windows": windows})
    made = assemble(setup)
    params = [random_params(setup.network, made.field.features, seed) for seed in range(windows)]
    return Solution(made, tuple(params))


@pytest.mark.parametrize("windows", [1, 2])
def test_it_is_the_same_field_as_in_natural_units_where_the_units_agree(windows):
    """On a domain of length 2 and with a unit of time of 1 both are one field, wherever the domain lies."""
    kind = {"reaction_rate": 5.0, "initial_condition": CONDITION, "diffusivity": 1e-2, "horizon": 1.0}
    ours, theirs = (solution_of(make(**kind, domain=(1.0, 3.0)), windows) for make in (Undimensioned, AllenCahn))
    assert ours.problem.natural is ours.problem
    assert Undimensioned(**SLOW).time_unit == 1.0
    assert theirs.problem.natural.domain == (-1.0, 1.0)
    t, x = np.array([0.05, 0.45, 0.5, 0.85, 1.0]), np.array([1.0, 1.3, 2.2, 2.9, 4.4])
    found, expected = (one.derivatives(t, x, ("u", "t", "xx", "residual")) for one in (ours, theirs))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-9 * (1 + np.abs(values).max()), err_msg=name)
    traced = jax.jit(lambda t, x: ours(t, x))(jnp.asarray(t), jnp.asarray(x))
    np.testing.assert_allclose(traced, found["u"], rtol=0, atol=1e-12)


def test_its_points_lie_in_its_own_domain():
    made = solution_of(Undimensioned(**SLOW), 2).experiment
    assert made.box == ((0.0, 1.0), DOMAIN)
    drawn = made.draw(0, made.initial_params(), {})["residual"]
    assert (drawn.min(0) >= (0, 0.5)).all()
    assert (drawn.max(0) <= (1.0, 3.5)).all()
    assert np.ptp(drawn, axis=0)[1] > 2.5
    shown = made.collocation([made.initial_params()] * 2, [None, made.transfer(made.initial_params(), None)])
    assert shown[:, 0].max() > 1.0
    even = solution_of(Undimensioned(domain=DOMAIN), 1).experiment
    assert even.box == ((0.0, 1.0), (2.0, 3.5))


def test_the_second_window_begins_where_the_first_ends():
    solution = solution_of(Undimensioned(**SLOW), 2)
    x = np.linspace(*DOMAIN, 9)
    before, after = (solution(np.full(9, t), x) for t in (1.0, np.nextafter(1.0, 2) + 1e-12))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-7)
    assert np.ptp(before) > 0.1
