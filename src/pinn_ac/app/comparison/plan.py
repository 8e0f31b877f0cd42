"""Which runs a comparison consists of, and the checks that it passes before anything is computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.config import check_scalars
from pinn_ac.app.objects import build
from pinn_ac.errors import InputError, is_number, is_whole, require
from pinn_ac.running import ENDLESS
from pinn_ac.training import Intervals

SETTINGS = ("experiments", "seeds", "steps", "seconds")
"""What a comparison is made of; all other settings are those of its runs."""
OF_THE_COMPARISON = {
    "experiment": "experiments=[…] names the methods",
    "seed": "seeds=[…] gives the seeds",
    "train.steps": "steps=… ends the runs",
    "train.seconds": "seconds=… ends the runs",
    "resume": "hydra.run.dir=FOLDER goes on with a comparison",
    "ensemble": "seeds=[…] gives the seeds",
}
"""A setting that the comparison makes for each run → what to write instead."""

Compose = Callable[[list[str]], DictConfig]
"""Words of a command line → the config of the run that they describe."""


@dataclass(frozen=True)
class Comparison:
    """Every experiment with every seed; all runs end by the same number of steps, or by the same clock.

    Args:
        experiments: names of configs/experiment/.
        seeds: whole numbers.
        steps: of each run, of all stages of its optimizers and of its regime together (in each of its time windows);
            None where the clock ends the runs.
        seconds: of training, compilation included; None where the steps end the runs.

    Raises:
        InputError: there is no experiment or no seed, one is named twice, or the end is not given once.
    """

    experiments: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("experiments", "seeds"):
            given = getattr(self, name)
            plain = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
            object.__setattr__(self, name, tuple(plain))
        known = bool(self.experiments) and all(one and isinstance(one, str) for one in self.experiments)
        require(
            known,
            f"experiments is {_listed(self.experiments)}: name some of configs/experiment/, such as "
            "experiments=[plain,broyden].",
        )
        whole = bool(self.seeds) and all(is_whole(one, 0) for one in self.seeds)
        require(whole, f"seeds is {_listed(self.seeds)}: give some whole numbers from 0, such as seeds=[0,1,2].")
        for name in ("experiments", "seeds"):
            given = getattr(self, name)
            require(len(set(given)) == len(given), f"{name} is {_listed(given)}: name each once.")
        ends = self.steps is None, self.seconds is None
        require(
            any(ends), f"steps is {self.steps} and seconds is {self.seconds}: give one of them, to end every run."
        )
        require(not all(ends), "Nothing ends the runs: give seconds, such as seconds=120, or steps.")
        require(self.steps is None or is_whole(self.steps, 1), f"steps is {self.steps}: give a whole number from 1.")
        require(
            self.seconds is None or (is_number(self.seconds) and self.seconds > 0),
            f"seconds is {self.seconds}: give a positive number of seconds.",
        )

    def jobs(self, words: Sequence[str], compose: Compose) -> list[list[str]]:
        """The command lines of all runs, the first seed of every experiment before the second of any.

        Every run's config is composed, so that what is refused is refused before anything is computed.

        Args:
            words: further settings, of all runs.
            compose: how Hydra composes a run.

        Raises:
            InputError, HydraException: a setting or an experiment that there is not, experiments for different
                problems, or one that cannot be ended by steps.
        """
        _require_of_all(words)
        before = {name: [f"experiment={name}", *self._end(), *words] for name in self.experiments}
        configs = {name: compose([*its, f"seed={self.seeds[0]}"]) for name, its in before.items()}
        _require_comparable(configs)
        for name, its in before.items():
            its.extend(self._end_of(name, configs[name], words))
        return [[*before[name], f"seed={seed}"] for seed in self.seeds for name in self.experiments]

    def _end(self) -> list[str]:
        """The clock of all runs; where steps end them, none, and logs and evaluations at so many places of each."""
        if self.seconds is not None:
            return [f"train.seconds={self.seconds}"]
        return ["train.seconds=null", *(f"train.{name}=null" for name in Intervals._fields)]

    def _end_of(self, name: str, config: DictConfig, words: Sequence[str]) -> list[str]:
        """What ends the runs of one experiment."""
        return self._end_by_steps(name, config) if self.seconds is None else self._end_by_seconds(config, words)

    def _end_by_seconds(self, config: DictConfig, words: Sequence[str]) -> list[str]:
        """A run with one optimizer goes on to its clock, with the rates and the places of logs that it has anyway.

        Steps that were typed end it; so do those of stages, of which each has its own, and a tolerance.
        """
        named = {override.key_or_group for override in OverridesParser.create().parse_overrides(list(words))}
        ends = bool(config.stages) or config.train.tolerance is not None or config.train.steps is not None
        if ends or "optimizer.steps" in named:
            return []
        optimizer, intervals = config.optimizer, Intervals(*(config.train[name] for name in Intervals._fields))
        steps, found = int(optimizer.steps), [f"optimizer.steps={max(ENDLESS, int(optimizer.steps))}"]
        if optimizer.get("schedule", "constant") != "constant" and optimizer.get("decay_steps", 0) is None:
            found.append(f"optimizer.decay_steps={max(1, steps - optimizer.warmup_steps)}")
        usual = zip(Intervals._fields, intervals, intervals.for_stage(steps), strict=True)
        return [*found, *(f"train.{name}={every}" for name, given, every in usual if given is None)]

    def _end_by_steps(self, name: str, config: DictConfig) -> list[str]:
        """So many steps in each window of time, shared out between the passes of a regime.

        Of each pass every stage keeps its own as far as they go; the last has what is left.
        """
        assert self.steps is not None
        require(
            config.train.tolerance is None,
            f"experiment={name} ends at a tolerance and chooses its own steps: compare it by seconds=….",
        )
        passes = passes_of(config)
        require(
            self.steps % passes == 0,
            f"steps is {self.steps}, and the regime of experiment={name} goes {passes} times through all steps: give "
            f"a multiple of {passes}.",
        )
        left = self.steps // passes
        if not config.stages:
            return [f"train.steps={left}"]
        found, stages = list[str](), list(config.stages.items())
        for index, (stage, node) in enumerate(stages):
            steps = left if index + 1 == len(stages) else min(left, int(node.steps))
            found.append(f"stages.{stage}.steps={steps}" if steps else f"~stages.{stage}")
            left -= steps
        return found


def passes_of(config: DictConfig) -> int:
    """How often the regime of a run goes through all of its steps; 1 without a regime.

    So also for one whose module is not allowed here, which the run itself will be told of.
    """
    if config.regime is None:
        return 1
    try:
        return build(config.regime).stages(build(config.problem))
    except InputError:
        return 1


def total_steps(config: DictConfig) -> int:
    """The steps that end a run in each window of time, of all its stages and in all passes of its regime."""
    if config.stages:
        own = sum(int(node.steps) for node in config.stages.values())
    else:
        own = config.optimizer.steps if config.train.steps is None else config.train.steps
    return int(own) * passes_of(config)


def _require_of_all(words: Sequence[str]) -> None:
    """Refuse words that would make some runs others than the comparison says, or several of each."""
    for override in OverridesParser.create().parse_overrides(list(words)):
        name = override.key_or_group
        require(
            name not in OF_THE_COMPARISON,
            f"{name} is not for a comparison: {OF_THE_COMPARISON.get(name)}.",
        )
        require(
            not override.is_sweep_override(),
            f"{name} holds several values, but a comparison varies experiments and seeds alone: give one value.",
        )


def _require_comparable(configs: Mapping[str, DictConfig]) -> None:
    """Refuse runs without a true error, and runs for different problems."""
    first = next(iter(configs))
    for name, config in configs.items():
        check_scalars(config)
        require(
            bool(config.reference),
            "reference is False, but a comparison is about true errors: leave reference=false out.",
        )
        require(
            _plain(config.problem) == _plain(configs[first].problem),
            f"experiment={name} and experiment={first} solve different problems: compare them by themselves.",
        )


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _listed(values: Any) -> str:
    return f"[{', '.join(map(str, values))}]"


def settings_of(node: Mapping[str, Any]) -> Comparison:
    """A comparison from the settings of its sweeper, as Hydra has read them."""
    return Comparison(**{name: _plain(value) for name, value in node.items()})
