"""Ensembles: several runs of the same shapes at once, whose steps one compiled program computes.

Each member is an ordinary run of the training loop in a thread of its own, whose `step` meets those of the others: it
waits until every member that is still running has asked for a step, and the main thread computes all of them.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.compilation import kept
from pinn_ac.compute import ComputeSettings, in_another_thread, on_cpu
from pinn_ac.errors import require
from pinn_ac.optimizers import Optimizer, StepInfo
from pinn_ac.training.guards import Diverged, Stopped, StopSignals, Stopwatch
from pinn_ac.training.loop import Trainer
from pinn_ac.training.schedule import Stage
from pinn_ac.training.state import TrainingState

End = TrainingState | Diverged | Stopped
"""How a run ends."""


class Request(NamedTuple):
    """A step that a member asks for: the index of the stage, the state of its optimizer, the batch."""

    stage: int
    state: Any
    batch: Any


Answer = tuple[Any, StepInfo]
Compute = Callable[[Mapping[int, Request]], Mapping[int, Answer]]
"""Member → its request, to member → the answer."""


def require_one_program(stages: Sequence[Stage]) -> None:
    """Refuse optimizers whose steps `vmap` cannot compute together.

    Raises:
        InputError: there is one.
    """
    several = [stage.name for stage in stages if not stage.optimizer.is_one_program]
    require(
        not several,
        f"ensemble is above 1, but the steps of {', '.join(several)} cannot be computed together: choose another "
        "optimizer, such as optimizer=adam, or run the seeds one by one with -m seed=0,1,2.",
    )


def run_ensemble(
    trainers: Sequence[Trainer], states: Sequence[TrainingState], mapped: bool | None = None
) -> list[End]:
    """Run each trainer from its state to its end, as `Trainer.run` would except for rounding.

    What happens between steps (points, evaluations, checkpoints, retries) each member decides for itself. Members
    that ask for a step of the same stage, on batches of the same shapes, get it from one compiled program.

    Args:
        trainers: with the same stages.
        states: one for each trainer.
        mapped: True computes the steps of all members at once by `vmap`, False one after another by the same compiled
            step. None chooses False on a CPU, which a single step keeps busy: measured on two cores, 16 ms per member
            instead of 27.

    Returns:
        How each run ended. One that diverged or was stopped does not end the others.

    Raises:
        Exception: any other exception of a member ends all of them, and is raised here.
    """
    optimizers = [stage.optimizer for stage in trainers[0].stages]
    if mapped is None:
        mapped = not on_cpu()
    compute = _Lanes(optimizers, len(trainers)).step if mapped else partial(_one_by_one, optimizers)
    with StopSignals() as signals, Stopwatch() as watch, ComputeSettings.current().active():
        meeting = _Meeting(len(trainers))

        def member(index: int) -> None:
            step = partial(meeting.step, index)
            meeting.attend(index, lambda: trainers[index].train(states[index], step, signals, watch))

        threads = [
            threading.Thread(target=in_another_thread(partial(member, index)), name=f"ensemble member {index}")
            for index in range(len(trainers))
        ]
        try:
            for thread in threads:
                thread.start()
            meeting.serve(compute)
        finally:
            meeting.close()
            for thread in threads:
                if thread.ident is not None:  # it was started
                    thread.join()
    return [meeting.ends[index] for index in range(len(trainers))]


class _Closed(BaseException):
    """Unwinds the members that are still running when the ensemble ends early."""


class _Meeting:
    """Where the members' threads meet the thread that computes their steps.

    Only one of all these threads runs at a time: the one that holds the lock of `turn`. A member holds it except
    while it waits for a step. So nothing that members share (trackers, compiled functions, caches) has to expect two
    threads at once.
    """

    def __init__(self, members: int) -> None:
        self.turn = threading.Condition()
        self.running = set(range(members))
        self.requests: dict[int, Request] = {}
        self.answers: dict[int, Answer] = {}
        self.ends: dict[int, End] = {}
        self.failure: BaseException | None = None
        self.closed = False

    def attend(self, member: int, train: Callable[[], TrainingState]) -> None:
        """In the member's thread: train, and record how that ended."""
        with self.turn:
            try:
                if not self.closed:
                    self.ends[member] = train()
            except (Diverged, Stopped) as end:
                self.ends[member] = end
            except _Closed:
                pass
            except BaseException as failure:
                self.failure = self.failure or failure
            finally:
                self.running.discard(member)
                self.turn.notify_all()

    def step(self, member: int, stage: int, state: Any, batch: Any) -> Answer:
        """In the member's thread: ask for a step, and wait for the answer."""
        self.requests[member] = Request(stage, state, batch)
        self.turn.notify_all()
        self.turn.wait_for(lambda: self.closed or member in self.answers)
        if self.closed:
            raise _Closed
        return self.answers.pop(member)

    def serve(self, compute: Compute) -> None:
        """In the main thread, which is also the one where signals arrive: compute steps until no member is running.

        Raises:
            Exception: the failure of a member.
        """
        with self.turn:
            while self._all_have_asked() and self.failure is None and self.running:
                requests, self.requests = self.requests, {}
                self.answers = dict(compute(requests))
                self.turn.notify_all()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Wake the members that still wait for a step, if there are any, so that they end."""
        with self.turn:
            self.closed = True
            self.turn.notify_all()

    def _all_have_asked(self) -> bool:
        """Wait until every member that is still running has asked for a step, or one has failed."""
        return self.turn.wait_for(lambda: self.failure is not None or self.requests.keys() == self.running)


def _one_by_one(optimizers: Sequence[Optimizer], requests: Mapping[int, Request]) -> dict[int, Answer]:
    """Each member's step by the same compiled program; JAX computes asynchronously, so all are under way at once."""
    return {
        member: optimizers[request.stage].step(request.state, request.batch) for member, request in requests.items()
    }


