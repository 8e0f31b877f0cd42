"""Adaptive samplers: points are where the residual or the splitting solution asks for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import EASY, built, composed
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.batch import Points
from pinn_ac.derivatives import JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn
from pinn_ac.residual import approximation_slope
from pinn_ac.sampling import Guides, Monitor, ResidualDistribution, RetainRelease, Sobol, draw_points
from pinn_ac.sampling.sampler import _chances

BOX = ((0.0, 1.0), (0.0, 1.0))
COUNT = 2048
GUIDES = Guides(
    residual=lambda points: points[:, 0] ** 2 + 0.1,
    slope=lambda points: 3 * points[:, 0],
    layer=lambda points: 8.0 * (points[:, 1] > 0.75),
)
MEAN = 1 / 3 + 0.1
DENSITIES = {
    "rad": (ResidualDistribution(COUNT), lambda t, x: (t**2 + 0.1) / MEAN + 1),
    "rad-power": (
        ResidualDistribution(COUNT, power=2.0, offset=0.25),
        lambda t, x: (t**2 + 0.1) ** 2 / (1 / 5 + 0.2 / 3 + 0.01) + 0.25,
    ),
    "monitor": (Monitor(COUNT, arc_length=0.7, layer=0.0), lambda t, x: 1 + 2.1 * t),
    "monitor-layer": (Monitor(COUNT, arc_length=0.0, layer=0.5), lambda t, x: 1 + 4.0 * (x > 0.75)),
}


def draw(sampler, guides=GUIDES, index=0, previous=None, seed=0):
    return sampler.draw(BOX, seed, index, guides, previous or {}, sampler.num_points)


@pytest.mark.parametrize("name", DENSITIES)
def test_strips_hold_the_share_that_the_density_gives_them(name):
    """The integral over each of 8 strips, by the midpoint rule, whose error is a thousandth of the sampling one."""
    sampler, density = DENSITIES[name]
    points = draw(sampler)["residual"]
    middle = (np.arange(400) + 0.5) / 400
    values = density(*np.meshgrid(middle, middle, indexing="ij")) + np.zeros((400, 400))
    for column, axis in ((0, 1), (1, 0)):
        share = values.mean(axis).reshape(8, 50).mean(1) / values.mean() / 8
        counts = np.histogram(points[:, column], 8, (0, 1))[0]
        # χ² with 7 degrees of freedom exceeds 24.3 once in a thousand draws, were they independent.
        assert np.sum((counts - COUNT * share) ** 2 / (COUNT * share)) < 24.3
    even = np.histogram(points[:, 0 if name != "monitor-layer" else 1], 8, (0, 1))[0]
    assert np.sum((even - COUNT / 8) ** 2 / (COUNT / 8)) > 100  # an even draw would not have passed


@pytest.mark.parametrize("name", DENSITIES)
def test_weights_by_importance_make_the_mean_that_of_even_points(name):
    """∫ h over the square, of an h that varies as the densities do, to a few of the means' standard deviations."""
    sampler, _ = DENSITIES[name]
    weighted = type(sampler)(**{**vars(sampler), "importance": True})
    drawn, plain = draw(weighted), draw(sampler)
    np.testing.assert_array_equal(drawn["residual"], plain["residual"])
    assert set(plain) == {"residual", "initial"}
    weights = drawn["residual_weights"]
    assert weights.shape == (COUNT,)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-13)
    h = drawn["residual"][:, 0] + drawn["residual"][:, 1]
    error = 3 * np.sqrt(np.var(weights * (h - 1)) / COUNT)
    assert abs(np.mean(weights * h) - 1) < error
    assert abs(np.mean(h) - 1) > 2 * error


def test_no_candidate_is_taken_twice_however_large_its_residual():
    """Half of the mass lies on a hundredth of the square, which holds fewer candidates than its share of points."""
    peak = Guides(lambda points: 1e6 * (points[:, 0] > 0.99), GUIDES.slope, GUIDES.layer)
    points = draw(ResidualDistribution(COUNT), peak)["residual"]
    assert len(np.unique(points, axis=0)) == COUNT
    inside = np.count_nonzero(points[:, 0] > 0.99)
    assert abs(inside - 0.01 * 8 * COUNT) <= 2  # all of the pool that lie there, to Sobol points' evenness


