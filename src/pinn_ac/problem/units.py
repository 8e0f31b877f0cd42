"""Checks of a problem's class: that it states an equation, and that its units are those of the equation."""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from pinn_ac.errors import require

DRAWS = 3
"""How many points are looked at, each with random values of u and its derivatives."""


def require_definition(cls: type, is_stated: bool, own: Iterable[str]) -> None:
    """Refuse a class without a residual, or with units of coefficients that it does not have.

    Args:
        cls: a subclass of `Problem`.
        is_stated: it has a residual.
        own: the names of its fields, less those of every problem.

    Raises:
        InputError: it is refused.
    """
    require(is_stated, f"{cls.__name__} does not say what its equation is: define residual(self, u, point).")
    names = sorted(own)
    unknown = ", ".join(name for name in getattr(cls, "dimensions", None) or () if name not in names)
    require(
        not unknown,
        f"{cls.__name__}.dimensions gives the unit of {unknown}, which is none of its fields: they are "
        f"{', '.join(names) or 'none'}.",
    )


def require_units(problem: Any, natural: Any) -> None:
    """Refuse `dimensions` by which the problem in natural units is another equation.

    At any values of u and its derivatives, f in natural units must be f times the unit of time: with the coefficients
    that the problem has, and with each of them made 1 there, so that a small one is seen too.

    Raises:
        InputError: it is not.
    """
    generator, names, kind = np.random.default_rng(0), ("u", *problem.orders), type(problem).__name__
    alike = [(problem, natural)]
    for name in problem.coefficients:
        p, q = problem.dimensions[name]
        unit = problem.length_unit**p * problem.time_unit**q
        alike.append((problem.with_coefficients({name: unit}), natural.with_coefficients({name: 1.0})))
    with jax.ensure_compile_time_eval():  # it may be asked for while something is traced
        for _ in range(DRAWS):
            values = dict(zip(names, generator.uniform(0.5, 1.5, len(names)), strict=True))
            t, *xi = generator.uniform(0.2, 0.8, 1 + len(problem.axes)) * (
                natural.horizon,
                *(1.0 for _ in problem.axes),
            )
            x = xi[0] if len(xi) == 1 else np.array(xi)
            place, there = problem.at(*problem.from_natural(t, x)), natural.at(t, x)
            scaled = {name: value / problem.unit_of("" if name == "u" else name) for name, value in values.items()}
            for ours, theirs in alike:
                f, wanted = (
                    float(ours.residual(scaled, place)) * problem.time_unit,
                    float(theirs.residual(values, there)),
                )
                require(
                    abs(f - wanted) <= 1e-4 * (1 + abs(wanted)),
                    f"{kind} has another residual in natural units, so its dimensions are not those of "
                    "its coefficients: correct them, or leave them out to train in the units of the problem.",
                )
