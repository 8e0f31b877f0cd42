"""The state of a training run: everything that a checkpoint has to hold."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class TrainingState(NamedTuple):
    """All that a run needs to continue bit for bit where it stopped. A pytree.

    Random keys are not part of it: they follow from the seed and the step.

    optimizer: state of the current stage's optimizer.
    best_params: the parameters with the lowest validation loss so far in this time window.
    points: name → the newest points, as they were drawn; empty before the first draw. They are kept because a draw
        may depend on the parameters and on the points before it; so is what the sampler remembers beside them.
    finished: the best parameters of every earlier time window, stacked along a leading axis; () in the first window.
    best_loss: the validation loss of `best_params`.
    stage: index of the current stage.
    stage_step: optimizer steps in this stage and time window.
    step: optimizer steps so far, over all stages and time windows.
    seconds: wall-clock seconds of training so far, including the sessions before a resume.
    compile_seconds: how many of them were spent lowering and compiling.
    enlargement: how many times the sampler's number of points are drawn.
    overfits: consecutive evaluations that found over-fitting.
    failures: how often a non-finite loss has sent the run back.
    window_seconds: `seconds` when this time window began.
    window_compile_seconds: `compile_seconds` when this time window began.
    goal: the validation loss that the first time window reached, at which a window between the first and the last
        ends early; 0 if the first window is not the easiest.
    weighting: state of the run's weighting; () without one.
    """

    optimizer: Any
    best_params: Any
    points: Mapping[str, Any] = {}
    finished: Any = ()
    best_loss: float = float("inf")
    stage: int = 0
    stage_step: int = 0
    step: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    enlargement: int = 1
    overfits: int = 0
    failures: int = 0
    window_seconds: float = 0.0
    window_compile_seconds: float = 0.0
    goal: float = 0.0
    weighting: Any = ()


def stacked(windows: Sequence[Any]) -> Any:
    """The parameters of several time windows as one tree of NumPy arrays, window by window; of none, ()."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *windows) if windows else ()


def blank(windows: int, params: Any) -> Any:
    """Zeros of the shapes that :func:`stacked` gives for `windows` windows of parameters like `params`."""
    return jax.tree.map(lambda leaf: jnp.zeros((windows, *leaf.shape), leaf.dtype), params) if windows else ()


def unstacked(windows: Any) -> tuple[Any, ...]:
    """The parameters of each time window: the inverse of :func:`stacked`."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, windows))
    return tuple(jax.tree.unflatten(structure, window) for window in zip(*leaves, strict=True))


def with_plain_counters(state: TrainingState) -> TrainingState:
    """A state read from a checkpoint, with its counters as Python numbers again instead of arrays."""
    counters = {
        name: kind(getattr(state, name))
        for name, kind in TrainingState.__annotations__.items()
        if kind in (int, float)
    }
    return state._replace(**counters)


def all_finite(tree: Any) -> bool:
    """Whether no leaf of `tree` holds NaN or infinity."""
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))