def test_chances_are_in_proportion_up_to_certainty():
    weights = np.array([1.0, 2.0, 3.0, 50.0, 4.0])
    np.testing.assert_allclose(_chances(weights, 2), [0.1, 0.2, 0.3, 1.0, 0.4], rtol=1e-15)
    np.testing.assert_allclose(_chances(weights, 5), np.ones(5), rtol=0)
    np.testing.assert_allclose(_chances(np.array([0.0, 0.0, 7.0, 0.0, 0.0]), 2), [0.25, 0.25, 1, 0.25, 0.25])
    np.testing.assert_allclose(_chances(np.zeros(4), 2), np.full(4, 0.5))


@pytest.mark.parametrize("residual", [np.zeros, lambda n: np.full(n, np.nan), lambda n: np.full(n, np.inf)])
def test_a_residual_that_tells_nothing_gives_even_points(residual):
    silent = Guides(lambda points: residual(len(points)), GUIDES.slope, GUIDES.layer)
    even = draw(ResidualDistribution(COUNT, offset=0.0), silent)["residual"]
    counts = np.histogram2d(*even.T, bins=8, range=BOX)[0]
    assert counts.min() > 0.5 * COUNT / 64
    first = draw(RetainRelease(COUNT), silent)
    again = draw(RetainRelease(COUNT), silent, 1, first)
    np.testing.assert_array_equal(again["residual"], draw(Sobol(COUNT), index=1)["residual"])


def test_retained_are_the_points_above_the_mean_and_only_they():
    sampler = RetainRelease(COUNT)
    first = draw(sampler)
    np.testing.assert_array_equal(first["residual"], draw(Sobol(COUNT))["residual"])
    second = draw(sampler, index=1, previous=first)
    size = GUIDES.residual(first["residual"])
    kept = first["residual"][size > size.mean()]
    np.testing.assert_array_equal(second["residual"][: len(kept)], kept)
    assert not np.isin(second["residual"][len(kept) :, 0], first["residual"][:, 0]).any()
    # t² is above its mean for t > 1/√3, which is 42 % of even points.
    assert abs(len(kept) / COUNT - (1 - 3**-0.5)) < 0.01
    for index in range(2, 12):
        second = draw(sampler, index=index, previous=second)
    assert np.mean(second["residual"][:, 0] > 0.8) > 0.3  # an even draw has 0.2 there
    assert len(np.unique(second["residual"], axis=0)) == COUNT


def test_a_larger_draw_keeps_what_was_retained_and_repeats_none():
    sampler = RetainRelease(COUNT)
    first = draw(sampler)
    larger = sampler.draw(BOX, 0, 0, GUIDES, first, 2 * COUNT)["residual"]
    assert len(np.unique(larger, axis=0)) == 2 * COUNT
    assert np.isin(larger[:, 0], first["residual"][:, 0]).any()


@pytest.fixture(scope="module")
def lecture():
    """The lecture's problem at a diffusivity whose layers a test can resolve, and parameters of a network."""
    experiment = assemble(
        composed("problem.diffusivity=1e-3", "model.width=4", "model.depth=1", "embedding=periodic",
                 "ansatz=lifted", "windows=1", "sampler=monitor", "sampler.num_points=1024")
    )  # fmt: skip
    return experiment, random_params(experiment.setup.network, 2)


