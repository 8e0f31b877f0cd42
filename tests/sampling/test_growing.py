"""Samplers with a past: sets of points that grow, the probability of failure, and the gate of causal R3."""

import jax
import numpy as np
import pytest

from composed import composed
from pinn_ac.app.assembly import assemble
from pinn_ac.batch import without_memory
from pinn_ac.errors import InputError
from pinn_ac.sampling import CausalRetainRelease, FailureInformed, Guides, ResidualRefinement, Sobol, draw_points
from pinn_ac.sampling.truncated_gaussian import TruncatedGaussian

BOX = ((0.0, 1.0), (0.0, 1.0))
COUNT = 512
STEEP = Guides(lambda points: points[:, 0] ** 2 + 0.1, None, None)
GROWING = {
    "rar_d": ResidualRefinement(COUNT, start=0.25, rounds=4),
    "failure_informed": FailureInformed(COUNT, start=0.25, rounds=4, tolerance=0.6, samples=200),
}


def draw(sampler, index=0, previous=None, guides=STEEP, count=None, box=BOX):
    return sampler.draw(box, 0, index, guides, previous or {}, count or sampler.num_points)


def there(drawn):
    """The points that have a weight."""
    return drawn["residual"][drawn["residual_weights"] > 0]


@pytest.mark.parametrize("name", GROWING)
def test_points_are_added_in_every_round_and_never_taken_away(name):
    sampler, drawn, sizes = GROWING[name], {}, []
    for index in range(7):
        before, drawn = drawn, draw(GROWING[name], index, drawn)
        sizes.append(len(there(drawn)))
        if before:
            np.testing.assert_array_equal(there(drawn)[: sizes[-2]], there(before))
    assert sizes == [128, 224, 320, 416, 512, 512, 512]
    np.testing.assert_array_equal(there(drawn)[:128], draw(Sobol(COUNT))["residual"][:128])
    assert len(np.unique(drawn["residual"], axis=0)) == COUNT
    added = drawn["residual"][128:]
    # Under t² + 0.1 squared half of the mass lies beyond t = 0.83; failures lie beyond √(0.6 − 0.1) = 0.71.
    assert np.mean(added[:, 0] > 0.7) > 0.6
    if name == "failure_informed":
        assert (STEEP.residual(added) > sampler.tolerance).all()


@pytest.mark.parametrize("name", GROWING)
def test_a_batch_has_one_size_and_its_means_are_those_of_the_points_that_are_there(name):
    drawn = {}
    for index in range(3):
        drawn = draw(GROWING[name], index, drawn)
        h = np.sin(9 * drawn["residual"][:, 0]) * drawn["residual"][:, 1]
        points = there(drawn)
        assert drawn["residual"].shape == (COUNT, 2)
        expected = np.mean(np.sin(9 * points[:, 0]) * points[:, 1])
        # Sums of 512 terms below 1 in another order, with weights that are rounded once: 512 · 2^-53 and less.
        np.testing.assert_allclose(np.mean(drawn["residual_weights"] * h), expected, rtol=0, atol=1e-13)
        # The others are somewhere in the box, where the residual can be computed.
        assert np.isin(drawn["residual"][:, 0], points[:, 0]).all()


@pytest.mark.parametrize("name", GROWING)
def test_an_enlarged_draw_keeps_all_points_and_is_as_full(name):
    first = draw(GROWING[name], 1, draw(GROWING[name]))
    larger = draw(GROWING[name], 1, first, count=2 * COUNT)
    np.testing.assert_array_equal(there(larger)[:224], there(first))
    wanted = 2 * 224 + 192
    if name == "rar_d":
        assert len(there(larger)) == wanted
    else:  # no more than N₂ = 200 are found at once, and a few of them do not fail
        assert 224 + 150 < len(there(larger)) <= 224 + 200
    assert len(np.unique(there(larger), axis=0)) == len(there(larger))


