"""The three traces hold the numbers of the lecture's notes, row by row, and fit any graph."""

import jax
import jax.numpy as jnp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import grad, jvp, trace
from pinn_ac.autodiff.rules import TABLE
from pinn_ac.lessons import try_it
from pinn_ac.lessons.drawing import draw
from pinn_ac.lessons.notation import OPERATIONS, local_derivative, number, partial, width
from pinn_ac.lessons.tables import tables

X = (1.3, 0.7)
BINARY = {"add", "sub", "mul", "div", "pow", "max", "min", "atan2"}


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()[2:]]


def test_primal_trace_of_the_notes():
    assert rows(str(tables(try_it.graph()).primal)) == [
        "v₋₁ = x₁ = 2",
        "v₀ = x₂ = 5",
        "v₁ = ln v₋₁ = ln 2 = 0.693",
        "v₂ = v₋₁ × v₀ = 2 × 5 = 10",
        "v₃ = sin v₀ = sin 5 = −0.959",
        "v₄ = v₁ + v₂ = 0.693 + 10 = 10.693",
        "v₅ = v₄ − v₃ = 10.693 + 0.959 = 11.652",
        "y = v₅ = 11.652",
    ]


def test_tangent_trace_of_the_notes():
    assert rows(str(tables(try_it.graph()).tangent)) == [
        "v̇₋₁ = ẋ₁ = 1",
        "v̇₀ = ẋ₂ = 0",
        "v̇₁ = v̇₋₁ / v₋₁ = 1 / 2 = 0.5",
        "v̇₂ = v̇₋₁ × v₀ + v̇₀ × v₋₁ = 1 × 5 + 0 × 2 = 5",
        "v̇₃ = v̇₀ × cos v₀ = 0 × cos 5 = 0",
        "v̇₄ = v̇₁ + v̇₂ = 0.5 + 5 = 5.5",
        "v̇₅ = v̇₄ − v̇₃ = 5.5 − 0 = 5.5",
        "ẏ = v̇₅ = 5.5",
    ]


def test_adjoint_trace_of_the_notes_from_the_bottom_up():
    assert rows(str(tables(try_it.graph()).adjoint)) == [
        "x̄₁ = v̄₋₁ = 5.5",
        "x̄₂ = v̄₀ = 1.716",
        "v̄₋₁ = v̄₋₁ + v̄₁ ∂v₁/∂v₋₁ = v̄₋₁ + v̄₁ / v₋₁ = 5 + 1 / 2 = 5.5",
        "v̄₀ = v̄₀ + v̄₂ ∂v₂/∂v₀ = v̄₀ + v̄₂ × v₋₁ = −0.284 + 1 × 2 = 1.716",
        "v̄₋₁ = v̄₂ ∂v₂/∂v₋₁ = v̄₂ × v₀ = 1 × 5 = 5",
        "v̄₀ = v̄₃ ∂v₃/∂v₀ = v̄₃ × cos v₀ = −1 × cos 5 = −0.284",
        "v̄₂ = v̄₄ ∂v₄/∂v₂ = v̄₄ × 1 = 1 × 1 = 1",
        "v̄₁ = v̄₄ ∂v₄/∂v₁ = v̄₄ × 1 = 1 × 1 = 1",
        "v̄₃ = v̄₅ ∂v₅/∂v₃ = v̄₅ × (−1) = 1 × (−1) = −1",
        "v̄₄ = v̄₅ ∂v₅/∂v₄ = v̄₅ × 1 = 1 × 1 = 1",
        "v̄₅ = ȳ = 1",
    ]


def test_values_are_kept_in_full_behind_the_three_decimals():
    table = tables(try_it.graph())
    assert float(table.primal.value("y")) == pytest.approx(float(jnp.log(2.0) + 10 - jnp.sin(5.0)), rel=1e-15)
    assert float(table.adjoint.value("x̄₂")) == pytest.approx(float(2 - jnp.cos(5.0)), rel=1e-15)


def test_the_seed_chooses_the_direction():
    tangent = tables(try_it.graph(), seed=(0, 1)).tangent
    assert float(tangent.value("ẏ")) == pytest.approx(float(2 - jnp.cos(5.0)))


