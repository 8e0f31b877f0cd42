"""The result of a sweep, which may still be running: a table and figures, read from the folders of its runs."""

import argparse
import csv
import statistics
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from pinn_ac.app.config import is_run
from pinn_ac.app.jobs import PAGE, Job, find_jobs, link_to
from pinn_ac.app.program import spelled
from pinn_ac.errors import InputError
from pinn_ac.files import make_writable, write_whole
from pinn_ac.reporting.sweep_page import Run, RunsPage, runs_page
from pinn_ac.reporting.tables import metrics_table

NO_METHOD = ("seed", "name", "resume", "retry", "device", "devices", "reference", "estimate", "animate", "tracker")
"""Settings that may differ between runs of one configuration."""
BESIDE = "sweep.html"
"""The page of a folder that is a run's own, whose page it must not replace."""
OF_CONFIGURATIONS = {
    "median error": "median error",
    "best": "best",
    "worst": "worst",
    "median seconds": "seconds",
    "runs": "runs",
    "finished": "finished",
    "diverged": "diverged",
    "failed": "failed",
    "unfinished": "unfinished",
}
"""Of the table on the page: key → heading."""
OF_RUNS = {
    "relative_l2": "error",
    "estimated_relative_l2": "estimated",
    "steps": "steps",
    "train_seconds": "seconds",
    "failure": "what happened",
}

Labels = Mapping[str, Any]
"""Setting → its value, for the settings that differ within the sweep."""


