"""Films show the field at one time after the other."""

import shutil
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pinn_ac.evaluation import Sampled
from pinn_ac.problem import AllenCahn, Cosine
from pinn_ac.reporting import animation, style

PROBLEM = AllenCahn(initial_condition=Cosine())
T, X = np.array([0.0, 0.5, 1.0]), -1 + 2 * np.arange(16) / 16
U = np.cos(np.pi * T)[:, None] * np.cos(np.pi * X)
FIELD = Sampled(T, X, U, U, U)
EXACT = SimpleNamespace(t=T, x=X, u=U + 1e-3, label="exact")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few pixels, and no layout, which takes most of the time."""
    empty = style.new_figure

    def new_figure(width, height):
        figure = empty(width, height)
        figure.set_layout_engine("none")
        return figure

    monkeypatch.setattr(style, "new_figure", new_figure)
    monkeypatch.setattr(animation, "DPI", 30)


def frames_of(path):
    with Image.open(path) as film:
        found = []
        for number in range(film.n_frames):
            film.seek(number)
            found.append(np.asarray(film.convert("L"), float))
        return found, film.info["loop"]


@pytest.mark.parametrize("reference", [None, EXACT])
def test_a_film_has_a_frame_a_time_and_they_differ(tmp_path, reference):
    path = animation.animate(PROBLEM, FIELD, tmp_path / "solution.gif", reference)
    frames, loops = frames_of(path)
    assert len(frames) == 3
    assert loops == 0  # for ever
    assert all(np.abs(one - next_one).max() > 50 for one, next_one in pairwise(frames))
    assert {one.name for one in tmp_path.iterdir()} == {"solution.gif"}


def test_a_field_in_two_dimensions_is_a_map(tmp_path):
    """A step along x alone: left and right differ, above and below do not."""
    y = np.linspace(-1, 1, 8)
    u = np.where(X[:, None] < 0, -1.0, 1.0) * np.ones_like(y) * np.array([1.0, 0.5, -1.0])[:, None, None]
    field = SimpleNamespace(t=T, x=X, y=y, u=u)
    frames, _ = frames_of(animation.animate(PROBLEM, field, tmp_path / "solution.gif"))
    assert len(frames) == 3
    inside = frames[0][40:90, 30:110]
    assert np.abs(inside[:, 15] - inside[:, 60]).min() > 5
    assert np.ptp(inside[:, 15]) < 5


def test_many_times_are_thinned_and_values_that_are_not_finite_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "FRAMES", 2)
    broken = replace(FIELD, u=np.where(T[:, None] > 0.7, np.nan, U))
    frames, _ = frames_of(animation.animate(PROBLEM, broken, tmp_path / "solution.gif", EXACT))
    assert len(frames) == 2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")
def test_an_mp4_is_written_by_ffmpeg(tmp_path):
    path = animation.animate(PROBLEM, FIELD, tmp_path / "solution.mp4")
    assert path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(("end", "shown"), [(1.0, "0.500"), (20.0, "10.00"), (1e-4, "0.0000500")])
def test_a_frame_has_its_time_whatever_the_horizon(end, shown):
    assert animation._time(SimpleNamespace(t=np.array([0.0, end / 2, end])), 1) == f"$t = {shown}$"
