"""Figures of a sweep: errors against time, and the effect of each setting."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import NullLocator

Curve = Sequence[tuple[float, float]]
MOST_LINES = len(style.CATEGORICAL)
MOST_TICKS = 6


def draw_histories(configurations: Mapping[str, Sequence[Curve]], path: Path) -> Path | None:
    """Error against seconds on logarithmic axes; the first configurations have colours, all others are grey.

    Args:
        configurations: name → the curves of its runs, lists of (seconds, error).
        path: of the PNG file.

    Returns:
        `path`, or None where no run has an error yet.
    """
    figure = style.new_figure(8.0, 5.0)
    axes = figure.subplots()
    drawn = False
    for index, (name, curves) in enumerate(configurations.items()):
        colour, label = (style.CATEGORICAL[index], name) if index < MOST_LINES else (style.UNKNOWN, None)
        for curve in filter(None, curves):
            seconds, errors = np.array(curve).T
            axes.plot(
                seconds, style.magnitude(errors), color=colour, linewidth=1.3, alpha=0.8, label=label, zorder=-index
            )
            label, drawn = None, True
    if not drawn:
        return None
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.dress(axes, x="seconds of training", y="relative $L^2$ error")
    style.spread_ticks(axes)
    style.legend(axes, loc="best")
    return style.write(figure, path)


def draw_effects(settings: Sequence[str], runs: Sequence[tuple[Mapping[str, Any], float]], path: Path) -> Path | None:
    """One panel for each setting: every run's error against the setting's value, and the median at each value.

    Args:
        settings: their dotted names.
        runs: (setting → value, error) of each finished run.
        path: of the PNG file.

    Returns:
        `path`, or None where no run has finished.
    """
    if not runs:
        return None
    columns = min(3, len(settings))
    lines = -(-len(settings) // columns)
    figure = style.new_figure(4.0 * columns, 3.2 * lines)
    panels = np.ravel(figure.subplots(lines, columns, squeeze=False))
    for axes, setting in zip(panels, settings, strict=False):
        values = [labels[setting] for labels, _ in runs]
        errors = np.array([error for _, error in runs])
        positions, ticks, is_log = _positions(values)
        at = np.array([positions[str(value)] for value in values])
        axes.plot(at, style.magnitude(errors), ".", color=style.FAINT, alpha=0.7)
        order = sorted(set(at))
        axes.plot(order, [np.median(errors[at == one]) for one in order], "o-", color=style.NETWORK, label="median")
        axes.set_yscale("log")
        if is_log:
            axes.set_xscale("log")
        style.dress(axes, x=setting.removesuffix("._target_"), y="relative $L^2$ error")
        style.spread_ticks(axes)
        if ticks:
            axes.set_xticks(range(len(ticks)), ticks, rotation=20 if max(map(len, ticks)) > 8 else 0)
        elif len(order) <= MOST_TICKS:  # ticks at the values that were tried, and nowhere else
            axes.set_xticks(order, [style.plain(value) for value in order])
            axes.xaxis.set_minor_locator(NullLocator())
    for axes in panels[len(settings) :]:
        axes.set_visible(False)
    style.legend(panels[0])
    return style.write(figure, path)


def _positions(values: Sequence[Any]) -> tuple[dict[str, float], list[str], bool]:
    """The position of each value, the names of the ticks (none for numbers), and whether the axis is logarithmic."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        wide = min(values) > 0 and max(values) >= 20 * min(values)
        return {str(value): float(value) for value in values}, [], wide
    names = sorted({str(value) for value in values})
    return {name: float(index) for index, name in enumerate(names)}, names, False