def main(words: list[str] | None = None) -> None:
    """Parse the command line, report, and end with status 2 where there is nothing to report."""
    parser = argparse.ArgumentParser(prog=spelled("sweep-report"), description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, or any folder with runs below it")
    chosen = parser.parse_args(words)
    try:
        report(chosen.folder)
    except InputError as error:
        parser.error(str(error))


def report(folder: Path, console: Console | None = None) -> list[dict[str, Any]]:
    """Write FOLDER/report/ (configurations.csv, runs.csv, figures) and the page, print what came of it.

    Returns:
        The table's rows, best configuration first.

    Raises:
        InputError: there is no run, or the report cannot be written.
    """
    from pinn_ac.reporting.sweeps import draw_effects, draw_histories  # here, as matplotlib is slow to import

    jobs = find_jobs(folder)
    settings = varying([job.config for job in jobs])
    rows = configurations(jobs, settings)
    target = folder / "report"
    make_writable(target, "folder")
    _write_csv(target / "configurations.csv", rows)
    _write_csv(target / "runs.csv", [_run_row(job, folder, settings) for job in jobs])
    groups = {_name(labels): members for labels, members in _grouped(jobs, settings)}
    best = [_name({name: row[name] for name in settings}) for row in rows]
    figures = [
        draw_histories({name: [job.curve() for job in groups[name]] for name in best}, target / "histories.png")
    ]
    if settings:
        finished = [(labels_of(job, settings), job.metrics["relative_l2"]) for job in jobs if job.is_scored]
        figures.append(draw_effects(settings, finished, target / "effects.png"))
    page = write_page(folder, jobs)
    _print(console or Console(), folder, jobs, rows, [path for path in figures if path is not None], page)
    return rows


def write_page(folder: Path, jobs: Sequence[Job], is_going_on: bool = False) -> Path:
    """Write FOLDER/report.html: tables, curves, settings side by side, and links to the pages of the runs.

    Args:
        folder: of the sweep.
        jobs: its runs that have begun.
        is_going_on: more will begin; a browser reads the page again and again, as it does while one is running.
    """
    settings = varying([job.config for job in jobs])
    rows = [{**row, "name": _name({name: row[name] for name in settings})} for row in configurations(jobs, settings)]
    runs = [_run_row(job, folder, settings) | _named(job, folder, settings) for job in jobs]
    headings = {name: heading(name) for name in settings}
    measure = "relative_l2" if any(job.is_scored for job in jobs) else "estimated_relative_l2"
    members = [
        Run(
            name=row["run"],
            group=_name(labels_of(job, settings)),
            status=job.status,
            settings={heading(name): value for name, value in labels_of(job, settings).items()},
            error=job.metrics.get(measure) if job.status == "finished" else None,
            curves={"seconds": job.curve(), "evaluations": job.curve("evaluations")},
            link=row["link"],
        )
        for job, row in zip(jobs, runs, strict=True)
        if job.config
    ]
    failed, going = sum(bool(job.failure) for job in jobs), sum(job.has_not_ended for job in jobs)
    ends = [f"{failed} failed"] * bool(failed) + [f"{going} not ended yet"] * bool(going)
    page = RunsPage(
        title=f"Sweep {folder.resolve().name}",
        about=[
            f"{len(jobs)} run{'s' * (len(jobs) != 1)}{': ' if ends else ''}{', '.join(ends)}.",
            "Errors are true relative L2 errors ‖u − u*‖/‖u*‖; median, best and worst over finished seeds.",
        ],
        what="Configurations",
        columns=(headings or {"name": "configuration"}) | OF_CONFIGURATIONS,
        rows=rows,
        run_columns={"run": "run", "status": "status", "seed": "seed"} | headings | OF_RUNS,
        runs=runs,
        members=members,
        is_going_on=is_going_on or any(job.status == "running" for job in jobs),
        measure="error" if measure == "relative_l2" else "estimated error",
    )
    name = BESIDE if is_run(folder) else PAGE
    return write_whole(folder / name, lambda draft: draft.write_text(runs_page(page), encoding="utf-8"))


def _named(job: Job, folder: Path, settings: Sequence[str]) -> dict[str, str]:
    """How the page calls a run: by what it has of its own, or by its folder where its config cannot be read."""
    place = str(job.folder.relative_to(folder))
    own = {**labels_of(job, settings), "seed": job.config.get("seed")}
    words = [f"{heading(name).rpartition('.')[2]}={value}" for name, value in own.items()]
    return {"run": ", ".join(words) if job.config else place, "title": place, "link": link_to(job, folder)}


def varying(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings, dotted, that are not the same in all configs; names are left out, and what is the run's seed."""
    flat = [_flat(config) for config in configs if config]
    names = dict.fromkeys(name for config in flat for name in config)
    missing = object()
    found = [
        name for name in names if any(config.get(name, missing) != flat[0].get(name, missing) for config in flat)
    ]
    seeds = [name for name in found if name.endswith(".seed")]
    of_the_run = {name for name in seeds if all(config.get(name) == config.get("seed") for config in flat)}
    found = [name for name in found if name.split(".")[0] not in NO_METHOD and name not in of_the_run]
    # Where classes differ, the class stands for the settings that only one of them has.
    kinds = {name.rpartition(".")[0] for name in found if name.endswith("._target_")}
    return [
        name
        for name in found
        if name.endswith("._target_")
        or not any(name.startswith(f"{kind}.") and any(name not in config for config in flat) for kind in kinds)
    ]


def configurations(jobs: Sequence[Job], settings: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each configuration: how many runs ended how, and the median and spread of their errors."""
    rows = []
    for labels, members in _grouped(jobs, settings):
        errors = [job.metrics["relative_l2"] for job in members if job.is_scored]
        seconds = [job.metrics["train_seconds"] for job in members if "train_seconds" in job.metrics]
        count = {
            status: sum(job.status == status for job in members) for status in ("finished", "diverged", "failed")
        }
        rows.append(
            {
                **labels,
                "runs": len(members),
                **count,
                "unfinished": len(members) - sum(count.values()),
                "median error": statistics.median(errors) if errors else None,
                "best": min(errors, default=None),
                "worst": max(errors, default=None),
                "median seconds": statistics.median(seconds) if seconds else None,
            }
        )
    return sorted(rows, key=lambda row: float("inf") if row["median error"] is None else row["median error"])


def _grouped(jobs: Sequence[Job], settings: Sequence[str]) -> list[tuple[Labels, list[Job]]]:
    """(Labels of a configuration, its runs); runs whose config cannot be read are left out."""
    readable = [job for job in jobs if job.config]
    keyed = sorted(((_name(labels_of(job, settings)), job) for job in readable), key=lambda pair: pair[0])
    groups = [[job for _, job in group] for _, group in groupby(keyed, key=lambda pair: pair[0])]
    return [(labels_of(members[0], settings), members) for members in groups]


def labels_of(job: Job, settings: Sequence[str]) -> Labels:
    """Each of these settings, dotted, and its value in a run's config."""
    flat = _flat(job.config)
    return {name: _short(flat.get(name)) for name in settings}


def _short(value: Any) -> Any:
    """The last part of a class's path; lists as text."""
    if isinstance(value, str) and value.startswith("pinn_ac."):
        return value.rpartition(".")[2]
    return str(value) if isinstance(value, list) else value


def _name(labels: Labels) -> str:
    return ", ".join(f"{heading(name)}={value}" for name, value in labels.items()) or "all runs"


def heading(setting: str) -> str:
    """A setting as its column is called: `model` of model._target_."""
    return setting.removesuffix("._target_")


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name → value."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _run_row(job: Job, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    shown = ("relative_l2", "estimated_relative_l2", "validation_loss", "max_error", "steps", "train_seconds")
    return {
        "run": str(job.folder.relative_to(folder)),
        "status": job.status,
        "seed": job.config.get("seed"),
        **labels_of(job, settings),
        **{name: job.metrics.get(name) for name in shown},
        "failure": job.failure,
    }


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    def write(draft: Path) -> None:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["run"])
            writer.writeheader()
            writer.writerows(rows)

    write_whole(path, write)


def _in_brief(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that fits a terminal: one column for how its runs ended; those that did not finish are listed below."""
    ends = ("runs", "finished", "diverged", "failed", "unfinished")
    brief = {heading(name): value for name, value in row.items() if name not in ends}
    return brief | {"finished": f"{row['finished']} of {row['runs']}"}


def _print(
    console: Console,
    folder: Path,
    jobs: Sequence[Job],
    rows: Sequence[Mapping[str, Any]],
    figures: Sequence[Path],
    page: Path,
) -> None:
    if rows:
        console.print(f"{folder}: {len(jobs)} runs, relative L2 errors", markup=False, soft_wrap=True)
        console.print(metrics_table([_in_brief(row) for row in rows], list(_in_brief(rows[0]))))
    for job in jobs:
        if job.status != "finished":
            console.print(
                f"{job.status}: {job.folder.relative_to(folder)} {job.failure}".rstrip(), markup=False, soft_wrap=True
            )
    names = ["configurations.csv", "runs.csv", *(path.name for path in figures)]
    console.print(f"written to {folder / 'report'}: {', '.join(names)}", markup=False, soft_wrap=True)
    console.print(f"to be seen in a browser: {page}", markup=False, soft_wrap=True)
