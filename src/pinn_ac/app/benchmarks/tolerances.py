"""The error that a tolerance gives: marches to several tolerances on problems that nothing was tuned to."""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from pinn_ac.app.benchmarks.setting import problem_of
from pinn_ac.app.benchmarks.variants import VARIANTS
from pinn_ac.files import make_writable
from pinn_ac.fitting import fit
from pinn_ac.problem import Problem
from pinn_ac.reporting.style import write
from pinn_ac.reporting.tolerances import draw_tolerances
from pinn_ac.running import Plan

TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)
PROBLEMS: Mapping[str, Sequence[str]] = {
    "the lecture's": (),
    **VARIANTS,
    "R = 50": ("problem.reaction_rate=50",),
    "T = 20": ("problem.horizon=20",),
}
"""What it is → the words of the command line."""


def run(
    seeds: int,
    problems: Mapping[str, Sequence[str]] = PROBLEMS,
    tolerances: Sequence[float] = TOLERANCES,
    seconds: float | None = 240,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """A row for every tolerance, and tolerances.png; each single run is a line of tolerances.jsonl beside it.

    Runs that the file has already are not repeated. Each compiles its own programs, within its seconds.

    Args:
        seeds: how many, from 0 on.
        problems: name → the words of the command line that choose it.
        tolerances: each asked of every problem and seed.
        seconds: the clock of a single run; None for none.
        folder: by default outputs/benchmarks/tolerances.
    """
    folder = folder or Path("outputs/benchmarks/tolerances")
    make_writable(folder)
    path = folder / "tolerances.jsonl"
    wanted = [(name, tolerance, seed) for name in problems for tolerance in tolerances for seed in range(seeds)]
    rows = {_key(row): row for row in _lines(path)}
    for name, of_problem in problems.items():
        missing = [key for key in wanted if key[0] == name and key not in rows]
        for row in _runs(problem_of(tuple(of_problem)), missing, seconds):
            rows[_key(row)] = row
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        jax.clear_caches()
    found = [rows[key] for key in wanted]
    write(draw_tolerances(found), folder / "tolerances.png")
    return [summary(tolerance, [row for row in found if row["tolerance"] == tolerance]) for tolerance in tolerances]


def summary(tolerance: float, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of all runs to one tolerance: how many say that they met it, and what their true errors are."""
    met = [row for row in rows if row["met"]]
    ratios = [row["error"] / tolerance for row in met]
    overs = [row["estimate"] / row["error"] for row in met]
    return {
        "tolerance": tolerance,
        "runs": len(rows),
        "met": len(met),
        "true error within": sum(ratio <= 1 for ratio in ratios),
        "largest error / tolerance": max(ratios, default=None),
        "median error / tolerance": statistics.median(ratios) if ratios else None,
        "estimate / error": f"{min(overs):.2f} … {max(overs):.2f}" if overs else None,
        "median windows": statistics.median(row["windows"] for row in rows),
        "median seconds": statistics.median(row["seconds"] for row in rows),
    }


def _key(row: Mapping[str, Any]) -> tuple[str, float, int]:
    return row["problem"], row["tolerance"], row["seed"]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _runs(
    problem: Problem, keys: Iterable[tuple[str, float, int]], seconds: float | None
) -> Iterator[dict[str, Any]]:
    for name, tolerance, seed in keys:
        solution = fit(problem, tolerance=tolerance, seed=seed, plan=Plan(seconds=seconds))
        told = solution.metrics
        yield {
            "problem": name,
            "tolerance": tolerance,
            "seed": seed,
            "error": solution.error(),
            "estimate": told["estimated_relative_l2"],
            "reliable": not told["estimate_unreliable"],
            "met": told["tolerance_met"],
            "windows": told["windows"],
            "seconds": told["train_seconds"],
        }
