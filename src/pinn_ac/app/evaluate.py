"""`evaluate`: the metrics and figures of a run, anew from its checkpoint, on a grid of the user's."""

from pathlib import Path

from omegaconf import DictConfig

from pinn_ac.app.config import EvaluateConfig, check_names
from pinn_ac.app.report import grid_of, load_reference, report
from pinn_ac.app.saved_run import load_run
from pinn_ac.errors import require
from pinn_ac.files import make_writable

MOST_EVALUATED = 2**26
"""Points of a grid whose values and derivatives are held together: four gigabytes."""


def evaluate(config: DictConfig) -> None:
    """Recompute the metrics and figures of the run in `config.run` on a grid of `times` × `points`.

    Raises:
        InputError: the run cannot be loaded, or the grid is too small or too large.
    """
    check_names(config, EvaluateConfig)
    for name in ("times", "points"):
        asked = config[name]
        require(asked is None or asked >= 2, f"{name} is {asked}: give a whole number from 2.")
    require_size((config.times or 2) * (config.points or 2))
    solution = load_run(config.run, config.device)
    grid = grid_of(solution.problem, config.times, config.points)
    require_size(grid[0] * grid[1] ** len(solution.problem.axes))
    solution.metrics.clear()  # what the training told stands in the run's own metrics.json
    folder = Path(config.run).expanduser() / "evaluation" / f"{grid[0]}x{grid[1]}"
    make_writable(folder)
    with solution.compute.active():
        reference = load_reference(solution.problem, config.reference, *grid)
        report(solution, folder, reference, grid, config.estimate, animate=config.animate)


def require_size(size: int) -> None:
    """Refuse a grid of more points than fit into memory.

    Raises:
        InputError: it is refused.
    """
    require(size <= MOST_EVALUATED, f"times × points is {size:,}: give at most {MOST_EVALUATED:,}.")
