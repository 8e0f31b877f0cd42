"""How a command ends: what the user reads, and the exit status."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pinn_ac.errors import InputError
from pinn_ac.training import Diverged, Stopped

log = logging.getLogger(__name__)


def execute(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """Run `command` and turn the ends that a user can meet into one sentence and an exit status.

    2: an input that cannot be used. 3: the training diverged. 128 + n: stopped by signal n, after saving.
    In a sweep the exception goes on to Hydra, which reports the job.
    """
    try:
        return command(config)
    except (InputError, Diverged, Stopped) as error:
        log.error("%s", _sentence(error))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        sys.exit(_status(error))
    except Exception:
        log.exception("The command failed.")
        raise


def _sentence(error: Exception) -> str:
    folder = HydraConfig.get().runtime.output_dir
    if isinstance(error, Stopped):
        return f"Saved, and {error}. To go on: python scripts/train.py resume={folder}"
    if isinstance(error, Diverged):
        return f"{error} The last good state is saved in {folder}."
    return str(error)


def _status(error: Exception) -> int:
    if isinstance(error, Stopped):
        return 128 + error.signal_number
    return 3 if isinstance(error, Diverged) else 2
