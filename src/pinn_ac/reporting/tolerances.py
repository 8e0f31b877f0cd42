"""Figure of error control: the error that was asked for against the one that came out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import Figure


def draw_tolerances(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A point for every run on logarithmic axes, problems side by side, and a line at each tolerance.

    Args:
        rows: of the runs, with "problem", "tolerance", "error" and whether the run says that it "met" its tolerance;
            runs that say that they did not are hollow.
    """
    figure = style.new_figure(7.6, 5.0)
    axes = figure.subplots()
    names = list(dict.fromkeys(row["problem"] for row in rows))
    tolerances = np.array(sorted({row["tolerance"] for row in rows}))
    spread = np.linspace(-0.32, 0.32, len(names)) if len(names) > 1 else np.zeros(1)  # decades, beside each tolerance
    for met, face, edge in ((True, style.NETWORK, style.NETWORK), (False, "none", style.WARM)):
        chosen = [row for row in rows if row["met"] == met]
        if not chosen:
            continue
        asked = [row["tolerance"] * 10 ** spread[names.index(row["problem"])] for row in chosen]
        label = "tolerance met, says the run" if met else "tolerance not met, says the run"
        errors = [row["error"] for row in chosen]
        axes.scatter(asked, errors, s=14, linewidths=0.9, facecolors=face, edgecolors=edge, label=label)
    for factor, colour, line, label in (
        (1.0, style.INK, "-", "error = tolerance"),
        (1e-2, style.FAINT, "--", "error = tolerance / 100"),
    ):
        for tolerance in tolerances:
            ends = tolerance * 10 ** np.array([-0.4, 0.4])
            named = label if tolerance == tolerances[0] else None
            axes.plot(ends, 2 * [factor * tolerance], color=colour, linewidth=0.9, linestyle=line, label=named)
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.dress(axes, x="tolerance asked for (problems side by side)", y="true relative $L^2$ error")
    style.spread_ticks(axes)
    style.legend(axes, loc="upper left")
    return figure
