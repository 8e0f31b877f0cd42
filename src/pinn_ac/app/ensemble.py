"""An ensemble: the run of a config for several seeds, whose steps are computed together."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import places_outside, trackers
from pinn_ac.app.jobs import FAILED_SCORE, FAILURE, note_failure
from pinn_ac.app.report import load_reference
from pinn_ac.app.run_folder import claimed, write_config
from pinn_ac.app.train import (
    Logged,
    Outdated,
    assembled,
    described,
    finish_in,
    score_of,
    settled_score,
    training_in,
)
from pinn_ac.errors import InputError, require
from pinn_ac.running import Training, computing, progress_bar
from pinn_ac.solution import ENSEMBLE, Solution
from pinn_ac.tracking import Shared, Tracker, tracked
from pinn_ac.training import Diverged, Stopped, Trainer, TrainingState, require_one_program, run_ensemble


def train_ensemble_in(folder: Path, config: DictConfig, resuming: bool = False, retry: bool | None = None) -> float:
    """Train as many seeds as `config.ensemble` says, from `config.seed` on.

    Every member is a run in a folder of its own, FOLDER/seed=K, and ends as that run alone would but for rounding.
    Its figures are left to `evaluate`.

    Args:
        folder: of the ensemble.
        config: of all members.
        resuming: the folder holds the ensemble already.
        retry: None lets every member go on. Otherwise those that finished are left, and true runs failed ones again.

    Returns:
        The median of the members' scores; those that failed are left out unless all did.

    Raises:
        InputError, Stopped: as `train_in`.
        Diverged: all members did.
    """
    from pinn_ac.app.sweep_report import report as report_sweep

    experiment, config = assembled(config)
    _require_own_places(config)
    require_one_program(experiment.stages)
    devices = experiment.objective.shards.count
    require(
        devices == 1,
        f"ensemble is above 1, whose seeds are trained on one device, and devices is {devices}: leave one out.",
    )
    _require_one_network(config, experiment.marches)
    require(
        config.seed + config.ensemble <= 2**32,
        f"seed is {config.seed} and ensemble {config.ensemble}, whose last seed is too large: give seeds below 2³².",
    )
    scores, diverged, ends = [], None, []
    with computing(experiment), ExitStack() as held:
        held.enter_context(claimed(folder, resuming))
        (folder / FAILURE).unlink(missing_ok=True)
        write_config(config, folder, ENSEMBLE)
        reference = load_reference(experiment.problem, config.reference)
        shown, members = progress_bar(), []
        for seed in range(config.seed, config.seed + config.ensemble):
            place, own, label = folder / f"seed={seed}", config.copy(), f"seed={seed}"
            own.update(seed=seed, ensemble=1)
            settled = None if retry is None else settled_score(place, own, retry)
            if settled is not None:
                scores.append(settled)
                continue
            held.enter_context(claimed(place, resuming))
            told = [*trackers(own), Logged(label), Shared(shown, label), Outdated()]
            training = training_in(place, experiment.with_seed(seed), own, reference, told)
            held.callback(training.close)
            members.append((place, own, training))
        with ExitStack() as told:
            ends = _train(members, shown, told)
            for (place, own, _), (end, metrics) in zip(members, ends, strict=True):
                if isinstance(end, Solution):
                    others = {"ensemble": config.ensemble}
                    metrics.update(finish_in(place, own, end, reference, show=False, others=others))
                    scores.append(score_of(config, metrics))
                elif isinstance(end, Diverged):
                    diverged = end
                    note_failure(place, "diverged", end)
    stopped = [end for end, _ in ends if isinstance(end, Stopped)]
    if stopped:
        raise stopped[0]
    report_sweep(folder)
    if diverged and not scores:
        raise diverged
    finished = [score for score in scores if score != FAILED_SCORE]
    return statistics.median(finished) if finished else FAILED_SCORE


def _require_one_network(config: DictConfig, marches: bool) -> None:
    """Refuse what each member would have drawn from its own seed, where all of them are trained with the first one's.

    A member's folder could not be loaded: its config describes what another seed draws. A march draws its own.
    """
    first, second = (config.copy() for _ in range(2))
    second.seed = config.seed + 1
    objects: list[Any] = [OmegaConf.to_container(one, resolve=True) for one in (first, second)]
    groups = [name for name, node in objects[0].items() if isinstance(node, dict) and name != "tracker"]
    drawn = [name for name in groups if objects[0][name] != objects[1][name]]
    require(
        not drawn or (marches and drawn == ["model"]),
        f"ensemble is {config.ensemble}, whose seeds share what is drawn for {', '.join(drawn)}, and that follows "
        "the seed: run the seeds one by one, by -m seed=0,1,2.",
    )


def _require_own_places(config: DictConfig) -> None:
    """Refuse a file or a folder outside of the runs' folders, in which each member would write over the others."""
    for _, _, place in places_outside(config):
        raise InputError(
            f"ensemble is above 1, and all of its seeds would write to {place}: give a place inside of each run's "
            f"folder, such as {Path(place).name}."
        )


def _ends(
    members: Sequence[Training], begun: Sequence[TrainingState]
) -> Sequence[TrainingState | Diverged | Stopped]:
    """The state that each member ends in; members that march through time do so one after the other."""
    trainers = [member.trainer for member in members]
    loops = [trainer for trainer in trainers if isinstance(trainer, Trainer)]
    if len(loops) == len(trainers):
        return run_ensemble(loops, begun)
    ends: list[TrainingState | Diverged | Stopped] = []
    for trainer, state in zip(trainers, begun, strict=True):
        try:
            ends.append(trainer.run(state))
        except Diverged as error:
            ends.append(error)
        except Stopped as error:
            return [*ends, *[error] * (len(trainers) - len(ends))]
    return ends


def _train(
    members: Sequence[tuple[Path, DictConfig, Training]], shown: Tracker, told: ExitStack
) -> list[tuple[Solution | Diverged | Stopped, dict[str, Any]]]:
    """What comes of each member, and what its trackers will be finished with.

    Args:
        members: folder, config and training of each.
        shown: shows all of them while they train.
        told: holds their trackers open.
    """
    if not members:
        return []
    with tracked([shown], members[0][2].described(0)):
        trainings = [training for _, _, training in members]
        begun = [training.begin() for training in trainings]
        results = [
            told.enter_context(training.tracked(state.step, described(place, own)))
            for (place, own, training), state in zip(members, begun, strict=True)
        ]
        ends = [
            training.solution(end) if isinstance(end, TrainingState) else end
            for training, end in zip(trainings, _ends(trainings, begun), strict=True)
        ]
    for end, metrics in zip(ends, results, strict=True):
        if isinstance(end, Solution):
            metrics.update(end.metrics)
    return list(zip(ends, results, strict=True))
