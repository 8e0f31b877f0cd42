"""Windows of time: how many, that each begins where the last ends, and that a run of them is one field."""

import json
import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from composed import composed
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.app.saved_run import load_config
from pinn_ac.app.train import train_in
from pinn_ac.errors import InputError
from pinn_ac.models import MLP
from pinn_ac.optimizers import Adam
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.reference import load_or_solve, solve
from pinn_ac.setup import count_windows
from pinn_ac.tracking import Jsonl
from pinn_ac.training import Stopped
from typed import undrawn_runs

SMALL = (
    "problem/initial_condition=cosine",
    "problem.diffusivity=1e-2",
    "problem.reaction_rate=2",
    "model.width=6",
    "model.depth=1",
    "sampler.num_points=128",
    "train.steps=3",
    "train.log_every=1",
    "train.checkpoint_every=2",
    "train.evaluate_every=1",
    "reference=false",
    "estimate=false",
    "windows=3",
)


@pytest.mark.parametrize(
    ("problem", "seconds", "windows"),
    [
        (AllenCahn(), 110, 4),  # R T = 5, in windows of at most 1.25
        (AllenCahn(), 60, 1),  # less than 20 s a window
        (AllenCahn(), None, 1),  # the number of steps decides
        (AllenCahn(horizon=2.0), 30, 8),  # but one window would be too long for the flow of its reaction
        (AllenCahn(diffusivity=1e-2), 30, 4),  # and here diffusion holds the interfaces sooner
        (AllenCahn(reaction_rate=1.0), None, 1),
        (AllenCahn(reaction_rate=0.0), 1, 1),
        (AllenCahn(reaction_rate=20.0, horizon=0.5, initial_condition=Sine()), None, 8),
    ],
)
def test_how_many_windows_there_are(problem, seconds, windows):
    assert count_windows(problem, "auto", seconds) == windows
    assert count_windows(problem, 7, seconds) == 7


@pytest.mark.parametrize("seconds", [None, 30])
@pytest.mark.parametrize("wrong", ["many", 0, 1.5])
def test_a_number_of_windows_is_a_number(wrong, seconds):
    with pytest.raises(InputError, match=f"windows is {wrong}: give auto or a whole number from 1"):
        count_windows(AllenCahn(), wrong, seconds)


def test_windows_too_long_for_their_reaction_are_refused():
    assert count_windows(AllenCahn(horizon=10.0), 13, None) == 13
    with pytest.raises(InputError, match=r"windows is 12, too few .* a number from 13"):
        count_windows(AllenCahn(horizon=10.0), 12, None)
    assert count_windows(AllenCahn(horizon=10.0), 1, None) == 1  # whose flow stops


