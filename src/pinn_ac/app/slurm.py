"""Sweeps under Slurm: how a job's exit status reaches it, and what it complains about once instead of always."""

import atexit
import logging
import os

from pinn_ac.parallel import leave

log = logging.getLogger(__name__)


def set_exit_status(status: int) -> None:
    """End this process with `status` if it is a job under Slurm, after submitit has written what the job returned.

    Hydra hands the sweep what a job raised as a return value, so that the process would end with status 0 and Slurm
    would count the job as completed.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
        atexit.register(leave, status)


def quiet_sacct() -> None:
    """Where Slurm keeps no accounts, report that once; submitit and sacct report it whenever they are asked."""
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class Quiet(SlurmInfoWatcher):
        def _make_command(self) -> list[str] | None:
            command = super()._make_command()
            return command and ["sh", "-c", 'exec "$@" 2> /dev/null', "sh", *command]

    SlurmJob.watcher = Quiet(delay_s=600)  # submitit's own interval
    logger = logging.getLogger("submitit")
    logger.filters = [one for one in logger.filters if not isinstance(one, _Once)]  # of an earlier sweep
    logger.addFilter(_Once())


class _Once(logging.Filter):
    """Replaces all messages about sacct by one sentence."""

    said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if "sacct error" not in record.getMessage():
            return True
        if not self.said:
            log.warning("sacct fails: whether a job has ended is read from the sweep's folder alone.")
        self.said = True
        return False
