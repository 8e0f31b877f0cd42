"""The time windows or the stages that a run is trained in: the problem of each, and the errors measured there."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.estimate import (
    ErrorSoFar,
    even_places,
    fastest_decay_on_grid,
    from_values,
    initial_shape,
    initial_values,
    points_needed,
    steps_needed,
    time_grids,
)
from pinn_ac.estimate import Window as SampledWindow
from pinn_ac.experiment import Experiment
from pinn_ac.reference import Reference
from pinn_ac.regimes import Regime
from pinn_ac.training import BatchWeighting, TimeWindows, Window

EARLY = 0.5
"""The part of the tolerance that the error may have reached at the end of a window that others follow."""
CELLS = 32
"""Steps of time in a window, at least, for the estimate."""
MAX_ROWS, MAX_COLUMNS = 50, 256
"""Times per window and grid points in x at which errors are measured while a run trains: enough to see them fall."""


def time_windows(experiment: Experiment, reference: Reference | None = None) -> TimeWindows:
    """The training problems of an experiment, for a `Trainer`.

    All windows use the same compiled functions, which take a window's initial condition as an argument. What the
    first window needs besides its steps is compiled in the background, while these are compiled.

    Args:
        experiment: what is trained.
        reference: the true solution, which errors are measured against; None for no errors.
    """
    if experiment.regime is not None:
        return _stages(experiment, experiment.regime, reference)
    programs, in_background = experiment.programs, experiment.objective.shards.run_in_background
    errors = None
    if reference is not None and len(reference.t) > experiment.windows:  # so that every window has a row
        errors = _Errors(experiment, reference)

    tolerance = experiment.setup.tolerance
    estimates = None if tolerance is None else _Estimates(experiment)
    conditions: list[Any] = [None]  # where each window begins; the first one at the problem's initial condition

    def enter(finished: tuple[Any, ...]) -> Window:
        for network in finished[len(conditions) - 1 :]:
            conditions.append(experiment.transfer(network, conditions[-1]))
        condition = conditions[len(finished)]
        fresh = in_background(lambda: experiment.initial_params(condition))
        error = in_background(lambda: errors.enter(conditions, finished) if errors is not None else lambda params: {})
        held_out = experiment.held_out(condition)

        def validate(params: Any) -> tuple[float, dict[str, float]]:
            estimate = {} if estimates is None else {"estimate": estimates.after(conditions, finished, params)}
            return programs.loss(params, held_out), error()(params) | estimate

        def is_reached(figures: Mapping[str, float]) -> bool:
            is_last = len(finished) + 1 == experiment.windows
            return tolerance is not None and figures["estimate"] <= (1.0 if is_last else EARLY) * tolerance

        if not finished:
            in_background(lambda: validate(fresh()))  # for its compilation
        return Window(
            start=lambda: _start(fresh(), finished, lambda params: programs.loss(params, held_out)),
            draw=lambda step, params, previous, enlargement: experiment.draw(
                step, params, previous, enlargement, condition
            ),
            prepare=lambda points: experiment.prepare(points, condition),
            terms=lambda params, batch: _named(programs.means(params, batch)),
            validate=validate,
            is_reached=is_reached,
        )

    return TimeWindows(
        enter=enter,
        count=experiment.windows,
        resample_every=experiment.sampler.resample_every,
        easy_start=experiment.field.ansatz.exact_at_start,
        weighting=_weighting(experiment),
    )


def _stages(experiment: Experiment, regime: Regime, reference: Reference | None) -> TimeWindows:
    """The stages of a regime as training problems: one network on the whole horizon, whose errors are measured there.

    With a tolerance the last stage ends when it is met.
    """
    programs, count = experiment.programs, experiment.passes
    errors = None if reference is None or len(reference.t) < 2 else _Errors(experiment, reference).enter([None], ())
    estimates = None if experiment.setup.tolerance is None else _Estimates(experiment)

    def enter(finished: tuple[Any, ...]) -> Window:
        stage = len(finished)
        change = regime.change(experiment.problem, stage, finished)
        held_out = experiment.held_out(change, stage)

        def validate(params: Any) -> tuple[float, dict[str, float]]:
            figures = {} if errors is None else errors(params)
            if estimates is not None:
                figures = figures | {"estimate": estimates.after([None], (), params)}
            return programs.loss(params, held_out), figures

        def is_reached(figures: Mapping[str, float]) -> bool:
            tolerance = experiment.setup.tolerance
            return tolerance is not None and stage + 1 == count and figures["estimate"] <= tolerance

        return Window(
            start=lambda: finished[-1] if finished else experiment.initial_params(),
            draw=lambda step, params, previous, enlargement: experiment.draw(
                step, params, previous, enlargement, change, stage
            ),
            prepare=lambda drawn: experiment.prepare(drawn, experiment.recalled(change, drawn)),
            terms=lambda params, batch: _named(programs.means(params, batch)),
            validate=validate,
            is_reached=is_reached,
        )

    return TimeWindows(
        enter=enter,
        count=count,
        resample_every=experiment.sampler.resample_every,
        easy_start=False,
        weighting=_weighting(experiment),
        even=True,
        called="Stage",
    )


def _weighting(experiment: Experiment) -> BatchWeighting | None:
    """The weights that the experiment's weighting, if it has one, gives a batch."""
    weighting, drawn = experiment.programs.weighting, experiment.objective.drawn
    if weighting is None:
        return None
    return BatchWeighting(
        init=lambda points: weighting.init(drawn(points), experiment.seed),
        renew=lambda state, points: weighting.renew(state, drawn(points)),
        weigh=experiment.programs.weigh,
        figures=weighting.figures,
    )


