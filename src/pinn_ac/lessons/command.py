"""The command line of the lessons: main(["try_it"]) prints a lesson and writes to ./outputs/lessons/try_it/."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from rich.console import Console
from rich.text import Text

from pinn_ac.errors import InputError
from pinn_ac.lessons import LESSONS, own_formula
from pinn_ac.lessons.page import Page, console

FOLDER = Path("outputs/lessons")
PROGRAM = "python scripts/lesson.py"
EXAMPLE = 'trace "ln(x1) + x1*x2 - sin(x2)" x1=2 x2=5'


def main(words: Sequence[str], folder: Path = FOLDER, screen: Console | None = None, program: str = PROGRAM) -> int:
    """Print the lesson that the words name, and write its files.

    Args:
        words: the words of the command line: the name of a lesson, "all", or "trace" with a formula and the values
            of its variables. Without words, or with --help, the lessons are listed.
        folder: the parent of the lesson's folder, by default outputs/lessons in the working directory.
        screen: where the text is printed, by default on standard output.
        program: how the user calls this command, for the messages.

    Returns:
        The exit status: 0, or 2 for words that are not understood; the error message goes to standard error.
    """
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")  # a CPU is fastest for single operations on scalars
    screen = screen or console()
    try:
        _obey(list(words), folder, screen, program)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _obey(words: list[str], folder: Path, screen: Console, program: str) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        _list(screen, program)
        return
    name, rest = words[0], words[1:]
    if name == "trace":
        if not rest:
            raise InputError(f"trace needs a formula and the values of its variables: {program} {EXAMPLE}")
        _page("trace", folder, screen, lambda page: own_formula.teach(page, rest[0], rest[1:]))
        return
    if name not in LESSONS and name != "all":
        raise InputError(f"There is no lesson '{name}': choose {', '.join(LESSONS)}, all or trace.")
    if rest:
        raise InputError(f"{name} takes no more words: leave out {' '.join(rest)}.")
    for each in LESSONS if name == "all" else [name]:
        _page(each, folder, screen, LESSONS[each].teach)


def _page(name: str, folder: Path, screen: Console, teach: Callable[[Page], None]) -> None:
    page = Page(folder / name, screen)
    try:
        page.folder.mkdir(parents=True, exist_ok=True)
        teach(page)
    except OSError as error:
        raise InputError(
            f"{page.folder} cannot be written ({error.strerror}): change to another directory."
        ) from error
    page.end()


def _list(screen: Console, program: str) -> None:
    for line in (f"The lecture's lessons:  {program} NAME", ""):
        screen.print(Text(line))
    entries = {name: lesson.summary for name, lesson in LESSONS.items()}
    entries |= {"all": "all lessons, in this order", "trace": "the same for a formula of your own:"}
    for name, summary in entries.items():
        screen.print(Text(f"  {name:<18} {summary}"))
    for line in (
        f"  {'':<18} {program} {EXAMPLE}",
        "",
        f"Figures and graphs (PNG, DOT, Mermaid) are written to {FOLDER}/NAME/.",
    ):
        screen.print(Text(line))