def test_guides_are_the_residual_the_slope_and_the_layer(lecture):
    """Against the residual as an evaluation computes it, central differences of Φ(t, g), and the layer's integral."""
    experiment, params = lecture
    guides, problem = experiment.guides(params), experiment.problem
    generator = np.random.default_rng(0)
    points = np.column_stack([generator.uniform(0.1, 1, 40), generator.uniform(0, 1, 40)])
    prepare = jax.jit(experiment.objective.terms["residual"].prepare)
    f = jax.jit(experiment.objective.vector, static_argnums=0)(
        "residual", params, Points(prepare(jnp.asarray(points)))
    )
    np.testing.assert_allclose(guides.residual(points), np.abs(f), rtol=0, atol=1e-10 * np.abs(f).max())
    h = 1e-5  # h² times a third derivative (1e5 in an interface of width 0.02) is 1e-5; eps/h is less
    splitting = jax.jit(jax.vmap(problem.approximation))
    differences = np.abs(splitting(points[:, 0], points[:, 1] + h) - splitting(points[:, 0], points[:, 1] - h))
    # The guide is a table, linear between nine times, while slopes grow e-fold in a fifth of the horizon and
    # interfaces move: good to a quarter nearly everywhere, and to a factor of two where a front passes.
    ratio = (guides.slope(points) + 5e-3) / (differences / (2 * h) + 5e-3)
    assert np.mean(np.abs(ratio - 1) < 0.25) > 0.9
    assert ratio.min() > 0.5
    assert ratio.max() < 2
    x = (np.arange(20000) + 0.5) / 20000
    for t in (0.0, 1e-3, 0.1):
        layer = guides.layer(np.column_stack([np.full_like(x, t), x]))
        # The half of a layer that lies in the box holds 2√π.
        np.testing.assert_allclose(layer.mean(), 2 * np.sqrt(np.pi), rtol=1e-3)


def test_a_smooth_condition_has_no_layer_and_another_domain_the_same_one():
    smooth = built("problem", "allen_cahn", "problem/initial_condition=sine")
    assert float(smooth.kink_layer(0.1, 1.0)) == 0
    near, far = (built("problem", "allen_cahn", f"problem.domain={domain}") for domain in ("[-1,1]", "[1,5]"))
    near = type(near)(diffusivity=1e-3 / 4)
    far = type(far)(diffusivity=1e-3, domain=(1.0, 5.0))
    xi = np.linspace(-1, 1, 41)
    np.testing.assert_allclose(near.kink_layer(0.3, xi), far.kink_layer(0.3, 3 + 2 * xi), rtol=1e-12)


def test_the_monitor_of_a_problem_in_other_units_is_the_same():
    """Ten times the length and a hundred times the diffusivity: the same solution, the same density."""
    near, far = AllenCahn(1e-3), AllenCahn(1e-1, domain=(0.0, 20.0))
    points = np.random.default_rng(0).uniform(0.01, 1, (20, 2))
    moved = np.column_stack([points[:, 0], 10 + 10 * points[:, 1]])
    slopes = [approximation_slope(one, JaxJvp(), jnp.asarray(at)) for one, at in ((near, points), (far, moved))]
    np.testing.assert_allclose(*slopes, rtol=1e-9, atol=1e-12)


def test_monitor_points_gather_in_the_layer_and_at_the_interface(lecture):
    """Their share of strips in x is that of the density's integral, by the midpoint rule."""
    experiment, params = lecture
    points = experiment.draw(0, params, {})["residual"]
    middle = np.stack(np.meshgrid((np.arange(128) + 0.5) / 128, (np.arange(512) + 0.5) / 512, indexing="ij"), -1)
    density = experiment.sampler.density(experiment.guides(params))(middle.reshape(-1, 2)).reshape(128, 512)
    share = density.mean(0).reshape(16, 32).mean(1) / density.mean() / 16
    counts = np.histogram(points[:, 1], 16, (0, 1))[0]
    # χ² with 15 degrees of freedom exceeds 37.7 once in a thousand.
    assert np.sum((counts - 1024 * share) ** 2 / (1024 * share)) < 37.7
    assert share[-1] > 1.2 * share[-3]  # the layer's strip
    assert share[7:9].mean() > 1.2 * share[4]  # the interface's


@pytest.mark.parametrize("option", ["rad", "r3", "monitor", "rar_d", "causal_r3", "failure_informed"])
def test_draws_follow_the_parameters_where_they_should(option):
    experiment = assemble(
        composed(f"sampler={option}", *EASY, "ansatz=soft", "embedding=periodic", "sampler.num_points=64",
                 "model.width=4", "model.depth=1",
                 *(("sampler.search=64", "sampler.samples=64") if option == "failure_informed" else ()))
    )  # fmt: skip
    every = experiment.sampler.resample_every
    one, other = random_params(experiment.setup.network, 2), random_params(experiment.setup.network, 2, seed=1)
    first = experiment.draw(0, one, {})
    second, again, elsewhere = (experiment.draw(every, params, first)["residual"] for params in (one, one, other))
    np.testing.assert_array_equal(second, again)
    assert np.array_equal(second, elsewhere) == (option == "monitor")
    for values in first.values():
        assert values.dtype == np.float64