def _start(fresh: Any, finished: tuple[Any, ...], loss: Callable[[Any], float]) -> Any:
    """A freshly initialised network or that of the window before, whichever has the lower loss.

    The network of the window before is a good start where the solution has settled; where the solution changes
    quickly it is worse than a fresh network.
    """
    return min((fresh, *finished[-1:]), key=loss) if finished else fresh


def _named(means: Mapping[str, jax.Array]) -> dict[str, float]:
    return {f"loss_{name}": float(mean) for name, mean in means.items()}


class _Estimates:
    """The estimated relative L2 error up to the end of a window, without a reference; see `pinn_ac.estimate`."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.problem = experiment, experiment.problem.natural
        experiment.problem.require(
            "spectral",
            "train.tolerance, by the error estimate,",
            "leave it out, and give train.seconds or train.steps",
        )
        self.points = points_needed(self.problem)
        self.cells = max(CELLS, round(steps_needed(self.problem, self.points) / experiment.windows))
        x = even_places(self.problem, self.points)
        self.x = np.abs(x) if self.problem.is_mirrored else x  # the field is one between the walls alone
        self.so_far: list[ErrorSoFar] = []  # after each finished window

    def after(self, conditions: Sequence[Any], finished: tuple[Any, ...], params: Any) -> float:
        """The estimate with these parameters in the window that follows the finished ones."""
        for index in range(len(self.so_far), len(finished)):
            self.so_far.append(self._after(index, conditions[index], finished[index]))
        return self._after(len(finished), conditions[len(finished)], params).relative_l2

    def _after(self, index: int, condition: Any, params: Any) -> ErrorSoFar:
        before = self.so_far[index - 1] if index else self._at_start
        return before.after(self.problem, self._sampled(index, condition, params, before.u))

    @cached_property
    def _at_start(self) -> ErrorSoFar:
        u = initial_values(self.problem, self.points)
        return ErrorSoFar.at_start(np.zeros_like(u), u)

    def _sampled(self, index: int, condition: Any, params: Any, start: np.ndarray) -> SampledWindow:
        length = self.problem.horizon / self.experiment.windows
        t = time_grids(length, (), self.cells, fastest_decay_on_grid(self.problem, start))[0]
        program = self.experiment.programs.derivatives(tuple(self.problem.orders))
        found = program(condition, params, *_product(t, self.x))
        shape = (len(t), *initial_shape(self.problem, self.points))
        u, f = (np.asarray(found[name], np.float64).reshape(shape) for name in ("u", "residual"))
        return from_values(t + index * length, u, f)


class _Errors:
    """Relative L2 errors ‖u − u*‖ / ‖u*‖ on at most 50 × 256 points of the reference's grid per window.

    In the last window the error is that on the full time domain, "relative_l2"; before, no such error is defined, and
    it is that on the window alone, "window_relative_l2".
    """

    def __init__(self, experiment: Experiment, reference: Reference) -> None:
        self.experiment, self.reference = experiment, reference
        self.exact, self.places = _thinned(reference)
        self.rows = min(MAX_ROWS, (len(reference.t) - 1) // experiment.windows)
        self.squares: list[np.ndarray] = []  # Σ (u − u*)² and Σ u*² of every finished window

    def enter(self, conditions: Sequence[Any], finished: tuple[Any, ...]) -> Callable[[Any], dict[str, float]]:
        """params → the error, in the window that follows the finished ones."""
        for index in range(len(self.squares), len(finished)):
            self.squares.append(self._in_window(index, conditions[index])(finished[index]))
        here, before = self._in_window(len(finished), conditions[len(finished)]), sum(self.squares)
        is_last = len(finished) + 1 == self.experiment.windows

        def error(params: Any) -> dict[str, float]:
            difference, exact = here(params) + (before if is_last else 0.0)
            if not exact:  # the reference has no time here
                return {}
            return {"relative_l2" if is_last else "window_relative_l2": float(np.sqrt(difference / exact))}

        return error

    def _in_window(self, index: int, condition: Any) -> Callable[[Any], np.ndarray]:
        """params → Σ (u − u*)² and Σ u*² over the chosen times of a window; every window has as many."""
        problem, length, t = self.experiment.problem, self.experiment.window_length, self.reference.t
        slack = 1e-9 * length
        inside = np.flatnonzero((t > index * length + slack) & (t <= (index + 1) * length + slack))
        if not len(inside):
            return lambda params: np.zeros(2)
        chosen = inside[np.linspace(0, len(inside) - 1, self.rows).round().astype(int)]
        local = np.clip(t[chosen] - index * length, 0.0, length)
        exact = self.exact[chosen]
        times, coordinates = _product(*problem.to_natural(local, self.places))
        programs = self.experiment.programs
        known = programs.backgrounds(condition, times, coordinates)

        def squares(params: Any) -> np.ndarray:
            u = np.asarray(programs.on_backgrounds(params, times, known), np.float64).reshape(exact.shape)
            return np.array([np.sum((u - exact) ** 2), np.sum(exact**2)])

        return squares


def _thinned(reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """u*, (n_t, n), at some of the reference's places, at most `MAX_COLUMNS`; and these, (n,) or (n, 2)."""
    if reference.u.ndim == 2:
        stride = max(1, len(reference.x) // MAX_COLUMNS)
        return reference.u[:, ::stride], reference.x[::stride]
    stride = max(1, len(reference.x) // math.isqrt(MAX_COLUMNS))
    places = np.stack(np.meshgrid(reference.x[::stride], reference.y[::stride], indexing="ij"), axis=-1)
    return reference.u[:, ::stride, ::stride].reshape(len(reference.t), -1), places.reshape(-1, 2)


def _product(t: np.ndarray, x: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """All pairs of times and places, times first."""
    return jnp.asarray(np.repeat(t, len(x)), float), jnp.asarray(np.concatenate([x] * len(t)), float)
