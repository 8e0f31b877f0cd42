"""Regimes: how the problem that one network is trained on changes, against problems and networks written by hand."""

import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from composed import composed
from fields import random_params
from pinn_ac.ansatz import Change, ReactionFlow, Soft
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.fitting import choose
from pinn_ac.models import MLP, Periodic, Separable, Splitting
from pinn_ac.optimizers import Adam
from pinn_ac.problem import AllenCahn, Burgers, Cosine
from pinn_ac.regimes import BackwardCompatible, Curriculum, Moment, PseudoTime
from pinn_ac.running import Plan, Training, computing
from pinn_ac.sampling import CausalRetainRelease, Grid, ResidualRefinement, Uniform
from pinn_ac.setup import assemble as assembled
from pinn_ac.tracking import Tracker
from pinn_ac.training import Checkpoints, Stopped
from pinn_ac.training.loop import share_of_window

PROBLEM = AllenCahn(1e-2, 2.0, horizon=1.5, initial_condition=Cosine())
CHOICES = {
    "network": MLP(4, 1),
    "embedding": Periodic(modes=2),
    "ansatz": Soft(),
    "sampler": Uniform(32, 16, resample_every=2),
    "optimizer": Adam(steps=6),
    "windows": 1,
}
EVERY_STEP = Plan(log_every=1, evaluate_every=2, checkpoint_every=1)


def experiment(problem=PROBLEM, **choices):
    """A small run that is not trained; Adam and a soft initial condition where nothing else is said."""
    return assembled(choose(problem, None, None, 0, {**CHOICES, **choices}))


def trained(one, plan=EVERY_STEP, checkpoints=None, trackers=()):
    with computing(one):
        return Training(one, plan, trackers, checkpoints=checkpoints).run()


def some_params(one, seed=0):
    return random_params(one.setup.network, one.field.features, seed)


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def same_bits(one, other):
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


# --- curriculum -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ansatz", "coefficient", "value"),
    [
        ("soft", "reaction_rate", 1.0),
        pytest.param("reaction_flow", "reaction_rate", 1.0, marks=pytest.mark.landing),
        pytest.param("reaction_flow", "diffusivity", 3e-2, marks=pytest.mark.landing),
    ],
)
def test_a_stage_is_the_problem_with_its_coefficient(ansatz, coefficient, value):
    """The terms of a stage's loss are those of a run on a problem that has the coefficient from the start.

    In the lift, the flow and the features too. Both problems have the same natural units: their time unit is the
    horizon, 1.5 < 5/R.
    """
    choices = {"ansatz": Soft()} if ansatz == "soft" else {"ansatz": ReactionFlow(), "embedding": Splitting()}
    staged = experiment(regime=Curriculum(coefficient, (value,)), **choices)
    plain = experiment(replace(PROBLEM, **{coefficient: value}), **choices)
    assert staged.problem.natural.time_unit == plain.problem.natural.time_unit
    params, change = some_params(staged), staged.regime.change(staged.problem, 0, ())
    points = staged.draw(0, params, {}, condition=change, stage=0)
    found, expected = (
        staged.programs.means(params, staged.prepare(points, change)),
        plain.programs.means(params, plain.prepare(points)),
    )
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-10)
    residual = staged.guides(params, change).residual(points["residual"])
    np.testing.assert_allclose(residual, plain.guides(params).residual(points["residual"]), rtol=1e-9, atol=1e-10)
    other = staged.programs.means(params, staged.prepare(points))
    assert abs(float(other["residual"]) / float(expected["residual"]) - 1) > 1e-3  # it is another problem


def test_one_compiled_program_serves_every_stage():
    one = experiment(regime=Curriculum("reaction_rate", (0.5, 1.0)))
    step, params = jax.jit(one.objective.value_and_grad), some_params(one)
    losses = []
    for stage in range(one.passes):
        change = one.regime.change(one.problem, stage, ())
        points = one.draw(0, params, {}, condition=change, stage=stage)
        losses.append(float(step(params, one.prepare(points, change))[0]))
    assert step._cache_size() == 1
    assert len(set(losses)) == 3


