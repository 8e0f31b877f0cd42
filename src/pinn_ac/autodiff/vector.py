"""A drawing as plain SVG, for notebooks: text boxes and curved arrows, nothing to install."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .draw import Arrow, Box, Drawing

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 250, 92, 140, 60, 46
"""Pixels."""
_STYLE = (
    "<style>.pinn-graph text{font:13px serif;text-anchor:middle}.pinn-graph .v{fill:#1f4e79}"
    ".pinn-graph .a{fill:#b5462f}.pinn-graph .l{paint-order:stroke;stroke:white;stroke-width:6px}"
    ".pinn-graph rect{fill:white;stroke:#7b8290;rx:8px}"
    ".pinn-graph path{fill:none;stroke:#7b8290;marker-end:url(#pinn-graph-head)}</style>"
    '<marker id="pinn-graph-head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<polygon points="0,1 8,4 0,7" fill="#7b8290"/></marker>'
)


def svg(drawing: Drawing) -> str:
    """The picture as one <svg> element."""
    right = max(box.x for box in drawing.boxes) * COLUMN + WIDTH + 2 * MARGIN
    heights = [y for arrow in drawing.arrows for _, y in arrow.path] + [box.y for box in drawing.boxes]
    top = max(heights)
    tall = (top - min(heights)) * ROW + HEIGHT + 20
    parts = [_arrow(arrow, top) for arrow in drawing.arrows] + [_box(box, top) for box in drawing.boxes]
    for end in drawing.ends:
        box = next(box for box in drawing.boxes if box.key == end.key)
        x, y = _place(box.x, box.y, top)
        x += -(WIDTH / 2 + 24) if end.is_input else WIDTH / 2 + 24
        parts.append(f'<text x="{x:.0f}" y="{y + 4:.0f}">{escape(end.text)}</text>')
    look = 'class="pinn-graph" style="background:white"'
    size = f'width="{right:.0f}" height="{tall:.0f}" viewBox="0 0 {right:.0f} {tall:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {look} {size}>{_STYLE}{"".join(parts)}</svg>'


def _place(x: float, y: float, top: float) -> tuple[float, float]:
    return MARGIN + WIDTH / 2 + COLUMN * x, HEIGHT / 2 + 10 + ROW * (top - y)


def _box(box: Box, top: float) -> str:
    x, y = _place(box.x, box.y, top)
    left = x - WIDTH / 2
    bar = f"{box.adjoint_name} = {box.adjoint}"
    return (
        f'<rect x="{left:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}"/>'
        f'<text x="{x:.0f}" y="{y - 7:.0f}">{escape(f"{box.name} = {box.operation}")}</text>'
        f'<text class="v" x="{left + 34:.0f}" y="{y + 18:.0f}">{escape(box.value)}</text>'
        f'<text class="a" x="{x + 32:.0f}" y="{y + 18:.0f}">{escape(bar)}</text>'
    )


def _arrow(arrow: Arrow, top: float) -> str:
    places = [_place(x, y, top) for x, y in arrow.path]
    places[0] = (places[0][0] + WIDTH / 2, places[0][1])
    places[-1] = (places[-1][0] - WIDTH / 2, places[-1][1])
    curve = f"M{places[0][0]:.0f},{places[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(places):
        pull = 0.45 * (x1 - x0)
        curve += f"C{x0 + pull:.0f},{y0:.0f} {x1 - pull:.0f},{y1:.0f} {x1:.0f},{y1:.0f}"
    (x0, y0), (x1, y1) = places[:2]
    label = f'<text class="l" x="{(x0 + x1) / 2:.0f}" y="{(y0 + y1) / 2 + 4:.0f}">{escape(arrow.label)}</text>'
    return f'<path d="{curve}"/>{label}'
