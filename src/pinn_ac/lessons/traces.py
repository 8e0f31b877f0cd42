"""Graph, forward and reverse traces of a formula, and what sympy says to them: the body of several lessons."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as onp
import sympy

from pinn_ac import autodiff
from pinn_ac.autodiff.formulas import number, pretty
from pinn_ac.autodiff.graph import Graph
from pinn_ac.autodiff.tables import tables
from pinn_ac.lessons.page import Page, shown


def show_traces(page: Page, graph: Graph, title: str, rules: bool = False, **names: Any) -> None:
    """① the compute graph, ② forward accumulation, ③ reverse accumulation; see `Notation` for `names`."""
    page.say("① Draw the compute graph")
    page.graph(graph, title, **names)
    page.say(f"   drawn in {shown(page.folder) / 'graph.png'}")
    three = tables(graph, rules=rules, **names)
    page.say("② Write forward accumulation: values, then the tangent of the first input's direction")
    page.trace(three.primal)
    page.trace(three.tangent)
    page.say("③ Write reverse accumulation: every contribution to an adjoint on a line of its own")
    page.trace(three.adjoint)


def compare_with_sympy(
    page: Page, formula: sympy.Expr, at: Mapping[str, float], found: Mapping[str, Any], missing: Collection[str] = ()
) -> None:
    """The adjoints of the inputs beside the symbolic derivatives and their values.

    `missing` are the inputs with respect to which there is no derivative.
    """
    rows = []
    for name, ours in found.items():
        symbolic, function = autodiff.symbolic_derivative(formula, name, list(at))
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
    """NaN where the formula of the derivative has no real value."""
    try:
        with onp.errstate(all="ignore"):
            value = complex(function(*at.values()))
        return value.real if value.imag == 0 else float("nan")
    except (ArithmeticError, ValueError):
        return float("nan")


def _plain(formula: sympy.Expr) -> str:
    names = {str(s): pretty(str(s)) for s in formula.free_symbols}
    return autodiff.formulas.write(formula, names)


def gradient(f: Callable[..., Any], at: Mapping[str, float]) -> dict[str, float]:
    """∂f/∂x for every x, by one reverse sweep."""
    values = tuple(at.values())
    found = autodiff.grad(f, argnums=tuple(range(len(values))))(*values)
    return dict(zip(at, map(float, found), strict=True))
