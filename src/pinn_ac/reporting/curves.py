"""Pictures of numbers over training and over time: losses, errors and the energy."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pinn_ac.evaluation import ReferenceField, Sampled, energy, spectral_slope
from pinn_ac.problem import AllenCahn
from pinn_ac.reporting import style

Entries = Sequence[Mapping[str, Any]]


def draw_history(history: Entries) -> Figure:
    """The loss, its terms (`loss_<name>`) and, where evaluated, the relative L² error, against steps and seconds."""
    errors = column(history, "relative_l2")
    with_errors = bool(np.isfinite(errors).any())
    figure = style.new_figure(9.6, 5.2 if with_errors else 3.2)
    panels = figure.subplots(2 if with_errors else 1, 2, sharex="col", sharey="row", squeeze=False)
    for place, (key, label) in enumerate((("step", "step"), ("seconds", "seconds of training"))):
        along = column(history, key)
        _losses(panels[0, place], history, along)
        if with_errors:
            seen = np.isfinite(errors)
            _curve(panels[1, place], along[seen], errors[seen], color=style.WARM, marker="o", markersize=3.2)
        for row in panels[:, place]:
            _log_axis(row)
            style.dress(row)
            _mark_stages(row, history, along, named=row is panels[0, place])
        panels[-1, place].set_xlabel(label)
    panels[0, 0].set_ylabel("loss")
    if with_errors:
        panels[1, 0].set_ylabel("relative $L^2$ error")
    if len(panels[0, 1].get_lines()) > 1:
        style.legend(panels[0, 1], loc="upper right")
    return figure


def column(history: Entries, key: str) -> np.ndarray:
    """One entry of every line, NaN where it is missing, null or no number."""

    def number(value: Any) -> float:
        return float(value) if isinstance(value, int | float) else np.nan

    return np.array([number(entry.get(key)) for entry in history], float)


def _losses(axes: Axes, history: Entries, along: np.ndarray) -> None:
    terms = list(dict.fromkeys(key for entry in history for key in entry if key.startswith("loss_")))
    if len(terms) > 1:
        for name, colour in zip(terms, cycle(style.CATEGORICAL[1:]), strict=False):
            label = name.removeprefix("loss_").replace("_", " ")
            _curve(axes, along, column(history, name), color=colour, linewidth=1.0, label=label)
    weight = 1.5 if len(history) < 1000 else 0.7  # a noisy loss in a thick line is a black band
    _curve(axes, along, column(history, "loss"), color=style.NETWORK, linewidth=weight, label="loss", zorder=3)


def _curve(axes: Axes, along: np.ndarray, values: np.ndarray, **look: Any) -> None:
    positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    axes.plot(along, positive, **({"linewidth": 1.2} | ({"marker": "."} if len(values) == 1 else {}) | look))


def _log_axis(axes: Axes) -> None:
    """Logarithmic, unless there is nothing that a logarithm can show."""
    if any(np.isfinite(line.get_ydata()).any() for line in axes.get_lines()):
        axes.set_yscale("log")


def _mark_stages(axes: Axes, history: Entries, along: np.ndarray, named: bool) -> None:
    """Every other stage on a grey ground; the names at the top where they have room."""
    names = [str(entry.get("stage") or "") for entry in history]
    starts = [line for line in range(len(names)) if line == 0 or names[line] != names[line - 1]]
    edges = [along[max(line - 1, 0)] for line in starts] + [*along[-1:]]
    if len(starts) < 2 or not np.isfinite(edges).all():
        return
    whole = edges[-1] - edges[0]
    free_from = -np.inf
    for place, line in enumerate(starts):
        if place % 2:
            axes.axvspan(edges[place], edges[place + 1], color="#f3f2ee", zorder=0, linewidth=0)
        if named and edges[place] >= free_from:
            _name_stage(axes, edges[place], names[line].replace("_", " "))
            free_from = edges[place] + whole * 0.022 * (len(names[line]) + 1)


def _name_stage(axes: Axes, start: float, name: str) -> None:
    axes.annotate(
        name,
        (start, 1.0),
        (2, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8.5,
        color=style.FAINT,
        annotation_clip=False,
    )


def draw_energy(problem: AllenCahn, sampled: Sampled, reference: ReferenceField | None = None) -> Figure:
    """E(t) of the network and of the reference; beside it, how far they are apart, as a share of E(0)."""
    ours = energy(problem, sampled.u, sampled.u_x)
    figure = style.new_figure(5.0 if reference is None else 9.6, 3.3)
    panels = figure.subplots(1, 1 if reference is None else 2, squeeze=False)[0]
    if reference is not None:
        theirs = energy(problem, np.asarray(reference.u), spectral_slope(problem, np.asarray(reference.u)))
        panels[0].plot(sampled.t, theirs, color=style.REFERENCE, linewidth=5, label="reference")
        difference = np.abs(ours - theirs) / (abs(theirs[0]) or 1.0)
        panels[1].plot(sampled.t, style.magnitude(difference), color=style.WARM, linewidth=1.3)
        style.dress(panels[1], "Error of the energy", x="time  $t$", y="$|E_\\theta - E^*|\\; /\\; E^*(0)$")
    panels[0].plot(sampled.t, ours, color=style.NETWORK, linewidth=1.5, label="network")
    style.dress(panels[0], "Energy", x="time  $t$", y="$E(t)$")
    if reference is not None:
        style.legend(panels[0], loc="upper right")
        style.show_decades(panels[1])
    for axes in panels:
        axes.set_xlim(sampled.t[0], sampled.t[-1])
    return figure
