"""The three traces and the graph of a reader's own formula."""

from collections.abc import Sequence

import numpy as onp

from pinn_ac.autodiff import trace
from pinn_ac.autodiff.formulas import Notation, latex, latex_name, number, pretty, write
from pinn_ac.autodiff.graph import Graph
from pinn_ac.autodiff.tables import operation_text
from pinn_ac.errors import InputError, require
from pinn_ac.lessons.formula import Formula, assign, parse
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.traces import compare_with_sympy, gradient, show_traces


def graph_of(formula: Formula, values: dict[str, float]) -> Graph:
    """The Wengert list of a formula at a point.

    Raises:
        InputError: an operation has no finite value there.
    """
    names = tuple(values)
    graph = trace(lambda *xs: formula(**dict(zip(names, xs, strict=True))), *values.values())
    notation = Notation(graph, inputs=names)
    for node in graph:
        if not onp.isfinite(node.value):
            found = f"{notation.name(node)} = {operation_text(notation, node)} is {number(node.value)}"
            raise InputError(f"The formula has no finite value there: {found}.")
    return graph


def teach(page: Page, expression: str, words: Sequence[str]) -> None:
    """What `try_it` does, for `expression` at the values that words such as x1=2 give.

    Raises:
        InputError: see `parse`, `assign` and `graph_of`; or the formula has no variables.
    """
    formula = parse(expression)
    require(bool(formula.names), "The formula has no variable to differentiate by: use one, such as x1.")
    values = assign(formula, words)
    graph, symbolic = graph_of(formula, values), formula.symbolic()
    at = ", ".join(f"{pretty(name)} = {number(value)}" for name, value in values.items())
    page.title(f"y = {write(symbolic, {name: pretty(name) for name in values})}  at  {at}")
    title = f"$y = {latex(symbolic, {name: latex_name(name) for name in values})}$"
    show_traces(page, graph, title, inputs=tuple(values))
    compare_with_sympy(
        page, symbolic, values, gradient(lambda *xs: formula(**dict(zip(values, xs, strict=True))), values)
    )
