"""One table for all optimizers: they find minima, tell the truth, compile once, and every option counts."""

import gc
import weakref
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from composed import composed, options
from pinn_ac.app.objects import build
from pinn_ac.batch import Batch, Points
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, Term
from pinn_ac.models.fourier_features import FREQUENCIES
from pinn_ac.optimizers import Adam
from pinn_ac.training.checkpoints import Checkpoints
from pinn_ac.training.state import TrainingState, stacked

OPTIMIZERS = options("optimizer")
# option → settings with which it reaches the minimum of either problem, and how near √loss comes to zero.
# The steps of first-order methods end with the schedule; the others converge faster than linearly, down to rounding.
FIRST_ORDER = {"steps": 4000, "learning_rate": 0.05, "final_lr_fraction": 1e-4}
FULL_STEPS = {"learning_rate": 1.0, "norm_constraint": None, "momentum": 0.0, "damping": 1e-8}
REACHES = {
    "adam": (FIRST_ORDER, 1e-4),
    "gauss_newton": ({"steps": 8}, 1e-10),
    "lbfgs": ({"steps": 80}, 1e-7),
    "levenberg_marquardt": ({"steps": 80}, 1e-10),
    "muon": (FIRST_ORDER, 1e-4),
    "nystrom_newton_cg": ({"steps": 40}, 1e-7),
    "soap": (FIRST_ORDER, 1e-4),
    "spring": (FULL_STEPS | {"steps": 80}, 1e-7),
    "ssbfgs": ({"steps": 80}, 1e-7),
    "ssbroyden": ({"steps": 80}, 1e-7),
}
# option → another value of each of its settings, which must lead elsewhere. `steps` is the stage's own where the
# method has no schedule.
SCHEDULE = {
    "steps": 40,
    "learning_rate": 1e-3,
    "schedule": "exponential",
    "final_lr_fraction": 0.5,
    "warmup_steps": 3,
    "decay_rate": 0.5,
    "decay_steps": 4,
}
OTHER = {
    "adam": SCHEDULE | {"b1": 0.5, "b2": 0.9},
    "gauss_newton": {"floor": 0.5, "solver": "normal"},
    "lbfgs": {"memory": 1, "linesearch_steps": 1},
    "levenberg_marquardt": {
        "damping": 1.0,
        "damping_decrease": 2.0,
        "damping_increase": 10.0,
        "max_damping_trials": 1,
        "min_damping": 0.5,
        "scaling": "plain",
        "min_scaling": 1.0,
        "max_acceleration": 0.0,
        "max_backtracks": 0,
        "solver": "qr",
        "cg_iterations": 1,
        "cg_tolerance": 0.9,
    },
    "muon": SCHEDULE | {"beta": 0.5, "newton_schulz_steps": 1},
    "nystrom_newton_cg": {
        "rank": 1,
        "refresh_every": 1,
        "damping": 1.0,
        "cg_iterations": 1,
        "cg_tolerance": 0.9,
        "armijo": 0.9,
        "backtrack": 0.1,
    },
    "soap": SCHEDULE | {"b1": 0.5, "b2": 0.9, "refresh_every": 5},
    "spring": SCHEDULE | {"damping": 1.0, "momentum": 0.5, "norm_constraint": 1e-6, "solver": "cg"},
    "ssbfgs": {"linesearch_steps": 1, "c1": 0.8, "c2": 0.1},
    "ssbroyden": {"linesearch_steps": 1, "c1": 0.8, "c2": 0.1},
}
# setting → another setting without which it has no say.
WITH = {
    "cg_iterations": {"solver": "cg"},
    "cg_tolerance": {"solver": "cg"},
    "decay_rate": {"schedule": "exponential"},
    "decay_steps": {"schedule": "exponential"},
    "final_lr_fraction": {"schedule": "cosine"},
    "steps": {"schedule": "cosine"},
}
# Settings of memory, time and single precision alone, which test_least_squares.py has, and of several terms, which
# test_combiners.py has.
ELSEWHERE = {"chunk", "accumulate", "normal_precision", "combine"}
NAMES = {"schedule", "scaling", "solver"}
MOMENTUM = {"adam", "muon", "soap", "spring"}
BY_MATRICES = {"muon", "soap"}
"""Methods that are Adam for parameters that are no matrices, as in the valley."""


