"""The graph and the traces of a function, and a comparison with sympy: what several lessons share."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as onp
import sympy

from pinn_ac.autodiff import Graph, grad
from pinn_ac.lessons.notation import number, pretty, write
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.symbolic import symbolic_derivative
from pinn_ac.lessons.tables import tables


def show_traces(page: Page, graph: Graph, title: str, rules: bool = False, **names: Any) -> None:
    """Print ① the compute graph, ② forward accumulation and ③ reverse accumulation; see `Notation` for `names`."""
    page.say("① Draw the compute graph")
    page.graph(graph, title, **names)
    page.say(f"   drawn in {page.folder / 'graph.png'}")
    three = tables(graph, rules=rules, **names)
    page.say("② Write forward accumulation: the values, then the tangents for the direction of the first input")
    page.trace(three.primal)
    page.trace(three.tangent)
    page.say("③ Write reverse accumulation: one line for each contribution to an adjoint")
    page.trace(three.adjoint)


def compare_with_sympy(
    page: Page, formula: sympy.Expr, at: Mapping[str, float], found: Mapping[str, Any], missing: Collection[str] = ()
) -> None:
    """Print a table of the derivatives by reverse mode beside the symbolic ones.

    Args:
        page: where it is printed.
        formula: the function.
        at: the values of its variables.
        found: the derivatives by reverse mode.
        missing: the variables by which there is no derivative.
    """
    rows = []
    for name, ours in found.items():
        symbolic, function = symbolic_derivative(formula, name, list(at))
        theirs = value_of(function, at)
        difference = "no derivative" if name in missing else f"{abs(theirs - ours):.0e}"
        rows.append((f"∂y/∂{pretty(name)}", _plain(symbolic), number(theirs), number(ours), difference))
    page.table(
        ("", "symbolic", "its value", "reverse", "difference"),
        rows,
        "Checked against the symbolic derivative",
        "symbolic",
    )


def value_of(function: Callable[..., Any], at: Mapping[str, float]) -> float:
    """The value of a function of the variables in `at`; NaN if it is not a real number."""
    try:
        with onp.errstate(all="ignore"):
            value = complex(function(*at.values()))
        return value.real if value.imag == 0 else float("nan")
    except (ArithmeticError, ValueError):
        return float("nan")


def _plain(formula: sympy.Expr) -> str:
    names = {str(s): pretty(str(s)) for s in formula.free_symbols}
    return write(formula, names)


def gradient(f: Callable[..., Any], at: Mapping[str, float]) -> dict[str, float]:
    """∂f/∂x for every variable x, by one reverse sweep."""
    values = tuple(at.values())
    found = grad(f, argnums=tuple(range(len(values))))(*values)
    return dict(zip(at, map(float, found), strict=True))
