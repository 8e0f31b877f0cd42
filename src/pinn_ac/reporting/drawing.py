"""A compute graph that is laid out: plain data, with its text in DOT and Mermaid and a simple SVG picture.

`pinn_ac.lessons.drawing.draw` makes it from a Wengert list, `graphs.draw_graph` makes a figure of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 250, 92, 140, 60, 46
"""Sizes in the SVG picture, in pixels."""
_STYLE = (
    "<style>.pinn-graph text{font:13px serif;text-anchor:middle}.pinn-graph .v{fill:#1f4e79}"
    ".pinn-graph .a{fill:#b5462f}.pinn-graph .l{paint-order:stroke;stroke:white;stroke-width:6px}"
    ".pinn-graph rect{fill:white;stroke:#7b8290;rx:8px}"
    ".pinn-graph path{fill:none;stroke:#7b8290;marker-end:url(#pinn-graph-head)}</style>"
    '<marker id="pinn-graph-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<polygon points="0,1 8,4 0,7" fill="#7b8290"/></marker>'
)


@dataclass(frozen=True)
class Box:
    """The box of a node.

    Args:
        key: the node's index.
        kind: "input", "operation" or "output".
        name: of the node, v₂.
        operation: what it computes, v₋₁ × v₀.
        latex: the same as an equation in LaTeX.
        value: of the node, as text.
        adjoint_name: v̄₂.
        adjoint_latex: the same as LaTeX.
        adjoint: its value, as text.
        x: the layer, counted from the left.
        y: the height of the centre, upwards; boxes in one layer are at least 1 apart.
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
    """The arrow from an operand to a result, with the local derivative of the result by the operand.

    Args:
        source: the index of the operand's node.
        target: the index of the result's node.
        symbol: the local derivative as a formula, in text; "" if it has none.
        latex: the same as LaTeX.
        number: its value as text; "" if it is not a scalar.
        path: the points (x, y) that the arrow passes, from source to target: one in every layer on the way.
    """

    source: int
    target: int
    symbol: str
    latex: str
    number: str
    path: tuple[tuple[float, float], ...]

    @property
    def label(self) -> str:
        """The formula and its value, `cos v₀ = 0.284`; only one of them if they are the same or one is missing."""
        same = self.symbol == self.number
        return self.symbol if same or not self.number else " = ".join(filter(None, (self.symbol, self.number)))


@dataclass(frozen=True)
class End:
    """The name of an input or output, written beside its box.

    Args:
        key: the index of the node.
        text: the name, x₁ or y.
        latex: the same as LaTeX.
        is_input: whether it stands at the left of an input, not at the right of an output.
    """

    key: int
    text: str
    latex: str
    is_input: bool


@dataclass(frozen=True)
class Drawing:
    """A laid-out compute graph; `graphs.draw_graph` makes a figure of it.

    Args:
        boxes: one for each node, in the order of computation.
        arrows: one for each use of a node as an operand.
        ends: the names of inputs and outputs.
        crossings: how many times two arrows cross.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    ends: tuple[End, ...]
    crossings: int

    @property
    def dot(self) -> str:
        """The graph as text in Graphviz's DOT language."""
        lines = ["digraph {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="Helvetica"];']
        lines += [f'  n{box.key} [label="{_quoted(_label(box, chr(92) + "n"))}"];' for box in self.boxes]
        lines += [f'  {_end_name(end)} [shape=plaintext, label="{_quoted(end.text)}"];' for end in self.ends]
        lines += [f'  n{a.source} -> n{a.target} [label="{_quoted(a.label)}"];' for a in self.arrows]
        lines += [f"  {' -> '.join(_in_order(end))};" for end in self.ends]
        return "\n".join([*lines, "}"]) + "\n"

    @property
    def mermaid(self) -> str:
        """The graph as text in Mermaid's language, which GitHub shows as a picture."""
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
        """A simple picture as one <svg> element, for notebooks."""
        return _svg(self)

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


def _svg(drawing: Drawing) -> str:
    right = max(box.x for box in drawing.boxes) * COLUMN + WIDTH + 2 * MARGIN
    heights = [y for arrow in drawing.arrows for _, y in arrow.path] + [box.y for box in drawing.boxes]
    top = max(heights)
    tall = (top - min(heights)) * ROW + HEIGHT + 20
    parts = [_svg_arrow(arrow, top) for arrow in drawing.arrows] + [_svg_box(box, top) for box in drawing.boxes]
    for end in drawing.ends:
        box = next(box for box in drawing.boxes if box.key == end.key)
        x, y = _pixel(box.x, box.y, top)
        x += -(WIDTH / 2 + 24) if end.is_input else WIDTH / 2 + 24
        parts.append(f'<text x="{x:.0f}" y="{y + 4:.0f}">{escape(end.text)}</text>')
    look = 'class="pinn-graph" style="background:white"'
    size = f'width="{right:.0f}" height="{tall:.0f}" viewBox="0 0 {right:.0f} {tall:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {look} {size}>{_STYLE}{"".join(parts)}</svg>'


def _pixel(x: float, y: float, top: float) -> tuple[float, float]:
    return MARGIN + WIDTH / 2 + COLUMN * x, HEIGHT / 2 + 10 + ROW * (top - y)


def _svg_box(box: Box, top: float) -> str:
    x, y = _pixel(box.x, box.y, top)
    left = x - WIDTH / 2
    bar = f"{box.adjoint_name} = {box.adjoint}"
    return (
        f'<rect x="{left:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}"/>'
        f'<text x="{x:.0f}" y="{y - 7:.0f}">{escape(f"{box.name} = {box.operation}")}</text>'
        f'<text class="v" x="{left + 34:.0f}" y="{y + 18:.0f}">{escape(box.value)}</text>'
        f'<text class="a" x="{x + 32:.0f}" y="{y + 18:.0f}">{escape(bar)}</text>'
    )


def _svg_arrow(arrow: Arrow, top: float) -> str:
    points = [_pixel(x, y, top) for x, y in arrow.path]
    points[0] = (points[0][0] + WIDTH / 2, points[0][1])
    points[-1] = (points[-1][0] - WIDTH / 2, points[-1][1])
    curve = f"M{points[0][0]:.0f},{points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        pull = 0.45 * (x1 - x0)
        curve += f"C{x0 + pull:.0f},{y0:.0f} {x1 - pull:.0f},{y1:.0f} {x1:.0f},{y1:.0f}"
    (x0, y0), (x1, y1) = points[:2]
    label = f'<text class="l" x="{(x0 + x1) / 2:.0f}" y="{(y0 + y1) / 2 + 4:.0f}">{escape(arrow.label)}</text>'
    return f'<path d="{curve}"/>{label}'
