"""How the user calls our commands: `pinn-ac train` where the package is installed, or a script of a checkout."""

import importlib
import shlex
import sys
from pathlib import Path


def version() -> str:
    """Of the package, also of sources that are only on the path."""
    return str(importlib.import_module("pinn_ac").__version__)


def spelled(command: str, program: str | None = None) -> str:
    """A command as this user would type it, for messages that say what to type next.

    Args:
        command: its name, such as "train" or "sweep-report".
        program: the program that is running; by default that of this process.

    Example:
        >>> spelled("train", "scripts/evaluate.py")
        'python scripts/train.py'
        >>> spelled("sweep-report", "/usr/bin/pinn-ac")
        'pinn-ac sweep-report'
        >>> spelled("train", "my code/scripts/train.py")
        "python 'my code/scripts/train.py'"
    """
    running = Path(sys.argv[0] if program is None else program)
    if running.suffix == ".py" and running.parent.name == "scripts":
        return f"python {shlex.quote(str(running.with_name(command.replace('-', '_') + '.py')))}"
    return f"pinn-ac {command}"
