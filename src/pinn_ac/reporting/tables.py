"""Tables: the summary of one run, and a comparison of several."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Metrics = Mapping[str, Any]

ACCURACY = (
    ("relative L² error", "relative_l2"),
    ("estimated relative L² error", "estimated"),
    ("relative L² error at the final time", "relative_l2_final"),
    ("largest error", "max_error"),
    ("residual, root mean square", "residual_rms"),
    ("residual, mean absolute value", "residual_l1"),
    ("energy violation", "energy_violation"),
    ("maximum principle violation", "maximum_principle_violation"),
    ("measured against", "reference"),
)
INFERRED = (
    ("noise", "noise"),
    ("which is", "noise_is"),
    ("χ² a degree of freedom", "chi_squared"),
    ("not determined", "inferred_undetermined"),
)
RUN = (
    ("optimizer", "optimizer"),
    ("stages and their steps", "stages"),
    ("steps", "steps"),
    ("parameters", "num_parameters"),
    ("training", "train_seconds"),
    ("of which compilation", "compile_seconds"),
    ("precision", "precision"),
    ("device", "device"),
    ("seed", "seed"),
)


def print_summary(
    metrics: Metrics,
    folder: str | os.PathLike[str],
    figures: Iterable[str | os.PathLike[str]] = (),
    console: Console | None = None,
) -> None:
    """Print the summary of a run: its accuracy, how it was trained, and where its files are.

    Args:
        metrics: of the run; a metric that is missing has no line.
        folder: of the run.
        figures: the files of its figures.
        console: to print on; by default the terminal.
    """
    console = console or Console()
    by_time = metrics.get("relative_l2_by_time")
    shown = dict(metrics) | ({"relative_l2_final": by_time[-1]} if by_time else {})
    shown["estimated"] = _estimate_in_words(metrics)
    shown["steps"] = _steps_in_words(metrics)
    table = Table(box=None, show_header=False, padding=(0, 2), title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    inferred = {f"inferred {name}": _with_error(one) for name, one in metrics.get("inferred", {}).items()}
    shown |= inferred
    of_data = [*((name.replace("_", " "), name) for name in inferred), *INFERRED] if inferred else []
    for rows in filter(None, (of_data, ACCURACY, RUN)):
        for label, key in rows:
            if shown.get(key) is not None:
                table.add_row(label, Text(show(shown[key], key), style="bold" if key == "relative_l2" else ""))
        table.add_section()
        table.add_row("", "")
    console.print()
    console.print(table)
    # Not in the table, which would fold them: paths and commits are there to be copied.
    whole = {"commit": metrics.get("git_commit"), "written to": str(folder)}
    whole["figures"] = ", ".join(Path(figure).name for figure in figures)
    for label, value in whole.items():
        if value:
            console.print(Text.assemble((f"  {label:<12}", "dim"), str(value)), soft_wrap=True)


def _with_error(one: Metrics) -> str:
    """A value and its standard error, to two digits of the error: (1.020 ± 0.070) × 10^-4."""
    value, error = one["value"], one["standard_error"]
    if value is None or error is None:
        return "not determined by these data"
    exponent = math.floor(math.log10(abs(value))) if value else 0
    digits = max(0, exponent - (math.floor(math.log10(error)) if error else exponent - 2) + 1)
    mantissa, spread = value / 10.0**exponent, error / 10.0**exponent
    power = f" × 10^{exponent}" if exponent else ""
    return (
        f"({mantissa:.{digits}f} ± {spread:.{digits}f}){power}"
        if power
        else f"{mantissa:.{digits}f} ± {spread:.{digits}f}"
    )


def _steps_in_words(metrics: Metrics) -> str | None:
    """How many steps were taken, in how many time windows, and what ended the run."""
    if metrics.get("steps") is None:
        return None
    windows, ended = metrics.get("windows") or 1, metrics.get("ended_by")
    several = f" in {windows} time windows" if windows > 1 else ""
    return f"{show(metrics['steps'])}{several}{f', ended by {ended}' if ended else ''}"


def _estimate_in_words(metrics: Metrics) -> str | None:
    """The estimated error, marked where it is unreliable; None where no estimate was made."""
    if "estimate_unreliable" not in metrics:
        return None
    estimated = show(metrics.get("estimated_relative_l2"))
    return f"{estimated} (unreliable)" if metrics["estimate_unreliable"] else estimated


def metrics_table(rows: Sequence[Metrics], columns: Mapping[str, str] | Sequence[str], title: str = "") -> Table:
    """A table that compares runs, one row each.

    Args:
        rows: metrics of each run.
        columns: the keys to show, or a mapping from each key to its heading.
    """
    headings = dict(columns) if isinstance(columns, Mapping) else {key: key.replace("_", " ") for key in columns}
    table = Table(title=title or None, header_style="bold")
    for key, heading in headings.items():
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(show(row.get(key), key)) for key in headings))
    return table


def show(value: Any, key: str = "") -> str:
    """A metric in a few characters: with its unit where `key` ends in "seconds", integers with separators, other
    numbers with three digits."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {show(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show(part) for part in value)
    if isinstance(value, bool | str) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return str(value) if key == "seed" else f"{value:,}"
    if key.endswith("seconds"):
        return f"{value:.1f} s"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.3g}" if 1e-2 <= abs(value) < 1e4 else f"{value:.2e}"
