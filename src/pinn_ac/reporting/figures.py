"""All figures of a run, written to its folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pinn_ac.evaluation import ReferenceField, Sampled
from pinn_ac.problem import Problem
from pinn_ac.reporting import plane
from pinn_ac.reporting.curves import Entries, draw_energy, draw_history
from pinn_ac.reporting.fields import draw_points, draw_profiles, draw_solution
from pinn_ac.reporting.style import write


def draw_run(
    folder: str | os.PathLike[str],
    problem: Problem,
    sampled: Sampled,
    reference: ReferenceField | None,
    history: Entries,
    points: np.ndarray | None = None,
    point_residuals: np.ndarray | None = None,
    breaks: Sequence[float] = (),
    count: int | None = None,
) -> list[Path]:
    """Draw all figures of a run and return the paths of the files.

    Args:
        folder: for solution.png, profiles.png (in one dimension), energy.png, history.png and points.png.
        problem: what was solved; one without an energy has no energy.png.
        sampled: the network's field.
        reference: u* on the same grid, or None.
        history: the lines of the run's history; if it is empty there is no history.png.
        points: (n, 2) collocation points (t, x), or (n, 3) with y; without them there is no points.png.
        point_residuals: (n,), the residual at each.
        breaks: times at which one time window ends and the next begins.
        count: how many collocation points there are, of which `points` may be some.
    """
    target, in_plane = Path(folder), len(problem.axes) == 2
    draws_energy = plane.draw_energy if in_plane else draw_energy
    if in_plane:
        figures = {"solution": plane.draw_maps(problem, sampled, reference)}
    else:
        figures = {
            "solution": draw_solution(problem, sampled, reference),
            "profiles": draw_profiles(problem, sampled, reference),
        }
    if "energy" in problem.capabilities:
        figures["energy"] = draws_energy(problem, sampled, reference)
    if len(history):
        figures["history"] = draw_history(history, "window" if len(breaks) else "stage")
    if points is not None and len(points):
        draws_points = plane.draw_points if in_plane else draw_points
        figures["points"] = draws_points(problem, points, point_residuals, breaks, count)
    return [write(figure, target / f"{name}.png") for name, figure in figures.items()]
