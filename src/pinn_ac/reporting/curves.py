"""Figures of curves: the loss and the error over training, and the energy over time."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from pinn_ac.evaluation import ReferenceField, Sampled, energies
from pinn_ac.problem import Problem
from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes, Figure, MaxNLocator

Entries = Sequence[Mapping[str, Any]]
ERRORS = {"over all $t$": "relative_l2", "over the window alone": "window_relative_l2"}
"""Label of an error curve → its entry in the history."""
MOST_ROWS = 4
"""Rows that the names of stages above a panel may take."""


def draw_history(history: Entries, part: str = "window") -> Figure:
    """The loss, its terms (`loss_<name>`) and, where evaluated, the relative L² error, against steps and seconds.

    The loss and `window_relative_l2` are those of one time window, so each window has curves of its own.

    Args:
        history: the lines of a run's history, one mapping each.
        part: what the numbered parts of the run are: windows of time, or stages of a regime.
    """
    errors = {name: column(history, key) for name, key in ERRORS.items()}
    errors = {name: values for name, values in errors.items() if np.isfinite(values).any()}
    figure = style.new_figure(9.6, 5.2 if errors else 3.2)
    panels = figure.subplots(2 if errors else 1, 2, sharex="col", sharey="row", squeeze=False)
    for place, (key, label) in enumerate((("step", "step"), ("seconds", "seconds of training"))):
        along = column(history, key)
        _losses(panels[0, place], history, along)
        if errors:
            _errors(panels[1, place], history, along, errors)
        for row in panels[:, place]:
            _log_axis(row)
            style.dress(row)
            style.spread_ticks(row)
            _mark_stages(row, history, along, part if row is panels[0, place] else None)
        panels[-1, place].set_xlabel(label)
    panels[-1, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0, 0].set_ylabel("loss")
    if errors:
        panels[1, 0].set_ylabel("relative $L^2$ error")
    for row in panels[:, 1]:
        if len(row.get_legend_handles_labels()[1]) > 1:
            style.legend(row, loc="best")
    return figure


def column(history: Entries, key: str) -> np.ndarray:
    """One entry of every line, as floats; NaN where it is missing, null or not a number."""

    def number(value: Any) -> float:
        return float(value) if isinstance(value, int | float) else np.nan

    return np.array([number(entry.get(key)) for entry in history], float)


def _losses(axes: Axes, history: Entries, along: np.ndarray) -> None:
    terms = list(dict.fromkeys(key for entry in history for key in entry if key.startswith("loss_")))
    if len(terms) > 1:
        for name, colour in zip(terms, cycle(style.CATEGORICAL[1:]), strict=False):
            label = name.removeprefix("loss_").replace("_", " ")
            _curves(axes, history, along, column(history, name), color=colour, linewidth=1.0, label=label)
    weight = 1.5 if len(history) < 1000 else 0.7  # a noisy loss in a thick line is a black band
    losses = column(history, "loss")
    _curves(axes, history, along, losses, color=style.NETWORK, linewidth=weight, label="loss", zorder=3)


def _errors(axes: Axes, history: Entries, along: np.ndarray, errors: Mapping[str, np.ndarray]) -> None:
    for (name, values), colour in zip(errors.items(), (style.WARM, style.CATEGORICAL[2]), strict=False):
        seen = np.flatnonzero(np.isfinite(values))
        entries = [history[int(line)] for line in seen]
        look = {"color": colour, "marker": "o", "markersize": 3.2, "label": name if len(errors) > 1 else None}
        _curves(axes, entries, along[seen], values[seen], **look)


def _curves(axes: Axes, history: Entries, along: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """One curve for each time window, under one label."""
    windows = [_window(entry)[0] for entry in history]
    ends = [line for line in range(1, len(windows)) if windows[line] != windows[line - 1]]
    for part in np.split(np.arange(len(windows)), ends):
        positive = np.where(np.isfinite(values[part]) & (values[part] > 0), values[part], np.nan)
        single = {"marker": "."} if np.isfinite(positive).sum() == 1 else {}
        axes.plot(along[part], positive, **({"linewidth": 1.2} | single | look))
        look = look | {"label": None}


def _window(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The time window and the stage of a line: ("2/4", "adam"), or ("", "adam") in a run with one window."""
    words = str(entry.get("stage") or "")
    window, _, stage = words.rpartition(" ")
    return window, stage.replace("_", " ")


def _log_axis(axes: Axes) -> None:
    """Make the axis logarithmic, unless there is no positive value."""
    if any(np.isfinite(line.get_ydata()).any() for line in axes.get_lines()):
        axes.set_yscale("log")


