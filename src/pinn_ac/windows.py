"""The windows of time that a run is trained in: what each asks of the training."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.assembly import Experiment
from pinn_ac.problem import Carried
from pinn_ac.reference import Reference
from pinn_ac.residual import CHUNK
from pinn_ac.training import Window

Validation = Callable[[Any], tuple[float, dict[str, float]]]


def enter_windows(
    experiment: Experiment, loss: Callable[[Any, Any], jax.Array], reference: Reference | None
) -> Callable[[tuple[Any, ...]], Window]:
    """The networks of all finished windows → the window that follows, for `Trainer.enter`.

    Every window uses the same compiled programs: where it begins is an argument of theirs.

    Args:
        experiment: what is trained.
        loss: (params, batch) → its scalar, compiled.
        reference: what errors are measured against, if they are.
    """
    means = jax.jit(experiment.objective.means)
    error = _window_error(experiment, reference) if reference is not None else None

    conditions: list[Carried | None] = [None]

    def enter(finished: tuple[Any, ...]) -> Window:
        for network in finished[len(conditions) - 1 :]:
            conditions.append(experiment.carry(network, conditions[-1]))
        condition = conditions[len(finished)]
        held_out = experiment.held_out(condition)
        errors = error(len(finished), condition) if error is not None else lambda params: {}
        return Window(
            start=lambda: _start(experiment, finished, lambda params: float(loss(params, held_out))),
            draw=lambda step, params, previous, enlargement: experiment.draw(
                step, params, previous, enlargement, condition
            ),
            prepare=lambda points: experiment.prepare(points, condition),
            terms=lambda params, batch: _named(means(params, batch)),
            validate=lambda params: (float(loss(params, held_out)), errors(params)),
        )

    return enter


def _start(experiment: Experiment, finished: tuple[Any, ...], loss: Callable[[Any], float]) -> Any:
    """A fresh network or the one of the window before, whichever has the lower loss.

    The latter knows a solution that has settled; of one that changes quickly it would have to unlearn too much.
    """
    fresh = experiment.initial_params()
    return min((fresh, *finished[-1:]), key=loss) if finished else fresh


def _named(means: Mapping[str, jax.Array]) -> dict[str, float]:
    return {f"loss_{name}": float(mean) for name, mean in means.items()}


def _window_error(
    experiment: Experiment, reference: Reference
) -> Callable[[int, Carried | None], Callable[[Any], dict[str, float]]]:
    """(index of a window, where it begins) → params → the relative L2 error on a part of the reference's grid."""
    # Of all windows together about 50 × 256 points are enough to see how the error falls; of one, one row.
    field, length = experiment.field, experiment.field.problem.horizon
    every = max(1, len(reference.x) // 256)
    rows = max(1, min(50, len(reference.t) // experiment.windows))

    @jax.jit
    def backgrounds(condition, t, x):
        start = field.starting_from(condition)
        return jax.lax.map(lambda point: start.background(*point), (t, x), batch_size=CHUNK)

    predict = jax.jit(jax.vmap(field.on_background, in_axes=(None, 0, 0)))

    def error_in(index: int, condition: Carried | None) -> Callable[[Any], dict[str, float]]:
        inside = np.flatnonzero((reference.t >= index * length) & (reference.t <= (index + 1) * length * (1 + 1e-12)))
        if len(inside) < rows:
            return lambda params: {}
        chosen = inside[np.linspace(len(inside) - 1, 0, rows).round().astype(int)[::-1]]
        exact = reference.u[chosen][:, ::every]
        local = np.clip(reference.t[chosen] - index * length, 0.0, length)
        t, x = (jnp.asarray(axis.ravel(), float) for axis in np.meshgrid(local, reference.x[::every], indexing="ij"))
        known = backgrounds(condition, t, x)

        def error(params: Any) -> dict[str, float]:
            u = np.asarray(predict(params, t, known), np.float64).reshape(exact.shape)
            return {"relative_l2": float(np.linalg.norm(u - exact) / np.linalg.norm(exact))}

        return error

    return error_in
