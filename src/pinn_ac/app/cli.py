"""How a command begins and ends: what the user reads, and the exit status."""

import atexit
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.app.config import can_go_on, in_words
from pinn_ac.app.environment import prepare_process
from pinn_ac.app.jobs import FAILED_SCORE, note_failure
from pinn_ac.errors import InputError
from pinn_ac.files import make_new, make_writable, require_writable
from pinn_ac.parallel import agreed, first_begins, is_first, join, leave, leave_at_once
from pinn_ac.training import Diverged, Stopped

log = logging.getLogger(__name__)


def start(main: Callable[[], Any]) -> None:
    """Run a Hydra application; what it does not understand on the command line becomes one message, and status 2."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would print half a traceback and end with status 1
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of every backend that it does not find
    sys.argv[1:] = [quoted(word) for word in sys.argv[1:]]
    try:
        _require_writable_output(sys.argv[1:])
        join()
        main()
    except InputError as error:
        _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _refuse(in_words(error, sweeping=bool({"-m", "--multirun"}.intersection(sys.argv))))
    except ValueError as error:  # of Hydra's, for optimizer=null or problem.domain.x=1
        if "load_configuration" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]:
            raise
        _refuse(in_words(error))
    except KeyboardInterrupt:  # before or after the training, which saves itself
        sys.exit(128 + signal.SIGINT)


def quoted(word: str) -> str:
    """A word of the command line, quoted if its value is a path that exists: Hydra would stumble over = and commas.

    The folders of a sweep's jobs are named with both.
    """
    setting, _, path = word.partition("=")
    if setting in ("run", "resume", "problem.initial_condition.path") and Path(path).expanduser().exists():
        return f"{setting}={QuotedString(path, Quote.single).with_quotes()}"
    return word


def execute(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """Run `command` and turn the ends that a user can meet into one sentence and an exit status.

    2: an input that cannot be used. 3: the training diverged. 128 + n: stopped by signal n, after saving.
    1: anything else, which is reported with its traceback, but for a disk that is full. In a sweep a training that
    diverged is a result, a bad one, and an input that cannot be used ends its own job alone; a signal or a full disk
    ends the sweep. A job under Slurm that has no good result ends with these statuses too.
    """
    logging.getLogger("jax").setLevel(logging.WARNING)  # also where a launcher has started this process
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        prepare_process()
        join()  # of a launcher's processes, which do not come by `start`
        result = _obeyed(command, config)
        if sweeping and result == FAILED_SCORE:  # of a run that failed before
            _let_slurm_see(1)
        return result
    except (InputError, Diverged, Stopped) as error:
        log.error("%s", _sentence(error))
        if sweeping and not isinstance(error, Stopped):
            _let_slurm_see(_status(error))
        if sweeping and isinstance(error, Diverged):
            return FAILED_SCORE
        if sweeping and isinstance(error, InputError):
            if is_first() and not can_go_on(folder):  # or whoever holds it has noted what concerns it
                note_failure(folder, "failed", error)
            raise
        if is_first() and not sweeping:
            _remove_if_unused(folder)
        if isinstance(error, InputError):  # which others may not have met
            leave_at_once(_status(error))
        sys.exit(_status(error))
    except Exception as error:
        full = _full_disk(error)
        if not full:
            log.exception("The command failed.")
            leave_at_once(1)
            if sweeping:
                _let_slurm_see(1)
            raise
        log.error(
            "Error: %s: %s takes no more. What was saved in it before is whole: make room, and go on.", full, folder
        )
        leave_at_once(1)
        sys.exit(1)


def _obeyed(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    try:
        return command(config)
    except OmegaConfBaseException as error:  # a setting that is missing, or that refers to nothing
        raise InputError(in_words(error)) from error


class SweepStart(Callback):
    """What every sweep begins with, whichever sweeper and launcher it has. Hydra calls it before both exist."""

    def on_multirun_start(self, config: DictConfig, **others: Any) -> None:
        """Make the sweep's folder, and keep Slurm's complaints apart.

        The folder is a new one, unless hydra.sweep.dir names one to go on with.
        """
        try:
            folder = _make_sweep_folder(config.hydra.sweep)
        except InputError as error:
            _refuse(str(error))  # Hydra would only warn of an exception
        # Each job composes its config anew from the overrides, also in another working directory.
        override = f"hydra.sweep.dir={QuotedString(str(folder), Quote.single).with_quotes()}"
        with read_write(config.hydra):
            config.hydra.sweep.dir = str(folder)
            config.hydra.overrides.hydra.append(override)
        atexit.register(_remove_if_empty, folder)
        if str(config.hydra.launcher.get("_target_", "")).endswith(".SlurmLauncher"):
            _let_sacct_fail_quietly()


def _make_sweep_folder(sweep: DictConfig) -> Path:
    """The folder of hydra.sweep.dir, made; one that is named by the moment is this sweep's alone.

    Raises:
        InputError: it cannot be made or written.
    """
    folder = Path(sweep.dir).expanduser().absolute()
    named_by = str(OmegaConf.to_container(sweep, resolve=False)["dir"])  # type: ignore[index,call-overload]
    if not any(moment in named_by for moment in ("${started:", "${now:")):
        first_begins(lambda: make_writable(folder, "hydra.sweep.dir"))
        return folder
    made = first_begins(lambda: make_new(folder, "hydra.sweep.dir"))
    number = int(agreed(made or 0))
    return folder if number == 1 else folder.with_name(f"{folder.name}_{number}")


def _let_sacct_fail_quietly() -> None:
    """Where Slurm keeps no accounts, let that be said once; submitit and sacct say it as often as they are asked."""
    from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

    class Quiet(SlurmInfoWatcher):
        def _make_command(self) -> list[str] | None:
            command = super()._make_command()
            return command and ["sh", "-c", 'exec "$@" 2> /dev/null', "sh", *command]

    SlurmJob.watcher = Quiet(delay_s=600)  # submitit's own
    logging.getLogger("submitit").addFilter(_Once())


class _Once(logging.Filter):
    """Puts one sentence of ours in the place of all those about sacct."""

    said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if "sacct error" not in record.getMessage():
            return True
        if not self.said:
            log.warning("sacct fails: that a job has ended is known from what it leaves in the sweep's folder alone.")
        self.said = True
        return False


def _let_slurm_see(status: int) -> None:
    """End this process with `status`, if it is a job under Slurm, after submitit has written what the job returns.

    Hydra hands the sweep what a job raised as a return value, so that the process would end with status 0.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
        atexit.register(leave, status)


