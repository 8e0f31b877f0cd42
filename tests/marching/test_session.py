"""What a march believes, keeps and says: its rounds, its clock, its estimates, and what bounds its memory."""

import math
import signal
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from easy import EASY, Told

import pinn_ac
from pinn_ac.estimate import TIMES, ErrorSoFar
from pinn_ac.evaluation import relative_error
from pinn_ac.marching import Choice, Controller, March, control, cut, march_for, session, window
from pinn_ac.marching.lift import Lift
from pinn_ac.marching.progress import estimate_from
from pinn_ac.marching.session import Session
from pinn_ac.problem import AllenCahn, Cosine, Fourier
from pinn_ac.running import Plan, Training, computing
from pinn_ac.training import Checkpoints, Diverged, blank, unstacked

pytestmark = pytest.mark.usefixtures("shared_programs")


def marched(problem, tolerance=1e-6):
    """A march of the problem, and its experiment; nothing is computed."""
    choices = pinn_ac.fitting.best_method(problem)
    experiment = pinn_ac.setup.assemble(pinn_ac.fitting.choose(problem, None, None, 0, choices, tolerance))
    settings = experiment.setup.marching_settings
    return march_for(problem)(problem.natural, experiment.kernel, settings, tolerance, 0), experiment


# --- what the folder holds ----------------------------------------------------------------------------------


@pytest.fixture
def small_networks(monkeypatch):
    """Marches that no second round makes better, as all are solved with the same few features."""
    monkeypatch.setattr(control, "LADDER", (16,))
    monkeypatch.setattr(control, "LARGE", 16)
    monkeypatch.setattr(control, "SHORTEST", 1.0)


@pytest.mark.landing
def test_the_folder_holds_the_march_that_is_reported(small_networks, tmp_path, monkeypatch):
    """After a round that is no better, after one that was stopped midway, and after one that cannot be solved."""
    _, experiment = marched(EASY, 1e-12)

    def trained(name, told):
        checkpoints = Checkpoints(tmp_path / name)
        with computing(experiment), closing(checkpoints):
            return Training(experiment, Plan(tolerance=1e-12), [told], checkpoints=checkpoints).run()

    def held(name):
        with computing(experiment), closing(Checkpoints(tmp_path / name)) as checkpoints:
            start = experiment.initial_params()
            return unstacked(checkpoints.restore("params", lambda window, stage: blank(window + 1, start)))

    def same(pieces, others):
        assert len(pieces) == len(others)
        for piece, other in zip(cut(pieces), cut(others), strict=True):
            jax.tree.map(np.testing.assert_array_equal, piece, other)

    told = Told()
    whole = trained("whole", told)
    windows = len(whole.params)
    assert any("all are solved again" in sentence for sentence in told.said)
    assert len(told.history) == 2 * windows
    assert whole.metrics["steps"] == told.history[-1]["step"]
    same(held("whole"), whole.params)

    with pytest.raises(pinn_ac.Stopped):
        trained("stopped", Told(at=windows + 2, do=lambda: signal.raise_signal(signal.SIGINT)))
    same(held("stopped"), whole.params)
    again = trained("stopped", Told())
    same(again.params, whole.params)
    same(held("stopped"), whole.params)
    assert again.metrics["steps"] == whole.metrics["steps"]
    finished = trained("stopped", told)  # no round is tried that was of no use
    assert finished.metrics["steps"] == whole.metrics["steps"]
    assert len(told.history) == 2 * windows

    solve, count = Session.window, []

    def solved_once(self, state):
        count.append(state)
        if len(count) > windows:
            raise Diverged("It cannot be solved.")
        return solve(self, state)

    monkeypatch.setattr(Session, "window", solved_once)
    same(trained("refused", Told()).params, whole.params)
    same(held("refused"), whole.params)


# --- what is believed ----------------------------------------------------------------------------------


def errors_of_sizes(*sizes):
    """Errors so far whose relative sizes are these."""
    return tuple(ErrorSoFar(np.zeros(4), np.ones(4), np.full(TIMES, size**2), np.ones(TIMES)) for size in sizes)


