"""Weightings: causal weights by their definition, one table for all, and what else the interface can hold."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built, composed, options
from fields import a_field
from pinn_ac.ansatz import Soft
from pinn_ac.app.assembly import assemble
from pinn_ac.batch import Batch, Points
from pinn_ac.derivatives import JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import MLP, Periodic
from pinn_ac.optimizers import LBFGS, Adam, LevenbergMarquardt
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.programs import Programs
from pinn_ac.weighting import Causal, CausalState
from pinn_ac.weighting.causal import causal_weights, chunk_means

WEIGHTINGS = [option for option in options("weighting") if option != "none"]
N = 24
DRAWN = {
    "residual": np.column_stack([np.random.default_rng(0).random(N), np.random.default_rng(1).uniform(-1, 1, N)]),
    "initial": np.column_stack([np.zeros(5), np.linspace(-1, 0.6, 5)]),
}
FOURS = Causal(2.0, chunks=4)


class Given:
    """Measured, with the losses of the residual as they are given."""

    def __init__(self, losses):
        self.losses = lambda name: jnp.asarray(losses)


@cache
def programs(weighting):
    """Of a small network with a soft initial condition, so that there are two terms."""
    network = MLP(3, 1, "tanh", 1.0)
    field, params = a_field(AllenCahn(1e-2, 2.0, initial_condition=Sine(0.5, 1)), Periodic(1), network, Soft())
    objective = Objective(build_terms(field, JaxJvp()), {"initial": 10.0}, "mse", JaxGradient())
    return Programs(network, field, JaxJvp(), objective, weighting), params


def weighed(weighting, drawn=DRAWN, state=None):
    """The programs, the parameters, the batch with the weights that the sampler gives and that with all weights."""
    made, params = programs(weighting)
    batch = made.prepare(drawn, None)
    state = weighting.init(drawn) if state is None else state
    state, with_weights = made.weigh(state, params, batch, drawn)
    return made, params, batch, with_weights, state


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


def test_points_at_one_time_share_a_chunk_and_empty_chunks_weigh_nothing():
    for division in ("count", "time"):
        assert not Causal(chunks=3, division=division).chunk_of(jnp.full(7, 0.4)).any()
    means = chunk_means(jnp.asarray([1.0, 3.0, 5.0]), jnp.asarray([0, 0, 2]), 4)
    np.testing.assert_array_equal(means, [2.0, 0.0, 5.0, 0.0])


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
    batch = batch.weighted({"residual": jnp.ones(N)})  # for the same program
    objective, flat = made.objective, np.asarray(_flat(params)[0])
    rows = jax.jit(lambda params, batch: objective.residuals_and_jacobian(*_flat(params), batch))
    (r, J), (plain_r, plain_J) = ([np.asarray(part) for part in rows(params, one)] for one in (found, batch))
    roots = np.concatenate([np.sqrt(found.terms["residual"].weight), np.ones(5)])
    np.testing.assert_allclose(r, roots * plain_r, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(J, roots[:, None] * plain_J, rtol=1e-10, atol=1e-13)
    for method in (Adam(1e-3, "constant"), LBFGS(), LevenbergMarquardt(max_acceleration=0.0, max_backtracks=0)):
        optimizer = method.build(objective)
        ends = []
        for points in (found, batch):
            state, info = optimizer.step(optimizer.init(params), points)
            ends.append(np.asarray(_flat(optimizer.params(state))[0]))
            np.testing.assert_allclose(info.loss, made.loss(params, points), rtol=1e-12)
        step = ends[0] - flat
        assert np.abs(ends[0] - ends[1]).max() > 1e-6
        if method.name == "adam":
            np.testing.assert_allclose(step, -1e-3 * np.sign(r @ J), rtol=1e-4)
        if method.name == "levenberg_marquardt":
            A = J.T @ J
            D = np.maximum(np.diag(A), 1e-4 * np.diag(A).mean())
            np.testing.assert_allclose(step, -np.linalg.solve(A + 1e-2 * np.diag(D), J.T @ r), rtol=1e-7, atol=1e-10)


def _flat(params):
    return jax.flatten_util.ravel_pytree(params)


@dataclass(frozen=True)
class ResidualAttention:
    """RBA (arXiv:2307.00379): λ_i ← γ λ_i + η |r_i|/max|r|, and the weight is λ_i²."""

    gamma: float = 0.9
    eta: float = 0.1

    def init(self, points):
        return jnp.zeros(len(points["residual"]))

    renew = lambda self, state, points: self.init(points)  # noqa: E731

    def update(self, state, measured, points):
        size = jnp.abs(measured.residuals("residual"))
        state = self.gamma * state + self.eta * size / jnp.max(size)
        return state, {"residual": state**2}

    def figures(self, state):
        return {"largest_attention": jnp.max(state)}


@dataclass(frozen=True)
class GradientNorms:
    """λ_k = mean_j ‖∇L_j‖/‖∇L_k‖ (arXiv:2308.08469), every `every` steps and smoothed."""

    momentum: float = 0.9
    every: int = 2

    def init(self, points):
        return jnp.zeros((), int), jnp.ones(2)

    renew = lambda self, state, points: state  # noqa: E731

    def update(self, state, measured, points):
        step, weights = state

        def renewed(_):
            norms = jnp.stack([jnp.linalg.norm(_flat(measured.gradient(name))[0]) for name in measured.terms])
            return self.momentum * weights + (1 - self.momentum) * norms.mean() / norms

        weights = jax.lax.cond(step % self.every == 0, renewed, lambda _: weights, None)
        spread = {name: jnp.full(len(points[name]), weights[k]) for k, name in enumerate(measured.terms)}
        return (step + 1, weights), spread

    def figures(self, state):
        return {"weight_initial": state[1][1]}


@dataclass(frozen=True)
class TangentKernel:
    """λ_k = mean_j K_j/K_k with K_k the mean diagonal of the neural tangent kernel (arXiv:2007.14527)."""

    def init(self, points):
        return ()

    renew = lambda self, state, points: state  # noqa: E731

    def update(self, state, measured, points):
        K = jnp.stack([jnp.mean(measured.squared_row_norms(name)) for name in measured.terms])
        return state, {name: jnp.full(len(points[name]), K.mean() / K[k]) for k, name in enumerate(measured.terms)}

    def figures(self, state):
        return {}


SKETCHES = (ResidualAttention(), GradientNorms(), TangentKernel())


def test_other_published_weightings_fit_the_interface():
    """Ten lines each: per point with state, of gradients every so many steps, and of the tangent kernel."""
    made, params, batch, attended, _ = weighed(SKETCHES[0])
    size = np.abs(np.asarray(made.objective.vector("residual", params, batch.terms["residual"])))
    np.testing.assert_allclose(attended.terms["residual"].weight, (0.1 * size / size.max()) ** 2, rtol=1e-12)

    made, params, batch, balanced, state = weighed(SKETCHES[1])
    norms = []
    for name in ("residual", "initial"):
        mean = jax.jit(jax.grad(lambda params, name=name: made.objective.means(params, batch)[name]))
        norms.append(np.linalg.norm(_flat(mean(params))[0]))
    expected = 0.9 + 0.1 * np.mean(norms) / np.array(norms)
    np.testing.assert_allclose(state[1], expected, rtol=1e-10)
    np.testing.assert_allclose(balanced.terms["initial"].weight, np.full(5, expected[1]), rtol=1e-10)
    _, _, _, _, again = weighed(SKETCHES[1], state=state)
    np.testing.assert_array_equal(again[1], state[1])  # the second step is none that renews

    made, params, batch, kernel, _ = weighed(SKETCHES[2])
    J = np.asarray(jax.jit(lambda: made.objective.residuals_and_jacobian(*_flat(params), batch)[1])())
    K = np.array([np.sum(J[:N] ** 2), np.sum(J[N:] ** 2) / 10])  # the rows have √(weight/n): these are the means
    np.testing.assert_allclose(kernel.terms["residual"].weight, np.full(N, K.mean() / K[0]), rtol=1e-10)


@pytest.mark.parametrize("weighting", [built("weighting", option) for option in WEIGHTINGS] + list(SKETCHES), ids=str)
def test_every_weighting_keeps_the_shape_of_its_state_and_compiles_once(weighting, compilations):
    made, params, batch, found, state = weighed(weighting)
    assert jax.tree.structure(found.terms["residual"].prepared) == jax.tree.structure(
        batch.terms["residual"].prepared
    )
    start = weighting.init(DRAWN)
    for later in (state, weighting.renew(state, DRAWN)):
        assert jax.tree.structure(later) == jax.tree.structure(start)
        for one, other in zip(jax.tree.leaves(later), jax.tree.leaves(start), strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
    compilations.clear()
    state, again = made.weigh(state, params, batch, DRAWN)
    assert not compilations
    for points in again.terms.values():
        assert points.weight is None or (np.isfinite(points.weight).all() and (points.weight >= 0).all())
    assert all(np.isfinite(value) for value in weighting.figures(state).values())


OTHER = {"tolerance": 3.0, "chunks": 7, "division": "time", "threshold": 0.5}
"""Another value of each setting of Causal."""


@pytest.mark.parametrize("setting", OTHER)
def test_every_setting_changes_what_is_computed(setting):
    def course(**settings):
        weighting = Causal(**{"tolerance": [0.1, 1.0], "chunks": 6} | settings)
        generator = np.random.default_rng(0)
        t = generator.random(40) ** 2
        drawn, state, weights = {"residual": np.column_stack([t, t])}, weighting.init({}), []
        for size in (1.0, 1.0):
            state, found = weighting.update(state, Given(size * generator.random(40)), drawn)
            weights.append(np.asarray(found["residual"]))
        return np.stack(weights)

    assert not np.array_equal(course(), course(**{setting: OTHER[setting]}))


def test_the_defaults_of_the_yaml_are_those_of_the_code():
    assert built("weighting", "causal") == Causal()
    assert set(OTHER) == set(vars(Causal()))
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
