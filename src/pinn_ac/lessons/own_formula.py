"""The compute graph and the three traces of a formula that the user types."""

from collections.abc import Mapping, Sequence

import numpy as onp

from pinn_ac.autodiff import Graph, trace
from pinn_ac.errors import InputError, require
from pinn_ac.lessons.formula import Formula, assign, parse
from pinn_ac.lessons.notation import Notation, latex, latex_name, number, pretty, write
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.slopes import derivative, why_none
from pinn_ac.lessons.tables import operation_text
from pinn_ac.lessons.traces import compare_with_sympy, gradient, show_traces


def graph_of(formula: Formula, values: dict[str, float]) -> Graph:
    """The Wengert list of a formula at the given values of its variables.

    Raises:
        InputError: an operation has no finite value there.
    """
    names = tuple(values)
    graph = trace(lambda *xs: formula(**dict(zip(names, xs, strict=True))), *values.values())
    notation = Notation(graph, inputs=names)
    for node in graph:
        if not onp.isfinite(node.value):
            found = f"{notation.name(node)} = {operation_text(notation, node)} is {number(node.value)}"
            raise InputError(f"The formula has no finite value there: {found}; choose other values.")
    return graph


def teach(page: Page, expression: str, words: Sequence[str]) -> None:
    """The lesson `try_it` for another formula.

    Args:
        page: where it is printed.
        expression: the formula.
        words: the values of its variables, such as x1=2.

    Raises:
        InputError: the formula has no variable; or see `parse`, `assign` and `graph_of`.
    """
    formula = parse(expression)
    require(bool(formula.names), "The formula has no variable to differentiate by: give it one, such as x1.")
    values = assign(formula, words)
    graph, symbolic = graph_of(formula, values), formula.symbolic()
    at = ", ".join(f"{pretty(name)} = {number(value)}" for name, value in values.items())
    page.title(f"y = {write(symbolic, {name: pretty(name) for name in values})}  at  {at}")
    slopes = {name: derivative(formula, values, name) for name in values}
    found = gradient(lambda *xs: formula(**dict(zip(values, xs, strict=True))), values)
    warn(page, formula, values, slopes, found)
    title = f"$y = {latex(symbolic, {name: latex_name(name) for name in values})}$"
    show_traces(page, graph, title, inputs=tuple(values))
    compare_with_sympy(page, symbolic, values, found, [name for name, slope in slopes.items() if slope is None])


def warn(
    page: Page,
    formula: Formula,
    values: Mapping[str, float],
    slopes: Mapping[str, float | None],
    found: Mapping[str, float],
) -> None:
    """Say for which variables there is no derivative, and for which the chain rule does not find it.

    Args:
        page: where it is printed.
        formula: the formula y.
        values: the values of its variables.
        slopes: for each variable the derivative of y, or None; see `slopes.derivative`.
        found: for each variable the derivative by the reverse sweep.
    """
    missing = [name for name, slope in slopes.items() if slope is None]
    for name in missing:
        page.say(why_none(formula, values, name))
    if missing:
        page.say("The traces use some number as the slope of such an operation, so their result is not a derivative.")
    for name, slope in slopes.items():
        if slope is not None and not abs(found[name] - slope) <= 1e-6 * max(1.0, abs(slope)):
            page.say(
                f"∂y/∂{pretty(name)} is {number(slope)} here, but the chain rule does not find it: one of the "
                "operations has no derivative at its argument, so the traces below give another number."
            )
