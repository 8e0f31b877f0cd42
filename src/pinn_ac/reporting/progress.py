"""How far a run is: a live bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REDRAW_SECONDS = 0.1
LINE_SECONDS = 5.0
RATE_SECONDS = 20.0
"""The speed that the ETA extrapolates is that of the last so many seconds."""


@dataclass(frozen=True)
class _Status:
    stage: str = "starting"
    step: int = 0
    total: int | None = None
    loss: float | None = None
    error: float | None = None


class Progress:
    """Shows stage, step, loss, error, elapsed time and ETA while it is open.

    Args:
        total_steps: of the whole run; None if only the clock ends it.
        seconds_budget: the run ends here if its steps do not end it before.
        console: where to; by default standard output.
        clock: seconds from any origin.
    """

    def __init__(
        self,
        total_steps: int | None = None,
        seconds_budget: float | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._budget = total_steps, seconds_budget
        self._console, self._clock = console or Console(), clock
        self._status = _Status(total=total_steps)
        self._started = clock()
        self._shown = -float("inf")
        self._pace: deque[tuple[float, int]] = deque()
        self._live: Live | None = None

    def __enter__(self) -> "Progress":
        self._started = self._clock()
        if self._console.is_terminal:
            self._live = Live(self._bar(), console=self._console, auto_refresh=False, transient=False)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status.step:
            self._show()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(
        self,
        step: int,
        stage: str = "training",
        total: int | None = None,
        loss: float | None = None,
        error: float | None = None,
    ) -> None:
        """Say where the run is; drawn at most ten times a second.

        Args:
            step: steps done, counted like `total`.
            total: by default the run's `total_steps`.
            loss: the newest loss.
            error: the newest relative L² error; None keeps the last one.
        """
        now = self._clock()
        kept = self._status.error if error is None else float(error)
        shown_loss = self._status.loss if loss is None else float(loss)
        self._status = _Status(stage, step, total or self._total, shown_loss, kept)
        self._record_pace(now, step)
        if now - self._shown >= (REDRAW_SECONDS if self._live is not None else LINE_SECONDS):
            self._show(now)

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float | None:
        """To the last step at the present speed or to the end of the budget, whichever comes first; None if unknown."""
        ends = []
        status = self._status
        if self._budget is not None:
            ends.append(max(0.0, self._budget - self._elapsed()))
        if status.total is not None and len(self._pace) > 1:
            (first_time, first_step), (last_time, last_step) = self._pace[0], self._pace[-1]
            if last_step > first_step:
                seconds_a_step = (last_time - first_time) / (last_step - first_step)
                ends.append(max(0, status.total - last_step) * seconds_a_step)
        return min(ends) if ends else None

    def _record_pace(self, now: float, step: int) -> None:
        if self._pace and step < self._pace[-1][1]:  # a stage that counts its own steps begins
            self._pace.clear()
        if len(self._pace) > 1 and now - self._pace[-2][0] < REDRAW_SECONDS:
            self._pace.pop()  # thousands of quick steps leave ten marks a second
        self._pace.append((now, step))
        while len(self._pace) > 2 and now - self._pace[1][0] > RATE_SECONDS:
            self._pace.popleft()

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _done(self) -> float:
        """The share of the run that is over, by its steps or by its clock, whichever is further."""
        by_step = self._status.step / self._status.total if self._status.total else 0.0
        by_clock = self._elapsed() / self._budget if self._budget else 0.0
        return min(1.0, max(by_step, by_clock))

    def _show(self, now: float | None = None) -> None:
        self._shown = self._clock() if now is None else now
        if self._live is not None:
            self._live.update(self._bar(), refresh=True)
        else:
            self.say("  ".join(part for part in (f"{self._status.stage:<20}", *self._words()) if part))

    def _words(self) -> tuple[str, str, str, str]:
        """Steps, loss, error and times."""
        status, left = self._status, self.seconds_left()
        steps = f"{status.step}/{status.total}" if status.total else f"{status.step}"
        return (
            f"step {steps}",
            "" if status.loss is None else f"loss {status.loss:.2e}",
            "" if status.error is None else f"error {status.error:.2e}",
            f"{duration(self._elapsed())}" + ("" if left is None else f", {duration(left)} left"),
        )

    def _bar(self) -> Table:
        steps, loss, error, times = self._words()
        row = Table.grid(padding=(0, 2, 0, 0), expand=False)
        cells: list[Any] = [
            Text(escape(self._status.stage), style="bold"),
            ProgressBar(total=1.0, completed=self._done()),
        ]
        cells[1].width = max(8, min(30, self._console.width - 82))
        cells += [Text(steps), Text(loss, style="cyan"), Text(error, style="green"), Text(times, style="dim")]
        for _ in cells:
            row.add_column(no_wrap=True)
        row.add_row(*cells)
        return row


def duration(seconds: float) -> str:
    """83 as 1:23, 4000 as 1:06:40."""
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
