"""Progress says where a run is and when it will end, on a terminal and in a log."""

import io
import time

import pytest
from rich.console import Console

from pinn_ac.reporting.progress import Progress, duration


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def log() -> Console:
    return Console(file=io.StringIO(), width=120)


def run_for(progress: Progress, clock: Clock, steps: range, seconds_a_step: float) -> None:
    for step in steps:
        clock.now += seconds_a_step
        progress.update(stage="adam", step=step, loss=1.0 / step, error=0.25 if step % 10 == 0 else None)


def test_a_log_gets_a_plain_line_every_five_seconds_with_the_eta():
    console, clock = log(), Clock()
    with Progress(100, console=console, clock=clock) as progress:
        run_for(progress, clock, range(1, 41), 0.5)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 5  # at once, after 5, 10 and 15 s, and the last state
    assert "\x1b" not in "".join(lines)
    assert " ".join(lines[1].split()) == "adam step 11/100 loss 9.09e-02 error 2.50e-01 0:06, 0:45 left"
    assert " ".join(lines[-1].split()) == "adam step 40/100 loss 2.50e-02 error 2.50e-01 0:20, 0:30 left"


def test_the_eta_is_that_of_the_budget_where_it_ends_first():
    clock = Clock()
    with Progress(1000, seconds_budget=60, console=log(), clock=clock) as progress:
        assert progress.seconds_left() == 60
        run_for(progress, clock, range(1, 21), 1.0)
        assert progress.seconds_left() == 40
        progress.update(step=990)
        assert progress.seconds_left() < 5


def test_a_resumed_run_has_spent_a_part_of_its_budget():
    clock = Clock()
    with Progress(seconds_budget=60, console=log(), clock=clock) as progress:
        progress.update(step=500, seconds=45.0)
        clock.now += 5
        assert progress.seconds_left() == 10


def test_the_eta_follows_the_present_speed():
    clock = Clock()
    with Progress(1100, console=log(), clock=clock) as progress:
        run_for(progress, clock, range(1, 1001), 0.001)
        run_for(progress, clock, range(1001, 1051), 2.0)
        assert progress.seconds_left() == pytest.approx(100, rel=0.02)


def test_a_stage_may_count_its_own_steps():
    clock = Clock()
    with Progress(console=log(), clock=clock) as progress:
        assert progress.seconds_left() is None
        run_for(progress, clock, range(1, 101), 0.01)
        for step in range(1, 5):
            clock.now += 1.0
            progress.update(step=step, total=10, stage="levenberg_marquardt")
        assert progress.seconds_left() == pytest.approx(6.0)


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_a_terminal_gets_one_line_that_fits(width):
    console, clock = Console(file=io.StringIO(), width=width, force_terminal=True), Clock()
    progress = Progress(3000, seconds_budget=60, console=console, clock=clock)
    progress.update(stage="levenberg_marquardt", step=1234, loss=1.2e-5, error=3e-6)
    with console.capture() as drawn:
        console.print(progress._bar())
    lines = drawn.get().splitlines()
    assert len(lines) == 1
    for words in ("1234/3000", "1.20e-05", "3.00e-06", "left") if width >= 80 else ():
        assert words in lines[0]


def test_a_terminal_shows_the_last_state_and_the_messages():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with Progress(10, console=console) as progress:
        progress.say("a [note]")
        progress.update(step=10, loss=0.5)
    shown = console.file.getvalue()
    assert "a [note]" in shown
    assert "10/10" in shown


def test_an_update_costs_microseconds():
    with Progress(10**6, console=log()) as progress:
        start = time.perf_counter()
        for step in range(20_000):
            progress.update(step=step, loss=1.0)
        assert (time.perf_counter() - start) / 20_000 < 1e-4


def test_an_error_inside_passes_through():
    with pytest.raises(KeyError), Progress(10, console=Console(file=io.StringIO(), force_terminal=True)):
        raise KeyError


def test_durations_are_written_as_on_a_clock():
    assert [duration(seconds) for seconds in (0, 9.6, 83, 4000)] == ["0:00", "0:10", "1:23", "1:06:40"]
