"""What `experiment=record` reaches by a clock, with no setting but the problem's own and its tolerance of 1e-10."""

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinn_ac.app.benchmarks.cold import cold_run
from pinn_ac.app.benchmarks.tolerances import PROBLEMS
from pinn_ac.files import make_writable


class Bar(NamedTuple):
    """A problem, and what is asked of its runs.

    words: of the command line that choose the problem.
    seconds: the clock, `train.seconds`.
    error: the largest relative L2 error that the runs should have.
    """

    words: Sequence[str]
    seconds: int = 60
    error: float = 1e-8


HARDER = {
    "R = 20": (60, 1e-7),
    "T = 10": (60, 1e-7),
    "½ sin 3πx, D = 1e-3": (60, 1e-7),
    "R = 50": (120, 1e-6),
    "T = 20": (120, 1e-6),
}
"""Of the problems of `tolerances`, those that are harder: the clock and the error."""
SAMPLES = "samples.csv"

BARS: Mapping[str, Bar] = {
    **{name: Bar(words, *HARDER.get(name, ())) for name, words in PROBLEMS.items()},
    "T = 0.3": Bar(("problem.horizon=0.3",)),
    "R = 0.01, T = 100, D = 1e-6": Bar(
        ("problem.reaction_rate=0.01", "problem.horizon=100", "problem.diffusivity=1e-6")
    ),
    "domain [0, 3]": Bar(("problem.domain=[0,3]",)),
    "amplitude 1.5": Bar(("problem.initial_condition.amplitude=1.5",)),
    "256 samples": Bar(("problem/initial_condition=tabulated", "problem.initial_condition.path={folder}/" + SAMPLES)),
    "R = 20, D = 1e-6": Bar(("problem.reaction_rate=20", "problem.diffusivity=1e-6"), error=1e-5),
}
"""What it is → the bar."""


def run(seeds: int, bars: Mapping[str, Bar] = BARS, folder: Path | None = None) -> list[dict[str, Any]]:
    """A row for every problem.

    Every run is a process of its own that compiles everything anew, and its compilation counts. Runs stay in the
    folder, and those that are there already are not repeated.

    Args:
        seeds: how many, from 0 on; all problems have one seed before any has the next.
        bars: name → the problem, its clock, and what is asked of its error.
        folder: by default outputs/benchmarks/clock.

    Raises:
        CalledProcessError: a run failed; those before it are kept.
    """
    folder = folder or Path("outputs/benchmarks/clock")
    make_writable(folder)
    write_samples(folder)
    runs = [
        (name, cold_run(folder / _run_folder(bar, seed), _words(bar, seed, folder)))
        for seed in range(seeds)
        for name, bar in bars.items()
    ]
    return [summary(name, bar, [told for of, told in runs if of == name]) for name, bar in bars.items()]


def write_samples(folder: Path) -> None:
    """256 samples of 0.7 tanh(2 sin πx) + 0.2 cos 3πx on a period."""
    x = np.arange(-128, 128) / 128
    samples = 0.7 * np.tanh(2 * np.sin(np.pi * x)) + 0.2 * np.cos(3 * np.pi * x)
    np.savetxt(folder / SAMPLES, np.column_stack([x, samples]), delimiter=",")


def _run_folder(bar: Bar, seed: int) -> str:
    """Named by the problem and the clock, so that a run is never taken for another's; Hydra reads all its signs."""
    return re.sub(r"[^\w.+-]", "_", "-".join([*bar.words, f"{bar.seconds}s", f"seed{seed}"]))


def _words(bar: Bar, seed: int, folder: Path) -> list[str]:
    words = [word.format(folder=folder.resolve()) for word in bar.words]
    return [*words, "experiment=record", f"seed={seed}", f"train.seconds={bar.seconds}"]


def summary(name: str, bar: Bar, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of all runs of a problem; `below the bar` counts those whose true error is at most what is asked."""
    errors = [told["relative_l2"] for told in runs]
    seconds = [told["train_seconds"] for told in runs]
    estimates = [told["estimated_relative_l2"] for told in runs]
    ratios = [known / error for known, error in zip(estimates, errors, strict=True) if known is not None]
    return {
        "problem": name,
        "asked": bar.error,
        "clock": bar.seconds,
        "median error": statistics.median(errors),
        "best": min(errors),
        "worst": max(errors),
        "below the bar": f"{sum(error <= bar.error for error in errors)} of {len(errors)}",
        "estimate / error": f"{min(ratios):.2f} … {max(ratios):.2f}" if ratios else None,
        "tolerance met": sum(told["tolerance_met"] for told in runs),
        "median seconds": statistics.median(seconds),
        "most seconds": max(seconds),
        "of the command": max((told["command_seconds"] for told in runs if "command_seconds" in told), default=None),
        "most memory, GB": max((told["peak_bytes"] / 1e9 for told in runs if "peak_bytes" in told), default=None),
    }
