"""What a run leaves in its folder at the end: metrics, prediction and figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.app.environment import describe
from pinn_ac.evaluation import Sampled, score
from pinn_ac.files import write_whole
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference, load_or_solve
from pinn_ac.solution import SAMPLED, Solution


def load_reference(
    problem: Problem, wanted: bool = True, times: int | None = None, points: int | None = None
) -> Reference | None:
    """The true solution on an even grid, from the user's cache or computed now; None if it is not wanted.

    Raises:
        InputError: it is wanted and the problem has none, or it cannot be found.
    """
    if not wanted:
        return None
    times, points = grid_of(problem, times, points)
    return load_or_solve(problem, np.linspace(0.0, problem.horizon, times), points)


GRIDS = {1: (201, 512), 2: (51, 128)}
"""Times, and points along each axis, by the dimensions of space."""


def grid_of(problem: Problem, times: int | None = None, points: int | None = None) -> tuple[int, int]:
    """The grid that a run is reported on, where nothing else is asked for."""
    usual = GRIDS[len(problem.axes)]
    return usual[0] if times is None else times, usual[1] if points is None else points


def report(
    solution: Solution,
    folder: Path,
    reference: Reference | None = None,
    grid: tuple[int, int] | None = None,
    estimate: bool = True,
    show: bool = True,
    others: Mapping[str, Any] | None = None,
    animate: bool = False,
) -> dict[str, Any]:
    """Score the solution on a grid and write prediction.npz and metrics.json.

    Args:
        solution: what came of the run, with its history and what its training told.
        folder: where to.
        reference: the true solution on the grid, if there is one.
        grid: times and points; None for the usual ones.
        estimate: the error without the reference, too.
        show: draw the figures and print the table.
        others: further metrics.
        animate: write the field as solution.gif, too.

    Returns:
        The metrics, as they are in metrics.json.
    """
    sampled = solution.sample(*(grid or grid_of(solution.problem)))
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
    axes = {name: getattr(sampled, name) for name in ("t", *solution.problem.axes)}
    write_whole(folder / "prediction.npz", lambda path: np.savez(path, u=sampled.u, **axes))
    figures = draw(solution, folder, sampled, reference, solution.history) if show else []
    if animate:
        from pinn_ac.reporting.animation import animate as write_animation

        figures.append(write_animation(solution.problem, sampled, folder / "solution.gif", reference))
    write_whole(folder / "metrics.json", lambda path: path.write_text(json.dumps(metrics, indent=2) + "\n"))
    if show:
        from pinn_ac.reporting.tables import print_summary

        print_summary(metrics, folder, figures)
    return metrics


MOST_IN_PLANE = 2**13
"""Collocation points in a figure of the plane, whose residuals are computed one by one."""


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
    if len(experiment.problem.axes) == 2:
        points = points[:: -(-len(points) // MOST_IN_PLANE)]
    of_points: Any = solution.derivatives
    at_points = of_points(*points.T, orders=SAMPLED)["residual"]
    entries = [dict(entry) for entry in history]
    return draw_run(folder, solution.problem, sampled, reference, entries, points, at_points, experiment.breaks)
