"""Embeddings: the features at a point, their periodicity, and who sees odd functions."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built, options
from pinn_ac.errors import InputError
from pinn_ac.models import Periodic, Splitting
from pinn_ac.problem import AllenCahn, Cosine, Fourier, Sine, XSquaredCosine

DOMAIN, HORIZON = (0.5, 3.5), 2.0
EVEN, ODD, GENERAL = XSquaredCosine(0.7), Sine(0.5, 2), Fourier(0.2, (0.4,), (0.3,))


def problem(condition):
    return AllenCahn(1e-2, 1.0, domain=DOMAIN, horizon=HORIZON, initial_condition=condition)


@pytest.mark.parametrize("condition", [EVEN, ODD], ids=["even", "odd"])
def test_periodic_features(condition):
    t, x = 0.3, 1.1
    xi = (x - 2.0) / 1.5
    k = np.arange(1, 4)
    waves = [np.cos(np.pi * k * xi)] + ([] if condition is EVEN else [np.sin(np.pi * k * xi)])
    z = Periodic(3)(problem(condition), jnp.asarray(t), jnp.asarray(x))
    np.testing.assert_allclose(z, np.concatenate([[2 * t / HORIZON - 1], *waves]), atol=1e-14)


def test_time_begins_at_zero_where_it_is_asked_to():
    """And nothing else changes."""
    setting, x = problem(GENERAL), jnp.asarray(1.1)
    for kind in (Periodic, Splitting):
        scaled, own = (kind(2, time=time) for time in ("symmetric", "unit"))
        for t in (0.0, 0.3, HORIZON):
            z = own(setting, jnp.asarray(t), x)
            assert float(z[0]) == pytest.approx(t / HORIZON, abs=1e-15)
            np.testing.assert_array_equal(z[1:], scaled(setting, jnp.asarray(t), x)[1:])


def test_without_symmetry_an_even_condition_gives_the_features_of_any_other():
    t, x = jnp.asarray(0.3), jnp.asarray(1.1)
    for kind, extra in ((Periodic, 2), (Splitting, 3)):
        free, bound = (kind(2, symmetry)(problem(EVEN), t, x) for symmetry in (False, True))
        assert len(free) == len(bound) + extra
        assert np.isin(bound, free).all()
        np.testing.assert_array_equal(kind(2, False)(problem(ODD), t, x), kind(2, True)(problem(ODD), t, x))


@pytest.mark.parametrize("condition", [EVEN, GENERAL], ids=["even", "general"])
def test_splitting_features(condition):
    """The periodic ones, then the heat flow after the reaction, the heat flow, its slope over the steepest."""
    setting = problem(condition)
    t, x = jnp.asarray(0.3), jnp.asarray(1.1)
    z = Splitting(2)(setting, t, x)
    n = 3 if condition is EVEN else 5
    np.testing.assert_array_equal(z[:n], Periodic(2)(setting, t, x))
    g, slope = jax.jit(jax.value_and_grad(setting.lift, argnums=1))(t, x)
    places = np.linspace(*DOMAIN, 20001)[1:-1]
    slopes = jax.jit(jax.vmap(lambda x: jax.grad(setting.lift, argnums=1)(jnp.zeros(()), x)))(places)
    steepest = np.abs(slopes).max()
    growth = np.exp(-2 * 1.0 * 0.3)
    expected = [g / np.sqrt(growth + g**2 * (1 - growth)), g, (slope / steepest) ** 2, slope / steepest]
    # `steepest_slope` takes 1024 points and 512 modes, which see the top of a kink's slope to a few per cent.
    np.testing.assert_allclose(z[n : n + 2], expected[:2], rtol=1e-13)
    np.testing.assert_allclose(z[n + 2 :], expected[2 : len(z) - n], rtol=0.1)
    assert len(z) == n + (3 if condition is EVEN else 4)


@pytest.mark.parametrize("known", [(), ("flow",), ("slope", "heat")])
def test_splitting_tells_what_it_is_asked_for(known):
    t, x = jnp.asarray(0.3), jnp.asarray(1.1)
    periodic, flow, heat, slopes = np.split(np.asarray(Splitting()(problem(GENERAL), t, x)), [3, 4, 5])
    parts = {"flow": flow, "heat": heat, "slope": slopes}
    expected = np.concatenate([periodic, *(parts[name] for name in known)])
    np.testing.assert_allclose(Splitting(known=known)(problem(GENERAL), t, x), expected, rtol=1e-14)


@pytest.fixture(params=options("embedding"))
def embedding(request):
    return built("embedding", request.param, "embedding.modes=2")


@pytest.mark.parametrize("condition", [EVEN, ODD, GENERAL, Cosine(1.0, 3)])
def test_features_are_periodic(embedding, condition):
    setting, t = problem(condition), jnp.asarray(0.4)
    for x in (*DOMAIN, 1.3):
        here, there = (embedding(setting, t, jnp.asarray(x + shift)) for shift in (0.0, 3.0))
        np.testing.assert_allclose(here, there, atol=1e-12)  # a phase 2πk moves by its rounding


@pytest.mark.parametrize("symmetry", [True, False])
def test_features_cannot_tell_the_sides_where_they_say_they_are_even_and_can_elsewhere(embedding, symmetry):
    t, embedding = jnp.asarray(0.4), replace(embedding, symmetry=symmetry)
    for condition in (EVEN, ODD, GENERAL):
        left, right = (np.asarray(embedding(problem(condition), t, jnp.asarray(2.0 + s))) for s in (-0.8, 0.8))
        assert embedding.even(problem(condition)) == (condition is EVEN and symmetry)
        if embedding.even(problem(condition)):
            np.testing.assert_allclose(left, right, atol=1e-14)
        else:
            assert np.abs(left - right).max() > 0.1


def test_features_have_the_precision(embedding, precision):
    z = embedding(problem(GENERAL), jnp.asarray(0.4, float), jnp.asarray(1.0, float))
    assert z.dtype == precision


@pytest.mark.parametrize("modes", [0, -1, 1.5, True])
def test_a_number_of_modes_that_is_none_is_refused(modes):
    with pytest.raises(InputError, match=r"embedding\.modes is .*: give a whole number from 1"):
        Splitting(modes)


@pytest.mark.parametrize("symmetry", ["yes", 1, None])
def test_a_symmetry_that_is_neither_true_nor_false_is_refused(symmetry):
    with pytest.raises(InputError, match=r"embedding\.symmetry is .*: give true or false"):
        Periodic(1, symmetry)