def test_added_points_have_the_density_of_the_residual():
    """Eight strips hold the share that ∫ (t² + 0.1)² gives them: the paper's k = 2, c = 0."""
    sampler = ResidualRefinement(4096, start=0.5, rounds=1)
    added = there(draw(sampler, 1, draw(sampler)))[2048:]
    edges = np.arange(9) / 8
    cumulative = edges**5 / 5 + 0.2 * edges**3 / 3 + 0.01 * edges
    expected = 2048 * np.diff(cumulative) / cumulative[-1]
    # χ² with 7 degrees of freedom exceeds 24.3 once in a thousand draws, were they independent.
    counts = np.histogram(added[:, 0], edges)[0]
    assert np.sum((counts - expected) ** 2 / expected) < 24.3
    assert np.sum((counts - 256) ** 2 / 256) > 100  # even points, which the published script adds, would not pass


def test_a_residual_that_tells_nothing_adds_even_points_or_none():
    silent = Guides(lambda points: np.full(len(points), np.nan), None, None)
    refined, informed = (draw(sampler, 1, draw(sampler), silent) for sampler in GROWING.values())
    assert np.histogram2d(*there(refined)[128:].T, bins=3, range=BOX)[0].min() > 5  # of 96, in each of 9 cells
    assert len(there(informed)) == 128


@pytest.mark.parametrize(
    ("middle", "share"),
    [((0.3, 0.6), np.pi), ((0.0, 0.5), np.pi / 2), ((1.0, 0.0), np.pi / 4)],
    ids=["inside", "at a side", "in a corner"],
)
def test_the_probability_of_failure_is_the_area_where_the_residual_fails(middle, share):
    """|f| = exp(−50 d²) with d the distance to a point: it is above 1/2 in a disc of radius² ln 2/50."""
    guides = Guides(lambda p: np.exp(-50 * np.sum((p - middle) ** 2, axis=1)), None, None)
    sampler = FailureInformed(COUNT, tolerance=0.5, samples=1000)
    found = [sampler.failure(BOX, guides, np.random.default_rng(seed)) for seed in range(16)]
    exact = share * np.log(2) / 50
    estimates = np.array([failure.probability for failure in found])
    # Without bias: the mean is within four of its standard errors. A truncated density that is not divided by its
    # mass is 1.6 and more times too small at an edge.
    error = estimates.std(ddof=1) / 4
    assert error < 0.05 * exact
    assert abs(estimates.mean() - exact) < 4 * error
    for failure in found:
        assert (guides.residual(failure.points) > 0.5).all()
        assert len(failure.points) > 300  # of 1000; even points would give 44 or less


def test_a_small_region_is_found_by_passes_and_a_rare_failure_adds_nothing():
    """A disc of 1e-3 of the domain, where of 300 even points hardly one lies."""
    radius = np.sqrt(1e-3 / np.pi)
    guides = Guides(lambda p: np.exp(-np.hypot(p[:, 0] - 0.9, p[:, 1] - 0.2) / radius), None, None)
    sampler = FailureInformed(COUNT, tolerance=np.exp(-1), probability=1e-2, samples=1000)
    failure = sampler.failure(BOX, guides, np.random.default_rng(1))
    assert failure.probability == pytest.approx(1e-3, rel=0.25)
    assert len(failure.points) > 200
    first = draw(sampler)
    assert len(there(draw(sampler, 1, first, guides))) == COUNT // 2  # P is below 1e-2
    worried = FailureInformed(COUNT, tolerance=np.exp(-1), probability=1e-4)
    assert len(there(draw(worried, 1, first, guides))) > COUNT // 2


def test_a_truncated_gaussian_has_mass_one_and_the_points_that_it_says():
    """Its mass against a fine midpoint rule, which a smooth function with a cut converges to as h²."""
    proposal = TruncatedGaussian(np.array([0.9, 0.3]), np.array([[0.04, 0.018], [0.018, 0.02]]), BOX)
    middle = (np.arange(600) + 0.5) / 600
    grid = np.stack(np.meshgrid(middle, middle, indexing="ij"), -1).reshape(-1, 2)
    density = proposal.density(grid)
    assert density.mean() == pytest.approx(1, abs=1e-5)
    assert proposal.mass == pytest.approx(0.66, abs=0.05)
    points = proposal.sample(4000, np.random.default_rng(0))
    assert points.shape == (4000, 2)
    assert ((points >= 0) & (points <= 1)).all()
    expected = (density[:, None] * grid).mean(0)
    np.testing.assert_allclose(points.mean(0), expected, rtol=0, atol=4 * 0.2 / np.sqrt(4000))


