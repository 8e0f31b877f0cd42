"""The benchmarks' arithmetic; what they measure is not for a test."""

import csv
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from composed import EASY, composed
from pinn_ac.app import cli
from pinn_ac.app.assembly import assemble
from pinn_ac.app.benchmarks import ablation, autodiff, clock, cold, command, optimizers, race, scaling, tolerances
from pinn_ac.app.benchmarks.other_features import InPatches, InPatchesDrawn, TwoLayers, TwoLayersDrawn
from pinn_ac.app.benchmarks.other_windows import HeldOutScale, ThroughPoints, Trained
from pinn_ac.app.benchmarks.timing import Timing, compare
from pinn_ac.app.objects import build
from pinn_ac.app.run import TOLERANCE_MISSED
from pinn_ac.models import Splitting
from pinn_ac.problem import AllenCahn
from pinn_ac.reference import solve


def test_programs_are_called_in_turn_as_often_as_asked():
    timings = compare({"sine": jnp.sin, "cosine": jnp.cos}, (jnp.ones(3),), rounds=4)
    assert set(timings) == {"sine", "cosine"}
    assert all(0 < timing.least <= timing.median <= timing.most for timing in timings.values())
    assert all(timing.compile_seconds > 0 for timing in timings.values())


def test_ratios_are_to_the_best_that_is_all_of_jax():
    timings = {
        "own_taylor + own": Timing(1.0, 0.5, 0.4, 0.6),
        "jax_jvp + jax": Timing(2.0, 1.0, 0.9, 1.1),
        "jax_jet + jax": Timing(4.0, 3.0, 2.9, 3.1),
        "jax_jvp + own": Timing(0.1, 0.1, 0.1, 0.1),
    }
    rows = {row["who"]: row for row in autodiff._rows("3×20", "gradient", timings)}
    assert rows["own_taylor + own"]["ratio"] == 0.5
    assert rows["own_taylor + own"]["compile_ratio"] == 0.5
    assert rows["jax_jet + jax"]["ratio"] == 3.0


def test_the_command_prints_and_keeps_every_row(monkeypatch, tmp_path, capsys):
    rows = [{"who": "we", "ratio": 0.75}, {"who": "they", "ratio": 1.0}]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "configure", lambda *settings, **options: None)
    monkeypatch.setitem(command.BENCHMARKS, "autodiff", lambda rounds: rows * rounds)
    command.main(["autodiff", "--rounds", "2"])
    with (tmp_path / "outputs/benchmarks/autodiff.csv").open() as file:
        assert [row["ratio"] for row in csv.DictReader(file)] == ["0.75", "1.0"] * 2
    assert "0.75" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["unknown"], ["autodiff", "--rounds", "0"], ["race", "--rounds", "1", "--precision", "float32"]]
)
def test_a_wrong_call_is_refused(words):
    with pytest.raises(SystemExit) as end:
        command.main(words)
    assert end.value.code == 2


def test_shares_and_rates_are_ratios_of_medians():
    seconds = {
        "Jacobian": [0.02, 0.02, 9.0],
        "Gram": [0.05, 0.04, 0.03],
        "whole step": [0.08, 0.08, 0.08],
        "product": [0.1, 0.1, 0.1],
    }
    rows = {row["who"]: row for row in optimizers.stage_rows("3×20", seconds, 4000, 999, 1000)}
    assert rows["Jacobian"]["share"] == 0.25
    assert rows["Gram"]["share"] == 0.5
    assert rows["Gram"]["least_ms"] == 30
    assert rows["whole step"]["share"] == 1
    assert rows["Gram"]["gflop/s"] == 99.9  # 4000·999·1000 in 0.04 s
    assert rows["product"]["gflop/s"] == 20
    assert rows["Gram"]["of_peak"] == 4.995
    assert rows["product"]["of_peak"] == 1
    assert rows["product"]["share"] is None


@pytest.mark.landing
def test_every_stage_and_both_libraries_are_measured():
    rows = optimizers.run(1, sizes=((4, 1, 64),), peak_size=8)
    assert {row["who"] for row in rows if row["task"] == "step"} == {
        "Jacobian",
        "Gram",
        "solve, twice",
        "trial",
        "whole step",
        "product",
    }
    assert len({tuple(row) for row in rows}) == 1  # the same columns
    ours, theirs = (row for row in rows if row["task"] == "iteration")
    assert ours["ratio"] == 1
    assert theirs["loss_after"] > 0
    assert ours["loss_after"] > 0


@pytest.mark.parametrize("method", ["adam", "levenberg_marquardt"])
def test_a_step_is_measured_for_any_size(monkeypatch, method):
    monkeypatch.setattr(scaling, "configure", lambda *settings, **options: None)
    row = scaling._row(method, 4, 1, 96, 2, "float64")
    assert (row["points"], row["parameters"], row["steps"]) == (96, 29, 2)
    assert row["us_a_point"] == pytest.approx(1e3 * row["ms"] / 96, rel=1e-2)
    assert row["peak_mb"] > 50