def objective(at_point):
    """The mean square of a function of (params, one row of the points)."""
    return Objective({"residual": Term(lambda points, condition=None: points, at_point)}, {}, "mse", JaxGradient())


shared = cache(objective)
"""One objective for all tests of a function, so that what is compiled for it is compiled once."""


def batch_of(rows, weight=None):
    """A batch of rows for one of the objectives here."""
    return Batch({"residual": Points(jnp.asarray(rows), weight)})


def _linear(params, row):
    return row[:2] @ params["matrix"][0] + row[2:4] @ params["matrix"][1] + row[4] * params["scalar"] - row[5]


def linear(make=shared):
    """Twenty equations for a matrix and a scalar, five unknowns, which cannot all be satisfied."""
    generator = np.random.default_rng(0)
    A, b = generator.standard_normal((20, 5)), generator.standard_normal(20)
    params = {"matrix": jnp.ones((2, 2)), "scalar": jnp.ones(())}
    return make(_linear), params, batch_of(np.column_stack([A, b])), np.linalg.lstsq(A, b)[0]


def _valley(params, row):
    x, y = params["place"]
    return row[0] * 10 * (y - x**2) + row[1] * (1 - x)


def rosenbrock(make=shared):
    """Residuals 10 (y − x²) and 1 − x from (−1.2, 1): a bent valley down to (1, 1)."""
    return make(_valley), {"place": jnp.asarray([-1.2, 1.0])}, batch_of(np.eye(2)), np.ones(2)


def problem_of(option, make=shared):
    """The valley, or for a method that is Adam in it the equations for a matrix."""
    return (linear if option in BY_MATRICES else rosenbrock)(make)


def scaled(batch, factor):
    """Other points."""
    return jax.tree.map(lambda values: factor * values, batch)


def follow(optimizer, params, batch, steps):
    """The state, and what each step reports."""
    state, infos = optimizer.init(params), []
    for _ in range(steps):
        state, info = optimizer.step(state, batch)
        infos.append(info)
    return state, infos


def flat(optimizer, state):
    return np.asarray(ravel_pytree(optimizer.params(state))[0])


@pytest.fixture(params=OPTIMIZERS)
def option(request):
    assert request.param in REACHES, f"give optimizer={request.param} a line in the table REACHES"
    return request.param


def make(option, problem, **settings):
    """The optimizer as its YAML has it, but for `settings`."""
    return build(composed(f"optimizer={option}").optimizer, **settings).build(problem)


@pytest.mark.parametrize(
    ("option", "problem"),
    [(option, linear) for option in OPTIMIZERS] + [(one, rosenbrock) for one in OPTIMIZERS if one not in BY_MATRICES],
)
def test_minimum_is_reached(option, problem):
    target, params, batch, exact = problem()
    settings, near = REACHES[option]
    optimizer = make(option, target, **settings)
    state, infos = follow(optimizer, params, batch, settings["steps"])
    found, unravel = ravel_pytree(optimizer.params(state))
    least = target.loss(optimizer.params(state), batch)
    # √loss is within `near` of the least, so the parameters are near/κ: J's smallest singular value is above 0.1.
    # A method that asks whether the loss fell is not told of less than its rounding: |Jδ|² < eps · least.
    J = jax.jacobian(lambda p: target.residuals(unravel(p), batch))(found)
    unseen = float(jnp.sqrt(jnp.finfo(float).eps * least) / jnp.linalg.svd(J, compute_uv=False)[-1])
    np.testing.assert_allclose(found, exact, rtol=0, atol=max(20 * near, unseen))
    assert infos[-1].loss >= least - max(1e-12, near**2)
    assert infos[0].loss > 2 * least


def test_minimum_is_reached_in_single_precision(option, single_precision):
    target, params, batch, exact = problem_of(option)
    settings, near = REACHES[option]
    optimizer = make(option, target, **settings)
    state, infos = follow(optimizer, params, batch, settings["steps"])
    np.testing.assert_allclose(flat(optimizer, state), exact, rtol=0, atol=max(20 * near, 2e-3))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(optimizer.params(state))} == {"float32"}
    assert infos[-1].loss.dtype == jnp.float32