@pytest.mark.parametrize(
    ("found", "again", "believed"),
    [
        ((1e-7, 1.1e-7, 0.9e-7), (), (1e-7, True)),  # reliable
        ((1e-3, 1e-3, 1e-6), (), (1e-3, False)),  # too large, whatever it is
        ((1e-16, 1e-16, 1e-3), ((2e-3, 2.1e-3, 1.9e-3),), (2e-3, True)),  # the finer grid tells
        ((1e-8, 1e-8, 3e-8), ((1.1e-8, 1e-8, 1e-8),), (1.1e-8, True)),  # it was right, and stays so
        ((1e-8, 1e-8, 3e-8), ((1e-8, 3e-8, 3e-8), (1e-8, 1.1e-8, 1e-8)), (1e-8, True)),  # the finest grid tells
        ((1e-8, 1e-8, 1e-5), 2 * ((1e-8, 1e-7, 1e-4),), (1e-4, False)),  # nothing tells
    ],
)
def test_an_estimate_that_is_not_reliable_meets_no_tolerance_by_itself(monkeypatch, found, again, believed):
    march, _ = marched(EASY)
    asked = []

    def errors_of(self, pieces, doublings=0):
        asked.append(doublings)
        return errors_of_sizes(*again[doublings - 1])

    monkeypatch.setattr(March, "errors_of", errors_of)
    value, is_reliable = estimate_from(march.believed(errors_of_sizes(*found), ()))
    assert value == pytest.approx(believed[0])
    assert is_reliable == believed[1]
    assert asked == [1, 2][: len(again)]
    without_time = estimate_from(march.believed(errors_of_sizes(*found), (), has_time=False))
    assert without_time[0] == pytest.approx(max(found) if again else found[0])


@pytest.fixture(scope="module")
def solved():
    """Some windows of the easy problem, with what a march needs to look at them again."""
    told = Told()
    solution = pinn_ac.fit(EASY, tolerance=1e-4, seed=0, progress=False, trackers=[told])
    march, _ = marched(EASY, 1e-4)
    return solution, replace(march, kernel=solution.experiment.kernel), told


@pytest.mark.landing
def test_the_errors_are_found_again_and_on_a_finer_grid(solved):
    solution, march, _ = solved
    with solution.experiment.compute.active():
        value, _ = estimate_from(march.errors_of(solution.params))
        finer, is_reliable = estimate_from(march.errors_of(solution.params, doublings=1))
    assert value == pytest.approx(solution.metrics["estimated_relative_l2"], rel=1e-9)
    assert is_reliable
    assert finer == pytest.approx(value, rel=0.05)


@pytest.mark.landing
def test_a_window_is_sampled_some_times_after_others_with_the_same_bits(solved, monkeypatch):
    solution, march, _ = solved
    with solution.experiment.compute.active():
        problem = march.window(1, solution.conditions[1])
        whole = problem.sampled(solution.params[1], march.points, 12)
        monkeypatch.setattr(window, "AT_ONCE", 4 * march.grid)
        parts = problem.sampled(solution.params[1], march.points, 12)
    np.testing.assert_array_equal(parts.u, whole.u)
    np.testing.assert_array_equal(parts.f, whole.f)


# --- sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [5.0, 20.0, 100.0])
def test_memory_does_not_grow_with_the_horizon(rate):
    """The longest window that the controller has is sampled at few enough times, and in steps that are stable."""
    march, _ = marched(AllenCahn(reaction_rate=rate, horizon=100.0))
    longest = (1 + control.STRETCH) * march.controller(1e-6).most
    cells = march.cells_in(longest, 0.0)
    assert cells * march.points <= window.AT_ONCE
    growth = march.problem.growth * longest / march.problem.horizon
    assert 2 * growth / (cells / 2) <= 1.05  # errors decay at the rate 2R, on the coarser grid too
    assert march.controller(1e-6).fitted(Choice(1e9, 0), 0.0).length <= longest


def test_a_lift_at_rest_is_one_line():
    problem = AllenCahn(diffusivity=0.02, initial_condition=Fourier(0.1, (0.3,), (0.2, 0.1))).natural
    lift, t = Lift(problem, problem.initial_condition, 0.0, 32), np.array([0.0, 0.3, 2.0])
    columns = np.array([[0, 3], [31, 4], [7, 7]])
    found, lines = lift.at(t, columns, None), Lift.lines(lift, t, 4)
    np.testing.assert_array_equal(found, np.take_along_axis(lines, columns[None], axis=2))


