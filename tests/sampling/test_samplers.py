"""One table for all samplers: where points lie, how many, how evenly, and that they are drawn anew."""

import jax
import numpy as np
import pytest
from scipy.stats import qmc

from composed import EASY, built, composed, options
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.sampling import Grid, LatinHypercube, Sobol, Uniform, draw_points

BOX = ((0.0, 2.5), (-3.0, 0.5))
AT_DRAWS = ("causal_r3", "failure_informed", "rar_d")
"""Options that do nothing but at a draw."""
CHEAP = (*EASY, "ansatz=soft", "embedding=periodic")
"""Where and when points are drawn by number and seed does not depend on the problem."""


@pytest.fixture(params=options("sampler"))
def option(request):
    return request.param


@pytest.fixture
def sampler(option):
    return built("sampler", option, "sampler.num_points=257", "sampler.num_initial=33")


def drawn(experiment, *steps, enlargement=1):
    """The points of each step of some network, at the first draw."""
    point = jax.ShapeDtypeStruct((), float)
    features = jax.eval_shape(experiment.field.background, point, point).shape[0] - 1
    params = random_params(experiment.setup.network, features)
    return [experiment.draw(step, params, {}, enlargement) for step in steps]


def unit(points):
    """Points of the box, in the unit square."""
    (t0, t1), (x0, x1) = BOX
    return (points - [t0, x0]) / [t1 - t0, x1 - x0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 257, 1000])
def test_counts_and_bounds(option, count):
    sampler = built("sampler", option, f"sampler.num_points={count}", f"sampler.num_initial={count}")
    for density in (None, lambda points: 1 + points[:, 0]):
        points = draw_points(sampler, BOX, 0, "training", 0, density)
        residual, initial = points["residual"], points["initial"]
        assert residual.shape == initial.shape == (count, 2)
        assert ((unit(residual) >= 0) & (unit(residual) <= 1)).all()
        assert (initial[:, 0] == 0).all()
        assert ((initial[:, 1] >= -3) & (initial[:, 1] <= 0.5)).all()


def test_points_fill_the_whole_box(sampler):
    """Every cell of 6 × 6 holds one of 257 points, but for a chance below 36 (1 − 1/36)^257 = 3 % if uniform."""
    cells = np.floor(6 * unit(draw_points(sampler, BOX, 1, "training", 0)["residual"])).astype(int)
    assert len(np.unique(cells @ [6, 1])) >= 34
    x = draw_points(sampler, BOX, 1, "training", 0)["initial"][:, 1]
    assert x.min() < -3 + 3.5 / 5
    assert x.max() > 0.5 - 3.5 / 5


def test_points_are_distinct(sampler):
    points = draw_points(sampler, BOX, 0, "training", 0)
    assert len(np.unique(points["residual"], axis=0)) == 257
    assert len(np.unique(points["initial"], axis=0)) == 33


def test_a_draw_depends_on_seed_stream_and_index_alone(sampler):
    first = draw_points(sampler, BOX, 3, "training", 5)
    again = draw_points(sampler, BOX, 3, "training", 5)
    others = [
        draw_points(sampler, BOX, *key) for key in [(4, "training", 5), (3, "validation", 5), (3, "training", 6)]
    ]
    for name in ("residual", "initial"):
        np.testing.assert_array_equal(first[name], again[name])
        for other in others:
            assert not np.isin(first[name][:, 1], other[name][:, 1]).any()


@pytest.mark.parametrize("every", [1, 3, 0])
def test_points_are_drawn_anew_every_so_many_steps(option, every):
    if every == 0 and option in AT_DRAWS:
        with pytest.raises(InputError, match=r"sampler\.resample_every is 0, with which this sampler never acts"):
            built("sampler", option, "sampler.resample_every=0")
        return
    experiment = assemble(
        composed(
            f"sampler={option}",
            *CHEAP,
            "sampler.num_points=16",
            "sampler.num_initial=4",
            f"sampler.resample_every={every}",
        )
    )
    draws = drawn(experiment, *range(7))
    for name in ("residual", "initial"):
        changes = [step for step in range(1, 7) if (draws[step][name] != draws[step - 1][name]).any()]
        assert changes == ([] if every == 0 else list(range(every, 7, every)))


def test_points_follow_the_experiments_seed(option):
    one, other = (
        drawn(assemble(composed(f"sampler={option}", *CHEAP, f"seed={seed}")), 0)[0]["residual"] for seed in (0, 1)
    )
    assert (one != other).all()


@pytest.fixture(scope="module")
def held_out():
    """The times of the points that no sampler may draw: they are the same for all."""
    batch = assemble(composed(*CHEAP, "sampler.num_points=64")).held_out()
    return np.asarray(batch.terms["residual"].prepared.t)


