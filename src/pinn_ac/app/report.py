"""What a run leaves in its folder at the end: metrics, prediction and figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.app.environment import describe
from pinn_ac.evaluation import Sampled, score
from pinn_ac.files import write_whole
from pinn_ac.inverse import InferredSolution
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference, load_or_solve
from pinn_ac.solution import SAMPLED, Solution


def load_reference(problem: Problem, wanted: bool = True, times: int = 201, points: int = 512) -> Reference | None:
    """The true solution on an even grid, from the user's cache or computed now; None if it is not wanted.

    Raises:
        InputError: it is wanted and the problem has none, or it cannot be found.
    """
    if not wanted:
        return None
    return load_or_solve(problem, np.linspace(0.0, problem.horizon, times), points)


def report(
    solution: Solution,
    folder: Path,
    reference: Reference | None = None,
    grid: tuple[int, int] = (201, 512),
    estimate: bool = True,
    show: bool = True,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score the solution on a grid and write prediction.npz and metrics.json.

    Args:
        solution: what came of the run, with its history and what its training told.
        folder: where to.
        reference: the true solution on the grid, if there is one.
        grid: times and points.
        estimate: the error without the reference, too.
        show: draw the figures and print the table.
        others: further metrics.

    Returns:
        The metrics, as they are in metrics.json.
    """
    sampled = solution.sample(*grid)
    metrics = {
        **score(solution.problem, sampled, reference),
        # A run to a tolerance has followed the estimate all along.
        **(solution.estimate_metrics() if estimate and "tolerance_met" not in solution.metrics else {}),
        **solution.metrics,
        **(others or {}),
        "num_parameters": solution.num_parameters,
        "seed": solution.experiment.seed,
        **describe(),
    }
    write_whole(folder / "prediction.npz", lambda path: np.savez(path, t=sampled.t, x=sampled.x, u=sampled.u))
    figures = draw(solution, folder, sampled, reference, solution.history) if show else []
    write_whole(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2) + "\n"))
    if show:
        from pinn_ac.reporting.tables import print_summary

        print_summary(metrics, folder, figures)
    return metrics


def draw(
    solution: Solution,
    folder: Path,
    sampled: Sampled,
    reference: Reference | None,
    history: Sequence[Mapping[str, Any]],
) -> list[Path]:
    """All figures of a run."""
    from pinn_ac.reporting.figures import draw_run  # here, since a run should not wait for matplotlib to start

    experiment = solution.experiment
    points = experiment.collocation(solution.params, solution.conditions)
    t, x = points.T
    at_points = solution.derivatives(t, x, SAMPLED)["residual"]
    entries = [dict(entry) for entry in history]
    drawn = draw_run(folder, solution.problem, sampled, reference, entries, points, at_points, experiment.breaks)
    if isinstance(solution, InferredSolution):
        solution.plot_fit(folder / "inferred.png")
        drawn.append(folder / "inferred.png")
    return drawn
