"""A march to a tolerance: its field, its errors, its estimate, and what a user may do to it."""

import signal
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from easy import EASY, Told

import pinn_ac
from composed import composed
from fields import assert_lines_agree
from pinn_ac.app import report, train
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.estimate import estimate_error
from pinn_ac.evaluation import errors
from pinn_ac.marching import control, march
from pinn_ac.marching.kernel import jacobian, jet_of
from pinn_ac.marching.window import WindowProblem
from pinn_ac.models import MLP, RandomFeatures
from pinn_ac.optimizers import GaussNewton
from pinn_ac.problem import Cosine, Fourier
from pinn_ac.running import Plan, Training
from pinn_ac.sampling import Monitor, Sobol
from typed import undrawn_runs

pytestmark = pytest.mark.usefixtures("shared_programs")


@dataclass(frozen=True, kw_only=True)
class FisherKPP(pinn_ac.Problem):
    """u_t = D u_xx + r u (1 − u), as a user would write it."""

    diffusivity: float = 0.05
    growth_rate: float = 2.0

    orders = ("t", "xx")
    dimensions = MappingProxyType({"diffusivity": (2, -1), "growth_rate": (0, -1)})

    def residual(self, u, point):
        return u["t"] - self.diffusivity * u["xx"] - self.growth_rate * u["u"] * (1 - u["u"])

    @property
    def diffusion(self):
        return self.diffusivity

    def reaction(self, u):
        return self.growth_rate * u * (1 - u)


@pytest.fixture(scope="module")
def solved():
    """The easy problem to 1e-6; NumPy's numbers are as good as Python's."""
    told = Told()
    return pinn_ac.fit(EASY, tolerance=np.float64(1e-6), seed=np.int64(1), progress=False, trackers=[told]), told


def error_of(solution, solved):
    """Its true error, with the reference that another solution of the same problem has."""
    return errors(solution.sample(), solved[0].reference())["relative_l2"]


def test_the_tolerance_is_met_and_the_estimate_is_the_error(solved):
    solution, _ = solved
    error = solution.error()
    assert 1e-8 < error <= 1e-6
    assert solution.metrics["tolerance_met"]
    assert solution.metrics["ended_by"] == "the tolerance"
    assert solution.metrics["estimated_relative_l2"] == pytest.approx(error, rel=0.1)


def test_the_estimate_is_the_runs_own_and_other_grids_agree(solved):
    solution, _ = solved
    estimate = solution.estimate()
    assert estimate == pytest.approx(solution.metrics["estimated_relative_l2"], rel=1e-9)
    assert estimate.reliable == (not solution.metrics["estimate_unreliable"])
    elsewhere = estimate_error(EASY, solution._for_estimate, solution.experiment.breaks)
    assert elsewhere["estimated_relative_l2"] == pytest.approx(estimate, rel=0.1)


def test_a_march_that_has_not_come_to_the_horizon_does_not_know_its_error(solved):
    solution, _ = solved
    for pieces in (solution.params[:-1], solution.params[:1]):
        estimate = pinn_ac.Solution(solution.experiment, pieces).estimate()
        assert np.isnan(estimate)
        assert not estimate.reliable


@pytest.mark.parametrize("points", [32, 24])
def test_lines_of_points_have_the_values_of_each_point_alone(solved, points):
    """With 32 points to a period they are some of a power of two, with 24 they are not."""
    assert_lines_agree(solved[0], points)


def test_a_line_just_after_a_window_is_the_next_ones(solved):
    """As the grid of the estimate has it, four rounding errors after; where two windows meet it is the earlier's."""
    solution, _ = solved
    end = solution.experiment.breaks[0]
    x, late = np.linspace(-1, 1, 8, endpoint=False), end + 4 * np.finfo(float).eps * solution.problem.horizon
    window, from_start = solution._window_of(np.array([end * (1 - 1e-16), end, late]))
    assert window.tolist() == [0, 0, 1]
    assert 0 < from_start[2] < 1e-14
    before, after = solution._on_lines(np.array([end, late]), x)["residual"]
    np.testing.assert_allclose(
        [before, after], [solution.derivatives(t, x)["residual"] for t in (end, late)], atol=1e-9
    )
    assert not np.allclose(before, after, atol=1e-9)


def test_windows_join_and_begin_at_the_initial_condition(solved):
    solution, _ = solved
    x = np.linspace(-1, 1, 41)
    np.testing.assert_allclose(solution(0.0, x), np.cos(np.pi * x), atol=1e-14)
    for end in solution.experiment.breaks:
        np.testing.assert_allclose(solution(end, x), solution(end * (1 + 1e-13), x), atol=1e-11)


