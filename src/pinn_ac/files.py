"""Where things are kept: folders that can be written, files that are never seen half written, the user's cache."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinn_ac.errors import InputError


def make_writable(folder: Path) -> None:
    """Make the folder.

    Raises:
        InputError: it cannot be made or written.
    """
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another hydra.run.dir.") from error


def write_whole(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let `write` fill a draft with the same suffix, then move it to `path` in one step."""
    draft = path.with_name(f".draft-{os.getpid()}-{path.name}")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def user_cache() -> Path:
    """Where references and compiled programs are kept: $PINN_AC_CACHE, or pinn_ac in the user's cache folder."""
    own = os.environ.get("PINN_AC_CACHE")
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own or Path(general) / "pinn_ac").expanduser()
