"""How a command begins and ends: what the user reads, and the exit status."""

import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.config import PROJECT, can_go_on, in_words
from pinn_ac.environment import prepare_process
from pinn_ac.errors import InputError
from pinn_ac.files import require_writable
from pinn_ac.jobs import FAILED_SCORE, note_failure
from pinn_ac.parallel import is_first, join, leave_at_once
from pinn_ac.training import Diverged, Stopped

log = logging.getLogger(__name__)


def start(main: Callable[[], Any]) -> None:
    """Run a Hydra application; what it does not understand on the command line becomes one message, and status 2."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would print half a traceback and end with status 1
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells of every backend that it does not find
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


def execute(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """Run `command` and turn the ends that a user can meet into one sentence and an exit status.

    2: an input that cannot be used. 3: the training diverged. 128 + n: stopped by signal n, after saving.
    1: anything else, which is reported with its traceback, but for a disk that is full. In a sweep a training that
    diverged is a result, a bad one, and an input that cannot be used ends its own job alone; a signal or a full disk
    ends the sweep.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        prepare_process()
        join()  # of a launcher's processes, which do not come by `start`
        return _obeyed(command, config)
    except (InputError, Diverged, Stopped) as error:
        log.error("%s", _sentence(error))
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
    chosen = [word.partition("=")[2] for word in arguments if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    folder = Path(chosen[-1] if chosen else PROJECT / "outputs").expanduser()
    if "${" in str(folder):
        return
    require_writable(folder)


def _remove_if_unused(folder: Path) -> None:
    """A refused run leaves no folder behind that holds nothing but its refusal."""
    if [file.suffix for file in folder.iterdir()] == [".log"]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
