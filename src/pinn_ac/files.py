"""Where things are kept: folders that can be written, files that are never seen half written, the user's cache."""

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinn_ac.errors import InputError, expanded, require


def make_writable(folder: Path, setting: str = "hydra.run.dir") -> None:
    """Make the folder that `setting` names.

    Raises:
        InputError: it cannot be made or written.
    """
    require_writable(folder, setting)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a link to nowhere, for one
        raise InputError(f"{folder} cannot be made ({error.strerror}): choose another {setting}.") from error


def make_new(folder: Path, setting: str) -> int:
    """Make a folder that was not there before: the one that `setting` names, or else FOLDER_2, FOLDER_3 and so on.

    Returns:
        1 for the folder itself, 2 for FOLDER_2, …

    Raises:
        InputError: it cannot be made or written.
    """
    make_writable(folder.parent, setting)
    number = 1
    while True:
        try:
            (folder if number == 1 else folder.with_name(f"{folder.name}_{number}")).mkdir()
        except FileExistsError:
            number += 1
        else:
            return number


def require_writable(folder: Path, setting: str = "hydra.run.dir") -> None:
    """Try it, without making the folder: in the nearest one above that exists.

    Raises:
        InputError: it cannot be made or written; the sentence advises to change `setting`.
    """
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another {setting}.") from error


def full_disk(error: BaseException | None) -> str | None:
    """The system's words for a full disk, if that was the cause; TensorStore reports it in words alone."""
    words = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]
    while error is not None:
        for said in words:
            if said in str(error):
                return said
        error = error.__cause__ or error.__context__
    return None


def to_be_copied(path: str | None, folder: Path) -> Path | None:
    """A user's file, where a folder needs a copy of it; None where there is none, or it lies there itself.

    Raises:
        InputError: it is gone, or the folder has another file of its name.
    """
    if path is None:
        return None
    file = expanded(path)
    require(file.is_file(), f"{path} is no longer there, and a copy of it is needed: put it back.")
    copy = folder / file.name
    if not copy.exists():
        return file
    require(same_content(file, copy), f"{folder} has another file {file.name}: choose another folder.")
    return None


def same_content(one: Path, other: Path) -> bool:
    """Whether two files are one, or hold the same bytes."""
    return one.samefile(other) or one.read_bytes() == other.read_bytes()


def write_whole(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let `write` fill a draft with the same suffix, then move it to `path` in one step."""
    draft = path.with_name(f".draft-{os.getpid()}-{threading.get_ident()}-{path.name}")  # others may do the same
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def holds(folder: Path, name: str) -> bool:
    """Whether the folder has a file of that name.

    Raises:
        InputError: it may not be looked into.
    """
    try:
        return (folder / name).is_file()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({error.strerror}): ask for the right to, or for a copy."
        ) from error


def user_cache() -> Path:
    """Where references and compiled programs are kept: $PINN_AC_CACHE, or pinn_ac in the user's cache folder.

    Of a user without a home, as some containers have, it is in the folder for temporary files.
    """
    own = os.environ.get("PINN_AC_CACHE")
    general = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return expanded(own or Path(tempfile.gettempdir() if general.startswith("~") else general) / "pinn_ac")