def test_reported_loss_is_the_objective_where_the_step_began(option):
    target, params, batch, _ = problem_of(option)
    optimizer = make(option, target)
    state = optimizer.init(params)
    for k in range(6):
        other = scaled(batch, 1.0 + k % 3)  # new points: nothing may be kept from the old ones
        expected = target.loss(optimizer.params(state), other)
        state, info = optimizer.step(state, other)
        np.testing.assert_allclose(info.loss, expected, rtol=1e-13)


def test_evaluations_are_counted(option):
    target, params, batch, _ = rosenbrock()
    counts = [int(info.evaluations) for info in follow(make(option, target), params, batch, 5)[1]]
    assert counts[0] >= 1
    assert (np.diff(counts) >= 1).all()


# Every program that a method may be made of.
PROGRAMS = [(option, {}) for option in OPTIMIZERS] + [
    ("levenberg_marquardt", settings)
    for settings in (
        {"solver": "qr"},
        {"solver": "kernel"},
        {"solver": "cg"},
        {"solver": "normal", "accumulate": True},
        {"max_acceleration": 0.0},
    )
]


@pytest.mark.landing
@pytest.mark.parametrize(("option", "settings"), PROGRAMS, ids=str)
def test_one_compilation_serves_all_steps_and_equal_optimizers_and_ends_with_the_objective(
    option, settings, compilations
):
    target, params, batch, _ = problem_of(option, make=objective)
    optimizer = make(option, target, **settings)
    first, _ = optimizer.step(optimizer.init(params), batch)
    jax.block_until_ready(first)
    assert compilations, "nothing was compiled at all: the listener does not hear"
    other = scaled(batch, 2.0)
    compilations.clear()
    for points in (other, batch):
        first, _ = optimizer.step(first, points)
    assert not compilations  # not by the second step, nor by new points
    equal = make(option, target, **settings)
    second, _ = equal.step(equal.init(params), batch)
    for points in (other, batch):
        second, _ = equal.step(second, points)
    assert not compilations
    np.testing.assert_array_equal(flat(equal, second), flat(optimizer, first))
    held = weakref.ref(target)
    del target, optimizer, equal
    gc.collect()
    assert held() is None


def test_another_damping_takes_the_same_residuals(compilations):
    """Of Levenberg–Marquardt only the damping itself, a few sums, is compiled for each choice of settings."""
    target, params, batch, _ = rosenbrock()
    follow(make("levenberg_marquardt", target), params, batch, 2)
    compilations.clear()
    follow(make("levenberg_marquardt", target, damping=0.3), params, batch, 2)
    assert len(compilations) <= 2


def test_state_is_a_pytree_of_arrays_that_keeps_its_types(option):
    target, params, batch, _ = linear()
    optimizer = make(option, target)
    before = optimizer.init(params)
    after, _ = optimizer.step(before, batch)
    cautious = optimizer.on_nonfinite(after)
    for state in (after, cautious):
        assert jax.tree.structure(state) == jax.tree.structure(before)
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
            assert isinstance(new, jax.Array)
            assert (new.shape, new.dtype) == (jnp.shape(old), jnp.result_type(old))


def test_on_nonfinite_stays_where_it_is_and_then_steps_with_care(option):
    """After it the next step is shorter, or at least one that lowers the loss."""
    target, params, batch, _ = problem_of(option)
    optimizer = make(option, target)
    state, _ = follow(optimizer, params, batch, 1 if option == "gauss_newton" else 5)  # which is there in two steps
    cautious = optimizer.on_nonfinite(state)
    here = flat(optimizer, state)
    np.testing.assert_array_equal(flat(optimizer, cautious), here)
    bold, careful = (flat(optimizer, optimizer.step(start, batch)[0]) - here for start in (state, cautious))
    assert 0 < np.linalg.norm(careful) < np.linalg.norm(bold)
    gradient = ravel_pytree(target.value_and_grad(optimizer.params(state), batch)[1])[0]
    assert careful @ np.asarray(gradient) < 0 or option in MOMENTUM  # whose momentum may point elsewhere


def test_a_step_is_the_same_whatever_was_done_before(option):
    """All state is in the state: the same one gives the same step, also after others."""
    target, params, batch, _ = problem_of(option)
    optimizer = make(option, target)
    state, _ = follow(optimizer, params, batch, 3)
    one = flat(optimizer, optimizer.step(state, batch)[0])
    follow(optimizer, params, scaled(batch, 2.0), 2)
    np.testing.assert_array_equal(flat(optimizer, optimizer.step(state, batch)[0]), one)


