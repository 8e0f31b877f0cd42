"""A tracker that shows how far a run is: a live bar in a terminal, one updating display in a notebook, else lines."""

import html
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pinn_ac.errors import require
from pinn_ac.tracking import Tracker

DISPLAYS = ("auto", "terminal", "notebook", "lines", "none")
DRAWS_PER_SECOND = 8
NOTEBOOK_SECONDS = 0.5
"""Between updates of a notebook's display, each of which is a message to the browser."""
LINE_SECONDS = 5.0
"""Between lines of a log."""
RATE_SECONDS = 20.0
"""The remaining time is extrapolated from the speed of this many seconds."""
STYLES = {"step": "", "loss": "cyan", "error": "green", "estimate": "green", "times": "dim"}
"""Of what a bar says."""
GIVEN_UP = ("loss", "estimate", "error")
"""What a bar leaves out where the terminal is too narrow, in order."""


@dataclass(frozen=True)
class _Status:
    stage: str = "starting"
    step: int = 0
    total: int | None = None
    loss: float | None = None
    error: float | None = None
    estimate: float | None = None
    seconds_per_step: float | None = None
    share: float | None = None
    ended: bool = False


class Progress(Tracker):
    """Shows stage, step, loss, error, the error's estimate, elapsed time and remaining time of a run.

    Args:
        total_steps: of the whole run; None takes it from the run's description, if that knows it.
        seconds_budget: the run ends then at the latest; None takes it from the run's description.
        display: "terminal" is a live bar; "notebook" one display that is updated in place, by IPython alone; "lines"
            a plain line every few seconds, for a log file; "none" shows nothing; "auto" chooses what suits the place
            where the run is.
        console: where it is shown; by default standard output.
        clock: seconds from any origin.

    Raises:
        InputError: an unknown display.

    Example:
        ::

            pinn_ac.fit(problem, trackers=[Progress(display="lines")])
    """

    def __init__(
        self,
        total_steps: int | None = None,
        seconds_budget: float | None = None,
        display: str = "auto",
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        require(
            display in DISPLAYS,
            f"The progress display is {display!r}: choose {', '.join(DISPLAYS[:-1])} or {DISPLAYS[-1]}.",
        )
        self._given, self._wanted = (total_steps, seconds_budget), display
        self._total, self._budget = self._given
        # In a notebook too a message is printed as plain text, not as rich's HTML.
        self._console, self._clock = console or Console(force_jupyter=False), clock
        self._display = "none"
        self._status = _Status(total=total_steps)
        self._started = clock()
        self._last_shown = -float("inf")
        self._pace: deque[tuple[float, int]] = deque()
        self._live: Live | None = None
        self._handle: Any = None

    def start(self, description: Mapping[str, Any]) -> None:
        """Begin to show the run; the clock starts now."""
        total, budget = self._given
        self._total = total or description.get("total_steps")
        self._budget = budget or description.get("seconds_budget")
        self._status = _Status(total=self._total)
        self._started, self._display = self._clock(), self._chosen()
        if self._display == "terminal":
            # Its own thread draws, so that an update costs the run nothing and the clock goes on during compilation.
            self._live = Live(get_renderable=self._bar, console=self._console, refresh_per_second=DRAWS_PER_SECOND)
            self._live.start(refresh=True)

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """Show the step, the loss, and the error where it was measured or estimated."""
        self.update(
            step,
            stage,
            loss=figures.get("loss"),
            error=figures.get("relative_l2", figures.get("window_relative_l2")),
            seconds=figures.get("seconds"),
            share=figures.get("done"),
            estimate=figures.get("estimate"),
        )

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Show the last state, and end the display."""
        self._status = replace(self._status, ended=True)
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._status.step:
            self._show()
        self._display, self._handle = "none", None

    def __enter__(self) -> "Progress":
        self.start({})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish({})

    def update(
        self,
        step: int,
        stage: str = "training",
        total: int | None = None,
        loss: float | None = None,
        error: float | None = None,
        seconds: float | None = None,
        share: float | None = None,
        estimate: float | None = None,
    ) -> None:
        """Say where the run is; takes a few microseconds.

        Args:
            step: steps so far, counted like `total`.
            stage: what the run is doing.
            total: all steps; by default the run's `total_steps`.
            loss: the newest loss; None keeps the one before.
            error: the newest relative L2 error; None keeps the one before.
            seconds: of training so far, including the sessions before a resume; by default the time since the start.
            share: of the run that is over, where its steps do not tell.
            estimate: of the error, without a reference; None keeps the one before.
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
            estimate=before.estimate if estimate is None else float(estimate),
            seconds_per_step=self._measure_pace(now, int(step)),
            share=share,
        )
        pause = NOTEBOOK_SECONDS if self._display == "notebook" else LINE_SECONDS
        if self._live is None and now - self._last_shown >= pause:
            self._show()
            self._last_shown = now

    def say(self, sentence: str) -> None:
        """Print a sentence, in a terminal above the bar."""
        if self._wanted != "none":
            self._print(sentence)

    def seconds_left(self) -> float | None:
        """Until the last step at the present speed, or the end of the budget if that is earlier; None if unknown."""
        status, ends = self._status, []
        if self._budget is not None:
            ends.append(max(0.0, self._budget - self._elapsed()))
        if status.total is not None and status.seconds_per_step is not None:
            ends.append(max(0, status.total - status.step) * status.seconds_per_step)
        if status.share:
            ends.append(self._elapsed() * (1 - status.share) / status.share)
        return min(ends) if ends else None

    def _measure_pace(self, now: float, step: int) -> float | None:
        """Seconds per step over the last `RATE_SECONDS`; None until there are two updates."""
        pace = self._pace
        if pace and step < pace[-1][1]:  # another stage begins, and counts its own steps
            pace.clear()
        if len(pace) > 1 and now - pace[-2][0] < 1 / DRAWS_PER_SECOND:
            pace.pop()  # so that thousands of quick steps leave a few entries per second
        pace.append((now, step))
        while len(pace) > 2 and now - pace[1][0] > RATE_SECONDS:
            pace.popleft()
        steps = pace[-1][1] - pace[0][1]
        return (pace[-1][0] - pace[0][0]) / steps if steps else None

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _done(self) -> float:
        """The share of the run that is over, by its steps or by its clock, whichever is more."""
        by_step = self._status.step / self._status.total if self._status.total else 0.0
        by_clock = self._elapsed() / self._budget if self._budget else 0.0
        return min(1.0, max(by_step, by_clock, self._status.share or 0.0))

    def _chosen(self) -> str:
        """How the run is shown here."""
        if self._console.quiet:
            return "none"
        if self._wanted != "auto":
            return self._wanted
        if _in_notebook():
            return "notebook"
        return "terminal" if self._console.is_terminal else "lines"

    def _show(self) -> None:
        """Show the present state, where there is no live bar."""
        line = "  ".join(part for part in (f"{self._status.stage:<20}", *self._words().values()) if part)
        if self._display == "lines" or (self._display == "notebook" and "IPython" not in sys.modules):
            self._print(line)
        elif self._display == "notebook":
            from IPython.display import display

            bar = f'<progress value="{self._done():.4f}" max="1"></progress> <code>{html.escape(line)}</code>'
            content = {"text/plain": line, "text/html": bar}
            if self._handle is None:
                self._handle = display(content, raw=True, display_id=True)
            else:
                self._handle.update(content, raw=True)

    def _print(self, line: str) -> None:
        in_words = self._display == "terminal"  # which breaks lines between words; a log keeps them whole
        self._console.print(line, markup=False, highlight=False, soft_wrap=not in_words)

    def _words(self) -> dict[str, str]:
        """Steps, loss, error, estimate and times; those that are unknown are left out."""
        status, left = self._status, None if self._status.ended else self.seconds_left()
        total = f"/{status.total}" if status.total else ""
        numbers = {"loss": status.loss, "error": status.error, "estimate": status.estimate}
        return {
            "step": f"step {status.step:>{max(len(total) - 1, 0)}}{total}",
            **{name: f"{name} {value:.2e}" for name, value in numbers.items() if value is not None},
            "times": duration(self._elapsed()) + ("" if left is None else f", {duration(left)} left"),
        }

    def _bar(self) -> Table:
        words, least = self._words(), min(len(self._status.stage), 10)
        for name in GIVEN_UP:
            if self._room(words) < least:
                words.pop(name, None)
        room = self._room(words)
        stage = self._status.stage[: max(room, 4)]
        texts = [Text(stage, "bold")] + [Text(word, STYLES[name]) for name, word in words.items()]
        bar = ProgressBar(
            1.0, self._done(), width=min(30, room - len(stage) - 2), complete_style="cyan", finished_style="green"
        )
        cells = [texts[0], bar, *texts[1:]] if (bar.width or 0) >= 6 else texts
        row = Table.grid(padding=(0, 2, 0, 0))
        for _ in cells:
            row.add_column(no_wrap=True)
        row.add_row(*cells)
        return row

    def _room(self, words: Mapping[str, str]) -> int:
        """Columns beside these words."""
        return self._console.width - 1 - sum(len(word) + 2 for word in words.values())


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, such as Jupyter's."""
    ipython = sys.modules.get("IPython")  # whoever runs in a notebook has it loaded
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def duration(seconds: float) -> str:
    """83 as 1:23, 4000 as 1:06:40."""
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
