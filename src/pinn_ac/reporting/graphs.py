"""The figure of a compute graph: boxes with values and adjoints, arrows with local derivatives."""

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.drawing import Arrow, Box, Drawing, End
from pinn_ac.reporting.style import Axes, Curve, FancyArrowPatch, FancyBboxPatch, Figure

WIDTH, HEIGHT = 1.72, 0.82
GAP, ROW = 1.45, 1.28
"""Inches: the least width of a box and its height; the least gap between layers; the distance of rows in a layer."""
HEAD: dict[str, Any] = {
    "arrowstyle": "-|>,head_length=5,head_width=2.4",
    "mutation_scale": 1.0,
    "shrinkA": 0,
    "shrinkB": 0,
}
FONT: dict[str, Any] = {"math_fontfamily": "cm"}
FILL = {"input": "#eef3f7", "operation": "#ffffff", "output": "#f8eee9"}
EDGE = {"input": style.NETWORK, "operation": style.FAINT, "output": style.WARM}
TOO_WIDE = 34
"""Formulas with more characters of LaTeX than this are set in a smaller font."""


def draw_graph(drawing: Drawing, title: str = "") -> Figure:
    """A figure of the graph, with the inputs at the left and the result at the right.

    Each box shows the operation, its value (blue) and its adjoint (red). Each arrow shows the local derivative of the
    node at its end by the node at its start.

    Args:
        drawing: from `pinn_ac.lessons.drawing.draw`.
        title: in mathtext.
    """
    width = _width(drawing)
    scale = np.array([width + _gap(drawing), ROW])
    centres = {box.key: scale * (box.x, box.y) for box in drawing.boxes}
    x, y = np.array(list(centres.values())).T
    left, right = x.min() - width / 2 - 0.8, x.max() + width / 2 + 0.8
    low, high = y.min() - HEIGHT / 2 - 0.55, y.max() + HEIGHT / 2 + (0.5 if title else 0.15)
    figure = style.new_figure(right - left, high - low)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.set_axis_off()
    for arrow, curve in zip(drawing.arrows, _curves(drawing, scale, width), strict=True):
        _draw_arrow(axes, curve)
        _draw_label(axes, arrow, curve, _share(drawing, arrow))
    for box in drawing.boxes:
        _draw_box(axes, box, centres[box.key], width)
    for end in drawing.ends:
        _draw_end(axes, end, centres[end.key], width)
    if title:
        axes.text(left + 0.25, high - 0.2, title, fontsize=13, color=style.INK, va="center", **FONT)
    _draw_key(axes, left + 0.25, low + 0.22, drawing)
    return figure


def _gap(drawing: Drawing) -> float:
    """The gap between layers, wide enough for the longest label on an arrow."""
    longest = max((len(arrow.label) for arrow in drawing.arrows), default=0)
    return max(GAP, 0.085 * longest + 0.45)


def _width(drawing: Drawing) -> float:
    """The width of every box, enough for the longest pair of value and adjoint."""
    longest = max(len(box.value) + len(box.adjoint) for box in drawing.boxes)
    return max(WIDTH, 0.076 * longest + 0.75)


def _draw_box(axes: Axes, box: Box, centre: np.ndarray, width: float) -> None:
    x, y = centre
    look: dict[str, Any] = {"facecolor": FILL[box.kind], "edgecolor": EDGE[box.kind], "linewidth": 1.1, "zorder": 3}
    corner = (x - width / 2, y - HEIGHT / 2)
    shape = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, boxstyle=shape, mutation_aspect=1, **look))
    size = 13.5 if len(box.latex) <= TOO_WIDE else max(7.5, 13.5 * TOO_WIDE / len(box.latex))
    axes.text(
        x, y + 0.17, f"${box.latex}$", fontsize=size, color=style.INK, ha="center", va="center", zorder=4, **FONT
    )
    inside = (x - width / 2 + 0.12, x + width / 2 - 0.12)
    axes.plot(inside, (y - 0.06, y - 0.06), color=style.GRID, linewidth=0.8, zorder=4)
    low = {"y": y - 0.235, "va": "center", "zorder": 4}
    axes.text(inside[0], s=_equation("", box.value), fontsize=11, color=style.NETWORK, ha="left", **low, **FONT)
    bar = _equation(box.adjoint_latex, box.adjoint)
    axes.text(inside[1], s=bar, fontsize=11, color=style.WARM, ha="right", **low, **FONT)


def _curves(drawing: Drawing, scale: np.ndarray, width: float) -> list[np.ndarray]:
    """The points of every arrow in inches, of shape (k, 2); at the side of a box they are one above another."""
    leaving, arriving = _ports(drawing, 0), _ports(drawing, 1)
    curves = []
    for k, arrow in enumerate(drawing.arrows):
        path = scale * np.array(arrow.path)
        path[0] += (width / 2, leaving[k])
        path[-1] += (-width / 2 - 0.03, arriving[k])
        curves.append(path)
    return curves