def test_residual_and_jacobian_are_those_of_the_field(solved):
    """The closed forms of a window against JAX's derivatives of the field that the solution evaluates."""
    solution, _ = solved
    experiment, piece = solution.experiment, solution.params[1]
    with experiment.compute.active():
        condition = solution.conditions[1]
        window = WindowProblem(experiment.kernel, condition, 1, 1, march.grid_of(len(piece.cosine)))
        length, pace = float(piece.length), float(piece.pace)
        points = window.prepared(length, pace, 1)
        features = experiment.kernel.features(piece, points)
        r, u, slopes = experiment.kernel.linearized(pace, points, jet_of(features, jnp.asarray(piece.c)))
        J = jacobian(features, slopes)
        field = experiment.field.starting_from(condition)

        def residual(c, t, x):
            params = piece._replace(c=c)

            def value(t, x):
                return field(params, t, x)

            derivatives = {
                "u": value(t, x),
                "t": jax.grad(value)(t, x),
                "xx": jax.grad(jax.grad(value, 1), 1)(t, x),
            }
            return field.problem.residual(derivatives, {})

        residual_and_row = jax.jit(jax.value_and_grad(residual))
        for i in (0, 700, 2047):
            at = jnp.asarray(piece.c), points.t[i], points.x[i]
            assert float(u[i]) == pytest.approx(float(field(piece, *at[1:])), abs=1e-12)
            exact, row = residual_and_row(*at)
            assert float(r[i]) == pytest.approx(float(exact), abs=1e-8)  # of derivatives of size 1e2, less
            np.testing.assert_allclose(J[i], row, atol=1e-9 * float(jnp.abs(row).max()))


@pytest.mark.landing
def test_a_smaller_tolerance_costs_more_and_gives_more(solved):
    loose = pinn_ac.fit(EASY, tolerance=1e-3, seed=1, progress=False)
    assert loose.num_parameters < solved[0].num_parameters
    assert solved[0].error() < error_of(loose, solved) <= 1e-3


def test_the_history_tells_the_way(solved):
    history = solved[1].history
    assert [entry["done"] for entry in history] == sorted(entry["done"] for entry in history)
    assert history[-1]["done"] == 1
    assert all(entry["estimate"] <= 1e-6 for entry in history)


WORDS = (
    "experiment=record",
    "problem/initial_condition=cosine",
    "problem.diffusivity=1e-2",
    "problem.reaction_rate=2",
    "seed=1",
    "reference=false",
)


def stopped_and_resumed(folder, config, at):
    """The metrics and the solution of a run that is stopped when it has told so often how it goes, and goes on."""
    stop = Told(at=at, do=lambda: signal.raise_signal(signal.SIGINT))
    with undrawn_runs():
        with pytest.MonkeyPatch.context() as stopping:
            stopping.setattr(train, "trackers", lambda config: [stop])
            with pytest.raises(pinn_ac.Stopped):
                train_in(folder, config)
        return train_in(folder, config, resuming=True), pinn_ac.load_run(folder)


