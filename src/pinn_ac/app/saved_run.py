"""The solution that a run's folder holds."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import Config, is_ensemble
from pinn_ac.app.objects import allowed_modules, allowing
from pinn_ac.app.wording import in_words
from pinn_ac.errors import InputError, expanded, require
from pinn_ac.inverse import FILE as INFERRED
from pinn_ac.inverse import InferredSolution, stored, with_found
from pinn_ac.plane import solution_of
from pinn_ac.solution import CONFIG, ENSEMBLE, Solution
from pinn_ac.tracking import HISTORY, read_history
from pinn_ac.training import Checkpoints, blank, unstacked

FILES = ("problem.initial_condition.path", "data.file")
"""Settings that name a user's file, of which a run's folder has a copy."""
OF_THE_RUN = ("prediction.npz", INFERRED)
"""Files of arrays that a run writes itself."""


def load_run(folder: str | Path, device: str | None = None, allow: Iterable[str] | None = ()) -> Solution:
    """The solution that the run in `folder` has saved last; see :func:`pinn_ac.load_run`."""
    folder = expanded(folder)
    require(not is_ensemble(folder), f"{folder} holds an ensemble: give one of its runs, such as {folder}/seed=0.")
    config, inferred = load_config(folder), None
    is_found = (folder / INFERRED).is_file()
    require(
        is_found or config.data.file is None, f"{folder} is still looking for what is unknown: wait for its search."
    )
    if is_found:
        inferred = stored(folder)
        config.problem = with_found(config.problem, inferred[0])
    config.devices = "auto"  # those that are here
    config.device = device or config.device
    waiting = f"{folder} has no checkpoint yet: wait for the run to save one."
    require((folder / "checkpoints").is_dir(), waiting)
    names = [allow] if isinstance(allow, str) else allow or ()
    with allowing([*allowed_modules(), *names]):
        experiment = assemble(config)
    with experiment.compute.active(), closing(Checkpoints(folder / "checkpoints")) as checkpoints:
        require(checkpoints.exist(), waiting)
        start = experiment.initial_params()
        params = unstacked(checkpoints.restore("params", lambda window, stage: blank(window + 1, start)))
    history, metrics = folder / HISTORY, folder / "metrics.json"
    solution = solution_of(
        experiment,
        params,
        read_history(history) if history.is_file() else (),
        json.loads(metrics.read_text()) if metrics.is_file() else None,
        folder,
    )
    return solution if inferred is None else InferredSolution.of(solution, *inferred)


def kept_as(file: str | Path) -> str:
    """What a run's folder calls its copy of a user's file: as the user does, unless the run writes one of that name.

    >>> kept_as("data/samples.csv"), kept_as("outputs/before/prediction.npz")
    ('samples.csv', 'given_prediction.npz')
    """
    name = Path(file).name
    return f"given_{name}" if name in OF_THE_RUN else name


def load_config(folder: str | Path) -> DictConfig:
    """The config of the run or the ensemble in `folder`; files that were copied into it are read from there."""
    folder = expanded(folder)
    file = folder / (ENSEMBLE if is_ensemble(folder) else CONFIG)
    require(
        file.is_file(), f"{folder} is not the folder of a run: it holds no {CONFIG}. Give one that train.py made."
    )
    try:
        text = file.read_text(encoding="utf-8")
        saved = OmegaConf.create(text)  # whose values may be spelled in YAML's many ways
        asks = "${" in repr(OmegaConf.to_container(saved, resolve=False))
        require(not asks, f"{file} asks for something to be filled in by ${{…}}: write what is meant.")
        config = OmegaConf.merge(OmegaConf.structured(Config), saved)
        assert isinstance(config, DictConfig)
        missing = sorted(OmegaConf.missing_keys(config))
    except InputError:
        raise
    except Exception as error:  # whatever YAML or OmegaConf make of a file that is not theirs
        raise InputError(f"{file} is not a run's config ({in_words(error)}): restore it or start anew.") from error
    require(not missing, f"{file} has no {', '.join(missing)}: restore it or start anew.")
    for setting in FILES:
        given = OmegaConf.select(config, setting) or ""
        copies = [folder / name for name in (kept_as(given), Path(given).name)]  # `Solution.save` leaves all names
        copied = next(filter(Path.is_file, copies), None)
        if copied is not None:
            OmegaConf.update(config, setting, str(copied))
    return config