@pytest.mark.parametrize("condition", ["cosine", "fourier"])
def test_each_window_begins_where_the_last_ends(condition):
    """Whatever the networks are: u is continuous to the roundings of a series, and its residual is the equation's."""
    experiment = assemble(composed(*SMALL, f"problem/initial_condition={condition}"))
    features = jax.eval_shape(experiment.field.background, *2 * [jax.ShapeDtypeStruct((), float)]).shape[0] - 1
    networks = tuple(
        jax.tree.map(lambda leaf: 0.3 * leaf, random_params(experiment.setup.network, features, seed))
        for seed in range(3)
    )
    run = pinn_ac.Solution(experiment, networks)
    x = np.linspace(-1, 1, 41)
    for end in experiment.breaks:
        before, after = run.derivatives(end, x), run.derivatives(end * (1 + 1e-12), x)
        np.testing.assert_allclose(after["u"], before["u"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(after["u_xx"], before["u_xx"], rtol=0, atol=1e-6)
        assert np.abs(after["u_t"] - before["u_t"]).max() > 1e-3  # another network
    t, h = 0.8, 1e-5  # central differences: h² u_ttt/6 and 1e-16/h are 1e-9 and less
    slope = (run.predict(t + h, x) - run.predict(t - h, x)) / (2 * h)
    np.testing.assert_allclose(run.derivatives(t, x)["u_t"], slope, rtol=0, atol=1e-7)


def test_windows_follow_the_solution_where_the_networks_are_silent():
    """N = 0 in every window is Lie splitting with steps of a window: of first order in their length."""
    problem = AllenCahn(1e-3, 2.0, initial_condition=Sine())
    reference = load_or_solve(problem, np.linspace(0, 1, 11), 64)
    errors = []
    for windows in (2, 4, 8):
        words = ("problem/initial_condition=sine", "problem.diffusivity=1e-3", f"windows={windows}")
        experiment = assemble(composed(*(word for word in SMALL if word[:7] not in ("windows", "problem")), *words,
                                       "problem.reaction_rate=2"))  # fmt: skip
        silent = jax.tree.map(jnp.zeros_like, experiment.initial_params())
        u = pinn_ac.Solution(experiment, windows * (silent,)).predict(reference.t[:, None], reference.x)
        errors.append(np.linalg.norm(u[-1] - reference.u[-1]))
    ratios = np.divide(errors[:-1], errors[1:])
    assert (ratios > 1.6).all()
    assert (ratios < 2.4).all()


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Nothing is drawn, which would take longer than these runs."""
    with undrawn_runs():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, train_in(folder, composed(*SMALL))


@pytest.mark.landing
def test_a_run_of_windows_is_one_field_with_a_network_a_window(whole):
    folder, metrics = whole
    run = pinn_ac.load_run(folder)
    assert (metrics["windows"], metrics["steps"], len(run.params)) == (3, 9, 3)
    assert metrics["num_parameters"] == 3 * sum(leaf.size for leaf in jax.tree.leaves(run.params[0]))
    with np.load(folder / "prediction.npz") as arrays:
        np.testing.assert_allclose(run.predict(arrays["t"][:, None], arrays["x"]), arrays["u"], rtol=0, atol=1e-12)
    stages = [json.loads(line)["stage"] for line in (folder / "history.jsonl").read_text().splitlines()]
    assert stages == [f"{k}/3 levenberg_marquardt" for k in (1, 2, 3) for _ in range(3)]


@pytest.mark.landing
@pytest.mark.parametrize("steps", [pytest.param(4, marks=pytest.mark.slow), 6])
def test_a_run_stopped_in_a_window_resumes_with_the_same_bits(whole, tmp_path, steps, monkeypatch):
    log = Jsonl.log

    def stopping(self, step, stage, figures):
        log(self, step, stage, figures)
        if step == steps:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Jsonl, "log", stopping)
    with pytest.raises(Stopped):
        train_in(tmp_path, composed(*SMALL))
    monkeypatch.setattr(Jsonl, "log", log)
    assert np.isfinite(pinn_ac.load_run(tmp_path).predict(1.0, 0.3))  # windows to come are untrained ones
    train_in(tmp_path, load_config(tmp_path), resuming=True)
    with np.load(tmp_path / "prediction.npz") as resumed, np.load(whole[0] / "prediction.npz") as undisturbed:
        assert np.array_equal(resumed["u"], undisturbed["u"])


@pytest.mark.landing
def test_errors_of_a_window_are_called_so_and_the_last_is_of_the_whole(tmp_path):
    config = composed(*(word for word in SMALL if word != "reference=false"))
    metrics = train_in(tmp_path, config)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert ["window_relative_l2" in line for line in lines] == 6 * [True] + 3 * [False]
    # On every fourth place and every time but 0, so not to all digits; the kept networks are those of the last steps.
    assert lines[-1]["relative_l2"] == pytest.approx(metrics["relative_l2"], rel=0.05)


def test_a_window_without_a_time_of_the_reference_has_no_error():
    problem = AllenCahn(diffusivity=1e-2, reaction_rate=2.0, initial_condition=Sine())
    choices = {"network": MLP(width=4, depth=1), "optimizer": Adam(), "windows": 2}
    late = solve(problem, np.array([0.0, 0.9, 1.0]), 64)
    solution = pinn_ac.fit(problem, steps=1, progress=False, reference=late, **choices)
    evaluated = [entry for entry in solution.history if "validation_loss" in entry]
    assert not any("window_relative_l2" in entry for entry in evaluated)
    assert np.isfinite(evaluated[-1]["relative_l2"])


def test_the_number_of_windows_is_kept_with_the_run(tmp_path):
    config = composed(*(word for word in SMALL if not word.startswith("windows")), "train.seconds=1e-3")
    train_in(tmp_path, config)
    assert load_config(tmp_path).windows == 1
    longer = load_config(tmp_path)
    longer.train.seconds = 100.0  # enough for two, had it been so from the start
    assert count_windows(assemble(longer).problem, "auto", 100.0) == 2
    assert assemble(longer).windows == 1


def test_a_field_says_where_it_begins():
    experiment = assemble(composed(*SMALL))
    assert experiment.field.starting_from(None) is experiment.field
    other = replace(experiment.field.problem, initial_condition=Sine())
    assert experiment.field.starting_from(Sine()).problem == other