def test_columns_line_up_though_dots_and_bars_take_no_room():
    assert width("v̄₀") == 2
    trace = tables(try_it.graph()).adjoint
    places = [set() for _ in trace.rows[0]]
    for line, row in zip(str(trace).splitlines()[2:], trace.rows, strict=True):
        at = 0
        for column, cell in zip(places, row, strict=True):
            if cell:
                begin = line.index(cell.rstrip(), at)
                column.add(width(line[:begin]))
                at = begin + len(cell.rstrip())
    assert len(places) > 3
    assert all(len(column) <= 1 for column in places)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) & set(TABLE)))
def test_sympys_rule_is_the_engines_rule(name):
    primitive = TABLE[name]
    params = {"y": 3} if name == "integer_pow" else {}
    arity = 2 if name in BINARY else 1
    values = {"asin": (0.3,), "acos": (0.3,), "atanh": (0.3,)}.get(name, X[:arity])
    node = trace(lambda *xs: primitive(*xs, **params), *values).nodes[-1]
    look = {f"a{i}": value for i, value in enumerate(values)}
    for slot in range(arity):
        rule = partial(node, slot)
        theirs = rule.evalf(25, subs={symbol: look[symbol.name] for symbol in rule.free_symbols})
        assert float(local_derivative(node, slot)) == pytest.approx(float(theirs), rel=1e-12, abs=1e-14)


def test_constants_powers_and_repeated_operands_are_written_as_on_paper():
    table = tables(trace(lambda x, z: 3 * x**2 - x * x / z + np.sqrt(z) + x**0.5, 2.0, -4.0 + 8))
    text = str(table)
    for piece in ("v₁ = v₋₁²", "3 × v₁", "v₋₁ × v₋₁", "√v₀", "2 × v₋₁", "v̄₋₁ / (2 × √v₋₁)"):
        assert any(piece.replace("v̄₋₁", "") in " ".join(line.split()) for line in text.splitlines()), piece
    assert float(table.adjoint.value("x̄₁")) == pytest.approx(
        float(grad(lambda x: 3 * x**2 - x * x / 4 + x**0.5)(2.0))
    )


def test_arrays_are_shown_in_short_and_have_the_right_totals():
    def f(w):
        return np.sum((w * jnp.arange(10.0) - 1) ** 2)

    table = tables(trace(f, 0.5), inputs=("w",))
    assert "[0, 0.5, …, 4.5]" in str(table.primal)
    assert float(table.adjoint.value("w̄")) == pytest.approx(float(grad(f)(0.5)))
    assert float(table.tangent.value("ẏ")) == pytest.approx(float(jvp(f, (0.5,), (1.0,))[1]))


def test_several_results_unused_inputs_and_constant_results_have_their_rows():
    text = str(tables(trace(lambda a, b: (a * 2, a, jnp.ones(())), 3.0, 4.0)))
    for row in ("y₁", "y₂", "y₃", "x̄₂", "= 0"):
        assert row in text


def test_drawing_and_tables_show_themselves_in_a_notebook_and_tables_inside_jit():
    graph = try_it.graph()
    picture, html = draw(graph)._repr_html_(), tables(graph)._repr_html_()
    assert picture.startswith("<svg")
    assert html.count("<table>") == 3
    assert "11.652" in picture
    assert "11.652" in html
    said = []

    def f(x):
        said.append(str(tables(trace(np.sin, x)).primal))
        return x

    jax.jit(f)(jnp.ones(()))
    assert "sin v₀" in said[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "2"), (-0.0001, "−0.0001"), (0.6931, "0.693"), (5.5, "5.5"), (1e7, "1e+07"), (-0.0, "0"), (0.0, "0")],
)
def test_numbers_have_three_decimals(value, text):
    assert number(value) == text


def test_other_letters_and_counting():
    graph = trace(lambda x: np.exp(np.sin(x**2)), 1.2)
    text = str(tables(graph, letter="w", first=0).primal)
    assert rows(text)[-2:] == ["w₃ = e^w₂ = e^0.991 = 2.695", "y = w₃ = 2.695"]
