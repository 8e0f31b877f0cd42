"""What a run leaves in its folder at the end: metrics, prediction, figures and its page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from pinn_ac.app.config import animation
from pinn_ac.app.environment import describe
from pinn_ac.app.jobs import PAGE
from pinn_ac.app.run_folder import typed_commands
from pinn_ac.evaluation import Sampled, score
from pinn_ac.experiment import MOST_SHOWN
from pinn_ac.files import write_whole
from pinn_ac.inverse import InferredSolution
from pinn_ac.problem import Problem
from pinn_ac.reference import Reference, load_or_solve, usual_grid
from pinn_ac.solution import CONFIG, SAMPLED, SIZES, Solution

DRAWN_BY_THE_PAGE = ("solution", "profiles", "energy", "history", "points")
"""Figures in whose place the page of a run has its own."""
OF_THE_TRAINING = (
    *("name", "ensemble", "train_seconds", "compile_seconds", "steps", "stages", "windows", "ended_by"),
    *("validation_loss", "num_points", "tolerance", "devices"),
)
"""Metrics that no evaluation changes."""
LONGEST_TITLE = 90


def load_reference(
    problem: Problem, wanted: bool = True, times: int | None = None, points: int | None = None
) -> Reference | None:
    """The true solution on an even grid, from the user's cache or computed now; None if it is not wanted.

    Raises:
        InputError: it is wanted and the problem has none, or it cannot be found.
    """
    if not wanted:
        return None
    times, points = usual_grid(problem, times, points)
    return load_or_solve(problem, np.linspace(0.0, problem.horizon, times), points)


def report(
    solution: Solution,
    folder: Path,
    reference: Reference | None = None,
    grid: tuple[int, int] | None = None,
    estimate: bool = True,
    show: bool = True,
    others: Mapping[str, Any] | None = None,
    animate: bool | str = False,
) -> dict[str, Any]:
    """Score the solution on a grid and write prediction.npz and metrics.json.

    Args:
        solution: what came of the run, with its history and what its training told.
        folder: where to.
        reference: the true solution on the grid, if there is one.
        grid: times and points; None for the usual ones.
        estimate: the error without the reference, too.
        show: draw the figures and print the table; without, the page alone is written, without points.
        others: further metrics.
        animate: true, "gif" or "mp4": draw the solution moving through time, too.

    Returns:
        The metrics, as they are in metrics.json.
    """
    sampled = solution.sample(*(grid or usual_grid(solution.problem)))
    metrics = {
        **score(solution.problem, sampled, reference),
        # A run to a tolerance has its estimate already.
        **(solution.estimate_metrics() if estimate and "tolerance_met" not in solution.metrics else {}),
        **(solution.inferred.metrics() if isinstance(solution, InferredSolution) else {}),
        **solution.metrics,
        **(others or {}),
        "num_parameters": solution.num_parameters,
        "seed": solution.experiment.seed,
        **describe(),
    }
    axes = {name: getattr(sampled, name) for name in ("t", *solution.problem.axes)}
    write_whole(folder / "prediction.npz", lambda path: np.savez(path, u=sampled.u, **axes))
    if show:
        figures = draw(solution, folder, sampled, reference, solution.history, metrics)
    else:
        figures = [write_page(solution, folder, sampled, reference, None, metrics)]
    suffix = animation(animate)
    if suffix is not None:
        from pinn_ac.reporting.animation import animate as write_film  # here, as the figures

        figures.append(write_film(solution.problem, sampled, folder / f"solution.{suffix}", reference))
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
    metrics: Mapping[str, Any] | None = None,
) -> list[Path]:
    """All figures of a run and, with its metrics, its page."""
    from pinn_ac.reporting.figures import draw_run  # here, since a run should not wait for matplotlib to start

    experiment = solution.experiment
    most = {1: MOST_SHOWN, 2: MOST_IN_PLANE}[len(experiment.problem.axes)]
    points, count, at_points = experiment.counted_collocation(solution.params, solution.conditions, most)
    if at_points is None:  # asked at as many points as of the grid, so that what was compiled for that serves here
        of_points: Any = solution.derivatives
        filled = np.resize(points, (max(len(points), min(sampled.u.size, 2 * SIZES[-1])), points.shape[1]))
        at_points = of_points(*filled.T, orders=SAMPLED)["residual"][: len(points)]
    entries = [dict(entry) for entry in history]
    drawn = sampled, reference, entries, points, at_points, experiment.breaks, count
    figures = draw_run(folder, solution.problem, *drawn)
    if isinstance(solution, InferredSolution):
        solution.plot_fit(folder / "inferred.png")
        figures.append(folder / "inferred.png")
    if metrics is None:
        return figures
    seen = np.column_stack([points, at_points])
    return [*figures, write_page(solution, folder, sampled, reference, seen, metrics, figures, count)]


def write_page(
    solution: Solution,
    folder: Path,
    sampled: Sampled,
    reference: Reference | None,
    points: np.ndarray | None,
    metrics: Mapping[str, Any],
    figures: Sequence[Path] = (),
    count: int | None = None,
) -> Path:
    """The page of a run, report.html. It draws a field of one dimension itself, and shows the figures of others.

    Args:
        solution, folder, sampled, reference, metrics: as for :func:`report`.
        points: (n, 3), collocation points and the residual at each; None for none.
        figures: PNG files of the run.
        count: how many points there are, where these are some of them.
    """
    from pinn_ac.reporting.page_data import RunPage
    from pinn_ac.reporting.run_page import run_page

    home = solution.folder or folder  # whose config, commands and training are the run's
    told = (_trained(home / "metrics.json") if home != folder else {}) | dict(metrics)
    title = f"{told.get('name', 'Run')}: {home.resolve().name}".replace(",", " ")
    file = home / CONFIG
    on_a_line = sampled.u.ndim == 2
    drawn = DRAWN_BY_THE_PAGE if on_a_line else ("history",)
    page = RunPage(
        title=shorten(title, LONGEST_TITLE, placeholder=" …"),
        problem=solution.problem,
        metrics=told,
        history=solution.history,
        sampled=sampled if on_a_line else None,
        reference=reference if on_a_line else None,
        times=sampled.t,
        points=points if on_a_line else None,
        count=count,
        breaks=solution.experiment.breaks,
        config=file.read_text(encoding="utf-8") if file.is_file() else "",
        commands=typed_commands(home),
        pictures={path: path.stem.replace("_", " ").capitalize() for path in figures if path.stem not in drawn},
    )
    return write_whole(folder / PAGE, lambda draft: draft.write_text(run_page(page), encoding="utf-8"))


def _trained(file: Path) -> dict[str, Any]:
    """What the metrics of a run that is evaluated anew tell of its training; what its field is worth is left out."""
    if not file.is_file():
        return {}
    return {key: value for key, value in json.loads(file.read_text()).items() if key in OF_THE_TRAINING}
