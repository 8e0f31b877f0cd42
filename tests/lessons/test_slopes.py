"""A formula's derivative exists or not, whatever the chain rule makes of its operations; and the lesson says so."""

import io

import pytest
from rich.console import Console

from pinn_ac.lessons import own_formula
from pinn_ac.lessons.formula import assign, parse
from pinn_ac.lessons.page import Page
from pinn_ac.lessons.slopes import derivative, why_none

# formula, where, and its derivative there by hand
SMOOTH = [
    ("x*abs(x)", "x=0", 0.0),
    ("abs(x)^2", "x=0", 0.0),
    ("sqrt(x^2)^2", "x=0", 0.0),
    ("abs(x)^3", "x=0", 0.0),
    ("abs(x)^1.1", "x=0", 0.0),
    ("(x + abs(x))/2", "x=3", 1.0),
    ("(x + abs(x))/2", "x=-3", 0.0),
    ("abs(x)", "x=-1e-300", -1.0),
    ("sqrt(x)", "x=1e-20", 5e9),
    ("cbrt(x^3)", "x=0", 1.0),
    ("x^2", "x=0", 0.0),
    ("x^3", "x=-2", 12.0),
    ("asin(x)", "x=0", 1.0),
    ("abs(sin(x))", "x=3", -0.9899924966004454),
    ("1e-12*x", "x=0", 1e-12),
    ("exp(x)", "x=700", 1.0142320547350045e304),
    ("sigmoid(x)", "x=0", 0.25),
    ("abs(x) + y", "x=1 y=2", 1.0),
]
# and what is said of it
KINKED = [
    ("abs(x)", "x=0", "from below the slope is −1, from above 1"),
    ("sqrt(x^2)", "x=0", "from below the slope is −1, from above 1"),
    ("1e-12*abs(x)", "x=0", "from below the slope is −1"),
    ("(x + abs(x))/2", "x=0", "from below the slope is 0, from above 1"),
    ("abs(x - 0.3)", "x=0.3", "from below the slope is −1, from above 1"),
    ("abs(10*x - 3)", "x=0.3", "from below the slope is −10, from above 10"),
    ("(x + y + abs(x - y))/2", "x=1 y=1", "from below the slope is 0, from above 1"),
    ("exp(abs(x))", "x=0", "from below the slope is −1, from above 1"),
    ("cbrt(x)", "x=0", "from below the slope is ∞, from above the slope is ∞"),
    ("sqrt(abs(x))", "x=0", "from below the slope is −∞, from above the slope is ∞"),
    ("sqrt(x)", "x=0", "y has no value below it, and on the other side the slope is ∞"),
    ("x^(1/3)", "x=0", "y has no value below it, and on the other side the slope is ∞"),
    ("x^1.5", "x=0", "y has no value below it, and on the other side the slope is 0"),
    ("asin(x)", "x=1", "y has no value above it, and on the other side the slope is ∞"),
    ("acos(x)", "x=-1", "y has no value below it, and on the other side the slope is −∞"),
    ("sqrt(-x^2)", "x=0", "y has no value on either side of it"),
    ("0^(x^2)", "x=0", "from below y jumps, from above y jumps"),
    ("sqrt(x^2 + y^2)", "x=0 y=0", "from below the slope is −1, from above 1"),
]


@pytest.mark.parametrize(("text", "words", "slope"), SMOOTH)
def test_a_derivative_that_exists_is_found(text, words, slope):
    formula = parse(text)
    found = derivative(formula, assign(formula, words.split()), "x")
    assert found == pytest.approx(slope, rel=1e-14, abs=1e-30)  # the doubles that x and the slope are


@pytest.mark.parametrize(("text", "words", "sentence"), KINKED)
def test_where_there_is_none_the_reason_is_said(text, words, sentence):
    formula = parse(text)
    at = assign(formula, words.split())
    assert derivative(formula, at, "x") is None
    said = why_none(formula, at, "x")
    assert said.startswith("y has no derivative with respect to x at x = ")
    assert sentence in said


class Unseen(Page):
    """A page without the picture of its graph, which takes most of a lesson's time."""

    def graph(self, graph, title="", name="graph", **names):
        pass


def lesson(tmp_path, text, words, page=Page):
    out = io.StringIO()
    own_formula.teach(page(tmp_path, Console(file=out, width=104)), text, words.split())
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize(("text", "words", "sentence"), KINKED)
def test_the_lesson_says_so_before_it_writes_any_number(tmp_path, text, words, sentence):
    said = lesson(tmp_path, text, words)
    assert said.index(sentence) < said.index("① Draw")
    assert "no derivative" in said[said.index("Checked against") :]


@pytest.mark.parametrize(("text", "words", "slope"), SMOOTH)
def test_the_lesson_keeps_silent_where_the_chain_rule_is_right(tmp_path, text, words, slope):
    said = lesson(tmp_path, text, words, Page if "sigmoid" in text else Unseen)  # whose box no other test draws
    assert "no derivative with respect to" not in said
    wrong = text == "sqrt(x^2)^2" or text == "cbrt(x^3)"  # 0 × ∞ on the way
    assert ("the chain rule does not find it" in said) == wrong