def _ports(drawing: Drawing, end: int) -> list[float]:
    """How far above the middle of its box each arrow starts (`end` 0) or ends (`end` 1).

    Arrows at one box are sorted by the height of their other end, so that they do not cross there.
    """
    ends = [(arrow.source, arrow.target)[end] for arrow in drawing.arrows]
    others = [arrow.path[-2 if end else 1][1] for arrow in drawing.arrows]
    offsets = [0.0] * len(ends)
    for key, count in Counter(ends).items():
        mine = [k for k, own in enumerate(ends) if own == key]
        mine.sort(key=lambda k: (others[k], -k))
        spread = min(0.26, 0.6 * HEIGHT / count)
        for rank, k in enumerate(mine):
            offsets[k] = spread * (rank - 0.5 * (count - 1))
    return offsets


def _share(drawing: Drawing, arrow: Arrow) -> float:
    """Where on its first section the label of an arrow is: in the middle, unless two arrows join the same boxes."""
    twins = [a for a in drawing.arrows if (a.source, a.target) == (arrow.source, arrow.target)]
    return (next(k for k, a in enumerate(twins) if a is arrow) + 1) / (len(twins) + 1)


def _draw_arrow(axes: Axes, points: np.ndarray) -> None:
    vertices, codes = [tuple(points[0])], [Curve.MOVETO]
    for start, stop in pairwise(points):
        vertices += [tuple(p) for p in _controls(start, stop)[1:]]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(FancyArrowPatch(path=Curve(vertices, codes), color=style.FAINT, linewidth=1.2, zorder=2, **HEAD))


def _controls(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The control points of a Bézier curve that is horizontal at both ends."""
    pull = np.array([0.45 * (stop[0] - start[0]), 0.0])
    return np.array([start, start + pull, stop - pull, stop])


def _draw_label(axes: Axes, arrow: Arrow, points: np.ndarray, share: float) -> None:
    label = _arrow_label(arrow)
    if label:
        weights = np.array([(1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3])
        x, y = weights @ _controls(points[0], points[1])
        room = {"boxstyle": "round,pad=0.18", "facecolor": "white", "edgecolor": "none"}
        axes.text(x, y, label, fontsize=12, color=style.INK, ha="center", va="center", zorder=5, bbox=room, **FONT)


def _arrow_label(arrow: Arrow) -> str:
    if not arrow.latex:
        return _equation("", arrow.number)
    latex = arrow.latex.replace(r"\frac", r"\dfrac")
    return _equation(latex, "" if arrow.symbol == arrow.number else arrow.number)


def _equation(latex: str, text: str) -> str:
    """The equation `latex` = `text` in mathtext, where `text` is a number; either may be empty."""
    plain = text.replace("−", "-")
    if re.fullmatch(r"[-+.\de,\[\] …]*", plain):
        plain = plain.replace("…", r"\ldots").replace(", ", r",\ ")
        return "$" + " = ".join(part for part in (latex, plain) if part) + "$" if latex or plain else ""
    return f"${latex} =$ {text}" if latex else text


def _draw_end(axes: Axes, end: End, centre: np.ndarray, width: float) -> None:
    x, y = centre
    side = -1 if end.is_input else 1
    inner, outer = x + side * (width / 2 + 0.03), x + side * (width / 2 + 0.4)
    start, stop = ((outer, y), (inner, y)) if end.is_input else ((inner, y), (outer, y))
    axes.add_patch(FancyArrowPatch(start, stop, color=style.FAINT, linewidth=1.2, **HEAD))
    text: dict[str, Any] = {
        "fontsize": 14,
        "color": style.INK,
        "ha": "right" if end.is_input else "left",
        "va": "center",
    }
    axes.text(outer + side * 0.06, y, f"${end.latex}$", **text, **FONT)


def _draw_key(axes: Axes, x: float, y: float, drawing: Drawing) -> None:
    result = next((end.latex for end in drawing.ends if not end.is_input), "y")
    letter = drawing.boxes[0].name[0]
    adjoint = f"adjoint  $\\bar{{{letter}}} = \\partial {result}/\\partial {letter}$"
    parts = (("value", style.NETWORK), (adjoint, style.WARM))
    for text, colour in (*parts, ("on the arrows: local derivative of the end by the start", style.INK)):
        drawn = axes.text(x, y, text, fontsize=9, color=colour, va="center", **FONT)
        box = drawn.get_window_extent()
        x = axes.transData.inverted().transform((box.x1, 0))[0] + 0.25
