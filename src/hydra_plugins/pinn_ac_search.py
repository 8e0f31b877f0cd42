"""The sweeper of configs/hydra/sweeper/search.yaml; Hydra takes plugins from the package `hydra_plugins` alone."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig

from pinn_ac.app.jobs import FAILED_SCORE
from pinn_ac.errors import InputError, is_whole, require


class Search(Sweeper):
    """Optuna's sweeper on a study that several commands may share, and that a later command may continue.

    Args:
        sampler: the config of an Optuna sampler.
        seed: of the sampler, unless its config has one; together with a trial's number it determines what is drawn.
        settings: the other arguments of Optuna's sweeper, as in search.yaml.
    """

    def __init__(self, sampler: DictConfig, seed: int, **settings: Any) -> None:
        seed = seed if sampler.get("seed") is None else sampler.seed
        self.sampler, self.seed, self.settings = sampler, seed, settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Open the study, and give Optuna's sweeper its sampler and its launcher.

        Raises:
            InputError: Optuna is not installed, the study cannot be opened, or a number cannot be used.
        """
        for name, least in {"n_trials": 1, "n_jobs": 1, "seed": 0}.items():
            value = self.seed if name == "seed" else self.settings[name]
            require(is_whole(value, least), f"hydra.sweeper.{name} is {value}: give a whole number from {least}.")
        try:
            from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl

            from pinn_ac.app.search import SeededByTrial, open_study
        except ImportError as error:
            raise InputError("hydra/sweeper=search needs Optuna: pip install 'pinn_ac[sweep]'.") from error
        study = open_study(self.settings["study_name"], self.settings["storage"])
        self.has_result = lambda: any(trial.value not in (None, FAILED_SCORE) for trial in study.trials)
        if "seed" in self.sampler:
            sampler = SeededByTrial(lambda seed: instantiate(self.sampler, seed=seed), self.seed)
        else:  # a grid, which draws nothing
            sampler = instantiate(self.sampler)
        self.optuna = OptunaSweeperImpl(sampler=sampler, **self.settings)
        self.optuna.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.trials = self.optuna.launcher = Noting(self.optuna.launcher)

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Raises:
            InputError: no trial has a result, there is nothing to search in, or the study has another search space.
        """
        from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides

        space, fixed = create_params_from_overrides(arguments)
        elsewhere = [self.settings[name] for name in ("params", "search_space", "custom_search_space")]
        require(
            bool(space.keys() - fixed.keys()) or any(elsewhere),
            "There is nothing to search in: give a setting several values, such as model.width=choice(10,20).",
        )
        try:
            self.optuna.sweep(arguments)
        except ValueError as error:
            if self.trials.running or isinstance(error, InputError):  # not of Optuna
                raise
            self._require_a_result()
            raise InputError(
                f"Optuna cannot go on with this study: {error} Choose another hydra.sweep.dir."
            ) from error
        self._require_a_result()

    def _require_a_result(self) -> None:
        """All trials of this command may have diverged if the study has a result from before or another process."""
        done = self.trials.returns
        scores = [one.return_value for one in done if one.status == JobStatus.COMPLETED]
        good = any(score != FAILED_SCORE for score in scores)
        require(
            good or not done or (bool(scores) and self.has_result()),
            f"None of the {len(done)} trials has a result, for the reasons above: search among other values.",
        )


class Noting(Launcher):
    """A launcher that records what its jobs returned; `running` stays true if the launcher itself failed."""

    def __init__(self, launcher: Any) -> None:
        self.launcher, self.returns, self.running = launcher, list[JobReturn](), False

    def setup(self, **context: Any) -> None:
        """Do nothing: the launcher has been set up before."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs."""
        self.running = True
        returned = self.launcher.launch(job_overrides, initial_job_idx)
        self.running = False
        self.returns += returned
        return returned
