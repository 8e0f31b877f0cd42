"""A problem as a JAX pytree: which of its parts are leaves, and how it is put together again from them."""

from dataclasses import fields
from typing import Any, NamedTuple

import jax


class Static(NamedTuple):
    """What is no leaf. Two problems have one tree structure, and share compiled programs, if this is equal.

    others: (name, value) of every field that is neither a coefficient nor the initial condition.
    condition: the initial condition where it is not itself a pytree of arrays, else None.
    nominal: the plain numbers that stand for the coefficients wherever something is decided before computing.
    """

    others: tuple[tuple[str, Any], ...]
    condition: Any
    nominal: tuple[float, ...]


def flatten(problem: Any) -> tuple[list[Any], Static]:
    """The coefficients and, where the initial condition is a pytree, this too; and the static rest."""
    condition, coefficients = problem.initial_condition, problem.coefficients
    is_tree = not jax.tree_util.all_leaves([condition])
    rest = [one.name for one in fields(problem) if one.name not in {*coefficients, "initial_condition"}]
    static = Static(
        others=tuple((name, getattr(problem, name)) for name in rest),
        condition=None if is_tree else condition,
        nominal=tuple(problem.nominal.coefficients.values()),
    )
    return [*coefficients.values(), *([condition] if is_tree else [])], static


def unflatten(cls: type, static: Static, leaves: Any) -> Any:
    """The problem with these leaves, unchecked, since JAX puts all kinds of things in their place.

    Plain numbers are new nominal coefficients; anything else, such as arrays and traced values, keeps the old ones.
    """
    others = dict(static.others)
    names = [one.name for one in fields(cls) if one.name not in {*others, "initial_condition"}]
    values = list(leaves)
    condition = values[len(names)] if len(values) > len(names) else static.condition
    coefficients = dict(zip(names, values[: len(names)], strict=True))
    problem: Any = _made(cls, others | coefficients | {"initial_condition": condition})
    if not all(isinstance(value, int | float) for value in coefficients.values()):
        nominal = dict(zip(names, static.nominal, strict=True))
        vars(problem)["_nominal"] = _made(cls, others | nominal | {"initial_condition": condition})
    return problem


def with_condition(problem: Any, condition: Any) -> Any:
    """The problem with another initial condition, unchecked; its nominal one has it too. Its pace stays."""
    values = {one.name: getattr(problem, one.name) for one in fields(problem)}
    other = _made(type(problem), values | {"initial_condition": condition})
    if problem.nominal is not problem:
        vars(other)["_nominal"] = with_condition(problem.nominal, condition)
    if "_pace" in vars(problem):
        vars(other)["_pace"] = vars(problem)["_pace"]
    return other


def _made(cls: type, values: dict[str, Any]) -> Any:
    problem: Any = object.__new__(cls)
    vars(problem).update(values)
    return problem
