"""Completion in a shell, by Hydra, which knows programs of one command, for `pinn-ac` with its several."""

import os
import sys
from collections.abc import Callable, Collection

FLAGS = ("-sc", "--shell-completion")
PROGRAM = "pinn-ac"


def asked(line: str) -> tuple[str | None, str]:
    """What a line that is being typed asks for: the command that it names, and the line without it.

    Args:
        line: as the shell hands it over in COMP_LINE, the program's name first.

    Returns:
        None and the line where the command itself is being typed.

    >>> asked("pinn-ac train model=m")
    ('train', 'pinn-ac model=m')
    >>> asked("pinn-ac tra")
    (None, 'pinn-ac tra')
    """
    program, _, rest = line.partition(" ")
    command, space, words = rest.lstrip().partition(" ")
    return (command, f"{program} {words}") if space else (None, line)


def complete(
    words: list[str], commands: Collection[str], composed: Collection[str], call: Callable[[str], None]
) -> None:
    """`pinn-ac -sc …`: print a shell's completion to install, or the words that may follow in COMP_LINE.

    Args:
        words: after the flag: install=SHELL, uninstall=SHELL or query=SHELL.
        commands: the names of all.
        composed: of those that Hydra composes, whose settings it completes.
        call: runs one of them, with `sys.argv` and COMP_LINE as Hydra expects them.
    """
    command, line = asked(os.environ.get("COMP_LINE", ""))
    queried = any(word.startswith("query=") for word in words)
    if queried and command is None:
        print(" ".join(commands))
    elif not queried or command in composed:
        os.environ["COMP_LINE"] = line
        sys.argv = [PROGRAM, FLAGS[0], *words]
        call(command or "train")