def _full_disk(error: BaseException | None) -> str | None:
    """What the system says of a disk that is full, if that was the cause; TensorStore tells it in words alone."""
    words = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
    while error is not None:
        for said in words:
            if said in str(error):
                return said
        error = error.__cause__ or error.__context__
    return None


def _sentence(error: Exception) -> str:
    hydra = HydraConfig.get()
    folder = hydra.runtime.output_dir
    if isinstance(error, Stopped):
        if hydra.mode == RunMode.MULTIRUN:
            return f"Saved, and {error}. To go on: the same words and hydra.sweep.dir={hydra.sweep.dir}"
        return f"Saved, and {error}. To go on: python scripts/train.py resume={folder}"
    if isinstance(error, Diverged):
        return f"{error} The last good state is saved in {folder}."
    return f"Error: {error}"


def _status(error: Exception) -> int:
    if isinstance(error, Stopped):
        return 128 + error.signal_number
    return 3 if isinstance(error, Diverged) else 2


def _refuse(sentence: str) -> NoReturn:
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _require_writable_output(arguments: list[str]) -> None:
    """Hydra makes the run's folder before our code runs, and would answer a refusal with a traceback."""
    chosen = [word.partition("=") for word in arguments if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    setting, _, folder = chosen[-1] if chosen else ("hydra.run.dir", "", "outputs")
    if "${" not in folder:
        require_writable(Path(folder).expanduser(), setting)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _remove_if_unused(folder: Path) -> None:
    """A refused run leaves no folder behind that holds nothing but its refusal."""
    if [file.suffix for file in folder.iterdir()] == [".log"]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
