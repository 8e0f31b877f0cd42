"""Run a benchmark, print its table, and keep it as CSV under outputs/benchmarks/."""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from pinn_ac.app.benchmarks import ablation, autodiff, clock, inverse, optimizers, race, scaling, tolerances
from pinn_ac.app.environment import configure, describe
from pinn_ac.app.program import spelled
from pinn_ac.errors import InputError
from pinn_ac.files import make_writable, write_whole
from pinn_ac.reporting.tables import metrics_table

BENCHMARKS: dict[str, Callable[[int], list[dict[str, object]]]] = {
    "ablation": ablation.run,
    "autodiff": autodiff.run,
    "clock": clock.run,
    "inverse": inverse.run,
    "optimizers": optimizers.run,
    "race": race.run,
    "scaling": scaling.run,
    "tolerances": tolerances.run,
}

OF_SEEDS = ("ablation", "clock", "race", "tolerances")
"""Those whose rounds are seeds."""
OF_DRAWS = ("inverse",)
"""Those whose rounds are draws of the noise."""
IN_PRECISIONS = ("autodiff", "optimizers", "scaling")
"""Those that are also for single precision."""


def main(words: list[str] | None = None) -> None:
    """Parse the command line and run; status 2 where an input cannot be used.

    Args:
        words: by default those that this process was started with.
    """
    parser = argparse.ArgumentParser(prog=spelled("benchmark"), description=__doc__)
    parser.add_argument(
        "name",
        choices=sorted(BENCHMARKS),
        help="ablation: what each part of a march is worth; "
        "autodiff: our differentiation against JAX's; "
        "clock: what experiment=record reaches in one or two minutes, on many problems (hours); "
        "optimizers: stages of a step, and optimistix's; "
        "inverse: unknown coefficients from noisy data, against the spectral solver's answer; "
        "race: error against seconds of four experiments (hours); "
        "scaling: a step's time and memory against points and parameters; "
        "tolerances: the error that each tolerance gives, on many problems (hours)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"calls of each program (default 30); for {', '.join(OF_SEEDS)}, the number of seeds "
        "(default 5); for inverse, draws of the noise (default 20)",
    )
    parser.add_argument(
        "--precision", default="float64", help=f"float64, or for {', '.join(IN_PRECISIONS)} float32 too"
    )
    chosen = parser.parse_args(words)
    if chosen.rounds is None:
        chosen.rounds = 5 if chosen.name in OF_SEEDS else 20 if chosen.name in OF_DRAWS else 30
    if chosen.rounds < 1:
        parser.error("--rounds needs a whole number from 1")
    if chosen.precision != "float64" and chosen.name not in IN_PRECISIONS:
        parser.error(f"{chosen.name} computes in float64: leave --precision out")
    try:
        _run(chosen.name, chosen.rounds, chosen.precision)
    except InputError as error:
        parser.error(str(error))


def _run(name: str, rounds: int, precision: str) -> None:
    configure(precision, "auto")
    folder = Path("outputs/benchmarks")
    make_writable(folder)
    rows = BENCHMARKS[name](rounds)
    path = write_whole(folder / f"{name}.csv", lambda draft: _write_csv(draft, rows))
    title = f"{name}: {describe()['device']}, {precision}, {rounds} rounds"
    Console(width=max(110, Console().width)).print(metrics_table(rows, list(rows[0]), title))
    print(f"written to {path}")


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
