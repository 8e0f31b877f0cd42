"""The sweeper of configs/hydra/sweeper/comparison.yaml; Hydra takes plugins from `hydra_plugins` alone."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from pinn_ac.app.comparison.continued import require_same_comparison
from pinn_ac.app.comparison.plan import settings_of
from pinn_ac.app.jobs import FAILED_SCORE
from pinn_ac.app.replaced import without_replaced
from pinn_ac.errors import InputError, require
from pinn_ac.parallel import is_first


class Comparing(Sweeper):
    """Runs every experiment with every seed by any launcher, and writes their table.

    Args:
        experiments, seeds, steps, seconds: of :class:`pinn_ac.app.comparison.plan.Comparison`.
    """

    def __init__(self, experiments: Any, seeds: Any, steps: Any, seconds: Any) -> None:
        self.settings = {"experiments": experiments, "seeds": seeds, "steps": steps, "seconds": seconds}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the settings, and get the launcher.

        Raises:
            InputError: a setting that cannot be used.
        """
        self.comparison = settings_of(self.settings)
        self.folder = Path(config.hydra.sweep.dir)
        self.compose = lambda words: _of_a_run(hydra_context.config_loader.load_sweep_config(config, words))
        self.runs = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Compare. A run that fails ends by itself alone, and is counted in the table.

        Raises:
            InputError: a setting that cannot be used, a folder with the runs of another comparison, or no run has a
                result.
        """
        from pinn_ac.app.comparison.result import report  # here, since Hydra imports this module in every command

        jobs = self.comparison.jobs(arguments, self.compose)
        require_same_comparison(self.folder, jobs[0], self.compose)
        try:
            done = self.runs.launch(jobs, initial_job_idx=0)
        finally:
            # It was interrupted before the first run had begun, or the disk is full.
            with suppress(InputError, OSError):
                report(self.folder, quiet=not is_first())
        require(
            any(one.status == JobStatus.COMPLETED and one.return_value != FAILED_SCORE for one in done),
            f"None of the {len(jobs)} runs has a result, for the reasons above.",
        )


def _of_a_run(config: DictConfig) -> DictConfig:
    """The config of a run without what is Hydra's, and without the modules that it may name objects of."""
    hydra = config.hydra
    with open_dict(config):
        for name in ("hydra", "allow"):
            config.pop(name, None)
    return without_replaced(config, hydra)
