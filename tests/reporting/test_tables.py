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
