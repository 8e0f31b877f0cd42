"""Progress says where a run is and when it will end: in a terminal, in a notebook and in a log."""

import io
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from pinn_ac.errors import InputError
from pinn_ac.reporting.progress import Progress, duration
from pinn_ac.tracking import tracked


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
    assert " ".join(lines[-1].split()) == "adam step 40/100 loss 2.50e-02 error 2.50e-01 0:20"


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


@pytest.mark.parametrize(("width", "kept"), [(100, 3), (80, 2), (66, 1), (44, 0)])
def test_a_narrow_terminal_gives_up_the_loss_first_and_the_error_last(width, kept):
    console, clock = Console(file=io.StringIO(), width=width, force_terminal=True), Clock()
    progress = Progress(1000, 60.0, console=console, clock=clock)
    progress.log(500, "2/2 gauss_newton", {"loss": 1.2e-5, "window_relative_l2": 3e-6, "estimate": 4e-6})
    with console.capture() as drawn:
        console.print(progress._bar())
    (line,) = drawn.get().splitlines()
    words = ("error 3.00e-06", "estimate 4.00e-06", "loss 1.20e-05")
    assert [word in line for word in words] == [index < kept for index in range(3)]
    assert "500/1000" in line
    assert "1:00 left" in line
    assert "2/2 gauss_" in line or width == 44


def test_a_run_that_has_ended_has_no_time_left():
    console, clock = log(), Clock()
    with tracked([progress := Progress(console=console, clock=clock)], {"total_steps": 100}):
        for step in (1, 2):
            clock.now += 1.0
            progress.log(step, "adam", {"seconds": float(step), "loss": 0.5})
    assert console.file.getvalue().splitlines()[-1].split()[-1] == "0:02"


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


class Notebook:
    """Stands in for IPython in a notebook's kernel: keeps each display and its updates."""

    def __init__(self, monkeypatch, kernel=True):
        self.shown = []
        ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
        ipython.get_ipython = lambda: SimpleNamespace(kernel=object()) if kernel else SimpleNamespace()
        module.display = self.display
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", module)

    def display(self, content, raw, display_id):
        assert raw
        assert display_id is True
        contents = [content]
        self.shown.append(contents)
        return SimpleNamespace(update=lambda content, raw: contents.append(content))


def test_a_notebook_gets_one_display_that_is_updated(monkeypatch):
    notebook, console, clock = Notebook(monkeypatch), log(), Clock()
    with tracked([progress := Progress(console=console, clock=clock)], {"total_steps": 40}):
        for step in range(1, 41):
            clock.now += 0.1
            progress.log(step, "1/2 <adam>", {"seconds": 0.1 * step, "loss": 0.5, "relative_l2": 0.25})
        progress.say("a [note]")
    (contents,) = notebook.shown
    assert 8 <= len(contents) <= 10  # every half second, and the last state
    last = contents[-1]
    assert " ".join(last["text/plain"].split()) == "1/2 <adam> step 40/40 loss 5.00e-01 error 2.50e-01 0:04"
    assert '<progress value="1.0000" max="1">' in last["text/html"]
    assert "1/2 &lt;adam&gt;" in last["text/html"]
    assert console.file.getvalue() == "a [note]\n"


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch):
    notebook, console = Notebook(monkeypatch, kernel=False), log()
    with Progress(10, console=console) as progress:
        progress.update(step=3)
    assert notebook.shown == []
    assert "3/10" in console.file.getvalue()


def shown(display, terminal, **others):
    """What a run of one step prints."""
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, **others)
    with tracked([progress := Progress(display=display, console=console)], {"total_steps": 10}):
        progress.log(3, "adam", {"seconds": 1.0, "loss": 0.5, "window_relative_l2": 0.125})
        progress.say("a sentence")
    return console.file.getvalue()


def test_how_it_is_shown_can_be_chosen():
    assert "\x1b" in shown("auto", terminal=True)
    assert "\x1b" in shown("terminal", terminal=True)
    for lines in (shown("lines", terminal=True), shown("auto", terminal=False), shown("notebook", terminal=False)):
        first, said, last = lines.splitlines()
        assert first == last
        assert first.split()[:7] == ["adam", "step", "3/10", "loss", "5.00e-01", "error", "1.25e-01"]
        assert said == "a sentence"
    assert shown("none", terminal=True) == shown("auto", terminal=True, quiet=True) == ""
    with pytest.raises(InputError, match="progress display is 'bar': choose auto, terminal"):
        Progress(display="bar")


def test_the_end_of_a_run_is_that_of_its_description():
    clock = Clock()
    with tracked([progress := Progress(console=log(), clock=clock)], {"seconds_budget": 60.0}):
        clock.now += 20
        assert progress.seconds_left() == 40
    with tracked([progress], {"seconds_budget": 30.0, "total_steps": 8}):  # as it is given to another `fit`
        assert progress.seconds_left() == 30
        assert progress._status.total == 8
