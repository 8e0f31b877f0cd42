"""A trained field as a user handles it: values, derivatives and residuals at any points."""

from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from omegaconf import DictConfig, OmegaConf

from pinn_ac.ansatz import Parameters
from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import ENSEMBLE, Config, is_ensemble
from pinn_ac.app.jobs import RUN
from pinn_ac.app.wording import in_words
from pinn_ac.compute import ComputeSettings, under_own_settings
from pinn_ac.errors import InputError, require
from pinn_ac.evaluation import Sampled
from pinn_ac.experiment import Experiment
from pinn_ac.problem import Carried
from pinn_ac.training import Checkpoints, blank, unstacked

CHUNK = 2**16


class Run:
    """A field with its parameters, which computes in its own precision and on its own device, whatever others do.

    Args:
        experiment: what was trained.
        params: what came of it: those of each window of time, in order; of windows that are missing, untrained ones
            are taken. Of a run with one window also its parameters as they are.
        folder: where it lies, if it does.
        config: what it was made from.
    """

    def __init__(
        self, experiment: Experiment, params: Parameters, folder: Path | None = None, config: DictConfig | None = None
    ) -> None:
        given = params if isinstance(params, tuple) else (params,)
        missing = experiment.windows - len(given)
        self.params = given + missing * (experiment.initial_params(),) if missing else given
        self.experiment, self.folder, self.config = experiment, folder, config

    def predict(self, t: Any, x: Any) -> np.ndarray:
        """u at (t, x).

        Args:
            t: times in [0, T], in the units of the problem's horizon; any shape that broadcasts with x.
            x: places, in the units of its domain; outside the domain the field goes on periodically.

        Returns:
            u, of the broadcast shape. Memory beyond it stays bounded, however many points there are.

        Raises:
            InputError: a time outside [0, T], or a value that is not finite.
        """
        return self._map(self.experiment.programs.values, t, x)["u"]

    def derivatives(self, t: Any, x: Any) -> dict[str, np.ndarray]:
        """`u`, `u_t`, `u_x`, `u_xx` and `residual` at (t, x), in the units of t and x; see :meth:`predict`."""
        return self._map(self.experiment.programs.derivatives, t, x)

    def sample(self, times: int = 201, points: int = 512) -> Sampled:
        """The field on `times` even times of [0, T] and `points` even places of the domain, right end excluded."""
        left, right = self.experiment.problem.domain
        t = np.linspace(0.0, self.experiment.problem.horizon, times)
        x = left + (right - left) * np.arange(points) / points
        return Sampled(t=t, x=x, **self.derivatives(t[:, None], x[None, :]))

    @property
    def compute(self) -> ComputeSettings:
        """The run's own."""
        return self.experiment.compute

    @cached_property
    def conditions(self) -> list[Carried | None]:
        """Where each window begins; None for the first."""
        return self.experiment.conditions(self.params)

    @under_own_settings
    def _map(self, compiled: Callable, t: Any, x: Any) -> dict[str, np.ndarray]:
        """`compiled` over all points, window by window, a chunk of one size at a time."""
        t, x = self._checked(t, x)
        if not t.size:  # compiles nothing
            shapes = jax.eval_shape(compiled, None, self.params[0], jnp.zeros(1), jnp.zeros(1))
            return {name: np.empty(t.shape, shape.dtype) for name, shape in shapes.items()}
        problem, length = self.experiment.problem, self.experiment.window_length
        end, per_time, per_length = self.experiment.field.problem.horizon, problem.time_unit, problem.length_unit
        units = {"u": 1.0, "u_t": per_time, "u_x": per_length, "u_xx": per_length**2, "residual": per_time}
        # A time at which two windows meet is the end of the earlier one.
        window = np.searchsorted(self.experiment.breaks, t.ravel(), side="left")
        size = min(CHUNK, int(np.bincount(window).max()))
        results: dict[str, np.ndarray] = {}
        for index in np.unique(window):
            inside = np.flatnonzero(window == index)
            for start in range(0, len(inside), size):
                part = inside[start : start + size]
                # The last chunk is filled up, so that one compiled program serves all.
                chunk_t, chunk_x = (np.resize(axis.flat[part], size) for axis in (t, x))
                local_t, xi = problem.to_natural(chunk_t - index * length, chunk_x)
                at = jnp.asarray(np.clip(local_t, 0.0, end), float), jnp.asarray(xi, float)
                values = compiled(self.conditions[index], self.params[index], *at)
                for name, value in values.items():
                    whole = results.setdefault(name, np.empty(t.size, value.dtype))
                    whole[part] = np.asarray(value)[: len(part)] / np.float64(units[name])
        return {name: values.reshape(t.shape) for name, values in results.items()}

    def _checked(self, t: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """t and x in double precision and of one shape.

        A time that is that of an end of a window but for the rounding of the caller's own precision is taken as it.
        """
        try:
            t, x = np.asarray(t), np.asarray(x)
            slack = 2 * precision_of(t.dtype) * self.experiment.problem.horizon
            require(not (np.iscomplexobj(t) or np.iscomplexobj(x)), "complex")
            t, x = t.astype(float), x.astype(float)
        except (TypeError, ValueError) as error:
            raise InputError("t and x must be real numbers, or arrays of them.") from error
        ends = np.array([0.0, *self.experiment.breaks, self.experiment.problem.horizon])
        near = ends[np.searchsorted(0.5 * (ends[1:] + ends[:-1]), t)]
        t = np.where(np.abs(t - near) <= slack, near, t)
        require(bool(np.isfinite(x).all()), "x holds NaN or infinite values: give finite numbers.")
        inside = bool(((t >= 0) & (t <= ends[-1] * (1 + 1e-12))).all())
        require(inside, f"t must lie in [0, {ends[-1]}], the time that this run was trained for.")
        try:
            return tuple(np.broadcast_arrays(t, x))  # type: ignore[return-value]
        except ValueError as error:
            raise InputError(f"t has shape {t.shape} and x {x.shape}: give shapes that go together.") from error


def precision_of(kind: np.dtype) -> float:
    """The spacing of numbers of a kind next to 1; whole numbers and whatever is finer count as double precision."""
    floating = jnp.issubdtype(kind, jnp.floating)
    return max(float(jnp.finfo(kind).eps), float(np.finfo(float).eps)) if floating else float(np.finfo(float).eps)


def load_run(folder: str | Path, device: str | None = None) -> Run:
    """The field that the run in `folder` has saved last: its best parameters so far.

    Args:
        folder: a run's folder; the run may have finished, been interrupted, or be going on.
        device: "cpu", "gpu" or "auto"; by default that of the run.

    Raises:
        InputError: `folder` is not a run's, its config is not usable, or no checkpoint can be read.
    """
    folder = Path(folder).expanduser()
    require(not is_ensemble(folder), f"{folder} holds an ensemble: give one of its runs, such as {folder}/seed=0.")
    config = load_config(folder)
    config.devices = "auto"  # those that are here
    config.device = device or config.device
    require((folder / "checkpoints").is_dir(), f"{folder} has no checkpoint yet: wait for the run to save one.")
    experiment = assemble(config)
    with experiment.compute.active(), closing(Checkpoints(folder / "checkpoints")) as checkpoints:
        start = experiment.initial_params()
        params = unstacked(checkpoints.restore("params", lambda window, stage: blank(window + 1, start)))
    return Run(experiment, params, folder, config)


def load_config(folder: str | Path) -> DictConfig:
    """The config of the run or the ensemble in `folder`; samples that were copied into it are read from there."""
    folder = Path(folder).expanduser()
    file = folder / (ENSEMBLE if is_ensemble(folder) else RUN)
    require(file.is_file(), f"{folder} is not the folder of a run: it holds no {RUN}. Give one that train.py made.")
    try:
        text = file.read_text(encoding="utf-8")
        require("${" not in text, f"{file} asks for something to be filled in by ${{…}}: write what is meant.")
        config = OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(text))
        assert isinstance(config, DictConfig)
        missing = sorted(OmegaConf.missing_keys(config))
    except InputError:
        raise
    except Exception as error:  # whatever YAML or OmegaConf make of a file that is not theirs
        raise InputError(f"{file} is not a run's config ({in_words(error)}): restore it or start anew.") from error
    require(not missing, f"{file} has no {', '.join(missing)}: restore it or start anew.")
    copied = folder / Path(OmegaConf.select(config, "problem.initial_condition.path") or "").name
    if copied.is_file():
        config.problem.initial_condition.path = str(copied)
    return config
