"""`evaluate`: the metrics and figures of a run, anew from its checkpoint, on a grid of the user's."""

from pathlib import Path

from omegaconf import DictConfig

from pinn_ac.app.config import EvaluateConfig, check_names
from pinn_ac.app.report import load_reference, report
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
        require(config[name] >= 2, f"{name} is {config[name]}: give a whole number from 2.")
    size = config.times * config.points
    require(size <= MOST_EVALUATED, f"times × points is {size:,}: give at most {MOST_EVALUATED:,}.")
    solution = load_run(config.run, config.device)
    solution.metrics.clear()  # what the training told stands in the run's own metrics.json
    folder = Path(config.run).expanduser() / "evaluation" / f"{config.times}x{config.points}"
    make_writable(folder)
    with solution.compute.active():
        grid = config.times, config.points
        reference = load_reference(solution.problem, config.reference, *grid)
        report(solution, folder, reference, grid, config.estimate)
