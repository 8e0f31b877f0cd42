"""Everything that a run must remember to go on as if it had never stopped."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class TrainingState(NamedTuple):
    """A pytree; keys are not in it, since they follow from the seed and the step.

    optimizer: state of the current stage's optimizer.
    best_params: the parameters with the lowest validation loss so far.
    points: name → the points of the newest draw, as drawn; empty before the first one. They are kept, since a draw
        may depend on the parameters and on the points before it.
    finished: the best parameters of every window of time before this one, stacked; empty in the first one.
    best_loss: that loss.
    stage: index of the current stage.
    stage_step: steps done in it.
    step: steps done in all.
    seconds: wall-clock seconds of training so far, over all sessions.
    compile_seconds: those of them that tracing and compiling took.
    enlargement: how many times as many points are drawn as the sampler was told to.
    overfits: at how many evaluations on end the network fitted its points alone.
    failures: how often a non-finite loss has sent the run back.
    window_seconds: `seconds` when this window began.
    window_compile_seconds: `compile_seconds` then.
    goal: the held-out loss that the first window reached; with it a window between the first and the last is done;
        0 where that was no easy one.
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


def stacked(windows: Sequence[Any]) -> Any:
    """Parameters of several windows as one tree of NumPy's arrays with a leading axis of windows; of none, ()."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *windows) if windows else ()


def blank(windows: int, params: Any) -> Any:
    """The shapes of :func:`stacked` for so many windows of such parameters, as zeros."""
    return jax.tree.map(lambda leaf: jnp.zeros((windows, *leaf.shape), leaf.dtype), params) if windows else ()


def unstacked(windows: Any) -> tuple[Any, ...]:
    """What :func:`stacked` was made of."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, windows))
    return tuple(jax.tree.unflatten(structure, window) for window in zip(*leaves, strict=True))


def with_plain_counters(state: TrainingState) -> TrainingState:
    """A state read from a checkpoint, its counters plain numbers again, which cost the loop nothing."""
    counters = {
        name: kind(getattr(state, name))
        for name, kind in TrainingState.__annotations__.items()
        if kind in (int, float)
    }
    return state._replace(**counters)


def all_finite(tree: Any) -> bool:
    """No leaf of `tree` holds NaN or infinity."""
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))
