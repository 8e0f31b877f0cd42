"""Options of a network that are themselves a few settings, such as {mean: 1.0, stddev: 0.1}."""

from collections.abc import Mapping
from typing import Any

from pinn_ac.errors import require


def completed(name: str, given: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the option `model.<name>`: those that are given, and the defaults of the others.

    Raises:
        InputError: it is no mapping, or names a setting that there is none of.

    >>> completed("weight_factorization", {"mean": 0.5}, {"mean": 1.0, "stddev": 0.1})
    {'mean': 0.5, 'stddev': 0.1}
    """
    example = ", ".join(f"{key}: {value}" for key, value in list(defaults.items())[:2])
    require(isinstance(given, Mapping), f"model.{name} is {given}: give null, or settings such as {{{example}}}.")
    unknown = [str(key) for key in given if key not in defaults]
    require(not unknown, f"model.{name} has no {', '.join(unknown)}: it has {', '.join(defaults)}.")
    return {**defaults, **given}
