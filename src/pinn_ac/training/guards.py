"""What can end a run early: a signal, a loss that is not finite, over-fitting. And the clocks of a run."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import jax

OVERFIT_EVALUATIONS = 2
"""Consecutive evaluations before over-fitting is declared."""
MAX_ENLARGEMENT = 16
"""The number of points is doubled until it is this many times the sampler's."""


class Stopped(Exception):
    """The run was stopped by the signal `signal_number`, and has saved a checkpoint if it keeps any.

    >>> print(Stopped(15))
    stopped by SIGTERM
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)  # the arguments of __init__, since unpickling passes these to it
        self.signal_number = signal_number

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signal_number).name}"


class Diverged(Exception):
    """The loss stayed non-finite after every retry. A run that keeps checkpoints saves its last finite state before.

    >>> issubclass(Diverged, Exception)  # `except pinn_ac.Diverged:` around `pinn_ac.fit` catches it
    True
    """


@dataclass(frozen=True)
class OverfitGuard:
    """Detects over-fitting, and says what is done about it.

    The network over-fits if, at `OVERFIT_EVALUATIONS` consecutive evaluations, the loss on held-out points is more
    than `ratio` times the loss on the points that it is trained on.

    Args:
        loss: (params, batch) → the loss on the points of the batch.
        remedy: "enlarge" doubles the number of points, up to `MAX_ENLARGEMENT` times the sampler's; "stop" ends the
            time window; "ignore" does nothing.
        ratio: above 1.
    """

    loss: Callable[[Any, Any], float]
    remedy: str = "enlarge"
    ratio: float = 1000.0

    def counted(self, overfits: int, held_out: float, params: Any, batch: Any) -> int:
        """The number of consecutive evaluations that found over-fitting, after one more evaluation.

        Args:
            overfits: that number before this evaluation.
            held_out: the loss on held-out points at this evaluation.
            params: the parameters that were evaluated.
            batch: the points that the network is trained on.
        """
        if self.remedy == "ignore":
            return 0
        return overfits + 1 if held_out > self.ratio * self.loss(params, batch) else 0

    def stops(self, overfits: int) -> bool:
        """Whether the time window ends here, after `overfits` consecutive evaluations that found over-fitting."""
        return self.remedy == "stop" and overfits >= OVERFIT_EVALUATIONS

    def enlarges(self, overfits: int, enlargement: int) -> bool:
        """Whether the number of points, now `enlargement` times the sampler's, is doubled."""
        return self.remedy == "enlarge" and overfits >= OVERFIT_EVALUATIONS and enlargement < MAX_ENLARGEMENT


class StopSignals:
    """Inside its `with` block Ctrl-C and SIGTERM set `received` instead of ending the program; a second one ends it.

    A launcher such as submitit has handlers of its own. Its handler of SIGTERM is left in place. SIGUSR2, which tells
    it to queue the job again, also sets `received`, and the launcher's handler is called at the end of the block,
    when the run has saved a checkpoint.

    Python runs signal handlers in the main thread only: in any other thread the block changes nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
            before = signal.getsignal(number)
            is_launchers = callable(before) and before is not signal.default_int_handler
            if before is None or is_launchers != (number == signal.SIGUSR2):  # None: C code's, cannot be restored
                continue
            try:
                signal.signal(number, self._receive)
            except ValueError:  # not in the main thread
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
    """Wall-clock seconds since its `with` block began, and how many of them JAX spent lowering and compiling.

    Compilation counts in whatever thread it happens.
    """

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        self._compiling: list[tuple[float, float]] = []  # (start, end) of each, in seconds since the block began
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *exception: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    @property
    def seconds(self) -> float:
        """Seconds since the block began."""
        return time.perf_counter() - self._start

    @property
    def compile_seconds(self) -> float:
        """How many of them something was being lowered or compiled; programs compiled at once count once."""
        total = counted = 0.0
        for start, end in sorted(self._compiling):
            total += max(0.0, end - max(start, counted))
            counted = max(counted, end)
        return total

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        # Tracing is left out: a nested trace is reported again as part of its caller's.
        if event in ("/jax/core/compile/backend_compile_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration"):
            end = self.seconds
            self._compiling.append((end - duration_secs, end))  # a single append is safe when several threads compile
