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
from pinn_ac.compute import ComputeSettings
from pinn_ac.description import node
from pinn_ac.errors import InputError
from pinn_ac.optimizers import LBFGS, Adam, LevenbergMarquardt
from pinn_ac.training import Checkpoints, TrainingState
from pinn_ac.weighting import (
    BRDR,
    NTK,
    RBA,
    VRBA,
    GradientNorm,
    ReLoBRaLo,
    SelfAdaptive,
    SoftAdapt,
    Together,
    require_terms,
)

OTHER = {
    "causal": {"tolerance": 3.0, "chunks": 7, "division": "time", "threshold": 0.5},
    "rba": {"eta": 0.1, "gamma": 0.5, "start": 0.3},
    "gradient_norm": {"momentum": 0.5, "every": 2, "rule": "largest"},
    "ntk": {"momentum": 0.5, "every": 2},
    "self_adaptive": {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "mask": "sigmoid", "residual": 2.0, "initial": 2.0}
    | {"ascent_steps": 1},
    "brdr": {"memory": 0.5, "momentum": 0.5, "learning_rate": 0.1},
    "vrba": {"potential": "power", "eta": 0.1, "most": 5.0, "start": 0.2, "mixing": 0.5, "exponent": 3.0}
    | {"strength": 0.5, "until": 1},
    "relobralo": {"memory": 0.5, "temperature": 0.5, "remembering": 1.0},
    "softadapt": {"sharpness": 1.0, "variant": "normalized", "order": 3},
}
"""Option → another value of each of its settings."""
COMPOSED = ("causal_gradient_norm", "causal_ntk")
WORDS = {"together": ("+weighting@weighting.parts.causal=causal", "+weighting@weighting.parts.rba=rba")}
OPTIONS = [option for option in options("weighting") if option != "none"]
EACH = [pytest.param(option, marks=pytest.mark.landing) if option not in OTHER else option for option in OPTIONS]
"""Those made of others are compiled once more, and only for the landing."""
STARTS = {
    "causal": {"tolerance": [0.1, 1.0], "chunks": 6},
    "gradient_norm": {"every": 3},
    "ntk": {"every": 3},
    "relobralo": {"memory": 0.9, "remembering": 0.5},
}
"""Settings from which every other one makes a difference within four steps."""
NEEDED = {("vrba", "exponent"): {"potential": "power"}, ("vrba", "strength"): {"potential": "cosh"}}
"""What else must be set for a setting to matter."""


def made(option):
    return built("weighting", option, *WORDS.get(option, ()))


@pytest.mark.landing
@pytest.mark.parametrize("option", EACH)
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


