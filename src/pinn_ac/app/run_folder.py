"""A run's folder: held by one process, given its config, gone on with by the same run alone."""

import fcntl
import operator
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import IO, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import places_outside
from pinn_ac.app.cli import PATHS
from pinn_ac.app.config import can_go_on, is_run
from pinn_ac.app.jobs import note_failure
from pinn_ac.app.program import spelled
from pinn_ac.app.saved_run import FILES, kept_as, load_config
from pinn_ac.errors import InputError, expanded, require
from pinn_ac.files import full_disk, make_writable, same_content, write_whole
from pinn_ac.solution import CONFIG
from pinn_ac.training import Diverged, Stopped

OF_NO_RUN = ("windows", "retry", "device", "devices", "animate")
"""Settings that may differ where a sweep goes on with a run; its windows were counted."""
COMMANDS = "command.txt"
"""What was typed to start the run, and to go on with it: a line each."""
LOCK_SECONDS = 1.0
"""Seconds in which a report that looks whether a folder is held has done so."""


def resumed(config: DictConfig, overrides: list[str]) -> DictConfig:
    """The config that the run in `config.resume` was started with, and what may change of it.

    Raises:
        InputError: something else is to change; or its trackers write outside of its folder, which may be a
            stranger's, and the user does not say so.
    """
    saved, told = load_config(config.resume), False
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~")
        if key in ("resume", "allow"):
            continue
        if key.split(".")[0] == "tracker":
            told = True
            continue
        require(
            key.startswith("train.") or key in ("device", "devices"),
            f"{override} would make another run of {config.resume}: only train.*, tracker, device and devices can "
            "change on resuming.",
        )
        OmegaConf.update(saved, key, OmegaConf.select(config, key))
    if told:
        saved.tracker = config.tracker
    for tracker, setting, place in () if told else places_outside(saved, shared=True):
        raise InputError(
            f"{config.resume} would write to {place}, outside of its folder: say so again, by its trackers and "
            f"tracker.{tracker}.{setting}={place}, or choose others, such as tracker=jsonl."
        )
    return saved


@contextmanager
def claimed(folder: Path, resuming: bool) -> Iterator[None]:
    """Hold the folder for this process alone, and refuse one that already holds a run unless it is resumed.

    What ends the run badly meanwhile is noted in it.
    """
    make_writable(folder)
    require(
        resuming or not can_go_on(folder),
        f"{folder} already holds a run: go on with it by resume={folder}, or choose another hydra.run.dir.",
    )
    with (folder / ".lock").open("w") as lock:
        _lock(lock, folder)
        for draft in folder.glob(".draft-*"):  # of a process that was killed
            draft.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            _note(folder, error)
            raise


def _note(folder: Path, error: Exception) -> None:
    """A signal is no failure, and no more is a full disk; a run that has its results stays finished.

    Nor is what a launcher raises after the run was stopped and saved, such as that it may not be started again.
    """
    was_stopped = isinstance(error, Stopped) or isinstance(error.__context__, Stopped)
    harmless = was_stopped or full_disk(error) or (folder / "metrics.json").exists()
    if is_run(folder) and not harmless:
        note_failure(folder, "diverged" if isinstance(error, Diverged) else "failed", error)


def _lock(file: IO[str], folder: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{folder} is being written by another process: wait for it or choose another folder."
                ) from error
            time.sleep(LOCK_SECONDS / 20)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be locked ({error.strerror}): choose a hydra.run.dir on a file system that can."
            ) from error


def write_config(config: DictConfig, folder: Path, name: str = CONFIG) -> None:
    """The resolved config, with a user's files beside it, so that the folder can be moved; and the command.

    A run that goes on keeps the copies with which it began.
    """
    for file, copy in _copied(config, folder):
        if not copy.exists() or not (can_go_on(folder) or same_content(file, copy)):
            write_whole(copy, partial(shutil.copy, file))
    note_command(folder)
    write_whole(folder / name, lambda path: OmegaConf.save(config, path, resolve=True))


def note_command(folder: Path) -> None:
    """Write down the words that started this run, or went on with it, if a command line did."""
    if not HydraConfig.initialized():
        return
    hydra = HydraConfig.get()
    output = Path(hydra.runtime.output_dir).resolve()
    if output not in (folder.resolve(), folder.resolve().parent):  # of another run of this process
        return
    words = [_as_typed(word) for word in hydra.overrides.task]
    if hydra.job.name == "compare":  # whose config begins with that
        words.insert(0, "estimate=false")
    own = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    line = f"{spelled('train')} {shlex.join([*(f'--config-dir={path}' for path in own), *words])}".rstrip()
    before = typed_commands(folder)
    if line not in before:
        text = "\n".join([*before, line]) + "\n"
        write_whole(folder / COMMANDS, lambda path: path.write_text(text, encoding="utf-8"))


def _as_typed(word: str) -> str:
    """A word before `cli.for_hydra` changed it.

    >>> _as_typed("resume='runs/a'"), _as_typed("+allow=[mine]"), _as_typed("seed=3")
    ('resume=runs/a', 'allow=[mine]', 'seed=3')
    """
    setting, _, value = word.partition("=")
    if setting in PATHS and value.startswith("'"):
        return f"{setting}={OverridesParser.create().parse_override(word).value()}"
    return word.removeprefix("+") if setting == "+allow" else word


def typed_commands(folder: Path) -> list[str]:
    """The lines of `note_command`; none for a run that no command line started."""
    file = folder / COMMANDS
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _copied(config: DictConfig, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each of the user's files that the config names, and where the run's folder has its copy."""
    for setting in FILES:
        file = OmegaConf.select(config, setting)
        if file:
            yield expanded(file), folder / kept_as(file)


def same_run(config: DictConfig, folder: Path) -> DictConfig:
    """The config of the folder's run, which is the one that is asked for: with its number of windows.

    Raises:
        InputError: it is another.
    """
    held = load_config(folder)
    asked, saved = (comparable(node) for node in (config, held))
    differing = sorted(key for key in asked | saved if asked.get(key) != saved.get(key))
    if config.windows not in ("auto", held.windows):
        differing.append("windows")
    differing += [
        f"{file.name} (its content has changed)"
        for file, copy in _copied(config, folder)
        if file.is_file() and copy.is_file() and not same_content(file, copy)
    ]
    require(
        not differing,
        f"{folder} holds a run with another {', '.join(differing)}: choose another hydra.sweep.dir.",
    )
    config = config.copy()
    config.windows = held.windows  # counted, perhaps for another budget of seconds
    return config


def comparable(config: DictConfig) -> dict[str, Any]:
    """A config as it is compared with a saved one: files by their names, and without what may differ."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    for setting in FILES:
        file = OmegaConf.select(config, setting)
        if file:  # the run has a copy
            *holders, name = setting.split(".")
            reduce(operator.getitem, holders, plain)[name] = kept_as(file)
    return {str(key): value for key, value in plain.items() if key not in OF_NO_RUN}
