"""Error against seconds: the experiments side by side over seeds, and what a classical solver costs."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pinn_ac.files import make_writable, user_cache
from pinn_ac.problem import AllenCahn
from pinn_ac.reference import solve
from pinn_ac.reporting.race import draw_race
from pinn_ac.reporting.style import write
from pinn_ac.tracking import read_history

BUDGETS: Mapping[str, tuple[float, ...]] = {"record": (10, 20, 60, 300), "broyden": (300,), "plain": (120,)}
"""Seconds of training. A run in windows of time has an error of the whole only at its end, so it runs for each."""


class Result(NamedTuple):
    """One run: its error at the end of its seconds, and (seconds, error) wherever its history has it of the whole."""

    seconds: float
    error: float
    curve: list[tuple[float, float]]


def run(
    seeds: int,
    budgets: Mapping[str, Sequence[float]] = BUDGETS,
    folder: Path | None = None,
    words: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A row for every experiment and budget, and race.png beside the runs.

    Every run is a process of its own that compiles anew, and its compilation counts. Runs stay in the folder, and
    those that it holds already are not run again.

    Args:
        seeds: 0, 1, … of them.
        budgets: experiment → seconds of training.
        folder: by default outputs/benchmarks/race.
        words: further words of the command line of train.py.
    """
    folder = folder or Path("outputs/benchmarks/race")
    make_writable(folder)
    places = [(name, seconds) for name, all_seconds in budgets.items() for seconds in all_seconds]
    results = {place: [_result(folder, *place, seed, words) for seed in range(seeds)] for place in places}
    classical = _classical()
    write(draw_race(results, (classical.seconds, classical.error)), folder / "race.png")
    rows = [summary(name, runs) for (name, _), runs in results.items()]
    return [*rows, summary("spectral solver", [classical])]


def summary(method: str, runs: Sequence[Result]) -> dict[str, Any]:
    """The median of the runs' errors, and their spread."""
    errors = [run.error for run in runs]
    median = statistics.median(errors)
    return {
        "method": method,
        "seconds": statistics.median(run.seconds for run in runs),
        "median error": median,
        "best": min(errors),
        "worst": max(errors),
        "worst / median": max(errors) / median,
        "seeds": len(runs),
    }


def _result(folder: Path, experiment: str, seconds: float, seed: int, words: Sequence[str]) -> Result:
    """Of the run in folder's folder, which is done now if it is not there."""
    folder = folder / f"{experiment}-{seconds:g}s-seed{seed}"
    if not (folder / "metrics.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "scripts/train.py", f"experiment={experiment}", f"seed={seed}"]
        command += [f"train.seconds={seconds:g}", f"hydra.run.dir={folder}", "estimate=false", *words]
        environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "PINN_AC_CACHE": str(user_cache())}
        subprocess.run(command, check=True, stdout=sys.stderr, env=environment)
    metrics = json.loads((folder / "metrics.json").read_text())
    curve = [
        (line["seconds"], line["relative_l2"])
        for line in read_history(folder / "history.jsonl")
        if "relative_l2" in line
    ]
    return Result(metrics["train_seconds"], metrics["relative_l2"], curve)


def _classical() -> Result:
    """What the reference solver takes for the lecture's problem, its own check by refinement included."""
    start = time.perf_counter()
    error = solve(AllenCahn()).estimated_error
    return Result(time.perf_counter() - start, error, [])
