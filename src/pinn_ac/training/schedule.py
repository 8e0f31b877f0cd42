"""What a run consists of: time windows, stages of optimizers, and what happens every so many steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pinn_ac.optimizers import Optimizer, StepInfo

Points = Mapping[str, Any]
Step = Callable[[int, Any, Any], tuple[Any, StepInfo]]
"""(index of the stage, state of its optimizer, batch) → (the optimizer's next state, what the step reports)."""


class Stage(NamedTuple):
    """An optimizer and its number of steps.

    name: such as "adam"; the history names the stage by it.
    optimizer: its methods are called, but its `step` only through the `Step` that the loop is given.
    steps: in each time window.
    """

    name: str
    optimizer: Optimizer
    steps: int


class Intervals(NamedTuple):
    """Steps between logs, evaluations, checkpoints. None: 200 logs, 20 evaluations and 10 checkpoints per stage."""

    log_every: int | None = None
    evaluate_every: int | None = None
    checkpoint_every: int | None = None

    def for_stage(self, steps: int) -> tuple[int, int, int]:
        """(log_every, evaluate_every, checkpoint_every) of a stage of `steps` steps."""
        per_stage = (200, 20, 10)
        return tuple(  # type: ignore[return-value]
            every if every is not None else max(1, steps // count)
            for every, count in zip(self, per_stage, strict=True)
        )


class Window(NamedTuple):
    """One time window: a training problem of its own, which goes through all stages.

    start: () → the parameters that training starts from.
    draw: (step, params, the previous points, enlargement) → the points to train on from this step on, name → array;
        `enlargement` times the sampler's number of them. There are no previous points at a window's first draw.
    prepare: points → the batch that the optimizer's steps take; called once per draw.
    terms: (params, batch) → "loss_NAME" → the mean of each loss term; for the history.
    validate: params → (the loss on held-out points, further figures such as the error).
    is_reached: those figures → whether the window is as accurate as it needs to be, and ends.
    """

    start: Callable[[], Any]
    draw: Callable[[int, Any, Points, int], Points]
    prepare: Callable[[Points], Any]
    terms: Callable[[Any, Any], Mapping[str, float]]
    validate: Callable[[Any], tuple[float, Mapping[str, float]]]
    is_reached: Callable[[Mapping[str, float]], bool] = lambda figures: False


class BatchWeighting(NamedTuple):
    """Weights of the points of a batch, renewed before every step. The same functions serve all time windows.

    The state is a pytree of arrays, which checkpoints save.

    init: points → the state at a window's first draw. Of JAX's functions alone: resuming traces it for its shapes.
    renew: (state, points) → the state when `points` have been drawn in place of others. What belongs to single points
        begins anew.
    weigh: (state, params, batch, points) → (the next state, the batch with its weights), before a step that starts
        at `params`; `batch` has no weights of the steps before.
    figures: state → name → scalar, for the history.
    """

    init: Callable[[Points], Any]
    renew: Callable[[Any, Points], Any]
    weigh: Callable[[Any, Any, Any, Points], tuple[Any, Any]]
    figures: Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class TimeWindows:
    """The training problems of a run.

    Args:
        enter: the best parameters of every finished window → the window that follows.
        count: the number of windows.
        resample_every: steps between draws of points; 0 keeps a window's first points.
        easy_start: the first window is the easiest, as it is for an ansatz that satisfies the initial condition
            exactly. With a budget of seconds, the windows between the first and the last then end as soon as they are
            as good as the first.
        weighting: weights of the batch, renewed before each step; None for none.
        even: all get the same share of a budget; otherwise early ones get more than late ones.
        called: what one of them is for the user.
    """

    enter: Callable[[tuple[Any, ...]], Window]
    count: int = 1
    resample_every: int = 0
    easy_start: bool = True
    weighting: BatchWeighting | None = None
    even: bool = False
    called: str = "Time window"
