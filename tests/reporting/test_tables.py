"""The closing table holds the run's numbers; the comparison holds every run's."""

import io

import pytest
from rich.console import Console

from pinn_ac.reporting.tables import metrics_table, print_summary, show

METRICS = {
    "relative_l2": 1.234e-5,
    "max_error": 3.1e-4,
    "relative_l2_by_time": [0.0, 1e-6, 2.5e-5],
    "residual_rms": 1.5e-4,
    "residual_l1": 1.1e-5,
    "energy_violation": 0.0,
    "maximum_principle_violation": 7e-6,
    "reference": "Fourier, 4096 [modes]",
    "steps": 105,
    "num_parameters": 1001,
    "train_seconds": 48.21,
    "compile_seconds": 6.14,
    "precision": "float64",
    "device": "cpu",
    "seed": 1234,
    "stages": ["adam", "levenberg_marquardt"],
}


def printed(*arguments) -> str:
    console = Console(file=io.StringIO(), width=100)
    print_summary(*arguments, console=console)
    return console.file.getvalue()


def test_the_summary_holds_every_number_and_where_it_was_written():
    said = printed(METRICS, "outputs/default/now", ["outputs/default/now/solution.png"])
    accuracy = ["1.23e-05", "3.10e-04", "2.50e-05", "1.50e-04", "1.10e-05", "7.00e-06", "Fourier, 4096 [modes]"]
    run = ["105", "1,001", "48.2 s", "6.1 s", "float64", "cpu", "1234", "adam, levenberg_marquardt"]
    for words in (*accuracy, *run, "outputs/default/now", "solution.png"):
        assert words in said


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [((1.5e-5, False), "1.50e-05"), ((1.5e-5, True), "1.50e-05 (unreliable)"), ((None, True), "– (unreliable)")],
)
def test_the_estimated_error_comes_with_a_warning_if_it_needs_one(estimate, shown):
    said = printed({"estimated_relative_l2": estimate[0], "estimate_unreliable": estimate[1]}, "somewhere")
    (line,) = (line for line in said.splitlines() if "estimated relative L² error" in line)
    assert line.replace("estimated relative L² error", "").strip() == shown


def test_a_summary_of_nothing_still_says_where_it_was_written():
    said = printed({}, "somewhere")
    assert "somewhere" in said
    assert "relative" not in said


def test_runs_are_compared_a_row_each_and_missing_entries_are_dashes():
    table = metrics_table([METRICS, {"seed": 1}], {"seed": "seed", "relative_l2": "error"}, title="Seeds")
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    said = console.file.getvalue()
    for words in ("Seeds", "error", "1234", "1.23e-05", "–"):
        assert words in said
    assert table.row_count == 2


@pytest.mark.parametrize(
    ("value", "key", "shown"),
    [
        (12345, "", "12,345"),
        (12345, "seed", "12345"),
        (0.123456, "", "0.123"),
        (float("nan"), "", "nan"),
        (61.25, "train_seconds", "61.2 s"),
        (True, "", "True"),
        ({"jax": "0.10.2"}, "", "jax 0.10.2"),
        (None, "", "–"),
    ],
)
def test_numbers_take_few_characters(value, key, shown):
    assert show(value, key) == shown


PATH = "/a/rather/long/path/to/the/outputs/of/a/run/that/no/terminal/has/a/line/for/2026-01-31_12-00-00-000000"


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_there_to_be_copied_is_on_one_line(width, terminal):
    commit = "8bdbbc0c34bdb0a8754aa9d38618167bb1aee0f3+"
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, no_color=True)
    figures = [f"{PATH}/{name}.png" for name in ("solution", "profiles", "energy", "history", "points")]
    print_summary(METRICS | {"git_commit": commit}, PATH, figures, console=console)
    lines = console.file.getvalue().splitlines()
    for whole in (PATH, commit, "solution.png, profiles.png, energy.png, history.png, points.png"):
        assert sum(whole in line for line in lines) == 1


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({}, "105"),
        ({"windows": 4, "ended_by": "the clock"}, "105 in 4 time windows, ended by the clock"),
        ({"windows": 1, "ended_by": "the number of steps"}, "105, ended by the number of steps"),
    ],
)
def test_the_steps_are_those_that_were_taken_and_what_ended_them_is_said(others, said):
    (line,) = (
        line for line in printed(METRICS | others, "somewhere").splitlines() if line.strip().startswith("steps")
    )
    assert line.split(maxsplit=1)[1].strip() == said


def test_a_comparison_that_is_too_wide_cuts_nothing_off():
    table = metrics_table(
        [{f"a.setting.with.a.name.{k}": "levenberg_marquardt" for k in range(5)}],
        [f"a.setting.with.a.name.{k}" for k in range(5)],
    )
    console = Console(file=io.StringIO(), width=60)
    console.print(table)
    assert "…" not in console.file.getvalue()
