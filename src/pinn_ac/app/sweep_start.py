"""How a sweep begins, whichever sweeper and launcher it has."""

import atexit
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from pinn_ac.app.cli import refuse
from pinn_ac.app.slurm import quiet_sacct
from pinn_ac.errors import InputError, expanded
from pinn_ac.files import make_new, make_writable
from pinn_ac.parallel import agreed, first_begins

MOMENTS = ("${pinn_ac.started:", "${now:")
"""What names a folder by the moment at which the sweep began."""


class SweepStart(Callback):
    """Makes the sweep's folder; Hydra calls it before the sweeper and the launcher exist (configs/config.yaml)."""

    def on_multirun_start(self, config: DictConfig, **others: Any) -> None:
        """Make the sweep's folder, and keep Slurm's complaints short.

        The folder is a new one, unless hydra.sweep.dir names that of a sweep to continue.
        """
        try:
            folder = _make_sweep_folder(config.hydra.sweep)
        except InputError as error:
            refuse(str(error))  # Hydra would only warn about an exception
        # Each job composes its config anew from the overrides, perhaps in another working directory.
        override = f"hydra.sweep.dir={QuotedString(str(folder), Quote.single).with_quotes()}"
        with read_write(config.hydra):
            config.hydra.sweep.dir = str(folder)
            config.hydra.overrides.hydra.append(override)
        atexit.register(_remove_if_empty, folder)
        if str(config.hydra.launcher.get("_target_", "")).endswith(".SlurmLauncher"):
            quiet_sacct()


def _make_sweep_folder(sweep: DictConfig) -> Path:
    """Make the folder of hydra.sweep.dir; one that is named by the moment belongs to this sweep alone.

    Raises:
        InputError: it cannot be made or written.
    """
    folder = expanded(sweep.dir).absolute()
    named_by = str(OmegaConf.to_container(sweep, resolve=False)["dir"])  # type: ignore[index,call-overload]
    if not any(moment in named_by for moment in MOMENTS):
        first_begins(lambda: make_writable(folder, "hydra.sweep.dir"))
        return folder
    made = first_begins(lambda: make_new(folder, "hydra.sweep.dir"))
    number = int(agreed(made or 0))
    return folder if number == 1 else folder.with_name(f"{folder.name}_{number}")


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
