"""The page of several runs, a sweep's or a comparison's: tables, curves of what is chosen, settings side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn_ac.reporting.page import Columns, Rows, document, escaped, figure, log_button, packed, table

Curve = Sequence[tuple[float, float]]
MOST_IN_CURVES = 200_000
"""Values of all curves together."""
LEAST_IN_A_CURVE = 12
WIDE = 20
"""Positive values that span more than this factor stand on a logarithmic axis."""
OVER = ("seconds", "evaluations")


@dataclass(frozen=True)
class Run:
    """One run on the page.

    Args:
        name: of the run.
        group: the row of the first table that it belongs to.
        status: finished, running, interrupted, diverged or failed.
        settings: of those that differ between the runs, name → value.
        error: at the end; None where there is none.
        curves: "seconds" and "evaluations" → [(place, error)].
        link: address of its own page, relative to this one; "" for none.
    """

    name: str
    group: str
    status: str
    settings: Mapping[str, Any]
    error: float | None
    curves: Mapping[str, Curve]
    link: str = ""


@dataclass(frozen=True)
class RunsPage:
    """What the page shows.

    Args:
        title: the heading.
        about: sentences under it.
        what: what a row of the first table is, such as "Configurations".
        columns: key → heading, of the first table; its first column is the group's name.
        rows: of that table, best first; "name" is the group's.
        run_columns: key → heading, of the table of runs.
        runs: of that table; "failure" is a sentence, or "", "link" the address of a run's page, or "".
        members: the same runs with their curves and settings.
        is_going_on: some runs have not ended; the page is read again by itself.
        measure: what the errors of `members` are.
    """

    title: str
    about: Sequence[str]
    what: str
    columns: Columns
    rows: Rows
    run_columns: Columns
    runs: Rows
    members: Sequence[Run]
    is_going_on: bool = False
    measure: str = "error"


def runs_page(page: RunsPage) -> str:
    """The page as one HTML file."""
    parallel = _parallel(page.members, page.measure)
    data = {"groups": _groups(page), "parallel": parallel}
    first = next(iter(page.columns))
    named = [{"name": str(row.get("name", row[first])), **row} for row in page.rows]
    evaluations = any(run.curves.get("evaluations") for run in page.members)
    over = "".join(
        f"<label><input type='radio' name='over' value='{key}'> {key}</label>" for key in OVER if evaluations
    )
    hint = "words, or a column: status=failed, error&lt;1e-3"
    body = [
        f"<h1>{escaped(page.title)}</h1>",
        *(f"<p>{escaped(sentence)}</p>" for sentence in page.about),
        *(["<p class='faint'>The page is read again by itself while runs go on.</p>"] if page.is_going_on else []),
        f"<div class='filter'><input type='search' id='filter' aria-label='filter' placeholder='filter: {hint}'>",
        "<span class='faint'>filters both tables and the settings; click a heading to sort</span></div>",
        f"<h2>{escaped(page.what)} <small class='faint' id='groups-count'></small></h2>",
        table("groups", page.columns, named, chosen=True),
        "<h2>Error against time</h2>" if not evaluations else "<h2>Error against time or evaluations</h2>",
        figure("curves", "of what is ticked above", over + log_button("y") + log_button("x"), kind="wide"),
        *(
            [
                "<h2>Settings and errors</h2>",
                "<div class='parallel' id='parallel' style='min-height:330px'></div>",
                "<p class='faint' id='parallel-readout'>&nbsp;</p>",
            ]
            if parallel
            else []
        ),
        "<h2>Runs <small class='faint' id='runs-count'></small></h2>",
        table("runs", page.run_columns, page.runs),
    ]
    return document(page.title, body, data, ["runs.js"], watching=page.is_going_on)


def _groups(page: RunsPage) -> list[dict[str, Any]]:
    """The groups, best first, with the curves of their runs."""
    first = next(iter(page.columns))
    most = max(LEAST_IN_A_CURVE, MOST_IN_CURVES // (3 * max(1, len(page.members))))
    names = [str(row.get("name", row[first])) for row in page.rows]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for run in page.members:
        found.setdefault(run.group, []).append(
            {"name": run.name, "link": run.link, "curve": _packed_curve(run.curves, most)}
        )
    return [{"name": name, "runs": runs} for name, runs in found.items()]


def _packed_curve(curves: Mapping[str, Curve], most: int) -> dict[str, Any] | None:
    """The errors of a run, thinned, with the seconds and the evaluations at each, where these are known."""
    known = {over: np.asarray(curve, float).T for over, curve in curves.items() if len(curve)}
    if not known:
        return None
    longest = max(curve.shape[1] for curve in known.values())
    whole = {over: curve for over, curve in known.items() if curve.shape[1] == longest}
    kept = np.unique(np.linspace(0, longest - 1, min(longest, most)).round().astype(int))
    places = {over: packed(curve[0][kept]) for over, curve in whole.items()}
    return {**places, "error": packed(next(iter(whole.values()))[1][kept])}


def _parallel(members: Sequence[Run], measure: str) -> dict[str, Any] | None:
    """Axes of the settings and of the error, and a line for each run; None where nothing differs."""
    settings = list(dict.fromkeys(name for run in members for name in run.settings))
    if not settings:
        return None
    axes = [_axis(name, [run.settings.get(name) for run in members]) for name in settings]
    axes.append({"key": "error", "name": measure, "log": True, "last": True})
    lines = [
        {
            "name": run.name,
            "status": run.status,
            "link": run.link,
            "values": [
                *(_value(run.settings.get(name), axis) for name, axis in zip(settings, axes, strict=False)),
                run.error,
            ],
        }
        for run in members
    ]
    return {"axes": axes, "lines": lines}


def _axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        is_log = min(known) > 0 and max(known) >= WIDE * min(known)
        return {"key": name, "name": name, "log": is_log}
    return {"key": name, "name": name, "words": sorted({_word(value) for value in values})}


def _value(value: Any, axis: Mapping[str, Any]) -> Any:
    return _word(value) if "words" in axis else value


def _word(value: Any) -> str:
    return "–" if value is None else str(value)
