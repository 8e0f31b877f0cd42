"""Causal weights by their definition, and how all optimizers see the weights of points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighed import DRAWN, Given, N, flat_of, programs, weighed

from composed import composed
from pinn_ac.app.assembly import assemble
from pinn_ac.batch import Batch, Points
from pinn_ac.errors import InputError
from pinn_ac.optimizers import LBFGS, Adam, LevenbergMarquardt
from pinn_ac.weighting import Causal, CausalState
from pinn_ac.weighting.causal import causal_weights, chunk_means

FOURS = Causal(2.0, chunks=4)


def expected_weights(losses, t, tolerance, chunks):
    """As the paper writes them, for as many points in each chunk: w_k = exp(−ε Σ_{j<k} L_j)."""
    order = np.argsort(t)
    L = losses[order].reshape(chunks, -1).mean(1)
    w = np.array([np.exp(-tolerance * L[:k].sum()) for k in range(chunks)])
    weights = np.empty(len(t))
    weights[order] = np.repeat(w, len(t) // chunks)
    return weights


def test_weights_are_those_of_the_paper():
    made, params, batch, found, state = weighed(FOURS)
    r = np.asarray(made.objective.vector("residual", params, batch.terms["residual"]))
    expected = expected_weights(r**2, DRAWN["residual"][:, 0], 2.0, 4)
    np.testing.assert_allclose(found.terms["residual"].weight, expected, rtol=1e-12)
    assert found.terms["initial"].weight is None  # the initial condition keeps its own
    np.testing.assert_allclose(state.least, expected.min(), rtol=1e-12)
    assert expected.min() < 0.9  # or ones would have passed
    start = np.asarray(made.objective.vector("initial", params, batch.terms["initial"]))
    loss = made.loss(params, found)
    np.testing.assert_allclose(loss, np.mean(expected * r**2) + 10 * np.mean(start**2), rtol=1e-12)


def test_the_first_chunk_counts_fully_and_no_later_one_more_than_an_earlier():
    """Also for losses that differ by many powers of ten, where a sum less its last term would rise."""
    generator = np.random.default_rng(0)
    for scale in (1e-12, 1.0, 1e12):
        losses = jnp.asarray(scale * 10 ** generator.uniform(-10, 10, 32))
        weights = np.asarray(causal_weights(losses, 1.0 / scale))
        assert weights[0] == 1
        assert (np.diff(weights) <= 0).all()
        np.testing.assert_allclose(weights[1], np.exp(-losses[0] / scale), rtol=1e-13)


def test_a_weight_depends_on_the_losses_of_earlier_chunks_alone():
    """Of points in any order and density, as an adaptive sampler draws them."""
    generator = np.random.default_rng(5)
    t, losses, weighting = generator.random(60) ** 3, generator.random(60), Causal(1.0, chunks=6)
    drawn = {"residual": np.column_stack([t, t])}
    chunk = np.asarray(weighting.chunk_of(jnp.asarray(t)))
    before = np.asarray(weighting.update(weighting.init(drawn), Given(losses), drawn)[1]["residual"])
    for k in range(6):
        other = np.where(chunk == k, 3.0, losses)
        found = np.asarray(weighting.update(weighting.init(drawn), Given(other), drawn)[1]["residual"])
        np.testing.assert_array_equal(found[chunk <= k], before[chunk <= k])
        assert (found[chunk > k] < before[chunk > k]).all()


def test_no_gradient_goes_through_the_weights():
    assert not jax.jacobian(lambda losses: causal_weights(losses, 1.0))(jnp.linspace(1, 2, 5)).any()


@pytest.mark.parametrize("division", ["count", "time"])
def test_the_order_of_the_points_does_not_matter(division):
    """Nor where many have the same t, as on a grid: they have one weight."""
    weighting = Causal(1.0, chunks=5, division=division)
    generator = np.random.default_rng(0)
    t, losses = np.round(generator.random(40) ** 2, 1), generator.random(40)
    drawn = {"residual": np.column_stack([t, generator.random(40)])}
    state = weighting.init(drawn)
    order = generator.permutation(40)
    _, one = weighting.update(state, Given(losses), drawn)
    _, other = weighting.update(state, Given(losses[order]), {"residual": drawn["residual"][order]})
    np.testing.assert_allclose(other["residual"], one["residual"][order], rtol=1e-14)
    for time in np.unique(t):
        assert len(np.unique(one["residual"][t == time])) == 1
    sorted_weights = np.asarray(one["residual"])[np.argsort(t)]
    assert sorted_weights[0] == 1
    assert (np.diff(sorted_weights) <= 0).all()
    assert len(np.unique(sorted_weights)) > 3


@pytest.mark.parametrize(("division", "expected"), [("count", [0, 0, 1, 1, 2, 2]), ("time", [0, 0, 0, 0, 1, 2])])
def test_chunks_are_of_equal_counts_or_of_equal_width(division, expected):
    t = jnp.asarray([0.0, 0.1, 0.2, 0.29, 0.5, 0.9])
    np.testing.assert_array_equal(Causal(chunks=3, division=division).chunk_of(t), expected)
    np.testing.assert_array_equal(Causal(chunks=3, division=division).chunk_of(t[::-1]), expected[::-1])


def test_points_at_one_time_share_a_chunk_and_empty_chunks_repeat_the_one_before():
    for division in ("count", "time"):
        assert not Causal(chunks=3, division=division).chunk_of(jnp.full(7, 0.4)).any()
    means = chunk_means(jnp.asarray([1.0, 3.0, 5.0]), jnp.asarray([0, 0, 2]), 4)
    np.testing.assert_array_equal(means, [2.0, 2.0, 5.0, 5.0])


@pytest.mark.parametrize("division", ["count", "time"])
def test_a_coarse_grid_weighs_as_a_fine_one(division):
    """Eight times in 100 chunks: a residual of one has the least weight exp(−ε 99), as at 1000 times."""
    for times in (8, 1000):
        t = np.repeat(np.linspace(0, 1, times), 2)
        drawn, weighting = {"residual": np.column_stack([t, t])}, Causal(0.1, chunks=100, division=division)
        state, found = weighting.update(weighting.init(drawn), Given(np.ones(len(t))), drawn)
        assert float(state.least) == pytest.approx(np.exp(-9.9), rel=1e-12)
        assert np.asarray(found["residual"])[0] == 1


def test_places_that_only_repeat_points_are_not_counted():
    """Of a set that grows 40 of 64 places are there, with weight 64/40: a residual of one has the mean one in all."""
    generator, there = np.random.default_rng(3), 40
    t = np.resize(generator.random(there) ** 2, 64)  # some stand twice, others once
    weights = {"residual": jnp.asarray(np.where(np.arange(64) < there, 64 / there, 0.0))}
    drawn, weighting = {"residual": np.column_stack([t, t])}, Causal(2.0, chunks=4, division="time")
    _, found = weighting.update(weighting.init(drawn), Given(None, {"residual": np.ones(64)}, 2, weights), drawn)
    expected = np.exp(-2.0 * np.asarray(weighting.chunk_of(jnp.asarray(t))))
    np.testing.assert_allclose(found["residual"], expected, rtol=1e-13)


def test_a_vanishing_tolerance_gives_the_bits_of_no_weights():
    made, params, batch, found, _ = weighed(Causal(1e-300, chunks=4))
    np.testing.assert_array_equal(found.terms["residual"].weight, np.ones(N))
    assert made.loss(params, found) == made.loss(params, batch)


def test_tolerances_follow_each_other_as_the_least_weight_rises():
    """Losses that make the least weight of three chunks exp(−2 ε)."""
    weighting = Causal([0.001, 0.1, 10.0], chunks=3, threshold=0.99)
    drawn = {"residual": np.column_stack([np.linspace(0, 1, 6), np.zeros(6)])}
    state, stages = weighting.init(drawn), []
    for size in (10.0, 1.0, 1.0, 1e-2, 1e-2, 1e-9):
        state, weights = weighting.update(state, Given(np.full(6, size)), drawn)
        stages.append(int(state.stage))
        np.testing.assert_allclose(state.least, weights["residual"].min(), rtol=1e-15)
    # exp(−0.02) is below 0.99 and exp(−0.002) above; then exp(−0.2) is below, exp(−0.002) above; then the last stays.
    assert stages == [0, 1, 1, 2, 2, 2]
    figures = weighting.figures(CausalState(jnp.asarray(1), jnp.asarray(0.5)))
    assert {name: float(value) for name, value in figures.items()} == {
        "causal_tolerance": 0.1,
        "causal_least_weight": 0.5,
    }


def test_weights_of_the_sampler_are_multiplied_and_count_in_the_losses():
    density = np.linspace(0.5, 1.5, N)
    made, params, batch, found, _ = weighed(FOURS, DRAWN | {"residual_weights": density})
    r = np.asarray(made.objective.vector("residual", params, batch.terms["residual"]))
    expected = expected_weights(density * r**2, DRAWN["residual"][:, 0], 2.0, 4)
    np.testing.assert_allclose(found.terms["residual"].weight, expected * density, rtol=1e-12)
    np.testing.assert_array_equal(batch.terms["residual"].weight, density)  # which goes on without


def test_every_optimizer_sees_the_weights():
    """A step on the batch with weights is the step on residuals that are multiplied by their roots, and no other."""
    made, params, batch, found, _ = weighed(FOURS)
    ones = {"residual": jnp.ones(N), "initial": jnp.ones(5)}
    batch, found = batch.weighted(ones), found.weighted({"initial": ones["initial"]})  # for the same program
    objective, flat = made.objective, np.asarray(flat_of(params)[0])
    rows = jax.jit(lambda params, batch: objective.residuals_and_jacobian(*flat_of(params), batch))
    (r, J), (plain_r, plain_J) = ([np.asarray(part) for part in rows(params, one)] for one in (found, batch))
    roots = np.concatenate([np.sqrt(found.terms["residual"].weight), np.ones(5)])
    np.testing.assert_allclose(r, roots * plain_r, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(J, roots[:, None] * plain_J, rtol=1e-10, atol=1e-13)
    for method in (Adam(1e-3, "constant"), LBFGS(), LevenbergMarquardt(max_acceleration=0.0, max_backtracks=0)):
        optimizer = method.build(objective)
        ends = []
        for points in (found, batch):
            state, info = optimizer.step(optimizer.init(params), points)
            ends.append(np.asarray(flat_of(optimizer.params(state))[0]))
            np.testing.assert_allclose(info.loss, made.loss(params, points), rtol=1e-12)
        step = ends[0] - flat
        assert np.abs(ends[0] - ends[1]).max() > 1e-6
        if method.name == "adam":
            np.testing.assert_allclose(step, -1e-3 * np.sign(r @ J), rtol=1e-4)
        if method.name == "levenberg_marquardt":
            A = J.T @ J
            D = np.maximum(np.diag(A), 1e-4 * np.diag(A).mean())
            np.testing.assert_allclose(step, -np.linalg.solve(A + 1e-2 * np.diag(D), J.T @ r), rtol=1e-7, atol=1e-10)


def test_there_is_no_weighting_by_default_and_the_patent_is_named():
    assert "patent" in Causal.__doc__.lower()
    assert composed("weighting=none").weighting is None
    assert composed().weighting is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tolerance": 0.0}, r"weighting\.tolerance is 0\.0: give a positive number, or a list of increasing ones"),
        ({"tolerance": [1.0, 0.1]}, "increasing"),
        ({"tolerance": []}, "increasing"),
        ({"tolerance": "small"}, "weighting.tolerance is small"),
        ({"chunks": 1}, "give a whole number from 2"),
        ({"division": "width"}, "weighting.division is 'width': choose one of count, time"),
        ({"threshold": 1.0}, "weighting.threshold is 1.0: give a number between 0 and 1"),
    ],
)
def test_what_cannot_be_used_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Causal(**settings)


@pytest.mark.landing
def test_weights_are_those_of_one_device_on_several():
    words = ("problem/initial_condition=cosine", "problem.diffusivity=1e-3", "windows=1", "model.width=4",
             "model.depth=1", "sampler.num_points=64", "sampler.num_initial=8", "ansatz=soft", "weighting=causal",
             "weighting.chunks=8")  # fmt: skip
    found = []
    for devices in (1, 4):
        experiment = assemble(composed(*words, f"devices={devices}"))
        params = experiment.initial_params()
        drawn = experiment.draw(0, params, {})
        state = experiment.programs.weighting.init(drawn)
        state, batch = experiment.programs.weigh(state, params, experiment.prepare(drawn), drawn)
        found.append((float(state.least), np.asarray(batch.terms["residual"].weight)))
        optimizer = experiment.stages[0].optimizer
        _, info = optimizer.step(optimizer.init(params), batch)
        found[-1] += (float(info.loss),)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-10)


def test_a_batch_multiplies_weights_of_the_terms_that_are_named():
    batch = Batch({"a": Points(jnp.zeros(2)), "b": Points(jnp.ones(2), jnp.asarray([2.0, 3.0]))}, context="all")
    found = batch.weighted({"b": jnp.asarray([5.0, 7.0])})
    np.testing.assert_array_equal(found.terms["b"].weight, [10.0, 21.0])
    assert found.terms["a"] is batch.terms["a"]
    assert found.context == "all"


def test_no_weighting_has_no_program():
    made, _ = programs(None)
    with pytest.raises(InputError, match="There is no weighting"):
        _ = made.weigh
