"""Drawings are layered, free of crossings where that is possible, and the same in DOT and Mermaid."""

import re

import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import trace
from pinn_ac.lessons import chain_rule, product_plus_sine, try_it
from pinn_ac.lessons.drawing import draw
from pinn_ac.lessons.graph_layout import BOX, arrange


def planar(x, z):
    return x**2 * np.sin(3 * z) / (1 + x) + np.sqrt(z)


GRAPHS = [try_it.graph, product_plus_sine.graph, chain_rule.graph, lambda: trace(planar, 2.0, 5.0)]


@pytest.mark.parametrize("graph", GRAPHS)
def test_edges_run_right_boxes_keep_apart_and_nothing_crosses(graph):
    drawing = draw(graph())
    boxes = {box.key: box for box in drawing.boxes}
    assert drawing.crossings == 0
    for arrow in drawing.arrows:
        xs = [x for x, _ in arrow.path]
        assert xs == sorted(set(xs))
        assert (xs[0], xs[-1]) == (boxes[arrow.source].x, boxes[arrow.target].x)
    for layer in {box.x for box in drawing.boxes}:
        ys = sorted(box.y for box in drawing.boxes if box.x == layer)
        assert all(onp.diff(ys) >= BOX - 1e-6)


def test_boxes_and_arrows_of_try_it():
    drawing = draw(try_it.graph())
    assert [(b.name, b.operation, b.value, b.adjoint) for b in drawing.boxes] == [
        ("v₋₁", "x₁", "2", "5.5"),
        ("v₀", "x₂", "5", "1.716"),
        ("v₁", "ln v₋₁", "0.693", "1"),
        ("v₂", "v₋₁ × v₀", "10", "1"),
        ("v₃", "sin v₀", "−0.959", "−1"),
        ("v₄", "v₁ + v₂", "10.693", "1"),
        ("v₅", "v₄ − v₃", "11.652", "1"),
    ]
    assert {(a.source, a.target): a.label for a in drawing.arrows} == {
        (0, 2): "1 / v₋₁ = 0.5",
        (0, 3): "v₀ = 5",
        (1, 3): "v₋₁ = 2",
        (1, 4): "cos v₀ = 0.284",
        (2, 5): "1",
        (3, 5): "1",
        (5, 6): "1",
        (4, 6): "−1",
    }


def test_dot_and_mermaid_hold_every_node_and_edge():
    graph = try_it.graph()
    drawing = draw(graph, letter="w", first=1, inputs=("a", "b"), output="z")
    assert drawing.dot.startswith("digraph {")
    assert drawing.dot.count("->") == drawing.mermaid.count("-->") == len(drawing.arrows) + 3
    assert 'n0 -> n2 [label="1 / w₁ = 0.5"];' in drawing.dot
    assert 'n0 -->|"1 / w₁ = 0.5"| n2' in drawing.mermaid
    assert len(re.findall(r"^  n\d \[", drawing.dot, re.M)) == len(graph)
    assert drawing.mermaid.startswith("flowchart LR\n")
    assert "w₇ = w₆ − w₅" in drawing.mermaid


def test_quotes_never_end_a_label_early():
    drawing = draw(trace(lambda x: x + 1, 1.0), output='a"b')
    assert 'a\\"b' in drawing.dot
    assert "a#quot;b" in drawing.mermaid


def test_repeated_operands_are_two_edges():
    drawing = draw(trace(lambda x: x * x, 3.0))
    assert [(a.source, a.target, a.label) for a in drawing.arrows] == [(0, 1, "v₀ = 3"), (0, 1, "v₀ = 3")]


def test_crossings_are_counted_where_none_can_be_spared():
    complete = [(i, j) for i in range(3) for j in range(3, 6)]
    assert arrange(6, complete).crossings == 9
    assert arrange(4, [(0, 3), (1, 2)]).crossings == 0


def test_a_graph_without_edges_or_with_hundreds_of_nodes_is_laid_out():
    assert draw(trace(lambda x: x, 1.0)).crossings == 0

    def deep(x):
        for _ in range(200):
            x = np.sin(x) + x
        return x

    drawing = draw(trace(deep, 1.0))
    assert len(drawing.boxes) == 401
    assert "<svg" in drawing.svg
