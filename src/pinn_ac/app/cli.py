"""How a command begins and ends: what the user reads, and the exit status."""

import io
import logging
import os
import shlex
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
from pinn_ac.errors import InputError, expanded
from pinn_ac.files import full_disk, require_writable
from pinn_ac.parallel import is_first, join, leave_at_once
from pinn_ac.training import Diverged, Stopped

log = logging.getLogger(__name__)


PATHS = ("run", "resume", "problem.initial_condition.path", "data.file", "hydra.run.dir", "hydra.sweep.dir")
"""Settings whose value is a path of the user's."""
SHOWING = frozenset(
    ("-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "-i", "--info", "-sc", "--shell-completion")
)
"""Flags with which Hydra shows something and writes nothing."""


def start(main: Callable[[], Any]) -> None:
    """Run a Hydra application; what it does not understand on the command line becomes one message, and status 2."""
    write_what_can_be_written()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # or Hydra would print half a traceback and end with status 1
    logging.getLogger("jax").setLevel(logging.WARNING)  # it mentions every kind of device that it does not find
    words = sys.argv[1:]
    sys.argv[1:] = [for_hydra(word) for word in words]
    try:
        _require_writable_output(words)
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


def write_what_can_be_written() -> None:
    """Where the terminal's encoding lacks a sign, as Latin-1 lacks u₀, a question mark takes its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def for_hydra(word: str) -> str:
    """A word of the command line as Hydra has to be given it.

    A path that exists is quoted: Hydra would stumble over = and commas, and the folders of a sweep's jobs are named
    with both. A ~ in it becomes the user's home, as it does in some shells. `allow=…` becomes `+allow=…`: no schema
    holds that setting, so that it can come from the command line alone, and a config file with it is refused.

    Example:
        >>> for_hydra("allow=[my_module]")
        '+allow=[my_module]'
        >>> for_hydra("seed=3")
        'seed=3'
    """
    setting, _, value = word.partition("=")
    place = os.path.expanduser(value)
    if setting in PATHS and os.path.exists(place):
        return f"{setting}={QuotedString(place, Quote.single).with_quotes()}"
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
        full = full_disk(error)
        if not full:
            log.exception("The command failed.")
            leave_at_once(1)
            if sweeping:
                set_exit_status(1)
            raise
        raising, logging.raiseExceptions = logging.raiseExceptions, False  # the log lies there too
        log.error(
            "Error: %s: %s takes no more. What was saved in it before is whole: make room, and resume.", full, folder
        )
        logging.raiseExceptions = raising
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


def _sentence(error: Exception) -> str:
    hydra = HydraConfig.get()
    folder = hydra.runtime.output_dir
    if isinstance(error, Stopped):
        if hydra.mode == RunMode.MULTIRUN:
            place = shlex.quote(f"hydra.sweep.dir={hydra.sweep.dir}")
            return f"Saved, and {error}. To go on: the same words and {place}"
        place = shlex.quote(f"resume={folder}")
        return f"Saved, and {error}. To go on: {spelled('train')} {place}"
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


def _require_writable_output(words: list[str]) -> None:
    """Hydra makes the folder of a run, and a log in it, before our code runs: it would end with a traceback."""
    given = dict(word.partition("=")[::2] for word in words)
    if SHOWING & given.keys():
        return
    folders = [name for name in given if name in ("hydra.run.dir", "hydra.sweep.dir")]
    runs = [name for name in ("run", "resume") if name in given and can_go_on(given[name])]
    if folders:
        setting, folder = folders[-1], given[folders[-1]].strip("'\"")
    elif runs:
        setting, folder = f"{runs[0]}, such as a copy of it", given[runs[0]]
    else:
        setting, folder = "hydra.run.dir", "outputs"
    if "${" not in folder:
        require_writable(expanded(folder), setting)


def _remove_if_unused(folder: Path) -> None:
    """Remove the folder of a refused run if it holds nothing but a log of the refusal."""
    if [file.suffix for file in folder.iterdir()] == [".log"]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