@pytest.mark.parametrize("option", EACH)
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

    read = jax.tree.map(np.asarray, checkpoints.restore("state", template, weighting.init).weighting)
    checkpoints.close()
    (expected, weights), (found, again) = (steps(one, other, (3, 4)) for one in (state, read))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, two in zip(jax.tree.leaves((expected, weights)), jax.tree.leaves((found, again)), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("option", EACH)
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


@pytest.mark.parametrize("option", OTHER)
def test_in_single_precision_all_stays_single(option):
    weighting, residuals = made(option), {name: np.ones(len(points)) for name, points in DRAWN.items()}
    with ComputeSettings.of("float32", "cpu").active():
        start = weighting.init(DRAWN)
        singles = {name: jnp.asarray(values) for name, values in residuals.items()}
        state, found = jax.eval_shape(lambda state: weighting.update(state, Given(residuals=singles), DRAWN), start)
        later = weighting.renew(start, DRAWN)
        kinds = [[leaf.dtype for leaf in jax.tree.leaves(one)] for one in (start, state, later)]
        assert kinds[0] == kinds[1] == kinds[2]
        assert {str(weight.dtype) for weight in found.values()} == {"float32"}
        assert not {"float64", "int64"} & set(map(str, kinds[0]))


def test_the_table_has_all():
    assert {*OTHER, *COMPOSED, *WORDS} == set(OPTIONS)
    kinds = {type(made(option)).__name__ for option in OPTIONS}
    assert kinds == {name for name in room.__all__ if hasattr(getattr(room, name), "figures")} - {"Weighting"}


@pytest.mark.parametrize(("option", "setting"), [(option, name) for option, all_ in OTHER.items() for name in all_])
def test_every_setting_changes_what_is_computed(option, setting):
    """Within four steps, from other residuals at each."""

    def course(**settings):
        needed = NEEDED.get((option, setting), {})
        weighting = replace(made(option), **(STARTS.get(option, {}) | needed | settings))
        generator, weights = np.random.default_rng(0), []
        t = generator.random(40) ** 2
        drawn = {name: np.column_stack([t, t]) for name in ("residual", "initial")}
        state = weighting.init(drawn)
        for _ in range(4):
            residuals = {name: generator.standard_normal(40) for name in drawn}
            state, found = weighting.update(state, Given(residuals=residuals), drawn)
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
    (SelfAdaptive, {"learning_rate": 0}, "weighting.learning_rate is 0: give a positive number"),
    (SelfAdaptive, {"initial": -1.0}, "weighting.initial is -1.0: give a positive number"),
    (SelfAdaptive, {"b1": 1.0}, r"weighting.b1 is 1.0: give a number in \[0, 1\)"),
    (SelfAdaptive, {"mask": "cube"}, "weighting.mask is 'cube': choose one of square, linear, sigmoid"),
    (SelfAdaptive, {"ascent_steps": -1}, "weighting.ascent_steps is -1: give a whole number from 0, or null"),
    (BRDR, {"memory": 1.0}, r"weighting.memory is 1.0: give a number in \[0, 1\)"),
    (BRDR, {"learning_rate": 2.0}, "weighting.learning_rate is 2.0: give a number above 0 and up to 1, or null"),
    (VRBA, {"potential": "cubic"}, "weighting.potential is 'cubic': choose one of quadratic, power"),
    (VRBA, {"most": 0.001}, "weighting.most is 0.001: give a number from weighting.eta on"),
    (VRBA, {"until": 0}, "weighting.until is 0: give a whole number from 1, or null"),
    (VRBA, {"mixing": 2.0}, "weighting.mixing is 2.0: give a number from 0 to 1"),
    (VRBA, {"exponent": 1.0}, "weighting.exponent is 1.0: give a number above 1"),
    (VRBA, {"strength": 0.0}, "weighting.strength is 0.0: give a number above 0"),
    (ReLoBRaLo, {"memory": -0.1}, "weighting.memory is -0.1: give a number from 0 to 1"),
    (ReLoBRaLo, {"temperature": 0.0}, "weighting.temperature is 0.0: give a positive number"),
    (SoftAdapt, {"sharpness": 0.0}, "weighting.sharpness is 0.0: give a number that is not zero"),
    (SoftAdapt, {"variant": "sharp"}, "weighting.variant is 'sharp': choose one of plain, normalized, loss_weighted"),
    (SoftAdapt, {"order": 6}, "weighting.order is 6: give a whole number from 1 to 5"),
    (Together, {"parts": {}}, r"weighting.parts is {}: give some by \+weighting@weighting.parts.NAME=NAME"),
    (Together, {"parts": {"a": {}}}, "weighting.parts is"),
]


@pytest.mark.parametrize(("kind", "settings", "sentence"), REFUSED)
def test_what_cannot_be_used_is_refused(kind, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        kind(**settings)


def test_what_balances_terms_is_refused_where_there_is_one():
    balancing = {option for option in OPTIONS if getattr(made(option), "balances", False)}
    assert balancing == {"gradient_norm", "ntk", "causal_gradient_norm", "causal_ntk", "relobralo", "softadapt"}
    for option in OPTIONS:
        require_terms(made(option), ("residual", "initial"))
        if option in balancing:
            with pytest.raises(InputError, match=r"balances the terms .* one alone, residual: choose ansatz=soft"):
                require_terms(made(option), ("residual",))
    with pytest.raises(InputError, match="The weighting NTK balances the terms"):
        assemble(composed("weighting=ntk", "windows=1"))
    assemble(composed("weighting=ntk", "windows=1", "ansatz=soft", "embedding=periodic"))


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_random_follows_the_seed_of_the_run(option):
    """As all else that a member of an ensemble draws."""
    one, same, other = (jax.tree.leaves(made(option).init(DRAWN, seed)) for seed in (1, 1, 2**32 - 1))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    differs = not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert differs == (option in ("self_adaptive", "relobralo"))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_weighting_can_be_written_down(option):
    """As a solution of `fit` is, and read again: with its parts in their order."""
    config = composed()
    config.weighting = node(made(option), "weighting")
    assert build(config.weighting) == made(option)
