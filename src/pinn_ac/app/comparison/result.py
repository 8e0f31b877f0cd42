"""What came of a comparison, which may still be running: its table, figures and page, read from its runs' folders."""

import csv
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console

from pinn_ac.app.jobs import Job, find_jobs, link_to
from pinn_ac.app.sweep_report import heading, labels_of, varying
from pinn_ac.errors import InputError
from pinn_ac.files import make_writable, write_whole
from pinn_ac.parallel import is_first
from pinn_ac.reporting.comparison import AXES, draw_comparison
from pinn_ac.reporting.comparison_page import markdown_page
from pinn_ac.reporting.sweep_page import Run, RunsPage, runs_page
from pinn_ac.reporting.tables import metrics_table

COLUMNS = ("experiment", "seeds", "median", "best", "worst", "steps", "seconds", "failed")
"""Of comparison.csv."""
SHOWN = {
    "experiment": "experiment",
    "median": "median",
    "best": "best",
    "worst": "worst",
    "seeds": "seeds",
    "failed": "failed",
    "steps": "steps",
    "seconds": "seconds",
    "ended_by": "ended by",
    "compile_seconds": "of which compilation",
    "step_ms": "ms a step",
    "evaluations": "evaluations",
    "parameters": "parameters",
    "precision": "precision",
}
"""Of the table on the page: key → heading."""
BRIEF = ("experiment", "median", "best", "worst", "seeds", "failed", "steps", "seconds", "step_ms")
"""What of that fits a terminal."""
OF_RUNS = {
    "experiment": "experiment",
    "seed": "seed",
    "status": "status",
    "error": "error",
    "steps": "steps",
    "seconds": "seconds",
    "ended_by": "ended by",
    "compile_seconds": "of which compilation",
    "evaluations": "evaluations",
    "failure": "what happened",
}
FAILED = ("diverged", "failed")
WHAT = (
    "True relative L2 errors ‖u − u*‖/‖u*‖ of each run's parameters with the least loss on held-out points, on the "
    "same grid for all. Median, best and worst are those of the seeds that finished; “failed” counts those that did "
    "not. Steps are those of all stages and time windows. Seconds are of training, compilation included; the "
    "milliseconds of a step are without what happens once. Evaluations are those of the loss and its gradient, or of "
    "the residuals and their Jacobian, by the optimizer alone, without those of steps that were taken back because a "
    "loss was not finite. All these are medians too. “Ended by” tells what ended the runs: where a clock is set for "
    "all, one with stages of optimizers or with a tolerance may end before it."
)


class Refresh(Callback):
    """Writes the table anew whenever a run of the comparison has ended; Hydra calls it in the run's process."""

    def on_job_end(self, config: DictConfig, job_return: Any = None, **others: Any) -> None:
        """Read the folders of all runs."""
        if is_first():
            with suppress(InputError):  # nothing to show yet
                report(Path(config.hydra.sweep.dir), quiet=True, is_going_on=True)


