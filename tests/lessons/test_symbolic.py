"""Symbolic differentiation of the lecture's formula."""

import jax.numpy as jnp
import numpy as onp
import pytest

from pinn_ac.lessons.symbolic import symbolic_derivative


def test_the_formula_of_the_lecture():
    formula, f = symbolic_derivative("log(x1) + x1*x2 - sin(x2)", "x1")
    assert str(formula) == "x2 + 1/x1"
    assert float(f(2.0, 5.0)) == 5.5
    formula, f = symbolic_derivative("log(x1) + x1*x2 - sin(x2)", "x2", ["x2", "x1"])
    assert str(formula) == "x1 - cos(x2)"
    assert float(f(5.0, 2.0)) == pytest.approx(1.716, abs=5e-4)


def test_it_takes_arrays():
    _, f = symbolic_derivative("exp(sin(x**2))", "x")
    x = jnp.linspace(0, 1, 4)
    onp.testing.assert_allclose(f(x), 2 * x * jnp.cos(x**2) * jnp.exp(jnp.sin(x**2)), rtol=1e-12)


def test_an_unknown_variable_is_named():
    with pytest.raises(ValueError, match="'z' is not a variable"):
        symbolic_derivative("x*y", "z")