class _Lanes:
    """Steps of up to `width` members in one program. Unused lanes hold copies, so that the program has one width."""

    def __init__(self, optimizers: Sequence[Optimizer], width: int) -> None:
        self._programs = [kept(optimizer.step, _mapped) for optimizer in optimizers]
        self._width = width
        self._batches: tuple[list[Any], Any] = ([], None)

    def step(self, requests: Mapping[int, Request]) -> dict[int, Answer]:
        """Member → the answer to its request."""
        groups: dict[Any, list[int]] = {}
        for member, request in sorted(requests.items()):
            shapes = tuple(leaf.shape for leaf in jax.tree.leaves(request.batch))
            groups.setdefault((request.stage, jax.tree.structure(request.batch), shapes), []).append(member)
        answers: dict[int, Answer] = {}
        for (stage, *_), members in groups.items():
            filled = members + (self._width - len(members)) * members[:1]
            batches = self._stacked([requests[member].batch for member in filled])
            found = self._programs[stage](tuple(requests[member].state for member in filled), batches)
            answers |= dict(zip(members, found, strict=False))
        return answers

    def _stacked(self, batches: list[Any]) -> Any:
        """The batches with a leading axis of members; not stacked anew while the members keep their points."""
        before, stacked = self._batches
        if len(before) != len(batches) or any(one is not other for one, other in zip(before, batches, strict=True)):
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
            self._batches = batches, stacked
        return stacked


def _mapped(step: Callable[..., Any]) -> Callable[[tuple[Any, ...], Any], tuple[Any, ...]]:
    """A step of several members: (the states of all, their batches stacked) → each member's (state, StepInfo)."""

    @jax.jit
    def step_of_all(states, batches):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        answers = jax.vmap(step)(stacked, batches)
        return tuple(jax.tree.map(lambda leaf, k=k: leaf[k], answers) for k in range(len(states)))

    return step_of_all