def pretended(monkeypatch, metrics):
    """Instead of a process, `metrics` of the words that it would get, in its run's folder; a list of these words."""
    commands = []

    def finished(command, environment):
        words = command[3:]
        commands.append(words)
        (folder,) = (Path(word.partition("=")[2]) for word in words if word.startswith("hydra.run.dir="))
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(metrics(words)))
        (folder / "history.jsonl").write_text("")
        return TOLERANCE_MISSED, {"command_seconds": 2.5, "peak_bytes": 1_500_000_000}

    monkeypatch.setattr(cold, "_finished", finished)
    return commands


def test_a_run_by_the_clock_is_asked_for_a_problem_and_summed_up(monkeypatch, tmp_path):
    """What misses its tolerance counts with the error that it has; a second call runs nothing again."""
    errors = {"seed=0": 2e-9, "seed=1": 8e-9, "seed=2": 3e-8}

    def metrics(words):
        (error,) = (errors[word] for word in words if word in errors)
        return {
            "train_seconds": 60.5,
            "relative_l2": error,
            "estimated_relative_l2": 2 * error,
            "tolerance_met": False,
        }

    commands = pretended(monkeypatch, metrics)
    bars = {"fast": clock.Bar(("problem.reaction_rate=20",), 30), "samples": clock.BARS["256 samples"]}
    for _ in range(2):
        fast, _ = clock.run(3, bars, tmp_path)
    assert fast == {
        "problem": "fast", "asked": 1e-8, "clock": 30, "median error": 8e-9, "best": 2e-9, "worst": 3e-8,
        "below the bar": "2 of 3", "estimate / error": "2.00 … 2.00", "tolerance met": 0, "median seconds": 60.5,
        "most seconds": 60.5, "of the command": 2.5, "most memory, GB": 1.5,
    }  # fmt: skip
    assert len(commands) == 6
    assert commands[0][:4] == ["problem.reaction_rate=20", "experiment=record", "seed=0", "train.seconds=30"]
    (words,) = (words for words in commands if {"seed=1", "train.seconds=60"} <= set(words))
    x, u = np.loadtxt(build(composed(*words[:-1]).problem).initial_condition.path, delimiter=",").T
    np.testing.assert_allclose(u[x == 0.5], 0.7 * np.tanh(2.0))


@pytest.mark.parametrize("name", clock.BARS)
def test_every_problem_of_the_clock_is_one_for_the_record(name, tmp_path):
    clock.write_samples(tmp_path)
    experiment = assemble(composed(*clock._words(clock.BARS[name], 3, tmp_path)))
    assert experiment.marches
    assert experiment.setup.seed == 3


def test_the_process_of_a_run_is_measured():
    own = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # which Linux hands on to it
    status, told = cold._finished([sys.executable, "-c", "x = bytearray(10**8)"], dict(os.environ))
    assert status == 0
    assert told["command_seconds"] > 0
    assert 1e8 < told["peak_bytes"] < max(3e8, 1.01 * own)
    assert cold._finished([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ))[0] == 3


def test_a_run_that_fails_is_no_result(monkeypatch, tmp_path):
    monkeypatch.setattr(cold, "_finished", lambda *given: (3, {}))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        cold.cold_run(tmp_path / "run", ["seed=0"])
    assert not (tmp_path / "run").exists()


