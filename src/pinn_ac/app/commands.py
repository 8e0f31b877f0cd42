"""The commands: `pinn-ac NAME …` where the package is installed, `python scripts/NAME.py …` in a checkout.

Each reads the words after its name from `sys.argv`. What only one command needs is imported when it is called.
"""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import hydra
from omegaconf import DictConfig

from pinn_ac.app import cli, completion, config
from pinn_ac.app.config_folder import CONFIGS
from pinn_ac.app.objects import build
from pinn_ac.app.program import spelled, version

config.register()  # on import, since Hydra's launchers import this module in other processes


class Command(NamedTuple):
    """A command's function, and a line about it."""

    call: Callable[[], Any]
    summary: str


def train() -> None:
    """Train a run, an ensemble or a sweep; configs/config.yaml has its settings."""
    cli.start(_composed("config", _train))


def compare() -> None:
    """Compare experiments over several seeds; configs/compare.yaml and its sweeper's file have the settings."""
    from pinn_ac.app.comparison import command

    words = sys.argv[1:]
    cli.start(lambda: command.main(words, _composed("compare", _compare)))


def evaluate() -> None:
    """Recompute a run's metrics and figures; configs/evaluate.yaml has the settings."""
    cli.start(_composed("evaluate", _evaluate))


def reference() -> None:
    """Show the refinement tables of a problem's reference solution; configs/reference.yaml has the settings."""
    cli.start(_composed("reference", _reference))


def sweep_report() -> None:
    """Report on a sweep, also while it is running."""
    from pinn_ac.app import sweep_report as report

    cli.write_what_can_be_written()
    report.main()


def benchmark() -> None:
    """Measure speed."""
    from pinn_ac.app.benchmarks import command

    cli.write_what_can_be_written()
    command.main()


def lesson() -> None:
    """Teach one of the lecture's topics."""
    from pinn_ac.lessons import command

    cli.write_what_can_be_written()
    sys.exit(command.main(sys.argv[1:], program=spelled("lesson")))


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "train": Command(train, "train a network; a sweep of trainings with -m"),
        "compare": Command(compare, "train experiments with several seeds, and show one table of their errors"),
        "evaluate": Command(evaluate, "compute a run's metrics and figures again, on any grid"),
        "sweep-report": Command(sweep_report, "show what came of a sweep: a table and figures"),
        "reference": Command(reference, "solve a problem by the spectral solver, and show how accurate that is"),
        "benchmark": Command(benchmark, "measure speed, memory, or error against seconds"),
        "lesson": Command(lesson, "the lecture on optimisation and differentiation, lesson by lesson"),
    }
)
COMPOSED = ("train", "compare", "evaluate", "reference")
"""Commands whose settings Hydra composes, and completes."""


def main() -> None:
    """`pinn-ac`: call the command that the first word names; without one, or with --help, list them."""
    cli.write_what_can_be_written()
    name, words = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if name in ("-h", "--help", "help"):
        print("pinn-ac COMMAND …; `pinn-ac COMMAND --help` explains each.\n")
        for known, command in COMMANDS.items():
            print(f"  {known:<14}{command.summary}")
        return
    if name == "--version":
        print(f"pinn_ac {version()}")
        return
    if name in completion.FLAGS:
        completion.complete(words, COMMANDS, COMPOSED, lambda asked: COMMANDS[asked].call())
        return
    if name not in COMMANDS:
        cli.refuse(f"There is no command {name}: choose {', '.join(COMMANDS)}.")
    sys.argv[1:] = words
    COMMANDS[name].call()


def _composed(name: str, task: Callable[[DictConfig], Any]) -> Callable[[], Any]:
    """A Hydra application: it composes the packaged config of that name and calls `task` with it."""
    return hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(task)


def _train(settings: DictConfig) -> float:
    from pinn_ac.app.run import train as command

    return cli.execute(command, settings)


def _compare(settings: DictConfig) -> float:
    from pinn_ac.app.comparison.command import train_for_comparison as command

    return cli.execute(command, settings)


def _evaluate(settings: DictConfig) -> None:
    from pinn_ac.app.evaluate import evaluate as command

    cli.execute(command, settings)


def _reference(settings: DictConfig) -> None:
    cli.execute(_study, settings)


def _study(settings: DictConfig) -> None:
    from pinn_ac import reference

    config.check_names(settings, config.ReferenceConfig)
    reference.study(build(settings.problem))