@pytest.mark.landing
@pytest.mark.parametrize("at", [1, pytest.param(2, marks=pytest.mark.landing)])
def test_a_march_that_was_stopped_goes_on_with_the_same_bits(solved, tmp_path, at):
    metrics, found = stopped_and_resumed(tmp_path / "run", composed(*WORDS, "train.tolerance=1e-6"), at)
    assert metrics["steps"] == solved[0].metrics["steps"]
    for one, other in zip(found.params, solved[0].params, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.landing
@pytest.mark.usefixtures("single_precision")
def test_a_march_in_single_precision_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    """Of a horizon that single precision rounds down: its times are double all the same."""
    monkeypatch.setattr(report, "draw", lambda *arguments: [])
    config = composed(*WORDS, "precision=float32", "train.tolerance=1e-3", "problem.reaction_rate=7")
    horizon = pinn_ac.AllenCahn(reaction_rate=7.0).natural.horizon
    assert float(np.float32(horizon)) < horizon
    whole = train_in(tmp_path / "whole", config)
    metrics, found = stopped_and_resumed(tmp_path / "run", config, 2)
    again = train_in(tmp_path / "run", config, resuming=True)  # from its end, where nothing is left to do
    for name in ("steps", "windows", "estimated_relative_l2"):
        assert metrics[name] == whole[name] == again[name], name
    for one, other in zip(found.params, pinn_ac.load_run(tmp_path / "whole").params, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_saved_and_loaded_it_has_the_same_bits(solved, tmp_path):
    solution, _ = solved
    solution.save(tmp_path / "here")
    again = pinn_ac.load_run(tmp_path / "here")
    x = np.linspace(-1, 1, 30)
    for t in (0.0, 0.2, 0.7, 1.0):
        np.testing.assert_array_equal(again(t, x), solution(t, x))
    assert again.num_parameters == solution.num_parameters
    assert again.metrics == solution.metrics


def test_it_can_be_traced(solved):
    solution, _ = solved
    t, x = np.array([0.1, 0.5, 0.99]), np.array([0.3, -0.2, 0.9])
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(solution)(t, x), solution(t, x), rtol=1e-12)


def test_beyond_what_a_march_has_solved_u_stays_as_it_was_traced_or_not(solved):
    """As of one that was interrupted; the slopes in what it has solved are whole, up to its end."""
    solution, _ = solved
    experiment = solution.experiment.with_windows_of(solution.params[:-1])
    part, end = pinn_ac.Solution(experiment, solution.params[:-1]), solution.experiment.ends[-2]
    x = np.array([-0.4, 0.1, 0.9])
    with jax.enable_x64(True):
        for t in (0.5 * (end + EASY.horizon), EASY.horizon):
            np.testing.assert_allclose(part(t, x), part(end, x), rtol=1e-12)
            np.testing.assert_allclose(jax.jit(part)(t, x), part(end, x), rtol=1e-12)
        slope = jax.grad(part)(end, 0.1)
        assert float(slope) == pytest.approx(part.derivatives(end, 0.1, orders=("t",))["t"], rel=1e-9)


@pytest.mark.landing
def test_a_smaller_tolerance_on_resuming_is_met(tmp_path, undrawn):
    """Not by a hundredth in each of two rounds."""
    config = composed(*WORDS, "train.tolerance=1e-2", "reference=false")
    assert train_in(tmp_path / "run", config)["tolerance_met"]
    config.train.tolerance = 1e-8
    resumed = train_in(tmp_path / "run", config, resuming=True)
    assert resumed["tolerance_met"]
    assert resumed["estimated_relative_l2"] <= 1e-8


@pytest.mark.landing
def test_what_no_network_can_meet_is_said(solved):
    told = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "LADDER", (16,))
        patch.setattr(control, "LARGE", 16)
        patch.setattr(march, "LADDER", (16,))
        patch.setattr(control, "SHORTEST", 1.0)
        solution = pinn_ac.fit(EASY, tolerance=1e-12, progress=False, trackers=[told])
    assert not solution.metrics["tolerance_met"]
    assert solution.metrics["ended_by"] == "the best that was found"
    assert any("is not met" in sentence for sentence in told.said)
    assert any("all are solved again" in sentence for sentence in told.said)
    assert solution.estimate() == pytest.approx(error_of(solution, solved), rel=0.2)


@pytest.mark.landing
def test_the_clock_leaves_no_time_unsolved():
    hard = replace(EASY, reaction_rate=4.0)
    with pytest.warns(UserWarning, match="is not met"):
        solution = pinn_ac.fit(hard, tolerance=1e-13, seconds=0.5, progress=False)
    assert not solution.metrics["tolerance_met"]
    assert solution.experiment.ends[-1] == hard.horizon
    assert solution.metrics["ended_by"] == "the clock"
    assert np.isfinite(solution(hard.horizon, np.linspace(-1, 1, 9))).all()


@pytest.mark.landing
def test_seeds_draw_other_features_and_reach_the_same(solved):
    other = pinn_ac.fit(EASY, tolerance=1e-6, seed=2, progress=False)
    assert not np.array_equal(other.params[0].A, solved[0].params[0].A)
    assert error_of(other, solved) <= 1e-6


@pytest.mark.landing
def test_a_settled_solution_is_carried_in_long_windows():
    """Of broad interfaces, which few windows of the usual length carry to rest."""
    settled = pinn_ac.AllenCahn(diffusivity=5e-2, reaction_rate=20.0, initial_condition=Cosine(), horizon=2.75)
    solution = pinn_ac.fit(settled, tolerance=1e-5, progress=False)
    lengths = np.diff([0.0, *solution.experiment.ends])
    assert float(solution.params[-1].pace) == 0
    assert lengths.max() > 20 * lengths[0]
    assert solution.error() <= 1e-5


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(pinn_ac.Burgers(viscosity=0.1, horizon=0.1), marks=pytest.mark.landing),
        pytest.param(FisherKPP(initial_condition=Fourier(mean=0.4, sine=(0.2,))), marks=pytest.mark.landing),
        pytest.param(replace(EASY, domain=(0.0, 10.0), horizon=3.0, diffusivity=0.1), marks=pytest.mark.landing),
    ],
    ids=["no flow", "the user's own", "other units"],
)
def test_other_problems(problem):
    solution = pinn_ac.fit(problem, tolerance=1e-5, progress=False)
    assert solution.experiment.marches
    assert solution.error() <= 1e-5
    assert_lines_agree(solution, 32)