def test_an_interrupted_benchmark_leaves_no_run_behind(monkeypatch):
    begun = []

    def interrupted(process, options):
        begun.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(cold.os, "wait4", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cold._finished([sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ))
    with pytest.raises(ProcessLookupError):
        os.kill(begun[0], 0)


def test_runs_of_different_problems_and_clocks_never_share_a_folder():
    """Nor do those of one problem with another clock."""
    folders = {clock._run_folder(bar, seed) for bar in clock.BARS.values() for seed in (0, 1)}
    assert len(folders) == 2 * len(clock.BARS)
    assert clock._run_folder(clock.Bar(("a=[1,-2]",)), 0) != clock._run_folder(clock.Bar(("a=[1,2]",)), 0)
    assert clock._run_folder(clock.Bar(()), 0) != clock._run_folder(clock.Bar((), 30), 0)


def test_a_run_without_an_estimate_is_in_no_ratio():
    told = {"relative_l2": 1e-3, "estimated_relative_l2": None, "train_seconds": 3.0, "tolerance_met": False}
    row = clock.summary("one", clock.Bar(()), [told])
    assert row["median error"] == 1e-3
    assert row["estimate / error"] is row["most memory, GB"] is row["of the command"] is None


def test_a_race_is_summed_up_by_medians_and_its_runs_are_kept(monkeypatch, tmp_path):
    """Runs that the folder holds already are read, not run again."""
    for seed, error in enumerate([4e-5, 1e-5, 2e-5]):
        folder = tmp_path / f"fast-seconds-10-seed{seed}"
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps({"train_seconds": 10.5, "relative_l2": error}))
        lines = [{"step": 1, "seconds": 4.0, "relative_l2": 1e-2}, {"step": 2, "seconds": 5.0, "loss": 1.0}]
        (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(race, "_classical", lambda run_folder: race.Result(1.0, 1e-11, []))
    monkeypatch.setattr(cold, "_finished", lambda *given: pytest.fail("run again"))
    fast, classical = race.run(3, {"fast": ("seconds=10",)}, tmp_path)
    assert fast == {
        "method": "fast seconds=10",
        "seconds": 10.5,
        "median error": 2e-5,
        "best": 1e-5,
        "worst": 4e-5,
        "worst / median": 2.0,
        "seeds": 3,
    }
    assert classical["median error"] == 1e-11
    assert (tmp_path / "race.png").stat().st_size > 10_000


def test_the_command_of_a_run_of_the_race_can_be_read(monkeypatch, tmp_path):
    """By Hydra, word by word; the run's folder gets what the race reads afterwards."""
    commands = pretended(monkeypatch, lambda words: {"train_seconds": 1.0, "relative_l2": 1e-5})
    monkeypatch.setattr(race, "_classical", lambda run_folder: race.Result(1.0, 1e-11, []))
    ends = {"record": ("tolerance=1e-4", "tolerance=1e-5")}
    rows = race.run(2, ends, tmp_path / "race")
    assert [row["method"] for row in rows] == [*(f"record {end}" for end in ends["record"]), "spectral solver"]
    read = [OverridesParser.create().parse_overrides([cli.for_hydra(word) for word in one]) for one in commands]
    found = {(words[2].key_or_group, str(words[2].value()), words[1].value()) for words in read}
    assert found == {("train.tolerance", tolerance, seed) for tolerance in ("0.0001", "1e-05") for seed in (0, 1)}


def test_the_classical_solver_has_a_line_of_error_against_cost():
    """From few digits to nearly all of double precision, each point more accurate than all that are quicker."""
    problem = AllenCahn(diffusivity=0.01, reaction_rate=1.0)
    seconds, errors = zip(*race.classical_costs(problem, solve(problem, np.linspace(0, 1, 21))), strict=True)
    assert list(seconds) == sorted(seconds)
    assert list(errors) == sorted(errors, reverse=True)
    assert errors[0] > 1e3 * errors[-1]
    assert errors[-1] < 1e-10


def test_runs_to_a_tolerance_are_summed_up_and_kept(monkeypatch, tmp_path):
    """Those that the file holds already are not run again; what says that it missed is in no statistic of errors."""
    told = [(2e-5, 2e-5, True), (1e-6, 2e-6, True), (8e-5, 8e-5, True), (9e-4, 9e-4, False)]
    rows = [
        {"problem": "one", "tolerance": 1e-4, "seed": seed, "error": error, "estimate": estimate, "reliable": True}
        | {"met": met, "windows": 4 + seed, "seconds": 3.0}
        for seed, (error, estimate, met) in enumerate(told)
    ]
    (tmp_path / "tolerances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(tolerances, "fit", lambda *problem, **choices: pytest.fail("run again"))
    (row,) = tolerances.run(4, {"one": ()}, [1e-4], folder=tmp_path)
    assert row == {
        "tolerance": 1e-4,
        "runs": 4,
        "met": 3,
        "true error within": 3,
        "largest error / tolerance": pytest.approx(0.8),
        "median error / tolerance": pytest.approx(0.2),
        "estimate / error": "1.00 … 2.00",
        "median windows": 5.5,
        "median seconds": 3.0,
    }
    assert (tmp_path / "tolerances.png").stat().st_size > 10_000


@pytest.mark.landing
def test_a_tolerance_is_run_to_and_a_part_of_a_march_is_worth_something(monkeypatch, tmp_path):
    words = (*EASY, "problem.horizon=0.2")
    (row,) = tolerances.run(1, {"easy": words}, [1e-3], folder=tmp_path)
    assert row["met"] == 1
    assert row["largest error / tolerance"] < 3
    monkeypatch.setattr(ablation, "UNITS", 64)
    monkeypatch.setattr(ablation, "PROBLEMS", {"easy": words})
    kinds = [{"kind": HeldOutScale}, {"kind": ThroughPoints}, {"kind": Trained, "units": 32, "scale": 2.0}]
    kinds += [{"kind": InPatchesDrawn, "kernel": InPatches}, {"kind": TwoLayersDrawn, "kernel": TwoLayers}]
    few = {"units": 32, "scale": 2.0}  # far from the best weights, so that training has something to give
    changes = {"as it is": {}, "bare": {"embedding": Splitting(known=())}, "32 features": few}
    monkeypatch.setattr(ablation, "CHANGES", changes | {kind["kind"].__name__: kind for kind in kinds})
    whole, bare, few, held_out, through, trained, patches, layers = ablation.run(1)
    assert bare["easy"] > 10 * whole["easy"]
    assert held_out["easy"] < 3 * whole["easy"]  # one of the scales is the usual one
    assert whole["easy"] != through["easy"] < 1e-2
    assert whole["easy"] < patches["easy"] < 1e-2  # 21 features in a patch
    assert whole["easy"] != layers["easy"] < 1e-2
    assert trained["easy"] < few["easy"]