def test_a_curriculum_ends_at_the_problems_own_coefficient():
    for values, expected in (((0.5, 1.0), (0.5, 1.0, 2.0)), ((1, 2), (1.0, 2.0)), ((3.0,), (3.0, 2.0))):
        regime = Curriculum("reaction_rate", values)
        assert regime.all_values(PROBLEM) == expected
        assert regime.stages(PROBLEM) == len(expected)
        last = regime.change(PROBLEM, len(expected) - 1, ()).coefficients["reaction_rate"]
        assert float(last) == PROBLEM.natural.reaction_rate == 3.0  # in units of the horizon
        first = regime.change(PROBLEM, 0, ()).coefficients["reaction_rate"]
        assert float(first) == pytest.approx(1.5 * values[0], rel=1e-15)


def test_a_curriculum_of_the_problems_own_value_is_plain_training_bit_for_bit():
    plain = trained(experiment())
    once = trained(experiment(regime=Curriculum("reaction_rate", (2.0,))))
    assert same_bits(plain.params, once.params)
    assert [line["loss"] for line in plain.history] == [line["loss"] for line in once.history]


def test_each_stage_begins_with_the_best_parameters_of_the_one_before():
    """Against the steps themselves: points of the run's own draws, a new state of Adam in each stage."""
    staged = experiment(regime=Curriculum("reaction_rate", (1.0,)))
    end = trained(staged, EVERY_STEP)
    params, step = staged.initial_params(), 0
    for stage in range(2):
        change = staged.regime.change(staged.problem, stage, ())
        held_out, best = staged.held_out(change, stage), np.inf
        optimizer = staged.stages[0].optimizer
        state = optimizer.init(params)
        for _ in range(6):
            if step % 2 == 0:
                drawn = staged.draw(step, optimizer.params(state), {}, condition=change, stage=stage)
                batch = staged.prepare(drawn, change)
            state, _ = optimizer.step(state, batch)
            step += 1
            if step % 2 == 0 and (loss := staged.programs.loss(optimizer.params(state), held_out)) < best:
                best, params = loss, optimizer.params(state)
    assert same_bits(end.params[0], params)
    assert [line["stage"] for line in end.history] == 6 * ["1/2 adam"] + 6 * ["2/2 adam"]
    assert end.metrics["steps"] == staged.total_steps == 12
    assert len(end.params) == end.metrics["windows"] == 1


# --- bc-PINN ------------------------------------------------------------

BC = BackwardCompatible(segments=3, weight=8.0, num_points=48)


def test_bc_points_lie_in_the_segment_and_before_it():
    one = experiment(regime=BC)
    for stage in range(3):
        drawn = one.draw(4, some_params(one), {}, stage=stage)
        start, end = stage / 3, (stage + 1) / 3
        t = drawn["residual"][:, 0]
        assert ((t > start) & (t < end)).all()
        np.testing.assert_allclose(drawn["initial"][:, 0], start, rtol=1e-15)
        earlier = drawn["backward"][:, 0]
        assert drawn["backward"].shape == (48, 2)
        assert earlier.min() < 0.05
        assert earlier.max() < max(start, 1 / 3)
        assert (drawn["backward_weights"] == (stage > 0)).all()
        other = one.draw(6, some_params(one), {}, stage=stage)["backward"]
        assert not np.isin(drawn["backward"][:, 1], other[:, 1]).any()


def test_the_bc_terms_are_what_has_changed_and_vanish_where_nothing_has():
    """The mean squares of u − u_before, by the solution's own evaluation, at the points of the draw."""
    one = experiment(regime=BC)
    before, now = some_params(one, 1), some_params(one, 2)
    drawn, change = one.draw(0, now, {}, stage=1), one.regime.change(one.problem, 1, (before,))
    batch, first = one.prepare(drawn, change), one.prepare(one.draw(0, now, {}, stage=0))
    means = one.programs.means
    # Values of size one that two programs compute: their difference is of rounding, 1e-16, and is squared.
    assert all(float(means(before, batch)[name]) < 1e-28 for name in ("backward", "initial"))

    def u(params, points):
        return pinn_ac.Solution(one, params)(PROBLEM.horizon * points[:, 0], points[:, 1])

    found = means(now, batch)
    for name in ("backward", "initial"):
        expected = np.mean((u(now, drawn[name]) - u(before, drawn[name])) ** 2)
        np.testing.assert_allclose(found[name], expected, rtol=1e-11)
    assert jax.tree.structure(batch) == jax.tree.structure(first)  # so that one compiled step serves both
    assert float(means(now, first)["backward"]) == 0
    at_start = one.draw(0, now, {}, stage=0)["initial"]
    expected = np.mean((u(now, at_start) - np.cos(np.pi * at_start[:, 1])) ** 2)
    np.testing.assert_allclose(means(now, first)["initial"], expected, rtol=1e-11)
    f = one.guides(now).residual(drawn["residual"])
    np.testing.assert_allclose(found["residual"], np.mean(f**2), rtol=1e-11)
    total = found["residual"] + 100 * found["initial"] + 8 * found["backward"]
    np.testing.assert_allclose(one.objective.total(found), total, rtol=1e-14)