SOLVER = {"network": RandomFeatures(), "optimizer": GaussNewton(), "sampler": Monitor(num_points=None)}


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"ansatz": pinn_ac.ansatz.Soft()}, "choose ansatz=reaction_flow or ansatz=lifted"),
        ({"sampler": Sobol()}, "choose sampler=monitor"),
        ({"network": RandomFeatures(activation="sin")}, "model.activation is sin"),
        ({"network": RandomFeatures(), "precision": "float32"}, "which single precision cannot hold"),
        ({"network": RandomFeatures(), "devices": 2}, "leave devices out"),
        ({"network": RandomFeatures(width=2000)}, "has 1024 features a window at most"),
        ({"network": RandomFeatures(seed=3)}, "leave model.seed out"),
    ],
)
def test_what_a_march_cannot_use_is_refused(choices, sentence):
    with pytest.raises(InputError, match=sentence):
        pinn_ac.fit(EASY, tolerance=1e-6, progress=False, **(SOLVER | choices))


OTHERS = {"log_every": 7, "evaluate_every": 7, "checkpoint_every": 7, "overfit": "ignore", "overfit_ratio": 9.0}


@pytest.mark.parametrize("name", [one.name for one in fields(Plan) if one.name not in ("seconds", "tolerance")])
def test_nothing_of_a_plan_is_silently_ignored(name, tmp_path):
    """By every door, and before there is a folder."""
    t, x = np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.5, 0.9])
    seen = {"data": pinn_ac.Observations(t, x, np.cos(x)), "unknown": {"diffusivity": 1e-3}}
    sentence = f"logs, measures and saves window by window.*leave train.{name} out"
    for others in ({}, seen):
        with pytest.raises(InputError, match=sentence):
            pinn_ac.fit(EASY, plan=Plan(tolerance=1e-6, **{name: OTHERS[name]}), progress=False, **others)
    with pytest.raises(InputError, match=sentence):
        train_in(tmp_path / "run", composed("experiment=record", f"train.{name}={OTHERS[name]}"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tolerance", [0, -1e-6, 1, "tiny", float("nan"), True])
def test_a_tolerance_is_a_number_between_0_and_1(tolerance):
    with pytest.raises(InputError, match=r"train\.tolerance is .*: give a number between 0 and 1"):
        Plan(tolerance=tolerance)


@pytest.mark.landing
def test_every_setting_of_the_features_changes_what_is_found():
    """Of a short march, which is one window or two."""
    problem, x = replace(EASY, horizon=0.2), np.linspace(-1, 1, 9)

    def found(**changed):
        solution = pinn_ac.fit(problem, tolerance=1e-4, seed=1, progress=False, **(SOLVER | changed))
        return solution._on_lines(np.array([0.15]), x)["u"]

    plain = found()
    for changed in (
        {"network": RandomFeatures(scale=0.7)},
        {"network": RandomFeatures(distribution="normal")},
        {"network": RandomFeatures(width=300)},
        {"optimizer": GaussNewton(steps=1)},
        {"optimizer": GaussNewton(floor=1e-6)},
        {"optimizer": GaussNewton(solver="normal")},
        {"sampler": Monitor(num_points=None, arc_length=3.0)},
    ):
        assert not np.array_equal(found(**changed), plain), changed


@pytest.mark.landing
def test_training_of_all_weights_ends_at_the_tolerance_too(solved):
    told = Told()
    solution = pinn_ac.fit(
        EASY,
        steps=200,
        tolerance=1e-3,
        network=MLP(width=6, depth=1),
        plan=Plan(evaluate_every=5),
        progress=False,
        trackers=[told],
    )
    assert solution.metrics["ended_by"] == "the tolerance"
    assert solution.metrics["tolerance_met"]
    assert solution.metrics["steps"] < 200
    error = error_of(solution, solved)
    assert error <= 1.5e-3
    assert told.history[-1]["estimate"] == pytest.approx(error, rel=0.3)


def test_a_tolerance_is_met_only_by_the_estimate_that_is_reported(monkeypatch):
    """What ended the training was a quicker one."""
    found = {"estimated_relative_l2": 0.6, "estimate_unreliable": True}
    monkeypatch.setattr(pinn_ac.Solution, "estimate_metrics", lambda self: found)
    monkeypatch.setattr(Training, "_ended_by", lambda self, state: "the tolerance")
    with pytest.warns(UserWarning, match="is not met"):
        solution = pinn_ac.fit(EASY, steps=1, tolerance=0.5, network=MLP(width=4, depth=1), progress=False)
    assert not solution.metrics["tolerance_met"]
