"""Figures of a comparison: the error of each method against seconds, and against evaluations."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes

Curve = Sequence[tuple[float, float]]
AXES: Mapping[str, str] = MappingProxyType(
    {
        "seconds": "Error against seconds of training, compilation included",
        "evaluations": "Error against evaluations of the objective and its derivatives by the optimizer",
    }
)
"""What errors are drawn against → what the figure shows."""
LABELS: Mapping[str, str] = MappingProxyType(
    {"seconds": "seconds of training", "evaluations": "evaluations by the optimizer"}
)
LOOKS = tuple((colour, dashes) for dashes, colour in product(("-", "--", ":", "-."), style.CATEGORICAL))
"""Colours, and dashes where there are more methods than colours."""
SHARED = 80
"""Places at which the median and the range over seeds are taken."""


def draw_comparison(methods: Mapping[str, Sequence[Curve]], over: str, folder: Path) -> Path | None:
    """Error against seconds or evaluations on logarithmic axes: the median over seeds, their range, and their ends.

    Args:
        methods: name → the curves of its runs, lists of (place, error); best method first.
        over: "seconds" or "evaluations".
        folder: for comparison_seconds.png or comparison_evaluations.png.

    Returns:
        The path of the file, or None where no run has an error yet.
    """
    figure = style.new_figure(9.0, 5.2)
    axes = figure.subplots()
    drawn = False
    for index, (name, curves) in enumerate(methods.items()):
        known = [np.array(curve, float).T for curve in curves if curve]
        known = [curve[:, (curve > 0).all(axis=0) & np.isfinite(curve).all(axis=0)] for curve in known]
        known = [curve for curve in known if curve.size]
        if known:
            _draw_method(axes, name, known, *LOOKS[index % len(LOOKS)])
            drawn = True
    if not drawn:
        return None
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.dress(axes, x=LABELS[over], y="relative $L^2$ error")
    style.spread_ticks(axes)
    style.legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return style.write(figure, folder / f"comparison_{over}.png")


def _draw_method(axes: Axes, name: str, curves: Sequence[np.ndarray], colour: str, dashes: str) -> None:
    """The median's line with the range of all seeds around it, and a dot where each seed ended."""
    lines = [curve for curve in curves if curve.shape[1] > 1]
    shared = _shared(lines)
    if shared is not None:
        places, errors = shared
        axes.plot(places, np.median(errors, axis=0), dashes, color=colour, linewidth=1.5)
        axes.fill_between(places, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    else:
        for curve in lines:
            axes.plot(*curve, dashes, color=colour, linewidth=1.2)
    ends = np.array([curve[:, -1] for curve in curves]).T
    axes.plot(*ends, "o", color=colour, markersize=4)
    axes.plot([], [], f"o{dashes}", color=colour, markersize=4, label=name)


def _shared(curves: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Places that all curves reach, and the errors of each there, linear in the logarithms; None where none are."""
    if not curves:
        return None
    low, high = max(curve[0, 0] for curve in curves), min(curve[0, -1] for curve in curves)
    if not low < high:
        return None
    places = np.geomspace(low, high, SHARED)
    return places, np.exp([np.interp(np.log(places), *np.log(curve)) for curve in curves])
