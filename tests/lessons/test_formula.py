"""A user's formula means what it means on paper, and nothing but a formula is understood."""

import math

import pytest
import sympy

from pinn_ac.autodiff import grad
from pinn_ac.errors import InputError
from pinn_ac.lessons.formula import FUNCTIONS, SYMBOLIC, assign, parse
from pinn_ac.lessons.notation import write
from pinn_ac.lessons.own_formula import graph_of
from pinn_ac.lessons.symbolic import symbolic_derivative


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3", 7),
        ("(1 + 2)*3", 9),
        ("8/4/2", 1),
        ("2 - 3 - 4", -5),
        ("2^3^2", 512),
        ("2**3**2", 512),
        ("-2^2", -4),
        ("(-2)^2", 4),
        ("2^-1", 0.5),
        ("2^-2^2", 2.0**-4),
        ("-2*-3", 6),
        ("--2", 2),
        ("+1 - -1", 2),
        ("1.5e-3 + .5", 0.5015),
        ("2.", 2),
        ("sin(pi/2) + ln(e)", 2),
        ("sqrt(abs(-9))", 3),
    ],
)
def test_precedence_and_numbers(text, value):
    assert float(parse(text)()) == pytest.approx(value, rel=1e-15)
    assert float(parse(text).symbolic()) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_known_to_us_and_to_sympy(name):
    formula = parse(f"{name}(x)")
    (x,) = formula.symbolic().free_symbols
    theirs = formula.symbolic().subs(x, 0.4).evalf()
    assert float(formula(x=0.4)) == pytest.approx(float(theirs), rel=1e-12)
    slope = symbolic_derivative(formula.symbolic(), "x")[1](0.4)
    assert float(grad(lambda x: formula(x=x))(0.4)) == pytest.approx(float(slope), rel=1e-12)


def test_constants_are_written_by_their_names():
    assert [write(one, {}) for one in (sympy.pi, sympy.E, sympy.sqrt(sympy.pi))] == ["π", "e", "√π"]


def test_a_cube_root_of_a_negative_number_has_a_slope():
    x = sympy.Symbol("x")
    slope = sympy.lambdify(x, sympy.diff(SYMBOLIC["cbrt"](x), x))
    assert slope(-8.0) == pytest.approx(1 / 12)


def test_variables_in_the_order_of_appearance():
    assert parse("x2*x1 + sin(x2) + θ_1").names == ("x2", "x1", "θ_1")
    assert float(parse("self + 1")(self=2.0)) == 3  # any name that is none of a function's


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("2*(x + 1", 2, "never closed"),
        ("sin(x", 3, "never closed"),
        ("x + 1)", 5, "never opened"),
        ("2x", 1, "operator"),
        ("x +", 3, "expected here"),
        ("", 0, "expected here"),
        ("x ** * 2", 5, "expected here"),
        ("foo(x)", 0, "not a known function"),
        ("x(2)", 0, "not a known function"),
        ("sin x", 0, "parentheses"),
        ("sin(x, 2)", 5, "closing parenthesis"),
        ("__import__('os')", 11, "not allowed"),
        ("__import__(os)", 0, "not a known function"),
        ("x.__class__", 1, "not allowed"),
        ("x[0]", 1, "not allowed"),
        ("lambda: 1", 6, "not allowed"),
        ("x if y else z", 2, "operator"),
        ("x; y", 1, "not allowed"),
        ("x = 2", 2, "not allowed"),
        ("eval(x)", 0, "not a known function"),
        ("1_000", 1, "operator"),
        ("x @ y", 2, "not allowed"),
        ("'a'", 0, "not allowed"),
        ("x\\n", 1, "not allowed"),
    ],
)
def test_faults_are_one_sentence_and_a_caret_at_the_place(text, position, words):
    with pytest.raises(InputError) as caught:
        parse(text)
    sentence, shown, caret = str(caught.value).split("\n")
    assert words in sentence
    assert sentence.endswith(".")
    assert shown == f"  {text}"
    assert caret == f"  {' ' * position}^"


def test_long_deep_and_huge_formulas_are_refused_or_harmless():
    with pytest.raises(InputError, match="characters"):
        parse("1+" * 600 + "1")
    with pytest.raises(InputError, match="nested"):
        parse("(" * 200 + "x" + ")" * 200)
    with pytest.raises(InputError, match="nested"):
        parse("-" * 200 + "x")
    assert math.isinf(float(parse("9^9^9^9")()))
    assert float(parse("+".join(["x"] * 250))(x=1.0)) == 250


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x1=2"], "x2 has no value: add x2=1"),
        ([], "x1 and x2 have no value: add x1=1 x2=1"),
        (["x1=2", "x2=5", "x3=1"], "no variable x3"),
        (["x1=2", "x1=3"], "given twice"),
        (["x1", "x2=5"], "not of the form"),
        (["x1=", "x2=5"], "expected here"),
        (["x1=x2", "x2=5"], "give a number"),
        (["x1=__import__('os')", "x2=5"], "not allowed"),
    ],
)
def test_values_are_checked_against_the_variables(words, sentence):
    with pytest.raises(InputError) as caught:
        assign(parse("ln(x1) + x2"), words)
    assert sentence in str(caught.value)


def test_values_may_be_formulas_of_numbers_and_keep_the_users_order():
    assert assign(parse("a*b"), ["b=pi/2", "a=-1e-3"]) == {"b": math.pi / 2, "a": -1e-3}


@pytest.mark.parametrize("text", ["ln(x)", "1/(x+1)", "sqrt(x)", "x^0.5"])
def test_points_without_a_finite_value_are_refused(text):
    with pytest.raises(InputError, match="no finite value"):
        graph_of(parse(text), {"x": -1.0})
