"""The one error that a user's input can cause: its message is a sentence that says what to do."""

import math
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """A setting, file or folder of the user's cannot be used; raised before any compute is spent.

    >>> import pinn_ac
    >>> try:
    ...     pinn_ac.Burgers(viscosity=-0.5)
    ... except pinn_ac.InputError as error:
    ...     print(error)
    problem.viscosity is -0.5: give a positive number.
    """


def require(condition: bool, sentence: str) -> None:
    """Raise :class:`InputError` with `sentence` unless `condition` holds."""
    if not condition:
        raise InputError(sentence)


def is_number(value: Any) -> bool:
    """A finite int or float; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any, least: int) -> bool:
    """An int, `least` or more; a truth value is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def numbers(name: str, values: Iterable[float]) -> tuple[float, ...]:
    """The values as a tuple of floats.

    Raises:
        InputError: they are not a list of numbers; the sentence calls them `name`.
    """
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {values}: give a list of numbers.") from error
