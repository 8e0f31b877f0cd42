"""The compute graph as a drawing: where its nodes stand, and its text in DOT and in Mermaid.

Nodes stand in layers, each right of all its operands; within the layers they are ordered so that few edges cross,
and placed close to their neighbours. An edge that skips layers passes them at places of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import formulas
from .formulas import Notation, number, pretty
from .graph import Graph, Node
from .layers import Layering, arrange
from .reverse import adjoints_of_nodes
from .tables import operation_text, tables


@dataclass(frozen=True)
class Box:
    """A node: what it is called and computes, as text and as LaTeX, and the centre (x, y) of its place.

    x counts layers from the left; y grows upward, and boxes of a layer are at least 1 apart. `kind` is input,
    operation or output.
    """

    key: int
    kind: str
    name: str
    operation: str
    latex: str
    value: str
    adjoint_name: str
    adjoint_latex: str
    adjoint: str
    x: float
    y: float


@dataclass(frozen=True)
class Arrow:
    """An edge from operand to result with its local derivative: symbol as text and LaTeX, and number ("" if none).

    path: (k, 2) places from source to target, more than two where it passes other layers.
    """

    source: int
    target: int
    symbol: str
    latex: str
    number: str
    path: tuple[tuple[float, float], ...]

    @property
    def label(self) -> str:
        """`cos v₀ = 0.284`."""
        same = self.symbol == self.number
        return self.symbol if same or not self.number else " = ".join(filter(None, (self.symbol, self.number)))


@dataclass(frozen=True)
class End:
    """What stands before an input or after an output: x₁ or y, as text and LaTeX, beside the box `key`."""

    key: int
    text: str
    latex: str
    is_input: bool


@dataclass(frozen=True)
class Drawing:
    """A compute graph laid out. `pinn_ac.reporting.graphs.draw_graph` makes a figure of it."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    ends: tuple[End, ...]
    crossings: int

    @property
    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        lines = ["digraph {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="Helvetica"];']
        lines += [f'  n{box.key} [label="{_quoted(_label(box, chr(92) + "n"))}"];' for box in self.boxes]
        lines += [f'  {_end_name(end)} [shape=plaintext, label="{_quoted(end.text)}"];' for end in self.ends]
        lines += [f'  n{a.source} -> n{a.target} [label="{_quoted(a.label)}"];' for a in self.arrows]
        lines += [f"  {' -> '.join(_in_order(end))};" for end in self.ends]
        return "\n".join([*lines, "}"]) + "\n"

    @property
    def mermaid(self) -> str:
        """The graph in the language of Mermaid, which a README shows as a picture."""
        lines = ["flowchart LR"]
        lines += [f'  n{box.key}["{_entities(_label(box, "<br/>"))}"]' for box in self.boxes]
        lines += [f'  {_end_name(end)}(("{_entities(end.text)}"))' for end in self.ends]
        lines += [
            f'  n{a.source} -->|"{_entities(a.label)}"| n{a.target}' if a.label else f"  n{a.source} --> n{a.target}"
            for a in self.arrows
        ]
        lines += [f"  {' --> '.join(_in_order(end))}" for end in self.ends]
        return "\n".join(lines) + "\n"

    @property
    def svg(self) -> str:
        """A plain picture for notebooks."""
        from .vector import svg

        return svg(self)

    def _repr_html_(self) -> str:
        return self.svg


def _label(box: Box, newline: str) -> str:
    return newline.join((f"{box.name} = {box.operation}", box.value, f"{box.adjoint_name} = {box.adjoint}"))


def _end_name(end: End) -> str:
    return f"{'in' if end.is_input else 'out'}{end.key}"


def _in_order(end: End) -> tuple[str, str]:
    return (_end_name(end), f"n{end.key}") if end.is_input else (f"n{end.key}", _end_name(end))


def _quoted(text: str) -> str:
    return text.replace('"', '\\"')


def _entities(text: str) -> str:
    return text.replace('"', "#quot;")


def draw(graph: Graph, **names: Any) -> Drawing:
    """The graph laid out, with the values and the adjoints of all nodes.

    Args:
        graph: from `trace`.
        names: `letter`, `first`, `inputs` and `output`; see `Notation`.
    """
    notation = Notation(graph, **names)
    edges = [(a.index, node.index) for node in graph for a in node.arguments if isinstance(a, Node)]
    places = arrange(len(graph), edges)
    adjoints = adjoints_of_nodes(graph, [np.ones(v.shape, v.dtype) for v in graph.output_values])
    outputs = {out.index for out in graph.outputs if isinstance(out, Node)}
    boxes = tuple(_box(notation, node, adjoints[node.index], node.index in outputs, places) for node in graph)
    return Drawing(boxes, _arrows(notation, places), _ends(notation), places.crossings)


def _box(notation: Notation, node: Node, adjoint: Any, is_output: bool, places: Layering) -> Box:
    kind = "input" if node.primitive is None else "output" if is_output else "operation"
    x, y = places.positions[node.index]
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
        return formulas.latex_name(notation.input_name(node))
    formula = formulas.operation(node)
    if formula is not None:
        return formulas.latex(formula, _look(notation, node), r" \times ", flat=True)
    inside = ", ".join(notation.latex(a) if isinstance(a, Node) else number(a) for a in node.arguments)
    return f"\\mathrm{{{node.name}}}({inside})".replace("_", r"\_", node.name.count("_"))


def _arrows(notation: Notation, places: Layering) -> tuple[Arrow, ...]:
    arrows: list[Arrow] = []
    for node in notation.graph:
        for slot, parent in enumerate(node.arguments):
            if not isinstance(parent, Node):
                continue
            p = formulas.partial(node, slot)
            derivative = formulas.local_derivative(node, slot)
            arrows.append(
                Arrow(
                    parent.index,
                    node.index,
                    "" if p is None else _symbol(notation, node, p),
                    "" if p is None else formulas.latex(p, _look(notation, node)),
                    "" if derivative is None else number(derivative),
                    places.paths[len(arrows)],
                )
            )
    return tuple(arrows)


def _symbol(notation: Notation, node: Node, p: Any) -> str:
    names = {f"a{i}": notation.name(a) for i, a in enumerate(node.arguments) if isinstance(a, Node)}
    return formulas.write(p, names)


def _ends(notation: Notation) -> tuple[End, ...]:
    ends = [
        End(n.index, pretty(notation.input_name(n)), formulas.latex_name(notation.input_name(n)), True)
        for n in notation.graph.inputs
    ]
    for place, out in enumerate(notation.graph.outputs):
        if isinstance(out, Node):
            name = notation.output_name(place)
            ends.append(End(out.index, pretty(name), formulas.latex_name(name), False))
    return tuple(ends)


def _draw(self: Graph, **names: Any) -> Drawing:
    """The compute graph laid out; see `draw.draw`."""
    return draw(self, **names)


def _html(self: Graph) -> str:
    """The picture and the three traces, for notebooks."""
    return draw(self).svg + tables(self)._repr_html_()


Graph.draw = _draw  # type: ignore[attr-defined]
Graph._repr_html_ = _html  # type: ignore[attr-defined]
