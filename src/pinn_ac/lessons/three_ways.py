"""Three ways to differentiate one function, side by side: symbolic, numerical and automatic."""

from typing import Any, NamedTuple

import numpy as onp
import sympy

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import central_difference, derivative, grad
from pinn_ac.lessons.notation import write
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.symbolic import symbolic_derivative
from pinn_ac.reporting.lessons import draw_error_against_step

X = 1.2
STEPS = onp.logspace(-15, 0, 61)


def u(x: Any) -> Any:
    """The function u(x) = e^{sin(x²)}."""
    return np.exp(np.sin(x**2))


class Ways(NamedTuple):
    """u'(X) by each way.

    Args:
        exact: the exact value, by sympy to 40 digits.
        formula: the symbolic derivative.
        symbolic: its value in double precision.
        numerical: step h → central difference.
        forward: by our forward mode.
        reverse: by our reverse mode.
        steps: steps h, of shape (n,).
        errors: the error of the central difference for each of them, of shape (n,).
        third: u‴(X), which determines the truncation error.
    """

    exact: float
    formula: sympy.Expr
    symbolic: float
    numerical: dict[float, float]
    forward: float
    reverse: float
    steps: onp.ndarray
    errors: onp.ndarray
    third: float


def differentiate() -> Ways:
    """u'(X) by all three ways."""
    x = sympy.Symbol("x")
    expression = sympy.exp(sympy.sin(x**2))
    formula, function = symbolic_derivative(expression, "x")
    at = sympy.Float(X, 60)  # the double that X is, exactly
    exact = sympy.diff(expression, x).evalf(40, subs={x: at})
    third = float(sympy.diff(expression, x, 3).evalf(20, subs={x: at}))
    differences = [float(central_difference(u, X, float(h))) for h in STEPS]
    errors = onp.array([abs(float(sympy.Float(d, 40) - exact)) for d in differences])
    numerical = {h: float(central_difference(u, X, h)) for h in (1e-1, 1e-3, 1e-5, 1e-8, 1e-13)}
    forward, reverse = float(derivative(u)(X)), float(grad(u)(X))
    return Ways(float(exact), formula, float(function(X)), numerical, forward, reverse, STEPS, errors, third)


def teach(page: Page) -> None:
    """The table of the three ways, and the error of the central difference against h."""
    ways = differentiate()
    page.title(f"Many ways to differentiate  u(x) = e^sin(x²)  at  x = {X}")
    page.say(f"Symbolic:   a formula from a formula, as x² → 2x.   u' = {write(ways.formula, {})}")
    page.say("Numerical:  (u(x+h) − u(x−h)) / 2h: two evaluations, with an error that depends on h")
    page.say("Automatic:  the chain rule with numbers, operation by operation: no h, and no formula for u'")
    rows: list[tuple[str, str, float]] = [("1. symbolic", "", ways.symbolic)]
    rows += [("2. numerical", f"h = {h:.0e}", value) for h, value in ways.numerical.items()]
    rows += [("3. automatic", "forward", ways.forward), ("3. automatic", "reverse", ways.reverse)]
    shown = [(way, how, f"{value:.15f}", f"{abs(value - ways.exact):.1e}") for way, how, value in rows]
    page.table(("way", "", "u'", "error"), shown)
    best = ways.steps[ways.errors.argmin()]
    page.say(
        f"The central difference is most accurate near h = {best:.0e}, with an error of {ways.errors.min():.0e}:",
        "for larger h the truncation error dominates (h² u‴/6), for smaller h the round-off error (ε u/h).",
        "Automatic differentiation has neither.",
    )
    value = float(u(X))
    error = max(abs(ways.forward - ways.exact), abs(ways.reverse - ways.exact))
    page.figure(draw_error_against_step(ways.steps, ways.errors, ways.third, value, error), "error_against_h")
