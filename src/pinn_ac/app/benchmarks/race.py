"""Error against seconds: the experiments side by side over several seeds, and what a classical solver costs."""

import itertools
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinn_ac.app.benchmarks.cold import cold_run
from pinn_ac.app.objects import build
from pinn_ac.app.saved_run import load_config
from pinn_ac.errors import InputError
from pinn_ac.evaluation import relative_error
from pinn_ac.files import make_writable
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference, solve
from pinn_ac.reference.held import system_of
from pinn_ac.reference.march import Work, march_controlled
from pinn_ac.reference.resolution import modes_needed
from pinn_ac.reporting.race import draw_race
from pinn_ac.reporting.style import write
from pinn_ac.tracking import read_history

ENDS: Mapping[str, tuple[str, ...]] = {
    "record": tuple(f"tolerance=1e-{digits}" for digits in (4, 5, 6, 7, 8, 9, 10)),
    "levenberg_marquardt": ("seconds=20", "seconds=60", "seconds=300"),
    "broyden": ("seconds=300",),
    "plain": ("seconds=120",),
}
"""Experiment → what ends its runs, settings of `train`. A run in several time windows knows its error on the whole
domain only when it ends, so each is a run of its own."""

MODES = (0.125, 0.25, 0.5, 0.75, 1.0)
"""Shares of the modes that the spectral solver needs for full precision, for its line of error against cost."""

STEP_ERRORS = tuple(10.0**-digits for digits in range(2, 11))
"""Local errors that its steps may have, for the same line."""

OUTPUTS = 20
"""At so many times the errors of this line are measured, few enough that they do not limit the steps."""


class Result(NamedTuple):
    """One run: its error at the end of its seconds, and (seconds, error) where its history has that of the whole."""

    seconds: float
    error: float
    curve: list[tuple[float, float]]


def run(
    seeds: int,
    ends: Mapping[str, Sequence[str]] = ENDS,
    folder: Path | None = None,
    words: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A row for every experiment and each of its ends, and race.png beside the runs.

    Every run is a process of its own that compiles everything anew, and its compilation counts. Runs stay in the
    folder, and those that are there already are not repeated.

    Args:
        seeds: how many, from 0 on.
        ends: experiment → what ends its runs, each a setting of `train`.
        folder: by default outputs/benchmarks/race.
        words: further words of the command line of `train`.

    Raises:
        CalledProcessError: a run failed; those before it are kept.
    """
    folder = folder or Path("outputs/benchmarks/race")
    make_writable(folder)
    places = [(name, end) for name, of_experiment in ends.items() for end in of_experiment]
    results = {place: [_result(folder, *place, seed, words) for seed in range(seeds)] for place in places}
    classical = _classical(_run_folder(folder, *places[0], 0))
    write(draw_race(results, (classical.seconds, classical.error), classical.curve), folder / "race.png")
    rows = [summary(f"{name} {end}", runs) for (name, end), runs in results.items()]
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


def _result(folder: Path, experiment: str, end: str, seed: int, words: Sequence[str]) -> Result:
    folder = _run_folder(folder, experiment, end, seed)
    chosen = (f"experiment={experiment}", f"seed={seed}", f"train.{end}", "estimate=false")
    metrics = cold_run(folder, [*chosen, *words])
    curve = [
        (line["seconds"], line["relative_l2"])
        for line in read_history(folder / "history.jsonl")
        if "relative_l2" in line
    ]
    return Result(metrics["train_seconds"], metrics["relative_l2"], curve)


def _run_folder(folder: Path, experiment: str, end: str, seed: int) -> Path:
    return folder / f"{experiment}-{end.replace('=', '-')}-seed{seed}"  # Hydra reads no "=" in a value


def _classical(run_folder: Path) -> Result:
    """What the reference solver takes for the problem of the runs, its own check by refinement included.

    Its curve is what the same method takes without this check, from few modes and long steps on.
    """
    problem = build(load_config(run_folder).problem)
    start = time.perf_counter()
    reference = solve(problem)
    seconds = time.perf_counter() - start
    return Result(seconds, reference.estimated_error, classical_costs(problem, reference))


def classical_costs(problem: Problem, reference: Reference) -> list[tuple[float, float]]:
    """(seconds, error) of Fourier ETDRK4 with controlled steps, each the least error to be had in so many seconds.

    Every number of modes in `MODES` is marched with every local error in `STEP_ERRORS`, compared with the reference
    at `OUTPUTS` of its times, and kept if none that is as quick has a smaller error.
    """
    chosen = slice(None, None, (len(reference.t) - 1) // OUTPUTS)
    finest = replace(reference, t=reference.t[chosen], u=reference.u[chosen])
    marches = [_timed_march(problem, finest, *setting) for setting in itertools.product(MODES, STEP_ERRORS)]
    kept, least = [], math.inf
    for seconds, error in sorted(marches):
        if error < least:
            kept.append((seconds, error))
            least = error
    return kept


def _timed_march(problem: Problem, finest: Reference, share: float, step_error: float) -> tuple[float, float]:
    """Seconds and relative L2 error of one march; the error is infinite where the steps cannot be controlled."""
    times, points = finest.t[1:], len(finest.x)
    rows: list[np.ndarray] = []
    start = time.perf_counter()
    system = system_of(problem, round(share * modes_needed(problem, float(times[0]))))
    try:
        march_controlled(system, times, step_error, lambda c: rows.append(system.sample(c, points)), Work(math.inf))
    except InputError:
        return time.perf_counter() - start, math.inf
    return time.perf_counter() - start, relative_error(np.array(rows), finest.u[1:])
