"""The objects of a run as plain values, in the form of a config: how a solution of `fit` is written to a folder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pinn_ac.errors import InputError, plain
from pinn_ac.setup import Setup

HIDDEN = ("parent", "name")
"""Fields that Flax gives to every module."""


def describe(setup: Setup) -> dict[str, Any]:
    """A config, as plain values, from which the command line and `load_run` build the same run.

    Args:
        setup: the objects.

    Raises:
        InputError: an object that cannot be described; see :func:`node`.
    """
    optimizers = {stage: node(method, f"optimizer {stage}") for stage, method in setup.optimizers.items()}
    single = next(iter(optimizers.values()))
    scalars = {name: getattr(setup, name) for name in ("seed", "precision", "device", "devices", "windows")}
    return {
        **_plain(scalars, "run"),
        "problem": node(setup.problem, "problem"),
        "model": node(setup.network, "network"),
        "embedding": node(setup.embedding, "embedding"),
        "ansatz": node(setup.ansatz, "ansatz"),
        "derivatives": node(setup.derivatives, "derivatives"),
        "gradient": node(setup.gradient, "gradient"),
        "loss": _plain({"norm": setup.loss.norm, "weights": setup.loss.weights}, "loss"),
        "weighting": None if setup.weighting is None else node(setup.weighting, "weighting"),
        "regime": None if setup.regime is None else node(setup.regime, "regime"),
        "sampler": node(setup.sampler, "sampler"),
        "optimizer": single,
        "stages": optimizers if len(optimizers) > 1 else None,
        "train": _plain({"seconds": setup.seconds, "tolerance": setup.tolerance}, "train"),
    }


def node(thing: Any, what: str) -> dict[str, Any]:
    """An object as `_target_`, its class, and its settings.

    Args:
        thing: a dataclass instance, as Flax's modules are too.
        what: it is, for the error's sentence.

    Raises:
        InputError: it is no dataclass, a setting is no plain value, or its class is not at the top of a module, where
            alone it is found again.

    >>> from pinn_ac.models import MLP
    >>> node(MLP(width=8), "network")["_target_"]
    'pinn_ac.models.MLP'
    """
    if not dataclasses.is_dataclass(thing) or isinstance(thing, type):
        raise InputError(f"The {what} {thing!r} cannot be written to a file: make its class a dataclass.")
    cls = type(thing)
    room = cls.__module__.split(".")
    public = ".".join(room[:2]) if room[0] == "pinn_ac" else cls.__module__
    settings = {
        field.name: _plain(getattr(thing, field.name), f"{what}.{field.name}")
        for field in dataclasses.fields(thing)
        if field.init and field.name not in HIDDEN
    }
    if "." in cls.__qualname__:
        raise InputError(
            f"The {what} is of the class {cls.__qualname__}, which nothing finds again once it is written to a file: "
            "define the class at the top of a module."
        )
    return {"_target_": f"{public}.{cls.__qualname__}", **settings}


def _plain(value: Any, what: str) -> Any:
    if isinstance(value, np.generic):
        value = plain(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one, what) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one, f"{what}.{key}") for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return node(value, what)
    raise InputError(
        f"The {what} is {value!r}, which cannot be written to a file: keep it a number, a word or a list."
    )
