"""A trained field as a user handles it: a function of (t, x), its derivatives, its errors, and what to do with it."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import yaml

from pinn_ac import marching
from pinn_ac.ansatz import Parameters
from pinn_ac.compute import ComputeSettings, precision_of, under_own_settings
from pinn_ac.derivatives import order_of
from pinn_ac.description import describe
from pinn_ac.errors import InputError, expanded, plain, require
from pinn_ac.estimate import Estimate, estimate_error
from pinn_ac.evaluation import Sampled, errors, score
from pinn_ac.experiment import Experiment
from pinn_ac.files import make_writable, to_be_copied, write_whole
from pinn_ac.problem import FourierCondition
from pinn_ac.reference import Reference, solve, usual_grid
from pinn_ac.reporting.notebook import Shown
from pinn_ac.residual import CHUNK as AT_ONCE
from pinn_ac.residual import derivatives_at
from pinn_ac.traced import broadcast, is_traced, position, traced_point
from pinn_ac.tracking import HISTORY, write_history
from pinn_ac.training import Checkpoints, stacked

SIZES = tuple(4**power for power in range(3, 9))
"""Points that one call of a compiled program may get: so few sizes that who asks at 7, 9 and then 50 points waits
for one compilation, and so many that, from 64 on, fewer than twice the points asked for are computed."""
CONFIG, ENSEMBLE, INFERRED, CHECKPOINTS = "config.yaml", "ensemble.yaml", "inferred.npz", "checkpoints"
"""What makes a folder that of a run or of an ensemble; what an inverse run has found; where the parameters are."""
ORDERS = ("u", "u_t", "u_x", "u_xx", "residual")
SAMPLED = ("u", "x", "residual")
"""What a report asks for, wherever: the same names, so that one program is compiled for all."""


class Solution(Shown):
    """A trained field u(t, x), with its own precision and device.

    A solution computes in the precision that it was trained in, whatever the process or other solutions do, and
    leaves them as they are. :func:`pinn_ac.fit` and :func:`pinn_ac.load_run` return it.

    Args:
        experiment: what was trained.
        params: the network's parameters: those of each window of time, in order; for windows that are missing,
            untrained ones are taken. Of a run with one window also its parameters as they are, or of every stage.
        history: one mapping a logged step.
        metrics: what the run reported, where it did.
        folder: where the run lies, if it does.

    >>> import pinn_ac
    >>> solution = pinn_ac.fit(pinn_ac.Burgers(viscosity=0.1), steps=2, progress=False)
    >>> solution(0.5, [-0.5, 0.0, 0.5]).shape
    (3,)
    """

    def __init__(
        self,
        experiment: Experiment,
        params: Parameters,
        history: Sequence[Mapping[str, Any]] = (),
        metrics: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        if experiment.marches:
            params = marching.cut(tuple(params))
            experiment = experiment.with_windows_of(params)
        given = params[-experiment.windows :] if isinstance(params, tuple) else (params,)
        missing = experiment.windows - len(given)
        self.params = given + missing * (experiment.initial_params(),) if missing else given
        self.experiment, self.folder = experiment, folder
        self.history, self.metrics = list(history), dict(metrics or {})

    @property
    def problem(self) -> Any:
        """The problem that it solves."""
        return self.experiment.problem

    @property
    def num_parameters(self) -> int:
        """How many numbers were found by training, over all windows; what was drawn does not count."""
        if self.experiment.marches:
            return sum(marching.used(piece) for piece in self.params)
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    @property
    def compute(self) -> ComputeSettings:
        """The precision and the device that it computes in."""
        return self.experiment.compute

    # --- values -------------------------------------------------------------------------------------------------

    def __call__(self, t: Any, x: Any) -> Any:
        """u at (t, x).

        Args:
            t: times in [0, T], in the units of the problem's horizon; any shape that broadcasts with x.
            x: positions, in the units of its domain; outside of a period the field is continued periodically.

        Returns:
            u, of the broadcast shape. From numbers and arrays a NumPy array, whose memory is all that grows with the
            number of points. From values that JAX traces (in `jax.jit`, `jax.grad`, `jax.vmap`, `jax.export`) a
            traced value; times outside [0, T] can then not be refused.

        Raises:
            InputError: a time outside [0, T], a place beyond a wall, or a value that is not finite.

        >>> import jax, pinn_ac
        >>> solution = pinn_ac.fit(pinn_ac.Burgers(viscosity=0.1), steps=2, progress=False)
        >>> slope = jax.grad(lambda x: solution(0.5, x))(0.3)
        """
        return self._values(t, x)

    def _values(self, *point: Any) -> Any:
        if is_traced(point):
            return self._trace(lambda field, params, t, x: {"u": field(params, t, x)}, *point)["u"]
        return self._map(self.experiment.programs.values, *point)["u"]

    def derivatives(self, t: Any, x: Any, orders: Iterable[str] = ORDERS) -> dict[str, Any]:
        """Derivatives of u at (t, x), in the units of t and x.

        Args:
            t, x: as for calling the solution.
            orders: what is wanted: "u" itself, "residual", and derivatives of any order, named by the axes that they
                are taken along: "t", "x", "xx", "xxx", "tx", …, or the same with "u_" before them.

        Returns:
            Name → values of the broadcast shape, for just these names.

        Raises:
            InputError: as for calling it, or a name that is none.

        >>> import pinn_ac
        >>> solution = pinn_ac.fit(pinn_ac.Burgers(viscosity=0.1), steps=2, progress=False)
        >>> sorted(solution.derivatives(0.5, 0.25, orders=("t", "xx", "tx")))
        ['t', 'tx', 'xx']
        """
        return self._derivatives(orders, t, x)

    def _derivatives(self, orders: Iterable[str], *point: Any) -> dict[str, Any]:
        wanted = (orders,) if isinstance(orders, str) else tuple(orders)
        plain = {name: str(name).removeprefix("u_") for name in wanted}
        needed = set(plain.values()) - {"u", "residual"}
        if "residual" in plain.values():
            needed |= set(self.problem.orders)
        axes = "".join(("t", *self.problem.axes))
        program = tuple(sorted(needed, key=lambda name: (order_of(name, axes)[::-1], name)))
        if is_traced(point):
            engine = self.experiment.engine
            found = self._trace(
                lambda field, params, t, x: derivatives_at(field, engine, params, t, x, program), *point
            )
        else:
            found = self._map(self.experiment.programs.derivatives(program), *point)
        return {name: found[plain[name]] for name in wanted}

    def predict(self, t: Any, x: Any) -> Any:
        """u at (t, x): the same as calling the solution."""
        return self(t, x)

    def sample(self, times: int | None = None, points: int | None = None) -> Sampled:
        """The field on `times` even times of [0, T] and `points` even points of the domain (`Problem.grid`).

        By default on 201 × 512, or more points where interfaces are thin; see :func:`pinn_ac.reference.usual_grid`.
        """
        times, points = usual_grid(self.problem, times, points)
        t, x = np.linspace(0.0, self.problem.horizon, times), self.problem.grid(points)
        found = self._on_lines(t, x)
        return Sampled(t=t, x=x, u=found["u"], u_x=found["x"], residual=found["residual"])

    @under_own_settings
    def _on_lines(self, t: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        """`SAMPLED` at all times t, (m,), and places x, (n,), each (m, n)."""
        if self.experiment.marches:
            window, from_start = self._window_of(t)
            return self._marched(window, *self.problem.to_natural(from_start, x))
        return self.derivatives(t[:, None], x[None, :], SAMPLED)

    def _window_of(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The windows that times lie in, and the times from their starts; where two meet, it is the earlier one."""
        t = self._at_ends(t, t.dtype)
        window = np.searchsorted(self.experiment.breaks, t, side="left")
        return window, t - np.asarray(self.experiment.starts)[window]

    def _marched(self, window: np.ndarray, t: np.ndarray, places: Any) -> dict[str, np.ndarray]:
        """The same of a march, in far less time: its lift is a long series, and lines of points share its transforms.

        t, from the start of its `window`, and the places have natural units, the values those of the user.
        """
        windows = list(map(self.experiment.marched, range(len(self.params)), self.conditions))
        found = marching.sampled(windows, self.params, window, t, places)
        return {name: values / self._unit(name) for name, values in found.items()}

    # --- errors ---------------------------------------------------------------------------------------------------

    def estimate(self) -> Estimate:
        """The relative L2 error over [0, T] and the domain, estimated from the residual: no reference is needed.

        See :func:`pinn_ac.estimate.estimate_error`; of a march to a tolerance it is the run's own, found again.

        Raises:
            InputError: the problem does not say what its linear part and its nonlinear term are.
        """
        value, unreliable = self._estimated().values()
        return Estimate(float("nan") if value is None else value, not unreliable)

    def estimate_metrics(self) -> dict[str, Any]:
        """:meth:`estimate` as the entries of a run's metrics; empty where the problem allows no estimate."""
        return self._estimated() if "spectral" in self.problem.capabilities else {}

    def _estimated(self) -> dict[str, Any]:
        if self.experiment.marches:
            return self.experiment.estimate_again(self.params)
        return estimate_error(self.problem, self._for_estimate, self.experiment.breaks)

    def _for_estimate(self, t: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        """`SAMPLED` on the grid of t, (m, 1), and x, (1, n)."""
        return self._on_lines(t[:, 0], x[0])

    def error(self, times: int | None = None, points: int | None = None) -> float:
        """The true relative L2 error ‖u − u*‖₂/‖u*‖₂ on the grid of :meth:`sample`, against the spectral reference.

        Raises:
            InputError: the problem has no spectral reference, or it cannot be solved for.
        """
        return float(errors(self.sample(times, points), self.reference(times, points))["relative_l2"])

    def reference(self, times: int | None = None, points: int | None = None) -> Any:
        """The spectral reference solution on the grid of :meth:`sample`, solved once for each grid."""
        times, points = grid = usual_grid(self.problem, times, points)
        if grid not in self._references:
            self._references[grid] = self._solved(np.linspace(0.0, self.problem.horizon, times), points)
        return self._references[grid]

    def _solved(self, t: np.ndarray, points: int) -> Reference:
        return solve(self.problem, t, points)

    @cached_property
    def _references(self) -> dict[tuple[int, int], Any]:
        return {}

    def scores(self, reference: bool = True) -> dict[str, Any]:
        """Every metric of :func:`pinn_ac.evaluation.score`; without `reference`, those that need none."""
        return score(self.problem, self.sample(), self.reference() if reference else None)

    # --- pictures and files -------------------------------------------------------------------------------------

    def plot(self, path: str | Path | None = None, reference: bool | None = None) -> Any:
        """Draw the solution over (t, x); with a reference, that one and the error beside it.

        Args:
            path: a file to write the picture to, such as "u.png", "u.pdf" or "u.svg"; None for none.
            reference: solve for the true solution; None does so where the problem has a spectral reference.

        Returns:
            matplotlib's figure, which a notebook shows.
        """
        from pinn_ac.reporting.fields import draw_solution  # only here, as matplotlib is slow to import
        from pinn_ac.reporting.style import place_of_picture, shown

        place = place_of_picture(path)
        wanted = "spectral" in self.problem.capabilities if reference is None else reference
        return shown(draw_solution(self.problem, self.sample(), self.reference() if wanted else None), place)

    def save(self, folder: str | Path) -> Path:
        """Write the solution to a new folder, from which :func:`pinn_ac.load_run` reads it.

        The folder has the form of a run of the command line: config.yaml, checkpoints/, history.jsonl, metrics.json.

        Raises:
            InputError: the folder holds a run already or cannot be written, an object of the run cannot be described
                by plain values, or the file of its initial condition's samples is gone; then nothing is written.
        """
        place, setup = expanded(folder), self.experiment.setup
        for name in (CONFIG, ENSEMBLE, INFERRED, CHECKPOINTS):
            sentence = f"{place} already holds a run, or a part of one ({name}): choose another folder."
            require(not (place / name).exists(), sentence)
        described, params = describe(replace(setup, windows=self.experiment.windows)), self.params
        if self.experiment.marches:
            described, params = describe(setup), marching.padded(params)
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
        metrics = json.dumps(plain(self.metrics), indent=2) + "\n"
        sample_file = to_be_copied(getattr(setup.problem.initial_condition, "path", None), place)
        make_writable(place, "folder")
        if sample_file is not None:
            shutil.copy(sample_file, place)
        with closing(Checkpoints(place / CHECKPOINTS)) as checkpoints:
            checkpoints.save_params(stacked(params), int(self.metrics.get("steps", 0)))
        write_history(place / HISTORY, self.history)
        write_whole(place / "metrics.json", lambda path: path.write_text(metrics))
        write_whole(place / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))  # last: now it is a run
        return place

    # --- the time windows ------------------------------------------------------------------------------------

    @cached_property
    def conditions(self) -> list[FourierCondition | None]:
        """The initial condition of each window of time; None for the first, which has the problem's."""
        with jax.ensure_compile_time_eval():  # numbers, also where a trace asks for them first
            return self.experiment.conditions(self.params)

    @under_own_settings
    def _map(self, program: Callable[..., dict[str, jax.Array]], *point: Any) -> dict[str, np.ndarray]:
        """A compiled `program` over all points, window by window, a chunk of one size at a time."""
        t, *x = self._checked(*point)
        if not t.size:  # compiles nothing
            nowhere = jnp.zeros(1), position(jnp, [jnp.zeros(1) for _ in x])
            shapes = jax.eval_shape(program, None, self.params[0], *nowhere)
            return {name: np.empty(t.shape, shape.dtype) for name, shape in shapes.items()}
        window, from_start = self._window_of(t.ravel())
        most = int(np.bincount(window).max())
        size = max((size for size in SIZES if size <= most), default=SIZES[0])
        results: dict[str, np.ndarray] = {}
        for index in np.unique(window):
            inside = np.flatnonzero(window == index)
            for start in range(0, len(inside), size):
                part = inside[start : start + size]
                # The last chunk is filled up, so that one compiled program serves all.
                chunk_t, *chunk_x = (np.resize(axis.flat[part], size) for axis in (from_start, *x))
                local_t, xi = self.problem.to_natural(chunk_t, position(np, chunk_x))
                local_t = np.clip(local_t, 0.0, self.experiment.length(self.params[index]))
                at = jnp.asarray(local_t, float), jnp.asarray(xi, float)
                values = program(self.conditions[index], self.params[index], *at)
                for name, value in values.items():
                    whole = results.setdefault(name, np.empty(t.size, value.dtype))
                    whole[part] = np.asarray(value)[: len(part)] / np.float64(self._unit(name))
        return {name: values.reshape(t.shape) for name, values in results.items()}

    def _unit(self, name: str) -> float:
        """What values in natural units are divided by."""
        return self.problem.unit_of({"u": "", "residual": "t"}.get(name, name))

    def _trace(self, at_point: Callable[..., dict[str, jax.Array]], *point: Any) -> dict[str, jax.Array]:
        """`at_point` of the field at traced points, in JAX operations alone.

        Computed in the solution's own precision; the results have that of the process where that is the lower one,
        since JAX's transformations make numbers of the results' precision outside of this function.
        """
        self._require_inside(*point)
        lowest = jnp.result_type(float)
        with self.compute.active():
            real = jnp.result_type(float)
            t, *x = broadcast(jnp, *(jnp.asarray(axis).astype(real) for axis in point))
            at = traced_point(self.experiment, self.params, self.conditions, at_point)
            flat = t.ravel(), position(jnp, [axis.ravel() for axis in x])
            if isinstance(t.size, int) and t.size > AT_ONCE:
                values = jax.lax.map(lambda one: at(*one), flat, batch_size=AT_ONCE)
            else:  # a symbolic size is that of an exported function for any number of points
                values = jax.vmap(at)(*flat)
            found = {name: value.reshape(t.shape) / self._unit(name) for name, value in values.items()}
            return {
                name: value.astype(min(lowest, real, key=lambda kind: kind.itemsize)) for name, value in found.items()
            }

    def _require_inside(self, *point: Any) -> None:
        """Refuse times and places that JAX does not trace as they are refused where it traces nothing."""
        somewhere = self.problem.domain[0] if self.problem.has_walls else 0.0
        inside = (0.0, *[somewhere] * len(self.problem.axes))
        self._checked(*(known if is_traced(axis) else axis for axis, known in zip(point, inside, strict=True)))

    def _checked(self, *point: Any) -> tuple[np.ndarray, ...]:
        """t and x, and y in the plane, in double precision and of one shape.

        A time that is that of an end of a window but for the rounding of the caller's own precision is taken as it;
        next to t = 0 that is a time below zero alone.
        """
        try:
            given = [np.asarray(axis) for axis in point]
            require(not any(map(np.iscomplexobj, given)), "complex")
            t, *x = (axis.astype(float) for axis in given)
        except (TypeError, ValueError) as error:
            names = " and ".join((", ".join(("t", *self.problem.axes[:-1])), self.problem.axes[-1]))
            raise InputError(f"{names} must be real numbers, or arrays of them.") from error
        t = self._at_ends(t, given[0].dtype)
        for name, axis in zip(self.problem.axes, x, strict=True):
            require(bool(np.isfinite(axis).all()), f"{name} holds NaN or infinite values: give finite numbers.")
        if self.problem.has_walls:
            x = [self.problem.between_walls(x[0], precision_of(given[1].dtype))]
        inside = bool(((t >= 0) & (t <= self.problem.horizon * (1 + 1e-12))).all())
        require(inside, f"t must lie in [0, {float(self.problem.horizon)}], the time that this run was trained for.")
        return broadcast(np, t, *x)

    def _at_ends(self, t: np.ndarray, kind: np.dtype) -> np.ndarray:
        """Times, with the ends of windows in place of what differs from them by the rounding of such numbers."""
        ends = np.array([0.0, *self.experiment.breaks, self.problem.horizon])
        near = ends[np.searchsorted(0.5 * (ends[1:] + ends[:-1]), t)]
        slack = 2 * precision_of(kind) * np.where(t < 0, self.problem.horizon, near)
        return np.where(np.abs(t - near) <= slack, near, t)
