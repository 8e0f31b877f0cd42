"""What the engine refuses to do, and the line of the reader's own code that asked for it."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

import jax

_INSIDE = (str(Path(__file__).parent), str(Path(jax.__file__).parent))


class AutodiffError(Exception):
    """Common ancestor of the engine's errors."""


class TracedValueError(AutodiffError, TypeError):
    """A traced value was used where Python needs a concrete one (a bool, a float, an index, a NumPy array)."""


class EscapedValueError(AutodiffError, RuntimeError):
    """A traced value was used after the function that it was traced in had ended."""


class MissingRuleError(AutodiffError, NotImplementedError):
    """An operation on a traced value has no entry in the table of rules."""


def user_line() -> str:
    """The innermost line of the running stack outside this engine and JAX, as `file:line: code`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    name, number = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{number}: {linecache.getline(name, number).strip()}"