def test_an_error_beside_a_reference_that_is_zero_is_finite():
    zeros = np.zeros((2, 3))
    assert relative_error(zeros, zeros) == 0
    assert relative_error(zeros + 1e-200, zeros) < 1e-100
    assert relative_error(zeros + 1.1, zeros + 1) == pytest.approx(0.1)


# --- windows of a solution that may have settled ------------------------------------------------------------------


@pytest.mark.landing
def test_a_window_that_was_wrongly_taken_for_a_settled_one_is_tried_with_the_flows(monkeypatch):
    """Of a solution that always looks settled and never is: in every fourth window, and at once."""
    tried, attempt, told = [], Session._attempt, Told()

    def moving(self, problem, empty, choice, pace, *others):
        tried.append((problem.index, choice, pace))
        *found, error = attempt(self, problem, empty, choice, pace, *others)
        return (*found, error if pace else 1.0)

    monkeypatch.setattr(session, "AT_REST", math.inf)
    monkeypatch.setattr(Session, "_attempt", moving)
    solution = pinn_ac.fit(replace(EASY, horizon=3.0), tolerance=1e-4, progress=False, trackers=[told])
    windows, rest = len(solution.params), [number for number, (_, _, pace) in enumerate(tried) if not pace]
    assert windows > 8
    assert [tried[number][0] for number in rest] == [*range(session.REST_TRIED, windows, session.REST_TRIED)]
    assert all(tried[number + 1] == (*tried[number][:2], 1.0) for number in rest)
    assert sum("is tried with the flows" in sentence for sentence in told.said) == len(rest)
    assert {float(piece.pace) for piece in solution.params} == {1.0}
    assert solution.metrics["tolerance_met"]
    assert solution.error() <= 1e-4


# --- windows of a solution that decays ---------------------------------------------------------------------------


@pytest.mark.parametrize("growth", [0.0, 5.0])
def test_an_error_is_measured_by_what_is_left_to_count(growth):
    """Of a u that decays, by a tenth of its size in all; where it may grow e⁵-fold again, by so much less."""
    march = SimpleNamespace(problem=SimpleNamespace(growth=growth, horizon=1.0))
    whole = ErrorSoFar(np.zeros(4), np.zeros(4), np.zeros(TIMES), np.r_[1.0, np.zeros(TIMES - 1)])
    progress = SimpleNamespace(errors=(whole, None, None))
    least = 0.1 / TIMES**0.5 * math.exp(-0.5 * growth)

    def relative(e, u):
        alone = ErrorSoFar(np.full(4, e), np.full(4, u - e), np.zeros(TIMES), np.zeros(TIMES))
        return Session._relative(SimpleNamespace(march=march), alone, progress, 0.5)

    assert relative(1e-9, 1e-30) == pytest.approx(1e-9 / least)
    assert relative(1e-9, 0.0) == pytest.approx(1e-9 / least)
    assert relative(1e-9, 2 * least) == pytest.approx(1e-9 / (2 * least))


@pytest.mark.landing
def test_a_solution_that_is_nearly_gone_is_not_solved_to_its_digits():
    """u = e^{−π²t} cos πx, which the lift is, but for rounding errors of 1e-16 beside an e^{−120}."""
    told = Told()
    gone = AllenCahn(diffusivity=1.0, reaction_rate=0.0, initial_condition=Cosine(), horizon=100.0)
    solution = pinn_ac.fit(gone, tolerance=1e-4, progress=False, trackers=[told])
    assert not any("is tried with" in sentence for sentence in told.said)
    assert solution.metrics["tolerance_met"]
    assert solution.error() <= 1e-4


# --- fast diffusion ----------------------------------------------------------------------------------


