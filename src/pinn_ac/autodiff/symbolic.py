"""The first of the lecture's three ways: symbolic differentiation, by sympy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import sympy


def symbolic_derivative(
    expression: str | sympy.Expr, variable: str, names: Sequence[str] | None = None
) -> tuple[sympy.Expr, Callable[..., Any]]:
    """∂expression/∂variable as a formula, and as a function of the variables, in the order of `names`.

    `names` defaults to the free symbols in alphabetical order. A text is parsed by sympy, which evaluates it: pass
    only text that you trust. Raises ValueError if `variable` is not among the names.
    """
    formula = sympy.sympify(expression)
    names = sorted(str(s) for s in formula.free_symbols) if names is None else list(names)
    if variable not in names:
        raise ValueError(f"'{variable}' is not a variable of {formula}: {', '.join(names) or 'it has none'}")
    symbols = {s.name: s for s in formula.free_symbols}
    arguments = [symbols.get(name, sympy.Symbol(name)) for name in names]
    result = sympy.diff(formula, symbols.get(variable, sympy.Symbol(variable)))
    return result, sympy.lambdify(arguments, result, modules=[jnp, "math"])
