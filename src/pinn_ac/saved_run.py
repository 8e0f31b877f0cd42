"""A trained field as a user handles it: values, derivatives and residuals at any points."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from omegaconf import DictConfig, OmegaConf

from pinn_ac.ansatz import Parameters
from pinn_ac.assembly import Experiment, assemble
from pinn_ac.config import ENSEMBLE, Config, in_words, is_ensemble
from pinn_ac.environment import configure
from pinn_ac.errors import InputError, require
from pinn_ac.evaluation import Sampled
from pinn_ac.jobs import RUN
from pinn_ac.problem import Carried, expanded
from pinn_ac.residual import CHUNK as SERIES
from pinn_ac.training import Checkpoints, blank, unstacked

CHUNK = 2**16


class Run:
    """A field with its parameters.

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
            t: times in [0, T], any shape that broadcasts with x.
            x: places; outside the domain the field goes on periodically.

        Returns:
            u, of the broadcast shape. Memory beyond it stays bounded, however many points there are.

        Raises:
            InputError: a time outside [0, T], or a value that is not finite.
        """
        return self._map(self._value, t, x)["u"]

    def derivatives(self, t: Any, x: Any) -> dict[str, np.ndarray]:
        """`u`, `u_t`, `u_x`, `u_xx` and `residual` at (t, x), each of the broadcast shape; see :meth:`predict`."""
        return self._map(self._derivatives, t, x)

    def sample(self, times: int = 201, points: int = 512) -> Sampled:
        """The field on `times` even times of [0, T] and `points` even places of the domain, right end excluded."""
        left, right = self.experiment.problem.domain
        t = np.linspace(0.0, self.experiment.problem.horizon, times)
        x = left + (right - left) * np.arange(points) / points
        return Sampled(t=t, x=x, **self.derivatives(t[:, None], x[None, :]))

    @cached_property
    def conditions(self) -> list[Carried | None]:
        """Where each window begins; None for the first."""
        return self.experiment.conditions(self.params)

    @cached_property
    def _value(self) -> Callable:
        return self._compiled(lambda field, params, t, x: {"u": field(params, t, x)})

    @cached_property
    def _derivatives(self) -> Callable:
        engine, problem = self.experiment.engine, self.experiment.problem

        def at_point(field, params, t, x):
            here = field._replace(problem=expanded(field.problem, t, x))
            d = engine(lambda t, x: here(params, t, x), t, x)
            return {**d._asdict(), "residual": problem.residual(d.u, d.u_t, d.u_xx)}

        return self._compiled(at_point)

    def _compiled(self, at_point: Callable) -> Callable:
        """(condition, params, t, x) → `at_point` of the field that begins there, over vectors t and x."""
        field = self.experiment.field

        def compiled(condition, params, t, x):
            start = field.starting_from(condition)
            # So many at a time that a lift which is a long series stays small; a carried one always is.
            size = SERIES if condition is not None else 8 * SERIES
            return jax.lax.map(lambda point: at_point(start, params, *point), (t, x), batch_size=size)

        return jax.jit(compiled)

    def _map(self, compiled: Callable, t: Any, x: Any) -> dict[str, np.ndarray]:
        """`compiled` over all points, window by window, a chunk of one size at a time."""
        t, x = self._checked(t, x)
        length = self.experiment.field.problem.horizon
        # A time at which two windows meet is the end of the earlier one.
        window = np.searchsorted(self.experiment.breaks, t.ravel(), side="left")
        size = min(CHUNK, max(1, int(np.bincount(window).max(initial=1))))
        results: dict[str, np.ndarray] = {}
        for index in np.unique(window) if t.size else [0]:
            inside = np.flatnonzero(window == index)
            for start in range(0, max(len(inside), 1), size):
                part = inside[start : start + size]
                # The last chunk is filled up, so that one compiled program serves all.
                padded = (np.resize(axis.flat[part], size) if t.size else np.zeros(size) for axis in (t, x))
                local_t, local_x = (jnp.asarray(axis, float) for axis in padded)
                local_t = jnp.clip(local_t - index * length, 0.0, length)
                values = compiled(self.conditions[index], self.params[index], local_t, local_x)
                for name, value in values.items():
                    whole = results.setdefault(name, np.empty(t.size, value.dtype))
                    whole[part] = np.asarray(value)[: len(part)]
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
    configure(config.precision, device or config.device)
    require((folder / "checkpoints").is_dir(), f"{folder} has no checkpoint yet: wait for the run to save one.")
    experiment = assemble(config)
    checkpoints = Checkpoints(folder / "checkpoints")
    try:
        start = experiment.initial_params()
        params = unstacked(checkpoints.restore("params", lambda window, stage: blank(window + 1, start)))
    finally:
        checkpoints.close()
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