@pytest.mark.landing
def test_a_layer_that_is_gone_at_once_is_in_the_estimate():
    """0.3 + ½ cos πx with D = 4e4 in units of ξ: its mean is moved by 7e-7 within 1e-5, and nothing is seen later.

    The error that Φ(t, g) leaves is then 6.1e-7, as `test_what_a_layer_of_fast_diffusion_leaves_behind` has it.
    """
    fast = AllenCahn(diffusivity=1.0, domain=(0.0, 0.01), initial_condition=Fourier(0.3, (0.5,)))
    solution = pinn_ac.fit(fast, tolerance=1e-4, progress=False)
    assert 2e-7 < solution.metrics["estimated_relative_l2"] <= 1e-4


# --- the clock ----------------------------------------------------------------------------------


@pytest.mark.landing
def test_past_the_end_of_the_clock_there_is_one_attempt_a_window(monkeypatch):
    attempts, attempt = [], Session._attempt

    def too_large(self, *arguments):
        attempts.append(arguments)
        return (*attempt(self, *arguments)[:2], 1.0)

    monkeypatch.setattr(Session, "_attempt", too_large)
    solution = pinn_ac.fit(EASY, tolerance=1e-4, seconds=0.01, progress=False)
    assert len(attempts) == len(solution.params)
    assert solution.metrics["ended_by"] in ("the clock", "the tolerance")


@pytest.mark.landing
def test_a_window_that_cannot_be_solved_is_made_shorter_by_any_clock(monkeypatch):
    """Also one that is in a hurry; and no sentence announces an attempt that does not come."""
    tried, attempt, told = {}, Session._attempt, Told()

    def finite_if_short(self, problem, empty, choice, pace, number, progress):
        tried.setdefault(progress.time, []).append(choice.length)
        attempted = attempt(self, problem, empty, choice, pace, number, progress)
        return (*attempted[:2], 1e-9 if choice.length < 0.6 * self.march.usual else math.inf)

    monkeypatch.setattr(Session, "_attempt", finite_if_short)
    monkeypatch.setattr(Session, "left", -1.0)
    pinn_ac.fit(EASY, tolerance=1e-2, seconds=1e3, progress=False, trackers=[told])
    assert len(tried) > 2
    assert all(lengths == sorted(set(lengths), reverse=True) for lengths in tried.values())
    again = sum(len(lengths) - 1 for lengths in tried.values())
    assert again > 2
    assert sum("is tried with" in sentence for sentence in told.said) == again


@pytest.mark.parametrize("rung", range(len(control.LADDER)))
def test_a_clock_that_is_short_asks_for_no_more_than_the_tolerance_does(rung):
    controller = Controller(tolerance=1e-2, usual=0.1, longest=0.2, end=1.0)
    march = SimpleNamespace(seconds=5.0, costs={rung: 1.0}, problem=SimpleNamespace(growth=5.0))
    choice = Choice(0.1, rung)
    for left, length in ((0.5, 0.1), (-1.0, 0.2)):  # of ten windows of a second each
        hurried = Session._in_time(SimpleNamespace(march=march, left=left, behind=False), choice, controller, 0.0)
        assert hurried == (Choice(length, hurried[0].rung), True)
        assert hurried[0].rung <= min(rung, control.LADDER.index(session.LEAST_HURRIED))
    session_now = SimpleNamespace(march=march, left=11.0, behind=False)
    assert Session._in_time(session_now, choice, controller, 0.0) == (choice, False)


def test_a_clock_that_is_short_leaves_the_best_windows_for_which_there_is_time():
    """Ten of the usual length; those with 512 features take a second, twice as many half as long take twice that."""
    controller = Controller(tolerance=1e-9, usual=0.1, longest=0.2, end=1.0)
    middle = control.LADDER.index(512)
    march = SimpleNamespace(seconds=500.0, costs={middle: 1.0}, problem=SimpleNamespace(growth=5.0))
    more = (768 / 512) ** session.COST
    seen = {}
    for left in (0.1, 11.0, 21.0, 41.0, 41.0 * more, 1e3):
        behind = SimpleNamespace(march=march, left=left, behind=True)
        choice, hurried = Session._in_time(behind, Choice(0.05, middle), controller, 0.0)
        assert hurried
        seen[left] = choice.length, choice.units
    assert list(seen.values()) == [
        *((0.1, session.LEAST_HURRIED), (0.1, 512), (0.05, 512), (0.025, 512), (0.025, 768), (0.025, 1024))
    ]
