"""The common style of all figures: colours, axes, legends and scales, set on the figures themselves.

Nothing here changes pyplot or rcParams, so that figures can be drawn in threads and beside a user's own. No other
module imports matplotlib: on first use it lists the computer's fonts and logs that it does, which is silenced during
the import alone, since its loggers belong to the user.
"""

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import expanded, require
from pinn_ac.files import make_writable, write_whole

_log = logging.getLogger("matplotlib.font_manager")
_level = _log.level
_log.setLevel(logging.ERROR)
try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import Collection, PathCollection, QuadMesh  # noqa: F401  # for the other figures
    from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize  # noqa: F401
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D  # noqa: F401
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: F401
    from matplotlib.path import Path as Curve  # noqa: F401
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
finally:
    _log.setLevel(_level)

INK, FAINT, GRID, UNKNOWN = "#22262e", "#7b8290", "#e4e6ea", "#9a9a9a"
NETWORK, REFERENCE, WARM = "#1f4e79", "#c0b8ad", "#b5462f"
CATEGORICAL = ("#1f4e79", "#c8702a", "#3f8f7f", "#8a5a9e", "#a89132", "#5d6470")
"""Distinguishable with the common kinds of colour blindness, and by lightness in grey."""

DIVERGING_COLOURS = ("#0d2a4d", "#2a5f93", "#7fadcb", "#f6f3ee", "#e3a07f", "#b4452f", "#5c1420")
SEQUENTIAL_COLOURS = ("#f7f3ea", "#e8cfa6", "#d99a6c", "#b65a5a", "#75355f", "#2a1a3d")
DPI = 160
SCREEN_DPI = 80
"""Of a picture that a notebook shows."""
PRECISION_FLOOR = 1e-17
"""Smaller errors, such as 0, are drawn as this on logarithmic axes."""


def diverging() -> Colormap:
    """Colours for u: blue below zero, red above, pale at zero, equally dark at both ends."""
    return _ramp("pinn_ac_diverging", DIVERGING_COLOURS)


def sequential(skipped: int = 0) -> Colormap:
    """Colours for magnitudes: pale where small, dark where large; `skipped` leaves out the palest ones."""
    return _ramp("pinn_ac_sequential", SEQUENTIAL_COLOURS[skipped:])


def _ramp(name: str, colours: tuple[str, ...]) -> Colormap:
    return LinearSegmentedColormap.from_list(name, colours, N=512).with_extremes(bad=UNKNOWN)


def shade(share: float) -> Any:
    """The colour of a time that is the given share of the horizon."""
    ramp = LinearSegmentedColormap.from_list("times", ("#e0a458", "#c8613f", "#8c3a5b", "#4a2f6b", "#16213f"))
    return ramp(share)


class Picture(Figure):
    """A figure that a notebook shows without pyplot, which would set the formats for it."""

    def _repr_png_(self) -> bytes:
        """The picture as a PNG file holds it."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=SCREEN_DPI)
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its size in inches, with an Agg canvas and a layout that leaves room for every label."""
    figure = Picture(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str = "", x: str = "", y: str = "", grid: bool = True) -> Axes:
    """Set the title, the labels, thin spines and a light grid."""
    axes.set_title(title, fontsize=11, color=INK, pad=7)
    axes.set_xlabel(x, fontsize=10.5, color=INK)
    axes.set_ylabel(y, fontsize=10.5, color=INK)
    axes.tick_params(which="both", labelsize=9, colors=INK, width=0.7, length=3)
    axes.tick_params(which="minor", length=0)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_linewidth(0.7)
        spine.set_visible(not grid or side in ("left", "bottom"))
    if grid:
        axes.grid(True, which="major", color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
    return axes


def colorbar(figure: Figure, colours: Collection, label: str = "", ticks: Any = None, **place: Any) -> None:
    """A slim colour bar beside the axes `ax` (one or several), or in the axes `cax`."""
    look: dict[str, Any] = place if "cax" in place else place | {"pad": 0.02, "aspect": 28}
    bar = figure.colorbar(colours, ticks=ticks, **look)
    bar.set_label(label, fontsize=10, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(which="both", labelsize=9, colors=INK, width=0.7, length=2.5)
    bar.ax.minorticks_off()


def legend(axes: Axes, **where: Any) -> None:
    """A legend without a box."""
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, handlelength=1.6, **where)


def magnitude(values: np.ndarray, unit: float = 1.0) -> np.ndarray:
    """|values| for a logarithmic axis: at least `PRECISION_FLOOR` in the given unit, and NaN where not finite."""
    size = np.abs(np.asarray(values, float))
    return np.maximum(np.where(np.isfinite(size), size, np.nan), PRECISION_FLOOR * unit)


def log_scale(size: np.ndarray, decades: float = 6.0) -> LogNorm:
    """A scale up to the largest magnitude, from the 2nd percentile but within 2 to `decades` decades below."""
    known = size[np.isfinite(size)]
    top, low = (float(known.max()), float(np.percentile(known, 2))) if known.size else 2 * (PRECISION_FLOOR,)
    return LogNorm(max(min(low, top / 100), top / 10**decades), top)


def show_decades(axes: Axes, decades: float = 7.0) -> None:
    """Make y logarithmic and show at most so many decades below the largest value; zeros are not shown."""
    lines = [np.asarray(line.get_ydata(), float) for line in axes.get_lines()]
    known = np.concatenate([values[values > PRECISION_FLOOR] for values in lines] or [np.empty(0)])
    if known.size:
        axes.set_yscale("log")
        top = known.max()
        axes.set_ylim(max(known.min() / 2, top / 10**decades), 3 * top)


def spread_ticks(axes: Axes) -> None:
    """More labels on logarithmic axes of less than two decades, which would have one label or none."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() == "log" and low > 0 and high < 100 * low:
            few = high < 8 * low
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if few else LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def plain(value: float) -> str:
    """A number for matplotlib: 200 as 200 and 0.002 as 2 × 10⁻³."""
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        return f"{value:g}"
    mantissa, exponent = f"{value:e}".split("e")
    return f"${float(mantissa):g} \\times 10^{{{int(exponent)}}}$"


def write(figure: Figure, path: Path) -> Path:
    """Write a PNG file in one step, so that no reader ever finds half of one.

    By the canvas, which draws once; `savefig` draws the same twice, the first time for its layout alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas: Any = figure.canvas
    return write_whole(path, canvas.print_png)


def place_of_picture(path: str | Path | None) -> Path | None:
    """Where a user wants a picture, before it is drawn.

    Raises:
        InputError: the name does not end with .png, .pdf or .svg, or the folder cannot be written.
    """
    if path is None:
        return None
    place = expanded(path)
    known = place.suffix.lower() in (".png", ".pdf", ".svg")
    require(known, f"path is {path}: give a name that ends with .png, .pdf or .svg.")
    make_writable(place.parent, "path")
    return place


def shown(figure: Figure, place: Path | None) -> Figure:
    """The figure, written to a place of :func:`place_of_picture` as PNG, PDF or SVG; to None not at all."""
    if place is not None:
        _ = write(figure, place) if place.suffix.lower() == ".png" else write_whole(place, figure.savefig)
    return figure


def film_writers() -> tuple[Any, Any]:
    """matplotlib's writers of GIF, by Pillow, and of MP4, by ffmpeg."""
    from matplotlib.animation import FFMpegWriter, PillowWriter  # only films need them

    return PillowWriter, FFMpegWriter
