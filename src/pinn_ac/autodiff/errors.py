"""The engine's errors, and the search for the line of the user's code that caused one."""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path

import jax

_ENGINE = str(Path(__file__).parent)
_INSIDE = (_ENGINE, str(Path(jax.__file__).parent))


class AutodiffError(Exception):
    """Base class of the engine's errors."""


class TracedValueError(AutodiffError, TypeError):
    """A traced value was used where Python needs a concrete number: as a bool, a float, an index or a NumPy array."""


class EscapedValueError(AutodiffError, RuntimeError):
    """A traced value was used after the function in which it was traced had returned."""


class MissingRuleError(AutodiffError, NotImplementedError):
    """The table has no rule for an operation on a traced value."""


def real_only(what: str) -> MissingRuleError:
    """The error for an operation on complex numbers whose derivative would be wrong or lost."""
    remedy = "This engine differentiates real functions only: write it with real numbers."
    return MissingRuleError(f"{what}, at {user_line()}\n{remedy}")


def in_engine(line: str) -> bool:
    """Whether `line`, which begins with the path of a file, is in this engine's own code."""
    return line.startswith(_ENGINE)


def user_line() -> str:
    """The innermost line of the running stack that is neither the engine's nor JAX's, as `file:line: code`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    return _as_a_line(frame.f_code.co_filename, frame.f_lineno)


def line_of_error(error: BaseException) -> str:
    """The innermost line of the user's through which an error has come, in the form of :func:`user_line`."""
    passed = [(one.f_code.co_filename, number) for one, number in traceback.walk_tb(error.__traceback__)]
    return _as_a_line(*next((line for line in reversed(passed) if not line[0].startswith(_INSIDE)), passed[-1]))


def _as_a_line(name: str, number: int) -> str:
    return f"{name}:{number}: {linecache.getline(name, number).strip()}"
