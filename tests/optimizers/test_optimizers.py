"""One table for all optimizers: they find minima, tell the truth, compile once, and every option counts."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from composed import built, composed, options
from pinn_ac.app.objects import build
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, Term

pytestmark = pytest.mark.usefixtures("quick_compilation")

OPTIMIZERS = options("optimizer")
# option → settings with which it reaches the minimum of either problem, and how near √loss comes to zero.
# Adam's steps end with the schedule; the others converge faster than linearly, down to rounding.
REACHES = {
    "adam": ({"steps": 4000, "learning_rate": 0.05, "final_share": 1e-4}, 1e-4),
    "lbfgs": ({"steps": 80}, 1e-7),
    "levenberg_marquardt": ({"steps": 80}, 1e-10),
    "ssbfgs": ({"steps": 80}, 1e-7),
    "ssbroyden": ({"steps": 80}, 1e-7),
}
# option → another value of each of its settings, which must lead elsewhere. `steps` is the stage's own where the
# method has no schedule.
OTHER = {
    "adam": {"steps": 40, "learning_rate": 1e-3, "schedule": "exponential", "final_share": 0.5, "b1": 0.5, "b2": 0.9},
    "lbfgs": {"memory": 1, "linesearch_steps": 1},
    "levenberg_marquardt": {
        "damping": 1.0,
        "cut": 2.0,
        "rise": 10.0,
        "tries": 1,
        "least_damping": 0.5,
        "scaling": "plain",
        "floor": 1.0,
        "geodesic": 0.0,
        "halvings": 0,
        "solver": "qr",
        "cg_iterations": 1,
        "cg_tolerance": 0.9,
    },
    "ssbfgs": {"linesearch_steps": 1, "c1": 0.8, "c2": 0.1},
    "ssbroyden": {"linesearch_steps": 1, "c1": 0.8, "c2": 0.1},
}
# setting → another setting without which it has no say.
WITH = {"cg_iterations": {"solver": "cg"}, "cg_tolerance": {"solver": "cg"}}
# Settings of memory, time and single precision alone: test_least_squares.py has them.
ELSEWHERE = {"chunk", "accumulate", "normal_precision"}
NAMES = {"steps", "schedule", "scaling", "solver"}


def objective(at_point):
    """The mean square of a function of (params, one row of the points)."""
    return Objective({"residual": Term(lambda points: points, at_point)}, {}, "mse", JaxGradient())


def linear():
    """Twenty equations for a matrix and a vector, which twenty unknown-free residuals cannot all satisfy."""
    generator = np.random.default_rng(0)
    A, b = generator.standard_normal((20, 5)), generator.standard_normal(20)

    def at_point(params, row):
        return row[:2] @ params["matrix"][0] + row[2:4] @ params["matrix"][1] + row[4] * params["scalar"] - row[5]

    params = {"matrix": jnp.ones((2, 2)), "scalar": jnp.ones(())}
    exact = np.linalg.lstsq(A, b)[0]
    return objective(at_point), params, {"residual": jnp.asarray(np.column_stack([A, b]))}, exact


def rosenbrock():
    """Residuals 10 (y − x²) and 1 − x from (−1.2, 1): a bent valley down to (1, 1)."""

    def at_point(params, row):
        x, y = params["place"]
        return row[0] * 10 * (y - x**2) + row[1] * (1 - x)

    params = {"place": jnp.asarray([-1.2, 1.0])}
    return objective(at_point), params, {"residual": jnp.eye(2)}, np.ones(2)


def follow(optimizer, params, batch, steps):
    """The state, and each step's outcome."""
    state, outcomes = optimizer.init(params), []
    for _ in range(steps):
        state, outcome = optimizer.step(state, batch)
        outcomes.append(outcome)
    return state, outcomes


def flat(optimizer, state):
    return np.asarray(ravel_pytree(optimizer.params(state))[0])


@pytest.fixture(params=OPTIMIZERS)
def option(request):
    assert request.param in REACHES, f"give optimizer={request.param} a line in the table REACHES"
    return request.param


def make(option, problem, **settings):
    """The optimizer as its YAML has it, but for `settings`."""
    return build(composed(f"optimizer={option}").optimizer)(problem, **settings)


