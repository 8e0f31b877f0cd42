"""Symbolic differentiation by sympy: the first of the lecture's three ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import sympy


def symbolic_derivative(
    expression: str | sympy.Expr, variable: str, names: Sequence[str] | None = None
) -> tuple[sympy.Expr, Callable[..., Any]]:
    """The derivative ∂expression/∂variable: as a formula, and as a function of the variables.

    Args:
        expression: sympy's expression, or a text. sympy evaluates a text as Python code: pass only text you trust.
        variable: the name of the variable to differentiate by.
        names: the order of the function's arguments; by default all variables in alphabetical order.

    Raises:
        ValueError: `variable` is not among the names.

    >>> formula, function = symbolic_derivative("x**2*y", "x")
    >>> formula, function(3.0, 5.0)
    (2*x*y, 30.0)
    """
    formula = sympy.sympify(expression)
    names = sorted(str(s) for s in formula.free_symbols) if names is None else list(names)
    if variable not in names:
        raise ValueError(
            f"'{variable}' is not a variable of {formula}: choose one of {', '.join(names) or 'none, it is constant'}"
        )
    symbols = {s.name: s for s in formula.free_symbols}
    arguments = [symbols.get(name, sympy.Symbol(name)) for name in names]
    result = sympy.diff(formula, symbols.get(variable, sympy.Symbol(variable)))
    return result, sympy.lambdify(arguments, result, modules=[jnp, "math"])