@pytest.mark.landing
def test_a_state_that_was_saved_goes_on_with_the_same_bits(option, tmp_path):
    target, params, batch, _ = linear()
    optimizer = make(option, target)
    state, _ = follow(optimizer, params, batch, 3)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(stacked([params]), TrainingState(state, params, step=3))
    read = checkpoints.restore("state", lambda _window, _stage: TrainingState(optimizer.init(params), params))
    checkpoints.close()
    ends = []
    for start in (state, read.optimizer):
        for _ in range(3):
            start, _ = optimizer.step(start, batch)
        ends.append(jax.tree.leaves(start))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_finite_is_reported_as_such(option):
    target, params, batch, _ = problem_of(option)
    optimizer = make(option, target)
    bad = jax.tree.map(lambda values: values.at[0, 0].set(np.nan), batch)
    _, info = optimizer.step(optimizer.init(params), bad)
    assert not np.isfinite(info.loss)


@pytest.mark.landing
def test_every_setting_changes_what_is_computed(option):
    target, params, batch, _ = problem_of(option)

    def end(**settings):
        optimizer = make(option, target, **{"steps": 15, **settings})
        state, places = optimizer.init(params), []
        for _ in range(15):
            state, _ = optimizer.step(state, batch)
            places.append(flat(optimizer, state))
        return places

    def rates(**settings):
        return [build(composed(f"optimizer={option}").optimizer, **settings).rates()(step) for step in range(15)]

    usual = end()
    for setting, other in OTHER[option].items():
        needed = {name: value for name, value in WITH.get(setting, {}).items() if name in OTHER[option]}
        if option != "adam" and setting in set(SCHEDULE) - {"learning_rate"}:  # all of it is in the rates
            assert rates(**needed) != rates(**needed, **{setting: other}), setting
            continue
        before = end(**needed) if needed else usual
        assert not np.array_equal(before, end(**needed, **{setting: other})), setting


def test_the_tables_and_the_code_know_every_setting(option):
    """And its defaults are those of the YAML, so that Python and the command line agree."""
    node = composed(f"optimizer={option}").optimizer
    assert set(node) - {"_target_"} - set(OTHER[option]) <= {"steps", *ELSEWHERE}
    method = build(node)
    assert method == type(method)()
    assert method.name == option
    assert set(node) - {"_target_"} == set(vars(method))


def test_warmup_and_decay_are_those_of_the_published_settings():
    """η k/W up to W, and then d for every D steps, not in stairs, whatever the number of steps is."""
    method = Adam(1e-3, "exponential", warmup_steps=4, decay_rate=0.9, decay_steps=10, steps=3)
    expected = [1e-3 * (k / 4 if k < 4 else 0.9 ** ((k - 4) / 10)) for k in range(30)]
    np.testing.assert_allclose([method.rates()(step) for step in range(30)], expected, rtol=3e-7)


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_a_schedule_ends_with_the_stage_or_where_it_is_told(schedule):
    for settings, end in (
        ({"warmup_steps": 4}, 10),
        ({"decay_steps": 3}, 3),
        ({"warmup_steps": 4, "decay_steps": 3}, 7),
    ):
        rates = Adam(1e-3, schedule, 0.1, steps=10, **settings).rates()
        np.testing.assert_allclose(rates(end), 1e-4, rtol=3e-7)
        assert rates(end - 1) > 1.1e-4
    assert Adam(1e-3, schedule, steps=3, warmup_steps=9).rates()(3) < 1e-3  # a stage that ends while it warms up


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"decay_rate": 0.9}, "decay_rate is for schedule=exponential, and the schedule is cosine"),
        ({"decay_steps": 9, "schedule": "constant"}, "decay_steps is for a schedule that decays"),
        ({"combine": "sum"}, "combine is 'sum': choose one of pcgrad, config, dcgd, or null"),
    ],
)
def test_settings_without_effect_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Adam(**settings)


SCHEDULES = [("constant", 0.01), ("cosine", 0.1), ("exponential", 0.1), ("exponential", 1.0)]