@pytest.mark.parametrize("problem", [linear, rosenbrock])
def test_minimum_is_reached(option, problem):
    target, params, batch, exact = problem()
    settings, near = REACHES[option]
    optimizer = make(option, target, **settings)
    state, outcomes = follow(optimizer, params, batch, settings["steps"])
    found, unravel = ravel_pytree(optimizer.params(state))
    least = target.loss(optimizer.params(state), batch)
    # √loss is within `near` of the least, so the parameters are near/κ: J's smallest singular value is above 0.1.
    # A method that asks whether the loss fell is not told of less than its rounding: |Jδ|² < eps · least.
    J = jax.jacobian(lambda p: target.residuals(unravel(p), batch))(found)
    unseen = float(jnp.sqrt(jnp.finfo(float).eps * least) / jnp.linalg.svd(J, compute_uv=False)[-1])
    np.testing.assert_allclose(found, exact, rtol=0, atol=max(20 * near, unseen))
    assert outcomes[-1].loss >= least - 1e-12
    assert outcomes[0].loss > 2 * least


def test_minimum_is_reached_in_single_precision(option, single_precision):
    target, params, batch, exact = rosenbrock()
    settings, near = REACHES[option]
    optimizer = make(option, target, **settings)
    state, outcomes = follow(optimizer, params, batch, settings["steps"])
    np.testing.assert_allclose(flat(optimizer, state), exact, rtol=0, atol=max(20 * near, 2e-3))
    assert {leaf.dtype.name for leaf in jax.tree.leaves(optimizer.params(state))} == {"float32"}
    assert outcomes[-1].loss.dtype == jnp.float32


def test_reported_loss_is_the_objective_where_the_step_began(option):
    target, params, batch, _ = rosenbrock()
    optimizer = make(option, target)
    state = optimizer.init(params)
    for k in range(6):
        other = {"residual": batch["residual"] * (1 + k % 3)}  # new points: nothing may be kept from the old ones
        expected = target.loss(optimizer.params(state), other)
        state, outcome = optimizer.step(state, other)
        np.testing.assert_allclose(outcome.loss, expected, rtol=1e-13)


def test_evaluations_are_counted(option):
    target, params, batch, _ = rosenbrock()
    counts = [int(outcome.evaluations) for outcome in follow(make(option, target), params, batch, 5)[1]]
    assert counts[0] >= 1
    assert (np.diff(counts) >= 1).all()


def test_second_step_does_not_compile(option, compilations):
    target, params, batch, _ = linear()
    optimizer = make(option, target)
    other = {"residual": batch["residual"] + 1.0}
    state, _ = optimizer.step(optimizer.init(params), batch)
    jax.block_until_ready(state)
    assert compilations, "nothing was compiled at all: the listener does not hear"
    compilations.clear()
    for points in (batch, other, batch):
        state, _ = optimizer.step(state, points)
    assert not compilations


# Every program that a method may be made of.
PROGRAMS = [(option, {}) for option in OPTIMIZERS] + [
    ("levenberg_marquardt", settings)
    for settings in (
        {"solver": "qr"},
        {"solver": "kernel"},
        {"solver": "cg"},
        {"solver": "normal", "accumulate": True},
        {"geodesic": 0.0},
    )
]


@pytest.mark.parametrize(("option", "settings"), PROGRAMS, ids=str)
def test_an_equal_optimizer_of_an_objective_compiles_nothing(option, settings, compilations):
    target, params, batch, _ = rosenbrock()
    first, _ = follow(make(option, target, **settings), params, batch, 2)
    assert compilations, "nothing was compiled at all: the listener does not hear"
    compilations.clear()
    optimizer = make(option, target, **settings)
    second, _ = follow(optimizer, params, batch, 2)
    assert not compilations
    np.testing.assert_array_equal(flat(optimizer, second), flat(optimizer, first))


@pytest.mark.parametrize(("option", "settings"), PROGRAMS, ids=str)
def test_an_objective_is_let_go_of_with_all_that_was_compiled_for_it(option, settings):
    target, params, batch, _ = rosenbrock()
    follow(make(option, target, **settings), params, batch, 2)
    held = weakref.ref(target)
    del target
    gc.collect()
    assert held() is None


def test_another_damping_takes_the_same_residuals(compilations):
    """Of Levenberg–Marquardt only the rules, a few sums, are compiled for each choice of them."""
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
    retreated = optimizer.retreat(after)
    for state in (after, retreated):
        assert jax.tree.structure(state) == jax.tree.structure(before)
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
            assert isinstance(new, jax.Array)
            assert (new.shape, new.dtype) == (jnp.shape(old), jnp.result_type(old))


