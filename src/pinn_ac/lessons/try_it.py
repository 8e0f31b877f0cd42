"""The exercise "try it": y = ln x₁ + x₁x₂ − sin x₂ at (2, 5)."""

from typing import Any

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import Graph, trace
from pinn_ac.lessons.formula import parse
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.traces import compare_with_sympy, gradient, show_traces

POINT = {"x1": 2.0, "x2": 5.0}


def f(x1: Any, x2: Any) -> Any:
    """The function y = ln x₁ + x₁x₂ − sin x₂, with its operations in the order of the notes."""
    v1 = np.log(x1)
    v2 = x1 * x2
    v3 = np.sin(x2)
    v4 = v1 + v2
    return v4 - v3


def graph() -> Graph:
    """The Wengert list of f at (2, 5)."""
    return trace(f, *POINT.values())


def teach(page: Page) -> None:
    """Draw the graph, write forward accumulation, write reverse accumulation."""
    page.title("Try it:  y = f(x₁, x₂) = ln x₁ + x₁ x₂ − sin x₂  at  x₁ = 2, x₂ = 5")
    show_traces(page, graph(), r"$y = \ln x_1 + x_1 x_2 - \sin x_2$")
    page.say("One forward sweep gave ∂y/∂x₁ = 5.5; ∂y/∂x₂ would need another one. One reverse sweep gave both.")
    compare_with_sympy(page, parse("ln(x1) + x1*x2 - sin(x2)").symbolic(), POINT, gradient(f, POINT))
