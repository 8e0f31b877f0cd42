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
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from pinn_ac.app.config import can_go_on
from pinn_ac.app.environment import prepare_process
from pinn_ac.app.jobs import FAILED_SCORE, note_failure
from pinn_ac.app.objects import allowed_modules, allowing
from pinn_ac.app.program import spelled
from pinn_ac.app.slurm import set_exit_status
from pinn_ac.app.wording import in_words
from pinn_ac.errors import InputError
from pinn_ac.files import require_writable
from pinn_ac.parallel import is_first, join, leave_at_once
from pinn_ac.training import Diverged, Stopped

log = logging.getLogger(__name__)


PATHS = ("run", "resume", "problem.initial_condition.path", "data.file")
"""Settings whose value is a path of the user's."""


def start(main: Callable[[], Any]) -> None:
    """Run a Hydra application; what it does not understand on the command line becomes one message, and status 2."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would print half a traceback and end with status 1
    logging.getLogger("jax").setLevel(logging.WARNING)  # it mentions every kind of device that it does not find
    sys.argv[1:] = [for_hydra(word) for word in sys.argv[1:]]
    try:
        _require_writable_output(sys.argv[1:])
        join()
        main()
    except InputError as error:
        refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        refuse(in_words(error, sweeping=bool({"-m", "--multirun"}.intersection(sys.argv))))
    except ValueError as error:  # of Hydra's, for optimizer=null or problem.domain.x=1
        if "load_configuration" not in [frame.name for frame in traceback.extract_tb(error.__traceback__)]:
            raise
        refuse(in_words(error))
    except KeyboardInterrupt:  # before or after the training, which saves itself
        sys.exit(128 + signal.SIGINT)


def for_hydra(word: str) -> str:
    """A word of the command line as Hydra has to be given it.

    A path that exists is quoted: Hydra would stumble over = and commas, and the folders of a sweep's jobs are named
    with both. `allow=…` becomes `+allow=…`: no schema holds that setting, so that it can come from the command line
    alone, and a config file that contains it is refused.

    Example:
        >>> for_hydra("allow=[my_module]")
        '+allow=[my_module]'
        >>> for_hydra("seed=3")
        'seed=3'
    """
    setting, _, value = word.partition("=")
    if setting in PATHS and Path(value).expanduser().exists():
        return f"{setting}={QuotedString(value, Quote.single).with_quotes()}"
    return f"+{word}" if setting == "allow" else word


def execute(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    """Run `command`; the ways in which it can end for a user become one sentence and an exit status each.

    2: an input that cannot be used. 3: the training diverged. 4: it ended above its tolerance (see
    :func:`pinn_ac.app.run.train`). 128 + n: stopped by signal n, after saving.
    1: anything else, which is reported with its traceback, except for a disk that is full. In a sweep a training that
    diverged is a result, a bad one, and an input that cannot be used ends its own job alone; a signal or a full disk
    ends the sweep. A job under Slurm without a good result ends with these statuses too.

    Args:
        command: what to do with the config.
        config: as Hydra composed it; `allow`, the modules that it may name objects of, is taken out.
    """
    logging.getLogger("jax").setLevel(logging.WARNING)  # also where a launcher has started this process
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        prepare_process()
        join()  # for a launcher's processes, which do not pass through `start`
        with allowing(_allow(config)):
            result = _obeyed(command, config)
        if sweeping and result == FAILED_SCORE:  # of a run that failed before
            set_exit_status(1)
        return result
    except (InputError, Diverged, Stopped) as error:
        log.error("%s", _sentence(error))
        if sweeping and not isinstance(error, Stopped):
            set_exit_status(_status(error))
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
                set_exit_status(1)
            raise
        log.error(
            "Error: %s: %s takes no more. What was saved in it before is whole: make room, and resume.", full, folder
        )
        leave_at_once(1)
        sys.exit(1)


def _allow(config: DictConfig) -> Any:
    """Take `allow` out of a config, so that it is never written into a run's folder."""
    with open_dict(config):
        return config.pop("allow", None)


def _obeyed(command: Callable[[DictConfig], Any], config: DictConfig) -> Any:
    here = os.getcwd()
    if allowed_modules() and here not in sys.path:
        sys.path.append(here)  # where the user's own modules lie; behind everything that is installed
    try:
        return command(config)
    except OmegaConfBaseException as error:  # a setting that is missing, or that refers to nothing
        raise InputError(in_words(error)) from error


def _full_disk(error: BaseException | None) -> str | None:
    """The system's words for a full disk, if that was the cause; TensorStore reports it in words alone."""
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
        return f"Saved, and {error}. To go on: {spelled('train')} resume={folder}"
    if isinstance(error, Diverged):
        return f"{error} The last good state is saved in {folder}."
    return f"Error: {error}"


def _status(error: Exception) -> int:
    if isinstance(error, Stopped):
        return 128 + error.signal_number
    return 3 if isinstance(error, Diverged) else 2


def refuse(sentence: str) -> NoReturn:
    """End the process with a sentence about its input, and status 2."""
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _require_writable_output(arguments: list[str]) -> None:
    """Hydra makes the run's folder before our code runs, and would answer a refusal with a traceback."""
    chosen = [word.partition("=") for word in arguments if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    setting, _, folder = chosen[-1] if chosen else ("hydra.run.dir", "", "outputs")
    if "${" not in folder:
        require_writable(Path(folder).expanduser(), setting)


def _remove_if_unused(folder: Path) -> None:
    """Remove the folder of a refused run if it holds nothing but a log of the refusal."""
    if [file.suffix for file in folder.iterdir()] == [".log"]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
