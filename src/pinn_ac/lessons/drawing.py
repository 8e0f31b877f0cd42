"""The compute graph of a Wengert list as a drawing: where its boxes stand, and what is written on them.

Nodes stand in layers, each to the right of all its operands. Within a layer they are ordered so that few arrows
cross, and placed close to their neighbours. An arrow that skips layers passes them at points of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pinn_ac.autodiff import Graph, Node, adjoints_of_nodes
from pinn_ac.lessons.graph_layout import Layout, arrange
from pinn_ac.lessons.notation import (
    Notation,
    latex,
    latex_name,
    local_derivative,
    number,
    operation,
    partial,
    pretty,
    write,
)
from pinn_ac.lessons.tables import operation_text
from pinn_ac.reporting.drawing import Arrow, Box, Drawing, End


def draw(graph: Graph, **names: Any) -> Drawing:
    """Lay out a graph, with the values of all nodes and the adjoints of the sum of the outputs.

    Args:
        graph: from `trace`.
        names: `letter`, `first`, `inputs` and `output`; see `Notation`.
    """
    notation = Notation(graph, **names)
    edges = [(a.index, node.index) for node in graph for a in node.arguments if isinstance(a, Node)]
    layout = arrange(len(graph), edges)
    adjoints = adjoints_of_nodes(graph, [np.ones(v.shape, v.dtype) for v in graph.output_values])
    outputs = {out.index for out in graph.outputs if isinstance(out, Node)}
    boxes = tuple(_box(notation, node, adjoints[node.index], node.index in outputs, layout) for node in graph)
    return Drawing(boxes, _arrows(notation, layout), _ends(notation), layout.crossings)


def _box(notation: Notation, node: Node, adjoint: Any, is_output: bool, layout: Layout) -> Box:
    kind = "input" if node.primitive is None else "output" if is_output else "operation"
    x, y = layout.positions[node.index]
    return Box(
        node.index,
        kind,
        notation.name(node),
        operation_text(notation, node),
        f"{notation.latex(node)} = {_operation_latex(notation, node)}",
        number(node.value),
        notation.name(node, "bar"),
        notation.latex(node, "bar"),
        "0" if adjoint is None else number(adjoint),
        x,
        y,
    )


def _look(notation: Notation, node: Node) -> dict[str, str]:
    return {f"a{i}": notation.latex(a) for i, a in enumerate(node.arguments) if isinstance(a, Node)}


def _operation_latex(notation: Notation, node: Node) -> str:
    if node.primitive is None:
        return latex_name(notation.input_name(node))
    formula = operation(node)
    if formula is not None:
        return latex(formula, _look(notation, node), r" \times ", flat=True)
    inside = ", ".join(notation.latex(a) if isinstance(a, Node) else number(a) for a in node.arguments)
    return f"\\mathrm{{{node.name}}}({inside})".replace("_", r"\_", node.name.count("_"))


def _arrows(notation: Notation, layout: Layout) -> tuple[Arrow, ...]:
    arrows: list[Arrow] = []
    for node in notation.graph:
        for slot, parent in enumerate(node.arguments):
            if not isinstance(parent, Node):
                continue
            p = partial(node, slot)
            derivative = local_derivative(node, slot)
            arrows.append(
                Arrow(
                    parent.index,
                    node.index,
                    "" if p is None else _symbol(notation, node, p),
                    "" if p is None else latex(p, _look(notation, node)),
                    "" if derivative is None else number(derivative),
                    layout.paths[len(arrows)],
                )
            )
    return tuple(arrows)


def _symbol(notation: Notation, node: Node, p: Any) -> str:
    names = {f"a{i}": notation.name(a) for i, a in enumerate(node.arguments) if isinstance(a, Node)}
    return write(p, names)


def _ends(notation: Notation) -> tuple[End, ...]:
    ends = [
        End(n.index, pretty(notation.input_name(n)), latex_name(notation.input_name(n)), True)
        for n in notation.graph.inputs
    ]
    for position, out in enumerate(notation.graph.outputs):
        if isinstance(out, Node):
            name = notation.output_name(position)
            ends.append(End(out.index, pretty(name), latex_name(name), False))
    return tuple(ends)
