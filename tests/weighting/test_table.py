"""What every weighting keeps to: a table of all, with every optimizer and with saving in between."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighed import DRAWN, Given, flat_of, preparing, programs, target, weighed

from composed import built, composed, options
from pinn_ac import weighting as room
from pinn_ac.app.assembly import assemble
from pinn_ac.app.objects import build
from pinn_ac.description import node
from pinn_ac.errors import InputError
from pinn_ac.optimizers import LBFGS, Adam, LevenbergMarquardt
from pinn_ac.training import Checkpoints, TrainingState
from pinn_ac.weighting import NTK, RBA, Causal, GradientNorm, Together

OTHER = {
    "causal": {"tolerance": 3.0, "chunks": 7, "division": "time", "threshold": 0.5},
    "rba": {"eta": 0.1, "gamma": 0.5, "start": 0.3},
    "gradient_norm": {"momentum": 0.5, "every": 2, "rule": "largest"},
    "ntk": {"momentum": 0.5, "every": 2},
}
"""Option → another value of each of its settings."""
COMPOSED = ("causal_gradient_norm", "causal_ntk")
WORDS = {"together": ("+weighting@weighting.parts.causal=causal", "+weighting@weighting.parts.rba=rba")}
OPTIONS = [option for option in options("weighting") if option != "none"]
STARTS = {"causal": {"tolerance": [0.1, 1.0], "chunks": 6}, "gradient_norm": {"every": 3}, "ntk": {"every": 3}}
"""Settings from which every other one makes a difference within three steps."""


def made(option):
    return built("weighting", option, *WORDS.get(option, ()))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_weighting_keeps_the_shape_of_its_state_and_compiles_once(option, compilations):
    weighting = made(option)
    programs_, params, batch, found, state = weighed(weighting)
    assert jax.tree.structure(found.terms["residual"].prepared) == jax.tree.structure(
        batch.terms["residual"].prepared
    )
    start = weighting.init(DRAWN)
    for later in (state, weighting.renew(state, DRAWN)):
        assert jax.tree.structure(later) == jax.tree.structure(start)
        for one, other in zip(jax.tree.leaves(later), jax.tree.leaves(start), strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
    compilations.clear()
    state, again = programs_.weigh(state, params, batch, DRAWN)
    assert not compilations
    for points in again.terms.values():
        assert points.weight is None or (np.isfinite(points.weight).all() and (points.weight >= 0).all())
    figures = weighting.figures(state)
    assert figures
    assert all(np.isfinite(value) and value.shape == () for value in figures.values())


@pytest.mark.parametrize("option", OPTIONS)
def test_a_state_that_was_saved_goes_on_to_the_same_bits(option, tmp_path):
    """Two steps, a draw of other points, one step; then two more, at other parameters each time."""
    weighting = made(option)
    programs_, params = programs(weighting)
    other = {name: np.concatenate([points[3:], 0.7 * points[:3]]) for name, points in DRAWN.items()}

    def steps(state, drawn, at):
        for k in at:
            here = jax.tree.map(lambda leaf, k=k: leaf * (1 + 0.1 * k), params)
            state, batch = programs_.weigh(state, here, preparing()(drawn, None), drawn)
        return state, batch

    state, _ = steps(weighting.init(DRAWN), DRAWN, (0, 1))
    state, _ = steps(weighting.renew(state, other), other, (2,))
    checkpoints = Checkpoints(tmp_path)
    drawn = {name: jnp.asarray(points) for name, points in other.items()}
    checkpoints.save(params, TrainingState(params, params, points=drawn, weighting=state, step=3))

    def template(window, stage):
        return TrainingState(params, params)

    read = checkpoints.restore("state", template, weighting.init).weighting
    checkpoints.close()
    (expected, weights), (found, again) = (steps(one, other, (3, 4)) for one in (state, read))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, two in zip(jax.tree.leaves((expected, weights)), jax.tree.leaves((found, again)), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_optimizer_takes_the_weights_of_every_weighting(option):
    """Two steps by each, at whose start it reports the loss with the weights of that step."""
    weighting = made(option)
    programs_, params = programs(weighting)
    _, _, objective, _ = target()
    batch = preparing()(DRAWN, None)
    ones = {name: jnp.ones(len(points)) for name, points in DRAWN.items()}
    for method in (Adam(1e-3, "constant"), LBFGS(), LevenbergMarquardt(max_acceleration=0.0, max_backtracks=0)):
        optimizer = method.build(objective)
        state, weights = optimizer.init(params), weighting.init(DRAWN)
        for _ in range(2):
            weights, weighted = programs_.weigh(weights, optimizer.params(state), batch, DRAWN)
            weighted = batch.weighted(ones | {k: p.weight for k, p in weighted.terms.items() if p.weight is not None})
            here = optimizer.params(state)
            state, info = optimizer.step(state, weighted)
            np.testing.assert_allclose(info.loss, programs_.loss(here, weighted), rtol=1e-12)
        moved = flat_of(optimizer.params(state))[0] - flat_of(params)[0]
        assert np.isfinite(moved).all()
        assert np.abs(moved).max() > 0


@pytest.mark.parametrize("option", OTHER)
def test_the_defaults_of_the_yaml_are_those_of_the_code(option):
    weighting = made(option)
    assert weighting == type(weighting)()
    assert set(OTHER[option]) == {field.name for field in fields(weighting)}


def test_the_table_has_all():
    assert {*OTHER, *COMPOSED, *WORDS} == set(OPTIONS)
    kinds = {type(made(option)).__name__ for option in OPTIONS}
    assert kinds == {name for name in room.__all__ if hasattr(getattr(room, name), "figures")} - {"Weighting"}


@pytest.mark.parametrize(("option", "setting"), [(option, name) for option, all_ in OTHER.items() for name in all_])
def test_every_setting_changes_what_is_computed(option, setting):
    """Within three steps, from other residuals at each."""

    def course(**settings):
        weighting = replace(made(option), **(STARTS.get(option, {}) | settings))
        generator, weights = np.random.default_rng(0), []
        t = generator.random(40) ** 2
        drawn = {name: np.column_stack([t, t]) for name in ("residual", "initial")}
        state = weighting.init(drawn)
        for _ in range(3):
            residuals = {name: generator.standard_normal(40) for name in drawn}
            measured = Given(residuals=residuals)
            measured.gradient = lambda name, r=residuals: {"a": jnp.asarray(r[name]), "b": jnp.ones(2)}
            measured.squared_row_norms = lambda name, r=residuals: jnp.asarray(r[name]) ** 2
            state, found = weighting.update(state, measured, drawn)
            weights += [np.asarray(found[name]) for name in sorted(found)]
        return np.stack(weights)

    assert not np.array_equal(course(), course(**{setting: OTHER[option][setting]}))


REFUSED = [
    (RBA, {"eta": 0.0}, "weighting.eta is 0.0: give a positive number"),
    (RBA, {"gamma": 1.0}, "weighting.gamma is 1.0: give a number from 0 and below 1"),
    (RBA, {"start": -1.0}, "weighting.start is -1.0: give zero or a positive number"),
    (GradientNorm, {"momentum": 1.0}, "weighting.momentum is 1.0: give a number from 0 and below 1"),
    (GradientNorm, {"every": 0}, "weighting.every is 0: give a whole number from 1"),
    (GradientNorm, {"rule": "max"}, "weighting.rule is 'max': choose one of mean, sum, residual, largest"),
    (NTK, {"every": 1.5}, "weighting.every is 1.5"),
    (Together, {"parts": {}}, r"weighting.parts is {}: give some by \+weighting@weighting.parts.NAME=NAME"),
    (Together, {"parts": {"a": {}}}, "weighting.parts is"),
]


@pytest.mark.parametrize(("kind", "settings", "sentence"), REFUSED)
def test_what_cannot_be_used_is_refused(kind, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        kind(**settings)


@pytest.mark.parametrize("option", [option for option in OPTIONS if getattr(made(option), "balances", False)])
def test_what_balances_terms_is_refused_where_there_is_one(option):
    with pytest.raises(InputError, match=r"balances the terms .* one alone, residual: choose ansatz=soft"):
        assemble(composed(f"weighting={option}", "windows=1"))
    assemble(composed(f"weighting={option}", "windows=1", "ansatz=soft", "embedding=periodic"))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_weighting_can_be_written_down(option):
    """As a solution of `fit` is, and read again: with its parts in their order."""
    config = composed()
    config.weighting = node(made(option), "weighting")
    assert build(config.weighting) == made(option)


def test_some_balance_terms_and_some_do_not():
    assert not any(getattr(one, "balances", False) for one in (Causal(), RBA(), Together({"rba": RBA()})))
    assert all(one.balances for one in (GradientNorm(), NTK(), Together({"rba": RBA(), "ntk": NTK()})))
