"""The one error that a user's input can cause: its message is a sentence that says what to do."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np


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


def require_object(name: str, value: Any) -> None:
    """Refuse a class where an object of it is wanted.

    Raises:
        InputError: it is a class; the sentence calls it `name`.
    """
    if isinstance(value, type):
        own = value.__name__
        raise InputError(f"{name} is the class {own}: give an object of it, such as {own}().")


def is_number(value: Any) -> bool:
    """A finite int or float, Python's or NumPy's; a truth value is none."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and math.isfinite(value)


def is_whole(value: Any, least: int) -> bool:
    """An int, Python's or NumPy's, `least` or more; a truth value is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def is_truth(value: Any) -> bool:
    """True or False, Python's or NumPy's."""
    return isinstance(value, bool | np.bool_)


def plain(value: Any) -> Any:
    """The value with Python's own numbers, words and truth values in place of NumPy's scalars.

    They are looked for in lists, mappings and dataclasses too; what holds none comes back as it is. NumPy's scalars
    do nearly all that Python's do, but cannot be written to a file as such, and bring a precision of their own.

    >>> import numpy as np
    >>> plain({"seed": np.int64(3), "weights": (1, np.float64(0.5))})
    {'seed': 3, 'weights': (1, 0.5)}
    """
    if isinstance(value, np.generic):
        own = value.item()
        return float(own) if isinstance(own, np.floating) else own  # the longest floats have no counterpart
    if isinstance(value, Mapping):
        entries = [(key, one, plain(one)) for key, one in value.items()]
        is_same = all(made is one for _, one, made in entries)
        return value if is_same else {key: made for key, _, made in entries}
    if isinstance(value, list | tuple):
        items = [plain(one) for one in value]
        if all(made is one for made, one in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if is_dataclass(value) and not isinstance(value, type):
        # The parent of a module of Flax's has that module among its own settings.
        settings = {one.name: getattr(value, one.name) for one in fields(value) if one.init and one.name != "parent"}
        changed = {name: made for name, one in settings.items() if (made := plain(one)) is not one}
        return replace(value, **changed) if changed else value
    return value


def numbers(name: str, values: Iterable[float]) -> tuple[float, ...]:
    """The values as a tuple of floats.

    Raises:
        InputError: they are not a list of numbers; the sentence calls them `name`.
    """
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {values}: give a list of numbers.") from error


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path of the user's, with the home that a ~ at its beginning stands for.

    Raises:
        InputError: it is that of nobody here, as of ~outputs, a slip for ~/outputs.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path} begins with the home of a user who is not known here: write it out.") from error


def interval(name: str, given: Any) -> tuple[float, ...]:
    """(a, b) as floats.

    Raises:
        InputError: they are no two finite numbers in ascending order; the sentence calls them `name`.
    """
    ends = numbers(name, given)
    require(
        len(ends) == 2 and all(map(math.isfinite, ends)) and ends[0] < ends[1],
        f"{name} is {list(ends)}: give two finite numbers, the left end below the right one.",
    )
    return ends


def rectangle(name: str, given: Any, hint: str = "") -> tuple[tuple[float, ...], ...]:
    """((a, b), (c, d)) as floats, from two pairs of any kind.

    Raises:
        InputError: they are no two pairs of finite numbers, each in ascending order; the sentence calls them `name`
            and ends with the `hint`.
    """
    given = given.tolist() if isinstance(given, np.ndarray) else given
    pairs = isinstance(given, Sequence) and len(given) == 2
    pairs = pairs and all(isinstance(side, Sequence) and len(side) == 2 for side in given)
    sides = tuple(numbers(name, side) for side in given) if pairs else ()
    require(
        pairs and all(all(map(math.isfinite, side)) and side[0] < side[1] for side in sides),
        f"{name} is {given}: give two pairs of finite numbers, such as [[-1, 1], [-1, 1]]{hint}.",
    )
    return sides