def test_points_have_the_precision_of_the_run(precision):
    words = ("sampler=monitor", "sampler.importance=true", "sampler.num_points=16", f"precision={precision}")
    experiment = assemble(composed(*words))
    assert {values.dtype for values in experiment.draw(0, None, {}).values()} == {np.dtype(precision)}


def test_pool_sets_how_many_candidates_there_are():
    seen = []
    guides = Guides(lambda points: seen.append(len(points)) or np.ones(len(points)), GUIDES.slope, GUIDES.layer)
    for pool in (2, 16):
        draw(ResidualDistribution(64, pool=pool), guides)
    assert seen == [64 * 2, 64 * 16]


def test_pure_samplers_draw_what_they_always_have():
    """No guide is asked, and the points are the first of the scrambled sequence."""
    for option in ("sobol", "uniform", "grid", "latin_hypercube"):
        sampler = built("sampler", option, "sampler.num_points=32")
        drawn = sampler.draw(BOX, 3, 7, Guides(None, None, None), {}, 32)
        expected = draw_points(sampler, BOX, 3, "training", 7)
        for name in ("residual", "initial"):
            np.testing.assert_array_equal(drawn[name], expected[name])


@pytest.mark.parametrize(
    ("option", "name", "value", "wanted"),
    [
        ("rad", "power", 0, "a positive number"),
        ("rad", "offset", -1, "zero or a positive number"),
        ("rad", "pool", 1, "a whole number from 2"),
        ("monitor", "arc_length", "long", "zero or a positive number"),
        ("monitor", "layer", -0.1, "zero or a positive number"),
        ("monitor", "pool", 2.5, "a whole number from 2"),
        ("rar_d", "power", -1, "a positive number"),
        ("rar_d", "start", 1, "a number between 0 and 1"),
        ("rar_d", "rounds", 0, "a whole number from 1"),
        ("failure_informed", "tolerance", 0, "a positive number"),
        ("failure_informed", "probability", 1, "a number between 0 and 1"),
        ("failure_informed", "samples", 9, "a whole number from 10"),
        ("failure_informed", "elite", 0, "a number between 0 and 1"),
        ("causal_r3", "steepness", 0, "a positive number"),
        ("causal_r3", "rate", -1, "a positive number"),
        ("causal_r3", "tolerance", "small", "a positive number"),
        ("causal_r3", "gate", "open", "a number, such as"),
        ("causal_r3", "clip", 2, "a number above 0, at most 1"),
    ],
)
def test_settings_that_are_none_are_refused(option, name, value, wanted):
    with pytest.raises(InputError, match=rf"sampler\.{name} is {value}: give {wanted}"):
        built("sampler", option, f"sampler.{name}={value}")


@pytest.mark.parametrize("option", ["rad", "monitor"])
def test_importance_is_yes_or_no(option):
    with pytest.raises(InputError, match=r"sampler\.importance is 3: choose true or false"):
        built("sampler", option, "sampler.importance=3")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("model.width=8", "model.depth=2"), 512),  # (2 + 1) · 8 + (8 + 1) · 8 + 9 = 105 parameters, 420 wanted
        (("model.width=8", "model.depth=1"), 256),  # 33 parameters: 132, the next above 128
        (("model.width=3", "model.depth=2", "embedding.modes=2"), 128),  # 4 · 3 + 4 · 3 + 4 = 28: 112
        (("model.width=5", "model.depth=1", "embedding.modes=3"), 128),  # 5 · 5 + 6 = 31: 124
    ],
)
def test_null_gives_four_points_a_parameter_and_a_power_of_two(words, count):
    experiment = assemble(composed("sampler.num_points=null", "embedding=periodic", *words))
    assert experiment.sampler.num_points == count
    assert experiment.draw(0, None, {})["residual"].shape == (count, 2)
