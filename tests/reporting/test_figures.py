"""Figures show the data they were given, say what they show, and are drawn whatever a run leaves behind."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from pinn_ac.evaluation import Sampled, energy, spectral_slope
from pinn_ac.problem import AllenCahn, Cosine
from pinn_ac.reporting import style
from pinn_ac.reporting.curves import draw_energy, draw_history
from pinn_ac.reporting.fields import draw_points, draw_profiles, draw_solution, scientific
from pinn_ac.reporting.figures import draw_run
from pinn_ac.reporting.lessons import draw_residuals

PROBLEM = AllenCahn(initial_condition=Cosine())
T, X = np.linspace(0, 1, 21), -1 + 2 * np.arange(64) / 64


@pytest.fixture
def without_layout(monkeypatch):
    """Figures whose labels may overlap and whose pixels are few, since these take most of the time."""

    def new_figure(width, height):
        figure = draw_empty(width, height)
        figure.set_layout_engine("none")
        return figure

    draw_empty = style.new_figure
    monkeypatch.setattr(style, "new_figure", new_figure)
    monkeypatch.setattr(style, "DPI", 40)


def exact_field() -> np.ndarray:
    t, x = np.meshgrid(T, X, indexing="ij")
    return np.asarray(PROBLEM.react(t, PROBLEM.lift(t, x)))


def field(error: float = 1e-4) -> Sampled:
    noise = np.random.default_rng(0).normal(size=(T.size, X.size))
    u = exact_field() + error * noise
    return Sampled(T, X, u, spectral_slope(PROBLEM, u), noise)


def exact() -> SimpleNamespace:
    return SimpleNamespace(t=T, x=X, u=exact_field(), label="split")


def lines_of(steps: int = 40) -> list[dict]:
    return [
        {
            "step": step,
            "seconds": 0.5 * step,
            "loss": 0.5**step,
            "loss_residual": 0.4 * 0.5**step,
            "loss_initial": 0.6 * 0.5**step,
            "stage": "adam" if step < 20 else "levenberg_marquardt",
        }
        | ({"relative_l2": 0.9**step} if step % 10 == 0 else {})
        for step in range(steps)
    ]


def labels(figure) -> str:
    """Every title, axis label and note in a figure."""
    words = []
    for axes in figure.axes:
        words += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        words += [text.get_text() for text in axes.texts]
        if axes.get_legend():
            words += [text.get_text() for text in axes.get_legend().get_texts()]
    return " | ".join(words)


def test_a_run_writes_every_figure_none_blank_and_leaves_matplotlib_as_it_was(tmp_path):
    settings = dict(matplotlib.rcParams)
    points = np.random.default_rng(1).random((500, 2))
    paths = draw_run(tmp_path, PROBLEM, field(), exact(), lines_of(), points, points[:, 0])
    assert [path.name for path in paths] == [
        "solution.png",
        "profiles.png",
        "energy.png",
        "history.png",
        "points.png",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # and no draft is left behind
    assert dict(matplotlib.rcParams) == settings
    for path in paths:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        pixels = imread(path)[::7, ::7]
        assert pixels.std() > 0.02
        assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 50


def test_heat_maps_hold_the_fields_and_their_difference():
    figure = draw_solution(PROBLEM, field(), exact())
    network, reference, error = (figure.axes[i].collections[0].get_array() for i in range(3))
    np.testing.assert_array_equal(network, field().u.T)
    np.testing.assert_array_equal(reference, exact().u.T)
    np.testing.assert_allclose(error, np.abs(field().u - exact().u).T)
    said = labels(figure)
    for words in ("Network", "Reference", "Error", "$t$", "$x$", "relative $L^2$", "$u$", "$|u_\\theta - u^*|$"):
        assert words in said


def test_u_is_coloured_symmetrically_about_zero():
    norm = draw_solution(PROBLEM, field(), exact()).axes[0].collections[0].norm
    assert norm.vmin == -norm.vmax
    assert norm.vmax >= np.abs(field().u).max()
    dark = [sum(style.diverging()(end)[:3]) for end in (0.0, 1.0)]
    assert dark[0] == pytest.approx(dark[1], abs=0.1)
    assert sum(style.diverging()(0.5)[:3]) > 2.8


def test_profiles_lay_the_network_over_the_reference_and_show_their_difference():
    upper, lower = draw_profiles(PROBLEM, field(), exact(), count=3).axes
    curves = {kind: [line for line in upper.lines if line.get_gid() == kind] for kind in ("network", "reference")}
    for place, row in enumerate((0, 10, 20)):
        np.testing.assert_array_equal(curves["network"][place].get_ydata(), field().u[row])
        np.testing.assert_array_equal(curves["reference"][place].get_ydata(), exact().u[row])
        np.testing.assert_allclose(lower.lines[place].get_ydata(), np.abs(field().u - exact().u)[row])
    assert lower.get_yscale() == "log"
    assert [text.get_text() for text in upper.get_legend().get_texts()] == [
        "$t = 0$",
        "$t = 0.5$",
        "$t = 1$",
        "network",
        "reference",
    ]


def test_history_shows_the_loss_its_terms_the_error_and_the_stages():
    figure = draw_history(lines_of())
    by_step, by_second, error = figure.axes[0], figure.axes[1], figure.axes[2]
    drawn = {line.get_label(): line for line in by_step.lines}
    assert set(drawn) == {"loss", "residual", "initial"}
    np.testing.assert_array_equal(drawn["loss"].get_ydata(), 0.5 ** np.arange(40))
    np.testing.assert_array_equal(by_second.lines[-1].get_xdata(), 0.5 * np.arange(40))
    np.testing.assert_array_equal(error.lines[0].get_xdata(), [0, 10, 20, 30])
    assert by_step.get_yscale() == error.get_yscale() == "log"
    said = labels(figure)
    for words in ("adam", "levenberg marquardt", "relative $L^2$ error", "seconds of training", "step"):
        assert words in said


def test_energy_shows_both_energies():
    left, right = draw_energy(PROBLEM, field(), exact()).axes
    reference, network = (line.get_ydata() for line in left.lines)
    np.testing.assert_allclose(network, energy(PROBLEM, field().u, field().u_x))
    np.testing.assert_allclose(reference, energy(PROBLEM, exact().u, spectral_slope(PROBLEM, exact().u)))
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.abs(network - reference) / reference[0])


def test_points_lie_where_they_were_drawn_with_the_largest_residuals_on_top():
    points = np.random.default_rng(2).random((300, 2))
    residuals = np.random.default_rng(3).normal(size=300)
    figure = draw_points(PROBLEM, points, residuals)
    dots = figure.axes[0].collections[0]
    order = np.argsort(np.abs(residuals))
    np.testing.assert_array_equal(dots.get_offsets(), points[order])
    np.testing.assert_allclose(dots.get_array(), np.abs(residuals)[order])
    assert figure.axes[0].get_ylim() == (0, 1)  # an even field's points fill one half
    whole = points * [1, 2] - [0, 1]
    assert draw_points(PROBLEM, whole).axes[0].get_ylim() == (-1, 1)
    assert "300 collocation points and" in labels(figure)
    figure = draw_points(PROBLEM, points, count=10**6)
    assert "1,000,000 collocation points (300 of them shown) and" in labels(figure)


@pytest.mark.usefixtures("without_layout")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "history",
    [
        [],
        lines_of(1),
        [{"step": 0, "seconds": 0.0, "loss": None}, {"step": 1, "seconds": 0.1, "loss": None, "relative_l2": None}],
        [{"step": 3}, {"loss": 0.0}, {}],
        [{"step": 0, "seconds": 0.0, "loss": 1.0, "stage": "a"}, {"step": 1, "loss": 0.0, "stage": "b"}],
    ],
    ids=["empty", "one line", "nulls", "missing keys", "zero loss"],
)
def test_a_poor_history_is_drawn_all_the_same(tmp_path, history):
    assert style.write(draw_history(history), tmp_path / "history.png").exists()


@pytest.mark.usefixtures("without_layout")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reference", [None, exact()], ids=["no reference", "zero error"])
def test_a_run_without_history_reference_or_error_is_drawn_all_the_same(tmp_path, reference):
    points = np.array([[0.0, 0.5], [0.5, -0.5]])
    paths = draw_run(tmp_path, PROBLEM, field(error=0.0), reference, [], points, np.array([0.0, np.nan]))
    assert [path.name for path in paths] == ["solution.png", "profiles.png", "energy.png", "points.png"]


@pytest.mark.usefixtures("without_layout")
@pytest.mark.filterwarnings("error")
def test_values_that_are_not_finite_are_left_grey(tmp_path):
    broken = field()
    broken.u[2:5, 7] = np.nan
    broken.u[9] = np.inf
    assert len(draw_run(tmp_path, PROBLEM, broken, exact(), lines_of(3))) == 4
    assert draw_solution(PROBLEM, broken, exact()).axes[0].collections[0].get_array().mask.sum() == 3 + X.size


def test_numbers_are_written_as_on_paper():
    assert scientific(3.24e-6) == "$3.2 \\times 10^{-6}$"
    assert scientific(0.0) == "0"


def lines_in_windows(windows: int, stages: tuple[str, ...] = ("levenberg_marquardt",), steps: int = 20) -> list[dict]:
    lines: list[dict] = []
    for window in range(1, windows + 1):
        error = "relative_l2" if window == windows else "window_relative_l2"
        for stage in stages:
            for k in range(steps):
                step = len(lines) + 1
                line = {"step": step, "seconds": 0.1 * step, "loss": 0.5**k, "stage": f"{window}/{windows} {stage}"}
                lines.append(line | ({error: 10.0 ** -(window + k / steps)} if k % 5 == 4 else {}))
    return lines


def names_above(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def overlap(figure) -> list[tuple[str, str]]:
    """Which notes lie on each other or leave the figure."""
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for axes in figure.axes for text in axes.texts]
    outside = [
        (name, "the edge") for name, box in boxes if box.x0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1
    ]
    pairs = combinations(boxes, 2)
    return outside + [(a, b) for (a, one), (b, other) in pairs if one.overlaps(other)]


@pytest.mark.parametrize("windows", [2, 4, 8, 16])
def test_every_window_of_time_is_numbered_and_its_curves_stand_alone(windows):
    history = lines_in_windows(windows)
    figure = draw_history(history)
    loss, _, error, _ = figure.axes
    assert [int(name.split()[-1]) for name in names_above(loss) if name != "window"] == list(range(1, windows + 1))
    assert not overlap(figure)
    assert len(loss.lines) == windows
    for k, line in enumerate(loss.lines):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(20 * k + 1, 20 * k + 21))
    drawn = sorted((x, y) for line in error.lines for x, y in zip(*line.get_data(), strict=True))
    errors = [(line["step"], line.get("window_relative_l2", line.get("relative_l2"))) for line in history]
    np.testing.assert_array_equal(drawn, [pair for pair in errors if pair[1] is not None])
    assert len(error.lines) == windows
    assert "over all $t$" in labels(figure)
    assert "over the window alone" in labels(figure)


@pytest.mark.parametrize("steps", [1, 2])
def test_windows_of_a_step_or_two_are_numbered_and_seen(steps):
    figure = draw_history(lines_in_windows(3, steps=steps))
    assert [int(name.split()[-1]) for name in names_above(figure.axes[0]) if name != "window"] == [1, 2, 3]
    assert not overlap(figure)
    assert all(line.get_marker() == "." or len(line.get_xdata()) > 1 for line in figure.axes[0].lines)


def test_what_is_numbered_is_called_what_it_is():
    history = lines_in_windows(3)
    assert names_above(draw_history(history).axes[0])[0].startswith("window")
    assert names_above(draw_history(history, "stage").axes[0])[0].startswith("stage")


@pytest.mark.parametrize("ends", [(7, 19), (5.6, 38), (0.9, 60), (2e-3, 3e-3), (3e-7, 9e-6), (1, 1e4)])
def test_a_logarithmic_axis_has_labels_enough_to_tell_its_scale(ends):
    axes = style.new_figure(4, 3).subplots()
    axes.loglog(ends, ends)
    style.spread_ticks(axes)
    axes.figure.canvas.draw()
    for axis, view in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        ticks = zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
        seen = [label for label, at in ticks if view[0] <= at <= view[1]]
        assert 2 <= len([label for label in seen if label.get_text()]) <= 9


def test_an_unfinished_run_shows_the_errors_of_its_windows():
    history = [line for line in lines_in_windows(4) if line["stage"].startswith(("1/4", "2/4"))]
    error = draw_history(history).axes[2]
    assert len(error.lines) == 2


def test_of_many_windows_every_fifth_or_so_is_numbered():
    figure = draw_history(lines_in_windows(80, steps=5))
    numbers = [int(name) for name in names_above(figure.axes[0]) if name != "window"]
    steps = np.diff(numbers)
    assert len(numbers) >= 8
    assert (steps == steps[0]).all()
    assert not overlap(figure)


@pytest.mark.parametrize("lengths", [(20, 1000), (1000, 20), (20, 30, 1000), (500, 10, 10)])
def test_every_stage_is_named_however_short(lengths):
    names = ("adam", "ssbroyden", "levenberg_marquardt")[: len(lengths)]
    stages = [name for name, length in zip(names, lengths, strict=True) for _ in range(length)]
    history = [{"step": k, "seconds": float(k), "loss": 1 / (k + 1), "stage": name} for k, name in enumerate(stages)]
    figure = draw_history(history)
    assert names_above(figure.axes[0]) == [name.replace("_", " ") for name in names]
    assert not overlap(figure)


@pytest.mark.parametrize("windows", [2, 4, 20])
def test_stages_in_windows_are_named_or_their_windows_numbered(windows):
    figure = draw_history(lines_in_windows(windows, ("adam", "lbfgs")))
    said = names_above(figure.axes[0])
    numbers = {name.removeprefix("window ").split(":")[0] for name in said} - {"window"}
    assert len(numbers) >= min(windows, 8)
    assert not overlap(figure)


def test_points_of_windows_are_divided_by_lines():
    points = np.random.default_rng(2).random((300, 2))
    figure = draw_points(PROBLEM, points, points[:, 0], breaks=[0.25, 0.5, 0.75])
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [0.25, 0.5, 0.75]
    assert "300 collocation points in 4 time windows" in labels(figure)
    assert "residual  $|f|$" in labels(figure)


def test_the_points_have_the_same_colours_in_any_unit_of_time():
    points = np.random.default_rng(2).random((300, 2))
    residuals = 1e-9 * points[:, 0]
    shares = []
    for unit in (1.0, 1e12):
        problem = replace(PROBLEM, horizon=unit, reaction_rate=5 / unit, diffusivity=1e-4 / unit)
        figure = draw_points(problem, points * [unit, 1], residuals / unit)
        (dots,) = figure.axes[0].collections
        shares.append(dots.norm(dots.get_array()))
    np.testing.assert_allclose(*shares, rtol=1e-12)
    assert np.ptp(shares[0]) > 0.5


@pytest.mark.usefixtures("without_layout")
def test_a_problem_without_an_energy_has_no_figure_of_it(tmp_path):
    class Unknown(AllenCahn):
        @property
        def capabilities(self):
            return super().capabilities - {"energy"}

    paths = draw_run(tmp_path, Unknown(), field(), None, [])
    assert [path.name for path in paths] == ["solution.png", "profiles.png"]


def test_axes_are_called_t_and_x():
    figures = [
        draw_solution(PROBLEM, field(), exact()),
        draw_profiles(PROBLEM, field(), exact()),
        draw_energy(PROBLEM, field(), exact()),
        draw_points(PROBLEM, np.random.default_rng(2).random((30, 2))),
        draw_residuals(np.ones((4, 4)), np.ones((4, 4)), [1.0]),
    ]
    for figure in figures:
        along = {axes.get_xlabel() for axes in figure.axes} | {axes.get_ylabel() for axes in figure.axes}
        assert along & {"$t$", "$x$"}
        assert not any("place" in label or "time" in label for label in along)


def test_matplotlib_is_imported_in_one_place():
    room = Path(style.__file__).parent
    assert [
        path.name
        for path in sorted(room.glob("*.py"))
        if re.search(r"^ *(from|import) matplotlib", path.read_text(), re.M)
    ] == ["style.py"]


@pytest.mark.landing
def test_the_first_figure_of_a_computer_says_nothing_of_fonts_and_leaves_the_loggers_alone(tmp_path):
    """In a process whose logging shows everything, as Hydra's does, and which has no list of fonts yet."""
    program = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from pinn_ac.reporting import style\n"
        "style.new_figure(1, 1).canvas.draw()\n"
        "print(logging.getLogger('matplotlib.font_manager').level, logging.getLogger('matplotlib').level)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert any(tmp_path.glob("fontlist*"))
    assert (done.stderr, done.stdout) == ("", "0 0\n")
