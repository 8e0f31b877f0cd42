"""How far a run is: a live bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

DRAWS_A_SECOND = 8
LINE_SECONDS = 5.0
RATE_SECONDS = 20.0
"""The speed that the ETA extrapolates is that of the last so many seconds."""
STYLES = ("", "cyan", "green", "dim")
"""Of steps, loss, error and times."""


@dataclass(frozen=True)
class _Status:
    stage: str = "starting"
    step: int = 0
    total: int | None = None
    loss: float | None = None
    error: float | None = None
    seconds_a_step: float | None = None


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
        self._last_line = -float("inf")
        self._pace: deque[tuple[float, int]] = deque()
        self._live: Live | None = None

    def __enter__(self) -> "Progress":
        self._started = self._clock()
        if self._console.is_terminal:
            # Its own thread draws, so that an update costs the run nothing and the clock ticks through compilation.
            self._live = Live(get_renderable=self._bar, console=self._console, refresh_per_second=DRAWS_A_SECOND)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._status.step:
            self._print_line()

    def update(
        self,
        step: int,
        stage: str = "training",
        total: int | None = None,
        loss: float | None = None,
        error: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Say where the run is; a few microseconds.

        Args:
            step: steps done, counted like `total`.
            total: by default the run's `total_steps`.
            loss: the newest loss.
            error: the newest relative L² error; None keeps the last one, as it does for the loss.
            seconds: what the run itself counts against its budget, for one that was resumed; by default the time
                since this opened.
        """
        now, before = self._clock(), self._status
        if seconds is not None:
            self._started = now - seconds
        self._status = _Status(
            stage=stage,
            step=int(step),
            total=total or self._total,
            loss=before.loss if loss is None else float(loss),
            error=before.error if error is None else float(error),
            seconds_a_step=self._measure_pace(now, int(step)),
        )
        if self._live is None and now - self._last_line >= LINE_SECONDS:
            self._print_line()
            self._last_line = now

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float | None:
        """To the last step at the present speed or to the end of the budget, whichever is first; None if unknown."""
        status, ends = self._status, []
        if self._budget is not None:
            ends.append(max(0.0, self._budget - self._elapsed()))
        if status.total is not None and status.seconds_a_step is not None:
            ends.append(max(0, status.total - status.step) * status.seconds_a_step)
        return min(ends) if ends else None

    def _measure_pace(self, now: float, step: int) -> float | None:
        """Seconds a step over the last `RATE_SECONDS`; None until it is known."""
        pace = self._pace
        if pace and step < pace[-1][1]:  # a stage that counts its own steps begins
            pace.clear()
        if len(pace) > 1 and now - pace[-2][0] < 1 / DRAWS_A_SECOND:
            pace.pop()  # thousands of quick steps leave a few marks a second
        pace.append((now, step))
        while len(pace) > 2 and now - pace[1][0] > RATE_SECONDS:
            pace.popleft()
        steps = pace[-1][1] - pace[0][1]
        return (pace[-1][0] - pace[0][0]) / steps if steps else None

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _done(self) -> float:
        """The share of the run that is over, by its steps or by its clock, whichever is further."""
        by_step = self._status.step / self._status.total if self._status.total else 0.0
        by_clock = self._elapsed() / self._budget if self._budget else 0.0
        return min(1.0, max(by_step, by_clock))

    def _print_line(self) -> None:
        self.say("  ".join(part for part in (f"{self._status.stage:<20}", *self._words()) if part))

    def _words(self) -> list[str]:
        """Steps, loss, error and times."""
        status, left = self._status, self.seconds_left()
        total = f"/{status.total}" if status.total else ""
        return [
            f"step {status.step:>{max(len(total) - 1, 0)}}{total}",
            "" if status.loss is None else f"loss {status.loss:.2e}",
            "" if status.error is None else f"error {status.error:.2e}",
            duration(self._elapsed()) + ("" if left is None else f", {duration(left)} left"),
        ]

    def _bar(self) -> Table:
        words = self._words()
        room = self._console.width - 1 - sum(len(word) + 2 for word in words)
        stage = self._status.stage[: max(room - 2, 4)]
        texts = [Text(stage, "bold")] + [Text(word, style) for word, style in zip(words, STYLES, strict=True)]
        bar = ProgressBar(
            1.0, self._done(), width=min(30, room - len(stage) - 4), complete_style="cyan", finished_style="green"
        )
        cells = [texts[0], bar, *texts[1:]] if (bar.width or 0) >= 6 else texts
        row = Table.grid(padding=(0, 2, 0, 0))
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
