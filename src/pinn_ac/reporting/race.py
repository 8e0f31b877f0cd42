"""Figure of a race between methods: error against seconds, with the spread over seeds."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes, Figure

Runs = Sequence[Any]
"""Runs, each with `seconds`, `error` and `curve`, a list of (seconds, error)."""


def draw_race(
    results: Mapping[tuple[str, str], Runs], classical: tuple[float, float], costs: Sequence[tuple[float, float]] = ()
) -> Figure:
    """One line for each method on logarithmic axes; a star and a line for the classical solver.

    Args:
        results: (method, what ends its runs) → its runs. The line of a method with several ends goes through the
            final errors of its runs; with one, it is the median of their histories.
        classical: seconds and error of the classical solver, its check by refinement included.
        costs: (seconds, error) of the same solver without that check, from coarse to fine.
    """
    figure = style.new_figure(7.6, 5.0)
    axes = figure.subplots()
    groups = groupby(results.items(), key=lambda item: item[0][0])
    for (method, budgets), colour in zip(groups, style.CATEGORICAL, strict=False):
        all_runs = [runs for _, runs in budgets]
        lines = _ends(all_runs) if len(all_runs) > 1 else _histories(all_runs[0])
        _draw_spread(axes, *lines, colour, f"{method} (median and range of {len(all_runs[0])} seeds)")
    seconds, error = classical
    spectral: dict[str, Any] = {"color": style.WARM, "linewidth": 1.2}
    axes.plot([seconds], [error], "*", **spectral, markersize=13, label="spectral solver, checked by refinement")
    if costs:
        axes.plot(*zip(*costs, strict=True), "--", **spectral, label="spectral solver, unchecked")
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.dress(axes, x="seconds of training, compilation included", y="relative $L^2$ error")
    style.spread_ticks(axes)
    style.legend(axes, loc="best")
    return figure


def _ends(all_runs: Sequence[Runs]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (m,) and errors (m, seeds) at the ends of the runs, one row for each of m budgets."""
    return np.array([np.median([run.seconds for run in runs]) for runs in all_runs]), np.array(
        [[run.error for run in runs] for runs in all_runs]
    )


def _histories(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """80 common times and the errors of all runs at these, interpolated linearly in the logarithms."""
    curves = [np.log(np.array(run.curve, float).T) for run in runs]
    common = np.linspace(max(curve[0][0] for curve in curves), min(curve[0][-1] for curve in curves), 80)
    return np.exp(common), np.exp(np.array([np.interp(common, *curve) for curve in curves])).T


def _draw_spread(axes: Axes, seconds: np.ndarray, errors: np.ndarray, colour: str, label: str) -> None:
    marked = range(len(seconds)) if len(seconds) < 20 else [-1]  # few points: each is the end of a run
    axes.plot(
        seconds, np.median(errors, axis=1), "o-", color=colour, markersize=4, markevery=list(marked), label=label
    )
    axes.fill_between(seconds, errors.min(axis=1), errors.max(axis=1), color=colour, alpha=0.18, linewidth=0)
