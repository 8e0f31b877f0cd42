"""The picture of a graph holds its formulas, and no label or box overlaps another."""

from itertools import combinations

import jax.numpy as jnp
import pytest

from pinn_ac.autodiff import trace
from pinn_ac.lessons import chain_rule, product_plus_sine, try_it
from pinn_ac.lessons.drawing import draw
from pinn_ac.reporting.graphs import draw_graph


def texts(figure):
    return [text for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("graph", [try_it.graph, product_plus_sine.graph, chain_rule.graph])
def test_everything_is_inside_the_figure_and_nothing_overlaps(graph):
    figure = draw_graph(draw(graph()), "$y$")
    figure.canvas.draw()
    whole = figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    for name, box in boxes:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, name
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, name
    for (name, box), (other, its) in combinations(boxes, 2):
        assert not (box.x0 < its.x1 and its.x0 < box.x1 and box.y0 < its.y1 and its.y0 < box.y1), (name, other)


def test_try_it_shows_operations_values_adjoints_and_local_derivatives():
    said = " ".join(text.get_text() for text in texts(draw_graph(draw(try_it.graph()))))
    for piece in (
        r"v_{2} = v_{-1} \times v_{0}",
        "$11.652$",
        r"\bar{v}_{0} = 1.716",
        r"\cos {v_{0}} = 0.284",
        "$-1$",
    ):
        assert piece in said


def test_arrays_and_functions_without_a_formula_are_drawn():
    figure = draw_graph(draw(trace(lambda x: (x * x).sum(), jnp.ones((2, 3)))))
    figure.canvas.draw()
    assert any("2×3 numbers" in text.get_text() for text in texts(figure))
