"""The page of a run: its field under a time slider, how it was trained, its metrics, and how to repeat it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pinn_ac.reporting.page import command, document, escaped, figure, folded, log_button, picture
from pinn_ac.reporting.page_data import MOST_LINES, MOST_POINTS, RunPage, data_of
from pinn_ac.reporting.tables import show

EXPLAINED = {
    "relative_l2": ("relative L² error", "‖u − u*‖ / ‖u*‖ over all times and places, against the reference"),
    "estimated_relative_l2": ("estimated relative L² error", "‖u − u*‖ / ‖u*‖, computed from the residual alone"),
    "relative_l2_final": ("relative L² error at the final time", "‖u − u*‖ / ‖u*‖ over x at t = T"),
    "max_error": ("largest error", "max |u − u*| on the grid"),
    "residual_rms": ("residual, root mean square", "√mean f² at t > 0, in the unit of u_t"),
    "residual_l1": ("residual, mean absolute value", "mean |f| at t > 0: the lecture's measure"),
    "energy_violation": (
        "energy violation",
        "the largest rise of E(t), which should only fall, over |E(0)|",
    ),
    "maximum_principle_violation": (
        "maximum principle violation",
        "by how much max |u| exceeds the bound of u*",
    ),
    "energy_initial": ("energy at the start", "E(0) of the network's field"),
    "energy_final": ("energy at the end", "E(T) of the network's field"),
    "reference": ("measured against", "how u* was computed, and how good it is itself"),
    "tolerance": ("tolerance", "the run was to end when its own estimate is at most this"),
    "tolerance_met": ("tolerance met", "whether the estimate at the end is below the tolerance"),
    "train_seconds": ("training", "wall-clock time, compilation included"),
    "compile_seconds": ("of which compilation", "time in which XLA compiled programs"),
    "steps": ("steps", "of the optimizers, over all time windows"),
    "stages": ("stages and their steps", "the optimizers, one after the other"),
    "windows": ("time windows", "trained one after the other, each from the end of the one before"),
    "ended_by": ("ended by", "what ended the last time window"),
    "validation_loss": (
        "held-out loss",
        "of the parameters that were kept, on points that were not trained on",
    ),
    "num_points": ("collocation points", "at the end of the training"),
    "num_parameters": ("parameters", "numbers that were found by training"),
    "ensemble": ("seeds trained together", "the size of the ensemble that this run was part of"),
    "observations": ("observations", "values of u that the unknowns were inferred from"),
    "noise": ("noise", "the standard deviation of an observation"),
    "chi_squared": ("χ² a degree of freedom", "near 1 where the equation and the noise explain the data"),
    "precision": ("precision", "of the numbers that the network is computed in"),
    "device": ("device", "what computed it"),
    "devices": ("devices", "that shared the points"),
    "seed": ("seed", "of the initial parameters and of the points"),
    "git_commit": ("commit", "of the code"),
}
"""Metric → its name and one line that explains it."""
ELSEWHERE = ("relative_l2_by_time", "estimate_unreliable", "versions", "inferred", "inferred_undetermined", "name")
"""Metrics that the page shows in another place."""
NO_REFERENCE = "The page shows no error, since this run had no reference."


def run_page(run: RunPage) -> str:
    """The page as one HTML file of a few hundred kilobytes."""
    data = data_of(run)
    body = [
        f"<h1>{escaped(run.title)}</h1>",
        f"<p class='faint'><code>{escaped(repr(run.problem))}</code></p>",
        _tiles(run.metrics),
        *_estimate(run.metrics),
        *_inferred(run.metrics),
        *_field_boxes(run),
        *(f"<div class='pictures'>{picture(path, text)}</div>" for path, text in run.pictures.items()),
        *_history_boxes(data["history"], len(run.history)),
        *_course_boxes(data["course"]),
        *_points_box(run),
        "<h2>Metrics</h2>",
        _metrics(run.metrics),
        "<h2>To repeat it</h2>",
        *_repeat(run),
    ]
    return document(run.title, body, data, ["run.js"])


def _tiles(metrics: Mapping[str, Any]) -> str:
    """The numbers that are looked for first."""
    names = {"relative_l2": "true relative L² error", "estimated_relative_l2": "estimated, without a reference"}
    names |= {
        "train_seconds": "of training",
        "steps": "steps",
        "num_parameters": "parameters",
        "ended_by": "ended it",
    }
    tiles = [
        f"<div class='tile'><b>{escaped(show(metrics[key], key))}</b><span>{label}</span></div>"
        for key, label in names.items()
        if metrics.get(key) is not None
    ]
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def _estimate(metrics: Mapping[str, Any]) -> list[str]:
    """What the run says of its error without a reference."""
    if "estimate_unreliable" not in metrics:
        return []
    value, true = metrics.get("estimated_relative_l2"), metrics.get("relative_l2")
    if value is None:
        words = "Without a reference: the residual gives no estimate of the error, since that is not finite."
    elif metrics["estimate_unreliable"]:
        words = (
            f"Without a reference: the residual alone gives a relative L² error of {show(value)}, which is not to be "
            "relied on: half of the points give another one. More points, or a smaller residual, would settle it."
        )
    else:
        words = (
            f"Without a reference: the residual alone gives a relative L² error of {show(value)}. The estimate "
            "agrees with those on half of the points, so it can be relied on."
        )
    if value and isinstance(true, float) and np.isfinite(true) and true > 0:
        words += f" Here a reference is known as well: the true error is {show(true / value)} times the estimate."
    return [f"<p id='estimate'>{escaped(words)}</p>"]


def _inferred(metrics: Mapping[str, Any]) -> list[str]:
    """Unknown coefficients that data have told, as a table."""
    if "inferred" not in metrics:
        return []
    found, undetermined = metrics["inferred"], metrics.get("inferred_undetermined")
    if not isinstance(found, Mapping) or not found:
        words = "The data do not determine the unknown coefficients: no number is given." if not found else str(found)
        return ["<h2>Inferred from data</h2>", f"<p>{escaped(words)}</p>"]
    each = {str(name): value if isinstance(value, Mapping) else {"value": value} for name, value in found.items()}
    keys = list(dict.fromkeys(str(key) for value in each.values() for key in value))
    head = "".join(f"<th>{escaped(key.replace('_', ' '))}</th>" for key in keys)
    lines = "".join(
        f"<tr><td class='words'>{escaped(name.replace('_', ' '))}</td>"
        + "".join(f"<td>{escaped(_precise(value.get(key)))}</td>" for key in keys)
        + "</tr>"
        for name, value in each.items()
    )
    table = f"<table id='inferred'><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table>"
    said = [f"<p>{escaped(undetermined)}</p>"] if undetermined else []
    return ["<h2>Inferred from data</h2>", f"<div class='table'>{table}</div>", *said]


def _precise(value: Any) -> str:
    """A coefficient with more digits than a metric has."""
    is_number = isinstance(value, float) and np.isfinite(value)
    return f"{value:.6g}" if is_number else show(value) if not isinstance(value, list) else json.dumps(value)


def _field_boxes(run: RunPage) -> list[str]:
    if run.sampled is None:
        return []
    known = run.reference is not None
    choice = "".join(
        f"<button type='button' data-third='{kind}' aria-pressed='{str(kind == 'error').lower()}'>{words}</button>"
        for kind, words in (("error", "error"), ("residual", "residual"))
    )
    maps = [figure("network", "Network u(t, x)", kind="map")]
    maps += [figure("reference", "Reference u*(t, x)", kind="map")] if known else []
    maps += [figure("third", "Error" if known else "Residual |f|", choice if known else "", kind="map")]
    middle = "Error" if known else "Residual"
    profiles = [
        figure("in-space", "u against x at this time", kind="scrub"),
        figure("in-time", "u against t at this x", kind="scrub"),
        figure("in-space-error", f"{middle} against x at this time", kind="scrub"),
        figure("in-time-error", f"{middle} against t at this x", kind="scrub"),
    ]
    sliders = (
        "<div class='sliders'><div class='slider'><button type='button' id='play' aria-label='play'>▶</button>"
        "<input type='range' id='time' min='0' aria-label='time t'><output id='time-value'></output></div>"
        "<label class='slider'><span>x</span><input type='range' id='place' min='0' aria-label='place x'>"
        "<output id='place-value'></output></label></div>"
    )
    return [
        "<h2>Solution</h2>",
        *([] if known else [f"<p class='faint'>{NO_REFERENCE}</p>"]),
        f"<div class='grid{' three' if known else ''}'>{''.join(maps)}</div>",
        "<p class='faint'>Move over a map, or a finger along it, to choose t and x for the curves below.</p>",
        sliders,
        f"<div class='grid'>{''.join(profiles)}</div>",
    ]


def _history_boxes(history: Mapping[str, Any] | None, lines: int) -> list[str]:
    if history is None:
        return []
    along = "".join(
        f"<label><input type='radio' name='along' value='{key}'{checked}> {words}</label>"
        for key, words, checked in (("step", "steps", " checked"), ("seconds", "seconds", ""))
    )
    buttons = log_button("y") + log_button("x", pressed=False)
    boxes = [figure("losses", "Loss", buttons)] if history["losses"] else []
    boxes += [figure("errors", "Error", buttons)] if history["errors"] else []
    thinned = f" Of {lines:,} lines of the history about {MOST_LINES:,} are shown." if lines > MOST_LINES else ""
    return [
        "<h2>Training</h2>",
        f"<p class='controls'>against {along}</p>",
        f"<div class='grid'>{''.join(boxes)}</div>",
        f"<p class='faint'>Drag over a stretch to enlarge it, double-click for all of it.{thinned}</p>",
    ]


def _course_boxes(course: Mapping[str, Any] | None) -> list[str]:
    if course is None:
        return []
    boxes = [figure("energy", "Energy E(t)")] if course["energy"] else []
    boxes += [figure("by-time", "Relative L² error at each time", log_button("y"))] if course["by_time"] else []
    return ["<h2>In the course of time</h2>", f"<div class='grid'>{''.join(boxes)}</div>"]


def _points_box(run: RunPage) -> list[str]:
    if run.points is None or not len(run.points):
        return []
    there, shown = run.count or len(run.points), min(len(run.points), MOST_POINTS)
    count = f"{there:,} points" + (f", {shown:,} of them shown" if there > shown else "")
    residual = ", coloured by the residual at each"
    return ["<h2>Collocation points</h2>", figure("points", f"{count}{residual}", kind="map wide")]


def _metrics(metrics: Mapping[str, Any]) -> str:
    """Every metric, those that the page can explain first."""
    by_time = metrics.get("relative_l2_by_time")
    shown = dict(metrics) | ({"relative_l2_final": by_time[-1]} if by_time else {})
    others = [key for key in shown if key not in EXPLAINED and key not in ELSEWHERE]
    names = EXPLAINED | {key: (key.replace("_", " "), "") for key in others}
    lines = [
        f"<tr><td>{name}</td><td>{escaped(show(shown[key], key))}</td><td>{escaped(words)}</td></tr>"
        for key, (name, words) in names.items()
        if shown.get(key) is not None
    ]
    return f"<table class='metrics' id='metrics'>{''.join(lines)}</table>"


def _repeat(run: RunPage) -> list[str]:
    versions = run.metrics.get("versions")
    parts = [command("command", "\n".join(run.commands))] if run.commands else []
    if not parts:
        parts.append("<p>This run was not started by a command line; its config says all that it was made of.</p>")
    if run.config:
        parts.append(folded("Config, as the run has it", command("config", run.config)))
    if isinstance(versions, Mapping):
        lines = "".join(
            f"<tr><td class='words'>{escaped(k)}</td><td>{escaped(v)}</td></tr>" for k, v in versions.items()
        )
        parts.append(folded("Versions", f"<table id='versions'>{lines}</table>"))
    return parts