def _mark_stages(axes: Axes, history: Entries, along: np.ndarray, part: str | None) -> None:
    """Give every other stage a grey background; with `part`, a word for numbered parts, write names above the panel.

    Parts are numbered, as many as there is room for. Stages are named, in several rows where necessary.
    """
    names = [_window(entry) for entry in history]
    starts = [line for line in range(len(names)) if line == 0 or names[line] != names[line - 1]]
    edges = np.array([0.0, *(along[line - 1] for line in starts[1:]), *along[-1:]])  # the first stage starts at 0
    if len(starts) < 2 or not np.isfinite(edges).all():
        return
    for left, right in zip(edges[1::2], edges[2::2], strict=False):
        axes.axvspan(left, right, color="#f3f2ee", zorder=0, linewidth=0)
    if part is None:
        return
    axes.set_xlim(min(axes.get_xlim()[0], -0.02 * edges[-1]), axes.get_xlim()[1])
    windows = [window.partition("/")[0] for window, _ in (names[line] for line in starts)]
    if len({stage for _, stage in names}) == 1:
        _number_parts(axes, windows, edges, part)
    else:
        stages = [names[line][1] for line in starts]
        labels = [f"{window}: {stage}" if window else stage for window, stage in zip(windows, stages, strict=True)]
        if not _name_stages(axes, labels, edges):
            first = [k for k in range(len(windows)) if k == 0 or windows[k] != windows[k - 1]]
            _number_parts(axes, [windows[k] for k in first], np.append(edges[first], edges[-1]), part)


def _number_parts(axes: Axes, windows: Sequence[str], edges: np.ndarray, part: str) -> None:
    """The numbers of windows or stages, centred above each; of every second, fifth … where all have no room."""
    room = np.diff(edges).min() / _character(axes)
    longest = max(map(len, windows))
    words = f"{part} " if room > longest + len(part) + 1 else ""
    every = (
        1
        if words
        else next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000) if step * room > longest + 0.5 or step == 1000)
    )
    for k in range(0, len(windows), every):
        _label(axes, 0.5 * (edges[k] + edges[k + 1]), words + windows[k], ha="center")
    if not words:
        _label(axes, axes.get_xlim()[0], part, ha="right")


def _name_stages(axes: Axes, labels: Sequence[str], edges: np.ndarray) -> bool:
    """Each name where its stage begins, in the lowest row with room; False if `MOST_ROWS` rows have no room."""
    character, (_, end) = _character(axes), axes.get_xlim()
    rows, places = [-np.inf] * MOST_ROWS, []
    for label, edge in zip(labels, edges, strict=False):
        width = (len(label) + 1) * character
        left = min(edge, end - width)
        free = [row for row, taken in enumerate(rows) if taken <= left]
        if not free:
            return False
        rows[free[0]] = left + width
        places.append((left, label, free[0]))
    for left, label, row in places:
        _label(axes, left, label, row)
    return True


def _character(axes: Axes) -> float:
    """The approximate width of a character of a label, in the units of the x axis."""
    left, right = axes.get_xlim()
    return 0.02 * (right - left)


def _label(axes: Axes, at: float, words: str, row: int = 0, ha: Any = "left") -> None:
    axes.annotate(
        words,
        (at, 1.0),
        (2 if ha == "left" else 0, 3 + 11 * row),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=ha,
        fontsize=8.5,
        color=style.FAINT,
        annotation_clip=False,
    )


def draw_energy(problem: Problem, sampled: Sampled, reference: ReferenceField | None = None) -> Figure:
    """E(t) of the network and of the reference; beside it their difference, as a share of |E(0)|.

    Args:
        problem: one with the capability "energy".
        sampled: the network's field.
        reference: u* on the same grid, or None for the network's energy alone.
    """
    return draw_energies(sampled.t, *energies(problem, sampled, reference))


def draw_energies(t: np.ndarray, ours: np.ndarray, theirs: np.ndarray | None) -> Figure:
    """E(t) of a network and, where it is known, of the reference, each (n_t,); see :func:`draw_energy`."""
    figure = style.new_figure(5.0 if theirs is None else 9.6, 3.3)
    panels = figure.subplots(1, 1 if theirs is None else 2, squeeze=False)[0]
    if theirs is not None:
        panels[0].plot(t, theirs, color=style.REFERENCE, linewidth=5, label="reference")
        difference = np.abs(ours - theirs) / (abs(theirs[0]) or 1.0)
        panels[1].plot(t, style.magnitude(difference), color=style.WARM, linewidth=1.3)
        style.dress(panels[1], "Error of the energy", x="$t$", y="$|E_\\theta - E^*|\\; /\\; |E^*(0)|$")
    panels[0].plot(t, ours, color=style.NETWORK, linewidth=1.5, label="network")
    style.dress(panels[0], "Energy", x="$t$", y="$E(t)$")
    if theirs is not None:
        style.legend(panels[0], loc="upper right")
        style.show_decades(panels[1])
        style.spread_ticks(panels[1])
    for axes in panels:
        axes.set_xlim(t[0], t[-1])
    return figure