@pytest.mark.parametrize(("schedule", "fraction"), SCHEDULES)
def test_learning_rate_follows_its_schedule(schedule, fraction):
    k = np.arange(11) / 10
    expected = {
        "constant": np.ones(11),
        "cosine": fraction + (1 - fraction) * 0.5 * (1 + np.cos(np.pi * k)),
        "exponential": fraction**k,
    }[schedule]
    method = Adam(1e-3, schedule, fraction, steps=10)
    # optax computes rates in single precision whatever the parameters have.
    np.testing.assert_allclose([method.rates()(step) for step in range(11)], 1e-3 * expected, rtol=3e-7)


def test_steps_are_as_long_as_the_learning_rate_says():
    """With b1 = b2 = 0 Adam moves by the rate itself, against the sign of the gradient; and by lr_scale of it."""
    target = objective(lambda params, row: params["x"])
    method = Adam(1e-3, "exponential", 0.1, steps=10, b1=0.0, b2=0.0)
    optimizer = method.build(target)
    state, places, scales = optimizer.init({"x": jnp.asarray(5.0)}), [5.0], np.ones(11)
    for step in range(11):
        if step == 6:
            state, scales[6:] = optimizer.on_nonfinite(state), 0.25
        state, _ = optimizer.step(state, batch_of(np.ones((1, 1))))
        places.append(float(optimizer.params(state)["x"]))
    np.testing.assert_allclose(-np.diff(places), scales * 1e-3 * 0.1 ** (np.arange(11) / 10), rtol=3e-7)


def test_muon_moves_matrices_by_orthogonal_updates():
    """The first update has the singular vectors of the gradient, and singular values near one instead of its own."""
    target, params, batch, _ = linear()
    G = np.asarray(target.value_and_grad(params, batch)[1]["matrix"])
    optimizer = make("muon", target, learning_rate=1e-3, schedule="constant")
    state, _ = optimizer.step(optimizer.init(params), batch)
    update = (np.asarray(params["matrix"]) - np.asarray(optimizer.params(state)["matrix"])) / 1e-3
    U, values, Vt = np.linalg.svd(G)
    in_its_axes = U.T @ update @ Vt.T
    assert np.abs(in_its_axes - np.diag(np.diag(in_its_axes))).max() < 1e-6
    assert (np.abs(np.diag(in_its_axes) - 1) < 0.35).all()  # the iteration's polynomial ends between 0.68 and 1.13
    assert values[0] / values[1] > 1.5  # or the gradient itself would have passed


def test_muon_knows_which_axes_of_a_matrix_are_outputs():
    """A dense layer has z W, random Fourier features B z: B's six rows of two are outputs, and W's two columns."""
    generator = np.random.default_rng(0)
    params = {name: jnp.asarray(generator.standard_normal((6, 2))) for name in ("kernel", FREQUENCIES)}
    method = type(build(composed("optimizer=muon").optimizer))(learning_rate=1.0, schedule="constant")
    transformation = method.transformation()
    updates, _ = transformation.update(params, transformation.init(params), params)
    for name, expected in (("kernel", 1.0), (FREQUENCIES, 3**0.5)):
        values = np.linalg.svd(updates[name], compute_uv=False)
        assert (np.abs(values / expected - 1) < 0.35).all()  # as above


def test_an_end_that_a_schedule_does_not_have_is_refused():
    for words in ({"schedule": "constant"}, {"schedule": "exponential", "decay_rate": 0.9}):
        with pytest.raises(InputError, match="where this schedule does not end"):
            Adam(final_lr_fraction=0.1, **words)


@pytest.mark.parametrize("option", OPTIMIZERS)
@pytest.mark.parametrize("value", [-1, "many", float("nan")])
def test_numbers_that_are_none_are_refused(option, value):
    method = type(build(composed(f"optimizer={option}").optimizer))
    for setting in set(OTHER[option]) - NAMES:
        with pytest.raises(InputError, match=rf"optimizer\.{setting} is .*: give a"):
            method(**{setting: value})


def test_former_names_are_names_of_settings(option):
    method = type(build(composed(f"optimizer={option}").optimizer))
    assert set(method.RENAMED.values()) <= set(vars(method())), "a sentence would name a setting that there is not"
    assert not set(method.RENAMED) & set(vars(method()))