def test_held_out_points_are_none_of_the_training_ones(option, held_out):
    experiment = assemble(composed(f"sampler={option}", *CHEAP, "sampler.num_points=64"))
    assert held_out.shape == (64,)
    for points in drawn(experiment, *range(0, 50, 5), 495):
        assert not np.isin(points["residual"][:, 0], held_out).any()


def test_latin_hypercube_has_one_point_in_each_slice():
    points = LatinHypercube(101, 17).unit_points(101, 2, np.random.default_rng(0))
    for column in points.T:
        np.testing.assert_array_equal(np.sort(np.floor(101 * column)), np.arange(101))


def test_sobol_points_are_evener_than_uniform_ones():
    """Discrepancy falls like (log n)²/n instead of 1/√n: at n = 512 it is many times smaller."""
    sobol, uniform = (
        np.median([qmc.discrepancy(kind(512).unit_points(512, 2, np.random.default_rng(k))) for k in range(5)])
        for kind in (Sobol, Uniform)
    )
    assert sobol < uniform / 20


@pytest.mark.parametrize("count", [400, 390])
def test_grid_is_a_grid_or_most_of_one(count):
    points = Grid(count).unit_points(count, 2, np.random.default_rng(0))
    for column in points.T:
        levels = np.unique(column.round(12))
        np.testing.assert_allclose(np.diff(levels), 1 / 20, rtol=1e-9)
        assert len(levels) == 20


@pytest.mark.parametrize("slope", [0.0, 0.1, 9.0])
def test_points_are_as_dense_as_the_density_says(option, slope):
    """Counts in eight strips follow 1 + slope·t or do not depend on x; a nearly even density is no easier."""
    n = 4096
    sampler = built("sampler", option, f"sampler.num_points={n}")
    box = ((0.0, 1.0), (0.0, 1.0))
    points = draw_points(sampler, box, 0, "training", 0, lambda p: 1 + slope * p[:, 0])["residual"]
    counts, edges = np.histogram(points[:, 0], 8, (0, 1))
    share = np.diff(edges + 0.5 * slope * edges**2) / (1 + 0.5 * slope)
    # χ² with 7 degrees of freedom exceeds 24.3 once in a thousand draws that are independent. A strip without any
    # point gives 500.
    assert np.sum((counts - n * share) ** 2 / (n * share)) < 24.3
    across = np.histogram(points[:, 1], 8, (0, 1))[0]
    assert np.sum((across - n / 8) ** 2 / (n / 8)) < 24.3


def test_thinned_sobol_points_stay_evener_than_uniform_ones():
    """Along the path the candidates' own evenness survives in part."""
    thinned, uniform = (
        np.median(
            [
                qmc.discrepancy(
                    draw_points(kind(512), ((0.0, 1.0), (0.0, 1.0)), k, "training", 0, density)["residual"]
                )
                for k in range(5)
            ]
        )
        for kind, density in ((Sobol, lambda p: np.ones(len(p))), (Uniform, None))
    )
    assert thinned < uniform / 3


@pytest.mark.parametrize(
    ("condition", "embedding", "half"),
    [
        ("x_squared_cosine", "splitting", True),
        ("cosine", "periodic", True),
        ("sine", "splitting", True),  # about its own axis it is a cosine
        ("fourier", "periodic", False),
        ("x_squared_cosine", "splitting embedding.symmetry=false", False),
        ("cosine", "periodic embedding.symmetry=false", False),
    ],
)
def test_half_the_domain_is_enough_for_an_embedding_that_is_even_only(condition, embedding, half):
    experiment = assemble(
        composed(
            f"problem/initial_condition={condition}",
            *f"embedding={embedding}".split(),
            "problem.domain=[1.0,4.0]",
            "problem.horizon=2",
            "windows=1",
        )
    )
    assert experiment.box == ((0.0, 2.0), (0.0 if half else -1.0, 1.0))  # in natural units, whatever the domain is
    points = drawn(experiment, 0)[0]["residual"]
    assert (points[:, 1].min() < -2 / 3) != half


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_points", 0), ("num_points", -5), ("num_initial", 0), ("resample_every", -1), ("num_points", 2.5)],
)
def test_numbers_that_are_none_are_refused(option, name, value):
    with pytest.raises(InputError, match=rf"sampler\.{name} is {value}: give a whole number from"):
        built("sampler", option, f"sampler.{name}={value}")


@pytest.mark.parametrize("enlargement", [1, 4])
def test_an_enlarged_draw_has_so_many_times_the_points(option, enlargement):
    experiment = assemble(composed(f"sampler={option}", *CHEAP, "sampler.num_points=16", "sampler.num_initial=4"))
    (points,) = drawn(experiment, 0, enlargement=enlargement)
    assert points["residual"].shape == (16 * enlargement, 2)
    assert points["initial"].shape == (4, 2)