def report(folder: Path, quiet: bool = False, is_going_on: bool = False) -> list[dict[str, Any]]:
    """Write comparison.csv, .md and .html, runs.csv and the figures into the folder, and print the table.

    Args:
        folder: of a comparison, finished or not; also any other folder with runs below it.
        quiet: print nothing.
        is_going_on: more runs will begin; a browser reads the page again and again, as it does while one is running.

    Returns:
        The table's rows, best experiment first.

    Raises:
        InputError: there is no run, or the folder cannot be written.
    """
    jobs = find_jobs(folder)
    make_writable(folder)
    named = sorted(((experiment_of(job, folder), job) for job in jobs), key=lambda pair: pair[0])
    groups = {name: [job for _, job in group] for name, group in groupby(named, key=lambda pair: pair[0])}
    rows = sorted((row_of(name, members) for name, members in groups.items()), key=_rank)
    order = [row["experiment"] for row in rows]
    sorted_jobs = [(name, job) for name in order for job in sorted(groups[name], key=seed_of)]
    runs = [_run_row(name, job) | {"link": link_to(job, folder)} for name, job in sorted_jobs]
    drawn = [
        draw_comparison({name: [job.curve(over) for job in groups[name]] for name in order}, over, folder)
        for over in AXES
    ]
    figures = {path: text for path, text in zip(drawn, AXES.values(), strict=True) if path is not None}
    page = RunsPage(
        title=f"Comparison of {len(rows)} experiment{'s' * (len(rows) != 1)}",
        about=[*_state(jobs), WHAT, *_conditions(jobs)],
        what="Experiments",
        columns=SHOWN,
        rows=rows,
        run_columns=OF_RUNS,
        runs=runs,
        members=_members(sorted_jobs, runs),
        is_going_on=is_going_on or any(job.status == "running" for job in jobs),
    )
    _write_csv(folder / "comparison.csv", [{name: row[name] for name in COLUMNS} for row in rows], COLUMNS)
    _write_csv(folder / "runs.csv", [{name: run[name] for name in OF_RUNS} for run in runs], tuple(OF_RUNS))
    for name, text in (("comparison.md", markdown_page(page, figures)), ("comparison.html", runs_page(page))):
        write_whole(folder / name, lambda draft, text=text: draft.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    if not quiet:
        _print(Console(width=max(110, Console().width)), folder, page, list(figures))
    return rows


def _members(jobs: Sequence[tuple[str, Job]], runs: Sequence[Mapping[str, Any]]) -> list[Run]:
    """The runs with their curves, and with the groups' options that differ between the experiments."""
    differing = varying([job.config for _, job in jobs])
    kinds = [name for name in differing if name.endswith("._target_") and name.count(".") == 1]
    return [
        Run(
            name=f"{name} seed={row['seed']}",
            group=name,
            status=job.status,
            settings={"experiment": name} | {heading(kind): label for kind, label in labels_of(job, kinds).items()},
            error=job.metrics.get("relative_l2") if job.is_scored else None,
            curves={over: job.curve(over) for over in AXES},
            link=row["link"],
        )
        for (name, job), row in zip(jobs, runs, strict=True)
    ]


def experiment_of(job: Job, folder: Path) -> str:
    """FOLDER/EXPERIMENT/seed=K names it; of a run elsewhere its config's `name`."""
    *above, last = job.folder.relative_to(folder).parts or (job.folder.name,)
    return "/".join(above) if above and last.startswith("seed=") else str(job.config.get("name", last))


def seed_of(job: Job) -> int:
    """From its config; that of a run that was refused from its folder's name; −1 where neither tells."""
    found = job.config.get("seed", job.folder.name.removeprefix("seed="))
    return int(found) if str(found).isdigit() else -1


def row_of(name: str, jobs: Sequence[Job]) -> dict[str, Any]:
    """A row of the table: medians over the seeds that have finished, and how many have failed."""
    scored = [job for job in jobs if job.is_scored]
    errors = [job.metrics["relative_l2"] for job in scored]
    precisions = {str(job.config["precision"]) for job in jobs if "precision" in job.config}
    return {
        "experiment": name,
        "seeds": len(jobs),
        "median": statistics.median(errors) if errors else None,
        "best": min(errors, default=None),
        "worst": max(errors, default=None),
        "steps": _whole_median(job.metrics.get("steps") for job in scored),
        "seconds": _median(job.metrics.get("train_seconds") for job in scored),
        "ended_by": ", ".join(sorted({str(one) for job in scored if (one := job.metrics.get("ended_by"))})) or None,
        "failed": sum(job.status in FAILED for job in jobs),
        "compile_seconds": _median(job.metrics.get("compile_seconds") for job in scored),
        "step_ms": _median(map(_cost_of_a_step, scored)),
        "evaluations": _whole_median(job.evaluations for job in scored),
        "parameters": _whole_median(job.metrics.get("num_parameters") for job in scored),
        "precision": ", ".join(sorted(precisions)) or None,
        "finished": len(scored),
    }


def _cost_of_a_step(job: Job) -> float | None:
    """Milliseconds a step, the median between lines of the history: without what happens once, such as compiling."""
    lines = [line for line in job.history if line.get("seconds") is not None and line.get("step") is not None]
    costs = [
        1e3 * (after["seconds"] - before["seconds"]) / (after["step"] - before["step"])
        for before, after in pairwise(lines)
        if after["step"] > before["step"]
    ]
    return statistics.median(costs) if costs else None


def _median(values: Iterable[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _whole_median(values: Iterable[Any]) -> int | None:
    found = _median(values)
    return None if found is None else round(found)


def _rank(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """By the median; experiments more than half of whose seeds have failed come last."""
    median = float("inf") if row["median"] is None else row["median"]
    return 2 * row["failed"] > row["seeds"], median, row["experiment"]


def _run_row(name: str, job: Job) -> dict[str, Any]:
    latest = job.curve()
    last = job.history[-1] if job.history else {}
    return {
        "experiment": name,
        "seed": seed_of(job),
        "status": job.status,
        "error": job.metrics.get("relative_l2", latest[-1][1] if latest else None),
        "steps": job.metrics.get("steps", last.get("step")),
        "seconds": job.metrics.get("train_seconds", last.get("seconds")),
        "ended_by": job.metrics.get("ended_by"),
        "compile_seconds": job.metrics.get("compile_seconds"),
        "evaluations": job.evaluations,
        "failure": job.failure,
    }


def _state(jobs: Sequence[Job]) -> list[str]:
    """How many runs there are, and how many are still going."""
    going = sum(job.has_not_ended for job in jobs)
    unfinished = f", of which {going} {'has' if going == 1 else 'have'} not ended yet" if going else ""
    return [f"{len(jobs)} run{'s' * (len(jobs) != 1)}{unfinished}."]


def _conditions(jobs: Sequence[Job]) -> list[str]:
    """What the errors are measured against, and on which machines and by which code."""
    known = [job.metrics for job in jobs if job.metrics]
    lines = [(f"{label}: ", name) for label, name in (("Measured against", "reference"), ("Computed on", "device"))]
    lines += [("Commit: ", "git_commit")]
    found = [(label, sorted({str(one[name]) for one in known if one.get(name)})) for label, name in lines]
    return [f"{label}{'; '.join(values)}." for label, values in found if values]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    def write(draft: Path) -> None:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)

    write_whole(path, write)


def _print(console: Console, folder: Path, page: RunsPage, figures: Sequence[Path]) -> None:
    console.print(f"{folder}: {page.about[0]} Relative L2 errors:", markup=False, soft_wrap=True)
    console.print(metrics_table(page.rows, {key: page.columns[key] for key in BRIEF}))
    for run in page.runs:
        if run["failure"]:
            sentence = f"{run['experiment']} seed={run['seed']} {run['status']}: {run['failure']}"
            console.print(sentence, markup=False, soft_wrap=True)
    names = ["comparison.csv", "comparison.md", "comparison.html", "runs.csv", *(path.name for path in figures)]
    console.print(f"written to {folder}: {', '.join(names)}", markup=False, soft_wrap=True)
