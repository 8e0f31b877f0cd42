"""The windows of time that a run is trained in: what each asks of the training."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.experiment import Experiment
from pinn_ac.problem import FourierCondition
from pinn_ac.reference import Reference
from pinn_ac.training import Window

Validation = Callable[[Any], tuple[float, dict[str, float]]]


def enter_windows(experiment: Experiment, reference: Reference | None) -> Callable[[tuple[Any, ...]], Window]:
    """The networks of all finished windows → the window that follows, for `Trainer.enter`.

    Every window uses the same compiled programs: where it begins is an argument of theirs. Those that the first one
    needs beside its steps are compiled beside these.

    Args:
        experiment: what is trained.
        reference: what errors are measured against, if they are.
    """
    loss, means, aside = experiment.programs.loss, experiment.programs.means, experiment.objective.shards.aside
    errors = None
    if reference is not None and len(reference.t) > experiment.windows:  # so that every window has a row
        errors = _Errors(experiment, reference)

    conditions: list[FourierCondition | None] = [None]

    def enter(finished: tuple[Any, ...]) -> Window:
        for network in finished[len(conditions) - 1 :]:
            conditions.append(experiment.transfer(network, conditions[-1]))
        condition = conditions[len(finished)]
        fresh = aside(experiment.initial_params)
        error = aside(lambda: errors.enter(conditions, finished) if errors is not None else lambda params: {})
        held_out = experiment.held_out(condition)

        def validate(params: Any) -> tuple[float, dict[str, float]]:
            return loss(params, held_out), error()(params)

        if not finished:
            aside(lambda: validate(fresh()))  # for its compilation
        return Window(
            start=lambda: _start(fresh(), finished, lambda params: loss(params, held_out)),
            draw=lambda step, params, previous, enlargement: experiment.draw(
                step, params, previous, enlargement, condition
            ),
            prepare=lambda points: experiment.prepare(points, condition),
            terms=lambda params, batch: _named(means(params, batch)),
            validate=validate,
        )

    return enter


def _start(fresh: Any, finished: tuple[Any, ...], loss: Callable[[Any], float]) -> Any:
    """A fresh network or the one of the window before, whichever has the lower loss.

    The latter knows a solution that has settled; of one that changes quickly it would have to unlearn too much.
    """
    return min((fresh, *finished[-1:]), key=loss) if finished else fresh


def _named(means: Mapping[str, jax.Array]) -> dict[str, float]:
    return {f"loss_{name}": float(mean) for name, mean in means.items()}


class _Errors:
    """Relative L2 errors on about 50 × 256 points of the reference's grid: enough to see how they fall.

    Before the last window they are of the window alone, and are called so.
    """

    def __init__(self, experiment: Experiment, reference: Reference) -> None:
        self.experiment, self.reference = experiment, reference
        self.every = max(1, len(reference.x) // 256)
        self.rows = min(50, (len(reference.t) - 1) // experiment.windows)
        self.squares: list[np.ndarray] = []  # of the errors and of the solution, in every finished window

    def enter(
        self, conditions: list[FourierCondition | None], finished: tuple[Any, ...]
    ) -> Callable[[Any], dict[str, float]]:
        """params → the error, in the window that follows the finished ones."""
        for index in range(len(self.squares), len(finished)):
            self.squares.append(self._in_window(index, conditions[index])(finished[index]))
        here, before = self._in_window(len(finished), conditions[len(finished)]), sum(self.squares)
        is_last = len(finished) + 1 == self.experiment.windows

        def error(params: Any) -> dict[str, float]:
            difference, exact = here(params) + (before if is_last else 0.0)
            return {"relative_l2" if is_last else "window_relative_l2": float(np.sqrt(difference / exact))}

        return error

    def _in_window(self, index: int, condition: FourierCondition | None) -> Callable[[Any], np.ndarray]:
        """params → Σ (u − u*)² and Σ u*² over the rows in a window, of which all windows have as many."""
        problem, length, t = self.experiment.problem, self.experiment.window_length, self.reference.t
        slack = 1e-9 * length
        inside = np.flatnonzero((t > index * length + slack) & (t <= (index + 1) * length + slack))
        chosen = inside[np.linspace(0, len(inside) - 1, self.rows).round().astype(int)]
        local = np.clip(t[chosen] - index * length, 0.0, length)
        exact = self.reference.u[chosen][:, :: self.every]
        grid = np.meshgrid(*problem.to_natural(local, self.reference.x[:: self.every]), indexing="ij")
        times, places = (jnp.asarray(axis.ravel(), float) for axis in grid)
        programs = self.experiment.programs
        known = programs.backgrounds(condition, times, places)

        def squares(params: Any) -> np.ndarray:
            u = np.asarray(programs.on_backgrounds(params, times, known), np.float64).reshape(exact.shape)
            return np.array([np.sum((u - exact) ** 2), np.sum(exact**2)])

        return squares