def test_too_small_an_elite_is_refused():
    with pytest.raises(InputError, match=r"elite times sampler\.search is 2, too few points for a Gaussian"):
        FailureInformed(elite=0.1, search=20)


def test_the_causal_gate_is_its_formula():
    sampler, t = CausalRetainRelease(COUNT, steepness=7.0), np.linspace(-1, 2, 31)
    np.testing.assert_allclose(sampler.causal_gate(t, 0.3), (1 - np.tanh(7 * (t - 0.3))) / 2, rtol=1e-15)
    assert sampler.causal_gate(np.array([0.3]), 0.3) == 0.5
    assert (np.diff(sampler.causal_gate(t, 0.3)) < 0).all()


@pytest.mark.parametrize("clip", [1.0, 0.1])
def test_causal_r3_retains_by_the_gated_residual_and_then_moves_its_gate(clip):
    """In a box that is no unit one, so that the gate's time is seen to be a share of it."""
    box, guides = ((0.0, 2.5), (-3.0, 0.5)), Guides(lambda p: 0.02 + 0.1 * p[:, 0] * (p[:, 1] > -1), None, None)
    sampler = CausalRetainRelease(
        COUNT, resample_every=3, steepness=4.0, gate=0.2, rate=1e-2, tolerance=30.0, clip=clip
    )
    first = draw(sampler, box=box, guides=guides)
    points, gate = first["residual"], 0.2

    def gated(points, gate):
        return (1 - np.tanh(4.0 * (points[:, 0] / 2.5 - gate))) / 2

    np.testing.assert_array_equal(first["memory_gate"], [0.2])
    np.testing.assert_allclose(first["residual_weights"], gated(points, 0.2) ** 2, rtol=1e-13)
    second = draw(sampler, 1, first, guides, box=box)
    fitness = guides.residual(points) * gated(points, 0.2)
    kept = points[fitness > fitness.mean()]
    np.testing.assert_array_equal(second["residual"][: len(kept)], kept)
    assert not np.isin(second["residual"][len(kept) :, 0], points[:, 0]).any()
    assert 0 < len(kept) < COUNT
    gate += 3 * 1e-2 * min(np.exp(-30 * np.mean(fitness**2)), clip)
    np.testing.assert_allclose(second["memory_gate"], [gate], rtol=1e-14)
    np.testing.assert_allclose(second["residual_weights"], gated(second["residual"], gate) ** 2, rtol=1e-12)


def test_the_gate_waits_for_the_residual_and_for_enlarged_draws():
    sampler = CausalRetainRelease(COUNT, resample_every=5, gate=0.5, rate=1e-2)
    first = draw(sampler)
    for size, moves in ((0.0, 0.05), (10.0, 0.0), (np.inf, 0.0), (np.nan, 0.0)):
        guides = Guides(lambda points, size=size: np.full(len(points), size), None, None)
        assert draw(sampler, 1, first, guides)["memory_gate"][0] == pytest.approx(0.5 + moves, abs=1e-15)
    assert draw(sampler, 0, first, count=2 * COUNT)["memory_gate"] == [0.5]


def test_what_a_sampler_remembers_is_not_among_the_points():
    """It has the run's precision and is saved with the points, but neither the batch nor a weighting gets it."""
    words = ("sampler=causal_r3", "sampler.num_points=16", "sampler.num_initial=16", "precision=float32")
    experiment = assemble(composed(*words, "ansatz=soft", "embedding=periodic"))
    drawn = experiment.draw(0, None, {})
    assert drawn["memory_gate"].dtype == np.float32
    assert set(without_memory(drawn)) == {"residual", "initial", "residual_weights"}
    batch = experiment.prepare(drawn)
    assert {leaf.shape[0] for leaf in jax.tree.leaves(batch)} == {16}
    np.testing.assert_array_equal(batch.terms["residual"].weight, drawn["residual_weights"])


def test_candidates_may_be_more_than_the_points_ask_for():
    seen = []
    draw_points(
        Sobol(64), BOX, 0, "training", 0, lambda points: seen.append(len(points)) or np.ones(len(points)), 5, 77
    )
    assert seen == [77]
