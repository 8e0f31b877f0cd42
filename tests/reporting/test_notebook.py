"""A solution in a notebook: a small picture, and what is known of its error, without computing any."""

import io
import re
from base64 import b64decode
from types import SimpleNamespace

import numpy as np
from PIL import Image

from pinn_ac.reporting.notebook import GRID, Shown
from pinn_ac.reporting.style import diverging


class Field(Shown):
    """A solution in all that is shown of one: u = x, positive above the axis."""

    num_parameters = 12

    def __init__(self, history=(), domain=(-1.0, 1.0), **metrics):
        problem = SimpleNamespace(horizon=2.0, domain=domain, name="<b>", grid=lambda n: np.linspace(*domain, n))
        self.experiment = SimpleNamespace(problem=problem, windows=3, compute=SimpleNamespace(double=True))
        self.history, self.metrics, self.calls = list(history), metrics, 0

    def __call__(self, t, x):
        self.calls += 1
        return x + 0 * t


def texts(field):
    """First column → second, without their tags."""
    rows = re.findall(r"<tr><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>", field._repr_html_())
    return {name: re.sub(r"<[^>]*>", "", value) for name, value in rows}


def test_the_picture_is_small_and_shows_the_field():
    field = Field()
    picture = field._repr_png_()
    (inside,) = re.findall(r"base64,([^\"]*)", field._repr_html_())
    assert b64decode(inside) == picture
    assert field.calls == 1  # one picture for both
    assert len(picture) < 40_000
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float)
    assert pixels.shape[1] < 400
    column = pixels[:, pixels.shape[1] // 2]
    top, bottom = (np.array(diverging()(share)[:3]) * 255 for share in (1.0, 0.0))
    seen = [np.flatnonzero(np.abs(column - colour).max(axis=1) < 12) for colour in (top, bottom)]
    assert seen[0].min() < seen[1].max()  # u is largest at the upper end of x
    assert GRID[0] * GRID[1] < 20_000


def test_what_the_run_has_computed_is_shown_and_else_how_to_compute_it():
    unknown = texts(Field())
    assert unknown["relative L² error"] == "solution.error() measures it"
    assert unknown["estimated"] == "solution.estimate() estimates it"
    assert unknown["network"] == "3 time windows, 12 parameters, float64"
    assert set(unknown) == {"relative L² error", "estimated", "network"}
    known = texts(
        Field(
            relative_l2=2e-3,
            estimated_relative_l2=3e-3,
            estimate_unreliable=True,
            train_seconds=12.34,
            steps=1500,
            ended_by="the clock",
        )
    )
    assert known["relative L² error"] == "2.0e-03"
    assert known["estimated"] == "3.00e-03 (unreliable)"
    assert known["training"] == "12.3 s, 1,500 steps"
    assert known["ended by"] == "the clock"


def test_what_a_folder_says_is_text_in_a_notebook():
    mark = "<img src=x>"
    said = Field(train_seconds=mark, steps=mark, ended_by=mark, estimated_relative_l2=mark, estimate_unreliable=False)
    page = said._repr_html_()
    assert mark not in page
    assert page.count("&lt;img src=x&gt;") == 4


def test_the_error_is_that_of_the_best_parameters_and_not_of_the_last():
    history = [
        {"relative_l2": 0.5, "validation_loss": 3.0},
        {"relative_l2": 0.25, "validation_loss": 1.0},
        {"loss": 1.0},
        {"relative_l2": 0.125, "validation_loss": 2.0},
    ]
    assert texts(Field(history))["relative L² error"] == "2.5e-01"
    assert repr(Field(history)).endswith("float64, relative L2 error 2.5e-01")
    assert "error" not in repr(Field())


def test_the_error_is_that_of_the_last_stage_of_a_regime():
    """Another stage has another equation, whose held-out losses may be far smaller."""
    history = [
        {"stage": "1/2 adam", "relative_l2": 0.5, "validation_loss": 1e-9},
        {"stage": "2/2 adam", "relative_l2": 0.25, "validation_loss": 1.0},
        {"stage": "2/2 lbfgs", "relative_l2": 0.125, "validation_loss": 0.5},
    ]
    assert texts(Field(history))["relative L² error"] == "1.2e-01"


def test_names_are_escaped_and_a_domain_of_two_axes_has_no_picture():
    field = Field(domain=((-1.0, 1.0), (0.0, 1.0)))
    assert "&lt;b&gt;" in field._repr_html_()
    assert "<img" not in field._repr_html_()
    assert field._repr_png_() is None
