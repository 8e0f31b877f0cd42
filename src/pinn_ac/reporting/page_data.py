"""What the page of a run shows, and the arrays that its scripts read: thinned, in single precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.evaluation import ReferenceField, Sampled, energies
from pinn_ac.problem import Problem
from pinn_ac.reporting.page import packed

MOST_TIMES, MOST_PLACES = 101, 256
"""Of the grid on the page."""
MOST_LINES = 1500
"""Of the history."""
MOST_POINTS = 6000
LOSSES = ("loss", "validation_loss")
ERRORS = {
    "relative_l2": "true error over all t",
    "estimate": "estimated error",
    "window_relative_l2": "true error of the window",
}
"""Entry of the history → its name on the page."""


@dataclass(frozen=True)
class RunPage:
    """What the page of a run shows.

    Args:
        title: the heading.
        problem: what was solved.
        metrics: as in metrics.json; what is missing is left out of the page.
        history: the lines of the run's history.
        sampled: the network's field on a grid of t and x; None for a field that is shown by pictures alone.
        reference: u* on the same grid, or None.
        times: those of the errors at each time, where there is no `sampled`.
        points: (n, 3) collocation points and the residual at each: (t, x, f); None for none.
        count: how many collocation points there are, where these are some of them.
        breaks: times at which one time window ends and the next begins.
        config: the run's config as text.
        commands: what was typed to make the run, in order.
        pictures: PNG files → what each shows.
    """

    title: str
    problem: Problem
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]] = ()
    sampled: Sampled | None = None
    reference: ReferenceField | None = None
    times: np.ndarray | None = None
    points: np.ndarray | None = None
    count: int | None = None
    breaks: Sequence[float] = ()
    config: str = ""
    commands: Sequence[str] = ()
    pictures: Mapping[Path, str] = field(default_factory=dict)


def data_of(run: RunPage) -> dict[str, Any]:
    """What browser/run.js finds in `DATA`; None for what there is not."""
    return {
        "field": _field(run),
        "history": _history(run.history),
        "course": _course(run),
        "points": _points(run),
        "breaks": [float(time) for time in run.breaks],
    }


def _thinned(count: int, most: int) -> np.ndarray:
    """Indices of at most so many of `count`, the first and the last among them."""
    if not count:
        return np.empty(0, int)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _field(run: RunPage) -> dict[str, Any] | None:
    if run.sampled is None:
        return None
    sampled = run.sampled
    rows = _thinned(len(sampled.t), MOST_TIMES)
    places = len(sampled.x)
    # Of a period every second, third …, so that they stay even; from wall to wall with both ends.
    every = np.arange(0, places, -(-places // MOST_PLACES))
    columns = _thinned(places, MOST_PLACES) if run.problem.has_walls else every
    grid = np.ix_(rows, columns)
    residual = np.where(sampled.t[:, None] > 0, sampled.residual, np.nan)  # at t = 0 it says nothing, see `score`
    error = None if run.reference is None else (sampled.u - np.asarray(run.reference.u, float))[grid]
    return {
        "t": packed(sampled.t[rows]),
        "x": packed(sampled.x[columns]),
        "u": packed(sampled.u[grid]),
        "error": packed(error),
        "residual": packed(residual[grid]),
        "domain": [float(end) for end in run.problem.domain],
    }


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _history(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Columns of the history, thinned to `MOST_LINES`, and as many with an error."""
    steps, seconds = ([_number(entry.get(name)) for entry in entries] for name in ("step", "seconds"))
    known = np.flatnonzero(np.isfinite(steps) & np.isfinite(seconds)).tolist()
    measured = [k for k in known if any(entries[k].get(name) is not None for name in ERRORS)]
    kept = {some[k] for some in (known, measured) for k in _thinned(len(some), MOST_LINES)}
    lines = [entries[k] for k in sorted(kept)]
    if not lines:
        return None
    terms = [name for name in dict.fromkeys(name for entry in lines for name in entry) if name.startswith("loss_")]
    losses = [*LOSSES[:1], *(terms if len(terms) > 1 else ()), *LOSSES[1:]]
    columns = {
        name: np.array([_number(entry.get(name)) for entry in lines])
        for name in ("step", "seconds", *losses, *ERRORS)
    }
    known = {name for name, values in columns.items() if np.isfinite(values).any()}
    names = {name: name.removeprefix("loss_").replace("_", " ") for name in losses}
    names |= {"validation_loss": "held-out loss"} | ERRORS
    return {
        "columns": {name: packed(values) for name, values in columns.items() if name in known},
        "losses": [name for name in losses if name in known],
        "errors": [name for name in ERRORS if name in known],
        "names": names,
        "stages": _stages(lines),
    }


def _stages(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where each stage starts: its first line, its name, its time window, and whether that is another one."""
    found: list[dict[str, Any]] = []
    before: str | None = None
    for k, entry in enumerate(lines):
        words = str(entry.get("stage") or "")
        if words != before:
            window, _, name = words.rpartition(" ")
            number = window.partition("/")[0]
            anew = bool(found) and number != found[-1]["window"]
            name = f"{number}: {name}" if number else name
            found.append({"start": k, "name": name.replace("_", " "), "window": number, "anew": anew})
            before = words
    return found


def _course(run: RunPage) -> dict[str, Any] | None:
    """What is known at each time: energies, and the error."""
    times = run.times if run.sampled is None else run.sampled.t
    if times is None:
        return None
    ours = theirs = None
    if run.sampled is not None and "energy" in run.problem.capabilities:
        ours, theirs = energies(run.problem, run.sampled, run.reference)
    by_time = run.metrics.get("relative_l2_by_time")
    if by_time is not None and len(by_time) != len(times):
        by_time = None
    if ours is None and by_time is None:
        return None
    found = {"t": times, "energy": ours, "energy_reference": theirs, "by_time": by_time}
    return {name: packed(values) for name, values in found.items()}


def _points(run: RunPage) -> dict[str, Any] | None:
    if run.points is None or not len(run.points):
        return None
    t, x, residual = run.points[_thinned(len(run.points), MOST_POINTS)].T
    left, right = run.problem.domain
    middle = left + 0.5 * (right - left)
    ends = [middle, right] if run.points[:, 1].min() >= middle else [left, right]  # of an even field, one half
    return {
        "t": packed(t),
        "x": packed(x),
        "residual": packed(np.abs(residual)) if np.isfinite(residual).any() else None,
        "horizon": float(run.problem.horizon),
        "domain": [float(end) for end in ends],
    }
