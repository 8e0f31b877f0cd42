"""Going on with a comparison in its folder, where one table ranks the runs that are there and those to come."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pinn_ac.app.comparison.plan import Compose, total_steps
from pinn_ac.app.jobs import find_jobs
from pinn_ac.app.run_folder import comparable, typed_commands
from pinn_ac.app.saved_run import load_config
from pinn_ac.errors import InputError, require


def require_same_comparison(folder: Path, words: Sequence[str], compose: Compose) -> None:
    """Refuse a folder whose runs solve another problem, end elsewhere or have another size than those to come.

    Other experiments and other seeds may be added to it.

    Args:
        folder: of the comparison, which may hold no run yet.
        words: of one run to come; all have what is asked for here in common.
        compose: how Hydra composes a run.

    Raises:
        InputError: it holds a run that differs.
    """
    saved = list(_saved(folder))
    if not saved:
        return
    asked = _in_common(compose(list(words)), words)
    for run in saved:
        differing = [name for name, value in run.items() if value is not None and value != asked[name]]
        found = [name if name == "problem" else f"{name} ({run[name]})" for name in differing]
        require(
            not differing,
            f"{folder} holds a comparison with another {', '.join(found)}: choose another hydra.run.dir.",
        )


def _saved(folder: Path) -> Iterator[Mapping[str, Any]]:
    """What the runs of the folder have in common, one by one."""
    try:
        jobs = find_jobs(folder)
    except InputError:  # there is none
        return
    for job in jobs:
        try:
            config = load_config(job.folder)
        except InputError:  # it was refused, or its config is damaged, which is said where it is gone on with
            continue
        first = typed_commands(job.folder)[:1]
        yield _in_common(config, shlex.split(first[0]) if first else None)


def _in_common(config: DictConfig, words: Sequence[str] | None) -> Mapping[str, Any]:
    """The problem, the end and the size of a run; None for what is not known."""
    seconds = config.train.seconds
    sizes = [word.removeprefix("size=") for word in words or () if word.startswith("size=")]
    return {
        "problem": comparable(config)["problem"],
        "end": f"{total_steps(config)} steps" if seconds is None else f"{seconds:g} seconds",
        "size": None if words is None else (sizes or ["published"])[-1],
    }
