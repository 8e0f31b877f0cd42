"""`evaluate`: the metrics and figures of a run, anew from its checkpoint, on a grid of the user's."""

import shutil
from pathlib import Path

from omegaconf import DictConfig

from pinn_ac.app.config import EvaluateConfig, animation, check_names
from pinn_ac.app.jobs import PAGE
from pinn_ac.app.report import load_reference, report
from pinn_ac.app.saved_run import load_run
from pinn_ac.errors import expanded, require
from pinn_ac.files import make_writable, write_whole
from pinn_ac.reference import usual_grid

MOST_EVALUATED = 2**26
"""Points of a grid whose values and derivatives are held together: four gigabytes."""


def evaluate(config: DictConfig) -> None:
    """Recompute the metrics, figures and page of the run in `config.run` on a grid of `times` × `points`.

    Raises:
        InputError: the run cannot be loaded, the grid is too small or too large, or `animate` is no choice.
    """
    check_names(config, EvaluateConfig)
    for name in ("times", "points"):
        asked = config[name]
        require(asked is None or asked >= 2, f"{name} is {asked}: give a whole number from 2.")
    animation(config.animate)  # refuses what is no choice
    require_size(config.times or 2, config.points or 2)
    solution = load_run(config.run, config.device)
    grid = usual_grid(solution.problem, config.times, config.points)
    require_size(*grid, len(solution.problem.axes))
    solution.metrics.clear()  # what the training told stands in the run's own metrics.json
    folder = expanded(config.run) / "evaluation" / f"{grid[0]}x{grid[1]}"
    make_writable(folder, "run, such as a copy of it")
    with solution.compute.active():
        reference = load_reference(solution.problem, config.reference, *grid)
        report(solution, folder, reference, grid, config.estimate, animate=config.animate)
    _show_in_its_own_folder(folder, solution.folder)


def _show_in_its_own_folder(folder: Path, run: Path | None) -> None:
    """A run that has not ended, or ended before there were pages, has this one."""
    assert run is not None
    if (folder / PAGE).is_file() and not ((run / PAGE).is_file() and (run / "metrics.json").is_file()):
        write_whole(run / PAGE, lambda draft: shutil.copy(folder / PAGE, draft))


def require_size(times: int, points: int, dimensions: int = 1) -> None:
    """Refuse a grid of more points than fit into memory.

    Raises:
        InputError: it is refused.
    """
    size, product = times * points**dimensions, "times × points" + "²" * (dimensions == 2)
    require(size <= MOST_EVALUATED, f"{product} is {size:,}: give at most {MOST_EVALUATED:,}.")
