"""The worked example y = x₁x₂ + sin x₁: tangents and adjoints of w₁, …, w₅ with their local derivatives."""

from typing import Any

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import Graph, trace
from pinn_ac.lessons.formula import parse
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.traces import compare_with_sympy, gradient, show_traces

POINT = {"x1": 2.0, "x2": 5.0}
NAMES: dict[str, Any] = {"letter": "w", "first": 1}


def f(x1: Any, x2: Any) -> Any:
    """The function y = x₁x₂ + sin x₁."""
    return x1 * x2 + np.sin(x1)


def graph() -> Graph:
    """The Wengert list of f at (2, 5)."""
    return trace(f, *POINT.values())


def teach(page: Page) -> None:
    """The graph, the traces, and the two adjoints that they result in."""
    page.title("Example:  y = f(x₁, x₂) = x₁ x₂ + sin x₁  at  x₁ = 2, x₂ = 5")
    page.say(
        "Forward:  ẇᵢ = Σⱼ ∂wᵢ/∂wⱼ ẇⱼ, over the operands j of node i.",
        "Reverse:  w̄ⱼ = Σᵢ w̄ᵢ ∂wᵢ/∂wⱼ, over all nodes i that use j.",
    )
    show_traces(page, graph(), r"$y = x_1 x_2 + \sin x_1$", rules=True, **NAMES)
    page.say("Together:  w̄₁ = w̄₄ cos w₁ + w̄₃ w₂   and   w̄₂ = w̄₃ w₁ = w₁.")
    compare_with_sympy(page, parse("x1*x2 + sin(x1)").symbolic(), POINT, gradient(f, POINT))
