"""What can end a run early, and the clock of compilation."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import jax

PATIENCE = 2
"""Evaluations on end that make over-fitting of a chance."""
MOST_ENLARGEMENT = 16


class Stopped(Exception):
    """The run was asked to stop; it has saved itself. `signal_number` says by what."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)  # alone, or it could not be pickled
        self.signal_number = signal_number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signal_number).name}"


class Diverged(Exception):
    """The loss stayed non-finite after every retreat; the last good state is saved."""


@dataclass(frozen=True)
class OverfitGuard:
    """What counts as over-fitting, and what is done about it.

    A network has over-fitted where the loss on held-out points is more than `ratio` times the loss on its own, at
    `PATIENCE` evaluations on end.

    Args:
        loss: (params, batch) → the loss on the points that are trained on.
        remedy: "enlarge" doubles the points, at most to `MOST_ENLARGEMENT` times as many; "stop" ends the
            window of time; "ignore" does nothing.
        ratio: above 1.
    """

    loss: Callable[[Any, Any], float]
    remedy: str = "enlarge"
    ratio: float = 1000.0

    def counted(self, overfits: int, held_out: float, params: Any, batch: Any) -> int:
        """How many evaluations on end over-fitted, `overfits` of them before this one of the loss `held_out`."""
        if self.remedy == "ignore":
            return 0
        return overfits + 1 if held_out > self.ratio * self.loss(params, batch) else 0

    def stops(self, overfits: int) -> bool:
        """The run ends here."""
        return self.remedy == "stop" and overfits >= PATIENCE

    def enlarges(self, overfits: int, enlargement: int) -> bool:
        """There should be twice the points."""
        return self.remedy == "enlarge" and overfits >= PATIENCE and enlargement < MOST_ENLARGEMENT


class StopSignals:
    """While it is entered, Ctrl-C and SIGTERM set `received` instead of ending the program; a second one ends it.

    Under a launcher that has handlers of its own, as submitit has, SIGTERM stays with it, and SIGUSR2, by which it is
    told to queue the job again, is handed on to it at the end, when the run has saved itself.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
            before = signal.getsignal(number)
            is_launchers = callable(before) and before is not signal.default_int_handler
            if before is None or is_launchers != (number == signal.SIGUSR2):  # None could not be put back
                continue
            try:
                signal.signal(number, self._receive)
            except ValueError:  # not in the main thread, where signals do not arrive either
                break
            self._before[number] = before
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        waiting = self._before.get(signal.SIGUSR2)
        if self.received == signal.SIGUSR2 and callable(waiting):
            waiting(signal.SIGUSR2, None)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number != signal.SIGUSR2:
            raise KeyboardInterrupt
        self.received = self.received or number


class Stopwatch:
    """Wall-clock seconds since it was entered, and in how many of them JAX lowered or compiled, in any thread."""

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        self._compiling: list[tuple[float, float]] = []  # from when to when, apart and in order
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *exception: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    @property
    def seconds(self) -> float:
        """Since it was entered."""
        return time.perf_counter() - self._start

    @property
    def compile_seconds(self) -> float:
        """Those of them in which something was lowered or compiled, each counted once."""
        total = counted = 0.0
        for start, end in sorted(self._compiling):
            total += max(0.0, end - max(start, counted))
            counted = max(counted, end)
        return total

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        # Not the traces, which are reported inside their callers' too.
        if event in ("/jax/core/compile/backend_compile_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration"):
            end = self.seconds
            self._compiling.append((end - duration_secs, end))  # and no more, since other threads do so too