def test_retreat_stays_where_it_is_and_then_steps_with_care(option):
    """After it the next step is shorter, or at least one that lowers the loss."""
    target, params, batch, _ = rosenbrock()
    optimizer = make(option, target)
    state, _ = follow(optimizer, params, batch, 5)
    retreated = optimizer.retreat(state)
    here = flat(optimizer, state)
    np.testing.assert_array_equal(flat(optimizer, retreated), here)
    bold, careful = (flat(optimizer, optimizer.step(start, batch)[0]) - here for start in (state, retreated))
    assert 0 < np.linalg.norm(careful) < np.linalg.norm(bold)
    gradient = ravel_pytree(target.value_and_grad(optimizer.params(state), batch)[1])[0]
    assert careful @ np.asarray(gradient) < 0 or option == "adam"  # whose momentum may point elsewhere


def test_a_step_is_the_same_whatever_was_done_before(option):
    """All state is in the state: the same one gives the same step, also after others."""
    target, params, batch, _ = rosenbrock()
    optimizer = make(option, target)
    state, _ = follow(optimizer, params, batch, 3)
    one = flat(optimizer, optimizer.step(state, batch)[0])
    follow(optimizer, params, {"residual": 2 * batch["residual"]}, 2)
    np.testing.assert_array_equal(flat(optimizer, optimizer.step(state, batch)[0]), one)


def test_a_loss_that_is_not_finite_is_reported_as_such(option):
    target, params, batch, _ = rosenbrock()
    optimizer = make(option, target)
    bad = {"residual": batch["residual"].at[0, 0].set(jnp.nan)}
    _, outcome = optimizer.step(optimizer.init(params), bad)
    assert not np.isfinite(outcome.loss)


def test_every_setting_changes_what_is_computed(option):
    target, params, batch, _ = rosenbrock()

    def end(**settings):
        optimizer = make(option, target, **{"steps": 15, **settings})
        state, places = optimizer.init(params), []
        for _ in range(15):
            state, _ = optimizer.step(state, batch)
            places.append(flat(optimizer, state))
        return places

    usual = end()
    for setting, other in OTHER[option].items():
        needed = WITH.get(setting, {})
        before = end(**needed) if needed else usual
        assert not np.array_equal(before, end(**needed, **{setting: other})), setting


def test_the_table_knows_every_setting(option):
    settings = set(composed(f"optimizer={option}").optimizer) - {"_target_", "_partial_"}
    assert settings - set(OTHER[option]) <= {"steps", *ELSEWHERE}


@pytest.mark.parametrize("option", ["adam"])
@pytest.mark.parametrize(
    ("schedule", "share"), [("constant", 0.1), ("cosine", 0.1), ("exponential", 0.1), ("exponential", 1.0)]
)
def test_learning_rate_follows_its_schedule(option, schedule, share):
    """With b1 = b2 = 0 Adam moves by the rate itself, against the gradient's sign."""
    target = objective(lambda params, row: params["x"])
    optimizer = make(
        option, target, steps=10, learning_rate=1e-3, schedule=schedule, final_share=share, b1=0.0, b2=0.0
    )
    state, places = optimizer.init({"x": jnp.asarray(5.0)}), [5.0]
    for _ in range(11):
        state, _ = optimizer.step(state, {"residual": jnp.ones((1, 1))})
        places.append(float(optimizer.params(state)["x"]))
    k = np.arange(11) / 10
    rates = {
        "constant": np.ones(11),
        "cosine": share + (1 - share) * 0.5 * (1 + np.cos(np.pi * k)),
        "exponential": share**k,
    }[schedule]
    # optax computes rates in single precision whatever the parameters have.
    np.testing.assert_allclose(-np.diff(places), 1e-3 * rates, rtol=3e-7)


@pytest.mark.parametrize("option", OPTIMIZERS)
@pytest.mark.parametrize("value", [-1, "many", float("nan")])
def test_numbers_that_are_none_are_refused(option, value):
    target = linear()[0]
    for setting in set(OTHER[option]) - NAMES:
        with pytest.raises(ValueError, match=rf"optimizer\.{setting} is .*: give a"):
            make(option, target, **{setting: value})


def test_a_factory_is_what_a_config_gives():
    assert callable(built("optimizer", "adam"))