def test_a_bc_run_is_one_network_on_the_whole_horizon(tmp_path):
    one = experiment(regime=BC)
    run = trained(one)
    assert len(run.params) == 1
    assert [line["stage"] for line in run.history][::6] == ["1/3 adam", "2/3 adam", "3/3 adam"]
    assert run(1.5, 0.3).shape == ()
    run.save(tmp_path / "run")
    again = pinn_ac.load_run(tmp_path / "run")
    assert again.experiment.regime == BC
    assert same_bits(again.params, run.params)


def test_bc_terms_are_rows_of_the_least_squares_too():
    """r and its rows add up to the loss, so that every optimizer sees the new term."""
    one = experiment(regime=BC)
    before, now = some_params(one, 1), some_params(one, 2)
    batch = one.prepare(one.draw(0, now, {}, stage=1), one.regime.change(one.problem, 1, (before,)))
    rows = jax.jit(one.objective.residuals)(now, batch)
    assert rows.shape == (32 + 16 + 48,)
    np.testing.assert_allclose(jnp.sum(rows**2), jax.jit(one.objective.loss)(now, batch), rtol=1e-12)


# --- pseudo-time ------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 1])
def test_the_residual_is_damped_towards_the_network_of_an_earlier_draw(lag):
    one = experiment(regime=PseudoTime(rate=2.5, lag=lag))
    a, b, now = (some_params(one, seed) for seed in (1, 2, 3))
    first = one.draw(0, a, {})
    second = one.draw(2, b, first)
    batch = one.prepare(second, one.recalled(None, second))
    points = second["residual"]

    def u_and_f(params):
        found = pinn_ac.Solution(one, params).derivatives(1.5 * points[:, 0], points[:, 1], ("u", "residual"))
        return found["u"], 1.5 * found["residual"]  # in natural units, of which the horizon is one

    (u, f), (old, _) = u_and_f(now), u_and_f(a if lag else b)
    found = one.objective.vector("residual", now, batch.terms["residual"])
    np.testing.assert_allclose(found, f + 2.5 * (u - old), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(one.guides(now).residual(points), np.abs(f), rtol=1e-10, atol=1e-10)
    assert one.held_out().terms["residual"].prepared.old is None  # held-out points have f itself


def test_no_gradient_goes_through_the_network_as_it_was():
    """At θ = θ_old the residual is f, and its derivative along any v that of f + w u: as if u_old were a number."""
    one = experiment(regime=PseudoTime(rate=2.5))
    a, v = some_params(one, 1), some_params(one, 2)
    drawn = one.draw(0, a, {})
    damped, plain = (one.prepare(drawn, change).terms["residual"] for change in (one.recalled(None, drawn), None))
    t, x = drawn["residual"].T

    def along(f):
        return jax.jit(lambda p: jax.jvp(f, (p,), (v,)))(a)

    (found, slope), (f, f_slope) = (
        along(lambda p, points=points: one.objective.vector("residual", p, points)) for points in (damped, plain)
    )
    _, u_slope = along(lambda p: jax.vmap(lambda t, x: one.field(p, t, x))(t, x))
    # Two programs of a few hundred operations on values of size ten.
    np.testing.assert_allclose(found, f, rtol=0, atol=1e-12)
    np.testing.assert_allclose(slope, f_slope + 2.5 * u_slope, rtol=0, atol=1e-11)


def test_the_rate_follows_the_local_lipschitz_constant():
    """Networks without units: u = flat[0], f = 3 u − 1, so ‖Δf‖/‖Δu‖ is 3, whatever the points."""
    regime, points = PseudoTime(rate=5.0, adapt_every=10, falls=(1.0, 3.0), least_share=0.2), np.zeros((4, 2))

    def measure(flat, points):
        u = np.full(len(points), flat[0])
        return u, 3 * u - 1

    def moment(step, value, previous):
        return Moment(step, max(0, step - 5), previous, np.array([value]), measure, points)

    first = regime.remember(moment(0, 1.0, {}))
    assert (first["memory_rate"][0], first["memory_first_loss"][0]) == (5.0, 4.0)
    second = regime.remember(moment(5, 0.9, first))
    assert second["memory_rate"][0] == 5.0  # not due
    assert (second["memory_params"][0], second["memory_old_params"][0]) == (0.9, 1.0)
    third = regime.remember(moment(10, 0.8, second))  # f² = 1.96, half of what it was: no fall yet
    assert third["memory_rate"][0] == pytest.approx(0.9 * 5 + 0.1 * 3, rel=1e-6)
    fourth = regime.remember(moment(20, 1 / 3 + 0.02 / 3, third))  # f = 0.02, f² = 1e-4 of it: q is at its least
    assert fourth["memory_rate"][0] == pytest.approx(0.9 * 4.8 + 0.1 * 3 * 0.2, rel=1e-6)
    assert regime.share(1e-2) == pytest.approx(0.6)  # half-way
    still = regime.remember(moment(30, 1 / 3 + 0.02 / 3, fourth))  # nothing has moved: 0/1e-8, clipped to 0.01
    assert still["memory_rate"][0] == pytest.approx(0.9 * fourth["memory_rate"][0] + 0.1 * 0.01, rel=1e-6)


# --- all of them ------------------------------------------------------------

CAUSAL = CausalRetainRelease(32, 16, resample_every=2, rate=0.1, gate=0.2)
GROWING = ResidualRefinement(32, 16, resample_every=2, rounds=3)
RESUMED = {
    "pseudo-time, causal R3": {"regime": PseudoTime(rate=2.0, adapt_every=4), "sampler": CAUSAL},
    "curriculum, RAR-D": {"regime": Curriculum("reaction_rate", (1.0,)), "sampler": GROWING},
    "bc-PINN": {"regime": BC},
}


class StopAt(Tracker):
    def __init__(self, step):
        self.step = step

    def log(self, step, stage, figures):
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.landing
@pytest.mark.parametrize(
    "name", [name if "R3" in name else pytest.param(name, marks=pytest.mark.landing) for name in RESUMED]
)
def test_a_stopped_run_resumes_with_the_same_bits(name, tmp_path):
    """Stopped between two draws of its last stage, and taken up from the folder by objects that are new."""
    one = experiment(**RESUMED[name])
    whole = trained(one)
    at = one.total_steps - 3
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(Stopped):
        trained(one, checkpoints=checkpoints, trackers=[StopAt(at)])
    checkpoints.close()
    resumed = trained(replace(one), checkpoints=Checkpoints(tmp_path))
    assert same_bits(resumed.params, whole.params)
    assert resumed.metrics["steps"] == one.total_steps
    tail = [line for line in whole.history if line["step"] > at]
    assert [line["loss"] for line in resumed.history] == [line["loss"] for line in tail]


@pytest.mark.parametrize("regime", [BC, PseudoTime(adapt_every=2)], ids=["bc-PINN", "pseudo-time"])
def test_points_and_memory_have_the_precision_of_the_run(regime):
    one = experiment(regime=regime, precision="float32", network=MLP(2, 1))
    with one.compute.active():
        params = jax.tree.map(lambda leaf: leaf.astype(np.float32), some_params(one))
        drawn = one.draw(0, params, {}, stage=1 if regime is BC else 0)
        assert {values.dtype for values in drawn.values()} == {np.dtype(np.float32)}
        change = one.recalled(one.regime.change(one.problem, 1, (params,)), drawn)
        batch = one.prepare(drawn, change)
        assert {leaf.dtype for leaf in jax.tree.leaves(batch)} == {jnp.dtype(np.float32)}


def test_sequence_to_sequence_is_windows_with_a_learned_start():
    one, other = (
        composed("regime=sequence_to_sequence", "seed=1"),
        composed("windows=10", "ansatz=soft", "embedding=periodic", "seed=1"),
    )
    assert one == other
    assert assemble(composed("regime=sequence_to_sequence", "windows=4")).windows == 4


def test_a_budget_is_shared_evenly_between_stages():
    assert [share_of_window(k, 4, even=True) for k in range(4)] == [1 / 4, 1 / 3, 1 / 2, 1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("regime=curriculum", "windows=2"), "one network on the whole horizon, and windows is 2"),
        (("regime=curriculum", "regime.coefficient=speed"), "regime.coefficient is speed: AllenCahn has diffusivity"),
        (("regime=curriculum", "regime.values=[-1]"), "problem.reaction_rate is -1: give zero or a positive number"),
        (("regime=curriculum", "regime.values=[]"), "give a list of numbers"),
        (("regime=curriculum", "regime.values=3"), "regime.values is 3: give a list of numbers"),
        (("regime=backward_compatible", "regime.segments=1"), "regime.segments is 1: give a whole number from 2"),
        (("regime=backward_compatible", "regime.weight=0"), "regime.weight is 0: give a positive number"),
        (("regime=backward_compatible", "regime.num_points=0"), "regime.num_points is 0: give a whole number from 1"),
        (("experiment=bc_pinn", "weighting=gradient_norm"), "weighs terms of the loss by their sizes, and where"),
        (("experiment=bc_pinn", "weighting=causal_ntk"), "The weighting Together weighs terms of the loss by their"),
        (("regime=pseudo_time", "regime.rate=-1"), "regime.rate is -1: give a positive number"),
        (("regime=pseudo_time", "regime.lag=2"), "regime.lag is 2: give 0 or 1"),
        (
            ("regime=pseudo_time", "regime.adapt_every=0"),
            "regime.adapt_every is 0: give a whole number from 1, or null",
        ),
        (("regime=pseudo_time", "regime.least_share=2"), "regime.least_share is 2: give a number above 0, at most 1"),
        (("regime=pseudo_time", "regime.falls=[6,2]"), "give two numbers, the first the smaller"),
        (("regime=pseudo_time", "sampler.resample_every=0"), "and sampler.resample_every is 0: give 1 or more"),
        (("regime=pseudo_time", "experiment=record"), "chooses its windows itself: choose regime=none"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_regime_cannot_use_is_refused_in_a_sentence(words, sentence):
    with pytest.raises(InputError) as refusal:
        assemble(composed(*words))
    assert sentence in str(refusal.value)


def test_a_curriculum_is_for_any_equation():
    one = experiment(Burgers(viscosity=0.05), regime=Curriculum("viscosity", (0.5, 0.1)), ansatz=Soft())
    assert one.passes == 3
    assert float(one.regime.change(one.problem, 0, ()).coefficients["viscosity"]) == pytest.approx(0.5)


def test_a_change_of_nothing_is_the_field_itself():
    one = experiment()
    assert one.field.starting_from(Change()) is one.field


def test_over_fitting_is_judged_without_the_gate_that_hides_later_times():
    """The loss on the batch is tiny behind a closed gate; the one that held-out losses are compared with is not."""
    one = experiment(sampler=CausalRetainRelease(32, 16, resample_every=2, gate=-3.0))
    params = some_params(one)
    drawn = one.draw(0, params, {})
    batch = one.prepare(drawn)
    f = one.guides(params).residual(drawn["residual"])
    initial = 100 * float(one.programs.means(params, batch)["initial"])
    with computing(one):
        compared = Training(one, EVERY_STEP).trainer.guard.loss(params, batch)
    assert compared - initial == pytest.approx(np.mean(f**2), rel=1e-9)
    assert one.programs.loss(params, batch) - initial < 1e-10 * np.mean(f**2)


@pytest.mark.landing
def test_a_separable_network_keeps_its_quicker_way_on_grids():
    """All points of a grid at once, against one by one."""
    one = experiment(network=Separable(), regime=PseudoTime(rate=2.0), sampler=Grid(36, 16, resample_every=2))
    before, now = some_params(one, 1), some_params(one, 2)
    second = one.draw(2, now, one.draw(0, before, {}))
    batch, term = one.prepare(second, one.recalled(None, second)), one.objective.terms["residual"]
    points = batch.terms["residual"].prepared
    found = jax.jit(term.at_points)(now, points)
    expected = jax.jit(jax.vmap(term.at_point, (None, 0)))(now, points)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
