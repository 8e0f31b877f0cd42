"""Optuna studies that several processes can share, and whose trials can be reproduced."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import sqlalchemy.exc
from optuna.samplers import BaseSampler

from pinn_ac.errors import InputError

TRIES, PAUSE = 10, 0.5
"""How often to try to open a study, and the seconds between: processes that create one at the same time collide."""


class SeededByTrial(BaseSampler):
    """Draws each trial by a sampler of its own, made from `seed` and the trial's number in the study.

    A study gives out each number once. So processes that share a study draw different trials, and a search that is
    continued draws the trials that it would have drawn without the interruption, given the same earlier trials.

    Args:
        make: a seed → an Optuna sampler that keeps its state in the study alone.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make, self._seed = make, seed
        self._number, self._sampler = -1, make(seed)

    def _of(self, trial: Any) -> BaseSampler:
        if trial.number != self._number:
            seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
            self._number, self._sampler = trial.number, self._make(int(seed))
        return self._sampler

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        """Optuna's interface, here and in the methods below; each passes on to the trial's own sampler."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
        """The values of the parameters that are drawn jointly."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """The value of one of the others."""
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        """What a sampler writes into the study."""
        self._of(trial).after_trial(study, trial, state, values)


def open_study(name: str, storage: str | None) -> optuna.Study:
    """Open the study, or create it; other processes may be doing the same.

    Raises:
        InputError: the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # Hydra logs which study it is
    tries = 1
    while True:
        try:
            return optuna.create_study(study_name=name, storage=storage, load_if_exists=True)
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            if tries == TRIES:
                reason = getattr(error, "orig", None) or error
                raise InputError(
                    f"The study in {storage} cannot be opened ({reason}): choose another hydra.sweep.dir."
                ) from error
        tries += 1
        time.sleep(PAUSE)
