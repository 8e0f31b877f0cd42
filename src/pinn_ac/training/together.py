"""Several trainings of one shape at once: one program computes their steps."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.compilation import kept
from pinn_ac.compute import on_cpu
from pinn_ac.errors import require
from pinn_ac.optimizers import Optimizer
from pinn_ac.training.guards import Diverged, Stopped, StopSignals, Stopwatch
from pinn_ac.training.loop import Ask, Session, Stage, Trainer
from pinn_ac.training.state import TrainingState

End = TrainingState | Diverged | Stopped
"""How a training ends."""


def require_one_program(stages: Sequence[Stage]) -> None:
    """Refuse optimizers that `vmap` cannot map.

    Raises:
        InputError: there is one.
    """
    several = [stage.name for stage in stages if not stage.optimizer.is_one_program]
    require(
        not several,
        f"ensemble is above 1, but the steps of {', '.join(several)} cannot be computed together: choose another "
        "optimizer, such as optimizer=adam, or run the seeds one by one with -m seed=0,1,2.",
    )


def run_together(
    trainers: Sequence[Trainer], states: Sequence[TrainingState], mapped: bool | None = None
) -> list[End]:
    """Each trainer from its state to its end, as `Trainer.run` would but for rounding.

    Every trainer decides for itself what lies between its steps: points, evaluations, checkpoints, retreats. Those
    that ask for a step of the same stage on batches of one shape get it from one compiled program.

    Args:
        trainers: with the same stages.
        states: one for each.
        mapped: compute the steps of all in one by `vmap`; else one after the other by one compiled step. None chooses
            the latter on a CPU, which one step keeps busy: measured on two cores, 27 ms a member against 16.

    Returns:
        Where each ends; one that stopped or diverged does not end the others.
    """
    optimizers = [stage.optimizer for stage in trainers[0].stages]
    if mapped is None:
        mapped = not on_cpu()
    step = _Lanes(optimizers, len(trainers)).step if mapped else _one_by_one(optimizers)
    ends: dict[int, End] = {}
    with StopSignals() as signals, Stopwatch() as watch:
        sessions = [trainer.session(state, signals, watch) for trainer, state in zip(trainers, states, strict=True)]
        asks: dict[int, Ask] = {}
        for member, session in enumerate(sessions):
            _go_on(member, session, None, asks, ends)
        while asks:
            answers = step(asks)
            asks = {}
            for member, answer in answers.items():
                _go_on(member, sessions[member], answer, asks, ends)
    return [ends[member] for member in range(len(trainers))]


def _go_on(member: int, session: Session, answer: Any, asks: dict[int, Ask], ends: dict[int, End]) -> None:
    """Send the answer (None to begin), and note what the member asks next or how it ended."""
    try:
        asks[member] = session.send(answer)
    except StopIteration as end:
        ends[member] = end.value
    except (Diverged, Stopped) as end:
        ends[member] = end


def _one_by_one(optimizers: Sequence[Optimizer]) -> Callable[[dict[int, Ask]], dict[int, Any]]:
    """Member → the answer to what it asks; all are under way before one is waited for."""
    return lambda asks: {member: optimizers[ask.stage].step(ask.state, ask.batch) for member, ask in asks.items()}


class _Lanes:
    """Steps of up to `width` members in one program, which is filled up with copies so that it has one width."""

    def __init__(self, optimizers: Sequence[Optimizer], width: int) -> None:
        self._programs = [kept(optimizer.step, _mapped) for optimizer in optimizers]
        self._width = width
        self._batches: tuple[list[Any], Any] = ([], None)

    def step(self, asks: dict[int, Ask]) -> dict[int, Any]:
        """Member → the answer to what it asks."""
        groups: dict[Any, list[int]] = {}
        for member, ask in asks.items():
            shapes = tuple(leaf.shape for leaf in jax.tree.leaves(ask.batch))
            groups.setdefault((ask.stage, jax.tree.structure(ask.batch), shapes), []).append(member)
        answers: dict[int, Any] = {}
        for (stage, *_), members in groups.items():
            filled = members + (self._width - len(members)) * members[:1]
            batches = self._stacked([asks[member].batch for member in filled])
            found = self._programs[stage](tuple(asks[member].state for member in filled), batches)
            answers |= dict(zip(members, found, strict=False))
        return answers

    def _stacked(self, batches: list[Any]) -> Any:
        """With a leading axis of members; kept while the members keep their points."""
        before, stacked = self._batches
        if len(before) != len(batches) or any(one is not other for one, other in zip(before, batches, strict=True)):
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
            self._batches = batches, stacked
        return stacked


def _mapped(step: Callable[..., Any]) -> Callable[[tuple[Any, ...], Any], tuple[Any, ...]]:
    """A step for several: (the states of all members, their batches stacked) → each member's (state, outcome)."""

    @jax.jit
    def step_of_all(states, batches):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        answers = jax.vmap(step)(stacked, batches)
        return tuple(jax.tree.map(lambda leaf, k=k: leaf[k], answers) for k in range(len(states)))

    return step_of_all
