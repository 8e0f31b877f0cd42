"""The pages hold the numbers that they were given, exactly, and nothing that a browser would have to fetch."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from pages import ERROR, EXACT, PROBLEM, T, X, a_run, history, some_runs

from pinn_ac.reporting import page, page_data, sweep_page
from pinn_ac.reporting.page import BROWSER, document, packed
from pinn_ac.reporting.page_data import RunPage
from pinn_ac.reporting.run_page import run_page as page_of
from pinn_ac.reporting.sweep_page import runs_page

FETCHED = re.compile(r"@import|<link|<iframe|<img[^>]*src='(?!data:)|url\((?!data:)|src=\"http")


def data_of(text):
    """What the scripts of a page read."""
    (inside,) = re.findall(r"<script type='application/json' id='data'>(.*?)</script>", text, re.DOTALL)
    return json.loads(inside)


def unpacked(array):
    return np.frombuffer(base64.b64decode(array["data"]), "<f4")


class Reader(HTMLParser):
    """The words of a page outside of scripts and styles, its elements' names, and the tags that stay open."""

    def __init__(self, text):
        super().__init__()
        self.words, self.names, self.open = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names |= {value for name, value in attrs if name == "id"}
        if tag not in ("meta", "input", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_what_a_page_holds_are_the_values_of_the_field_to_single_precision():
    data = data_of(page_of(a_run()))
    field = {name: unpacked(data["field"][name]).reshape(T.size, X.size) for name in ("u", "error", "residual")}
    eps = np.finfo(np.float32).eps  # one rounding
    np.testing.assert_allclose(field["u"], EXACT + ERROR, rtol=eps)
    np.testing.assert_allclose(field["error"], ERROR, rtol=1e-6)  # of a difference of doubles: 1e-16 / 1e-9, twice
    assert np.isnan(field["residual"][0]).all()
    np.testing.assert_allclose(field["residual"][1:], 1e-3 * (1 + T[1:, None] * X**2), rtol=eps)
    np.testing.assert_allclose(unpacked(data["field"]["t"]), T, rtol=eps)
    np.testing.assert_allclose(unpacked(data["field"]["x"]), X, rtol=eps)
    assert data["breaks"] == [0.5]
    np.testing.assert_allclose(unpacked(data["points"]["residual"]), [1e-3, 1e-6, 1e-4], rtol=eps)


def test_a_fine_grid_is_thinned_with_both_ends_in_time(monkeypatch):
    monkeypatch.setattr(page_data, "MOST_TIMES", 6)
    monkeypatch.setattr(page_data, "MOST_PLACES", 10)
    field = data_of(page_of(a_run()))["field"]
    t, x, u = (unpacked(field[name]) for name in ("t", "x", "u"))
    assert (t[0], t[-1], t.size) == (0.0, 1.0, 6)
    np.testing.assert_allclose(x, X[::4])
    rows = [int(np.argmin(np.abs(T - time))) for time in t]
    np.testing.assert_allclose(u.reshape(6, 8), (EXACT + ERROR)[rows][:, ::4], rtol=1e-6)


def test_a_long_history_keeps_as_many_lines_with_an_error_as_without(monkeypatch):
    monkeypatch.setattr(page_data, "MOST_LINES", 20)
    found = data_of(page_of(a_run(history=history(1, 100))))["history"]
    columns = {name: unpacked(values) for name, values in found["columns"].items()}
    measured = np.isfinite(columns["relative_l2"])
    assert list(columns["step"][measured]) == list(range(5, 101, 5))
    assert columns["step"].size <= 20 + 20
    assert columns["step"][0] == 1


def test_stages_begin_where_their_first_line_is_and_windows_begin_anew():
    stages = data_of(page_of(a_run()))["history"]["stages"]
    assert [(one["start"], one["name"], one["anew"]) for one in stages] == [
        (0, "1: adam", False),
        (10, "2: adam", True),
    ]
    (one,) = data_of(page_of(a_run(history=history(1))))["history"]["stages"]
    assert (one["start"], one["name"], one["anew"]) == (0, "adam", False)


def test_the_page_of_a_run_fetches_nothing_is_well_formed_and_small():
    text = page_of(a_run())
    assert not FETCHED.search(text)
    assert page.POLICY in text
    assert not Reader(text).open
    grid = np.random.default_rng(0).normal(size=(201, 512))
    t, x = np.linspace(0, 1, 201), -1 + 2 * np.arange(512) / 512
    sampled = type(a_run().sampled)(t, x, grid, grid, grid)
    exact = type(a_run().reference)(t=t, x=x, u=grid + 1e-3, label="exact")
    points = np.random.default_rng(1).uniform(0, 1, (50_000, 3))
    large = a_run(sampled=sampled, reference=exact, points=points, history=history(100, 100))
    assert len(page_of(large).encode()) < 1_000_000
    assert "50,000 points, 6,000 of them shown" in page_of(large)
    assert "1,000,000 points, 3 of them shown" in page_of(a_run(count=1_000_000))


def test_what_the_user_wrote_is_text_and_not_html():
    reader = Reader(page_of(a_run()))
    assert "A <run>" in reader.text
    assert "name: </script><b>x</b>" in reader.text
    assert "python scripts/train.py experiment=plain 'name=a b'" in reader.text
    text = document("T", [], {"a": "</script><script>alert(1)</script>\u2028", "b": float("inf"), "c": None}, [])
    assert data_of(text) == {"a": "</script><script>alert(1)</script>\u2028", "b": None, "c": None, "refresh": None}


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"estimated_relative_l2": 2e-9, "estimate_unreliable": False}, "so it can be relied on."),
        ({"estimated_relative_l2": 2e-9, "estimate_unreliable": True}, "which is not to be relied on"),
        ({"estimated_relative_l2": None, "estimate_unreliable": True}, "gives no estimate of the error"),
        (
            {"estimated_relative_l2": 2e-9, "estimate_unreliable": False, "relative_l2": 1e-9},
            "the true error is 0.5 times the estimate",
        ),
    ],
)
def test_the_page_says_what_the_estimate_says(metrics, sentence):
    reader = Reader(page_of(a_run(metrics=metrics)))
    assert "estimate" in reader.names
    assert sentence in reader.text


def test_a_run_without_a_reference_shows_its_residual():
    text = page_of(a_run(known=False, metrics={"residual_rms": 1e-3}))
    reader = Reader(text)
    assert "reference" not in reader.names
    assert {"network", "third", "in-space-error"} <= reader.names
    assert "had no reference" in reader.text
    assert data_of(text)["field"]["error"] is None
    assert "estimate" not in reader.names


def test_every_metric_is_in_the_table_with_what_explains_it():
    metrics = {"relative_l2": 1e-9, "energy_violation": 0.0, "of_another_kind": 3, "stages": {"adam": 5}}
    text = Reader(page_of(a_run(metrics=metrics))).text
    assert "relative L² error 1.00e-09 ‖u − u*‖ / ‖u*‖ over all times and places" in text
    assert "of another kind 3" in text
    assert "adam 5" in text


@pytest.mark.parametrize(
    ("inferred", "words"),
    [
        ({"diffusivity": {"value": 1.00012e-4, "standard_error": 2e-7}}, "diffusivity 0.000100012 2e-07"),
        ({"diffusivity": 1.00012e-4}, "diffusivity 0.000100012"),
        (None, "The data do not determine the unknown coefficients"),
        ("Nothing is known.", "Nothing is known."),
        ({"diffusivity": {"value": None, "standard_error": None}}, "diffusivity – – It is not determined."),
    ],
)
def test_what_was_inferred_is_a_table(inferred, words):
    undetermined = {"inferred_undetermined": "It is not determined." if "not" in words else None}
    assert words in Reader(page_of(a_run(metrics={"inferred": inferred} | undetermined))).text


def test_a_run_of_more_dimensions_is_shown_by_its_pictures(tmp_path):
    picture = tmp_path / "fields.png"
    picture.write_bytes(b"\x89PNG")
    metrics = {"relative_l2": 0.1, "relative_l2_by_time": [0.0, 0.1]}
    times = np.array([0.0, 1.0])
    run = RunPage("Plane", PROBLEM, metrics, times=times, pictures={picture: "The field"})
    text = page_of(run)
    assert "src='data:image/png;base64,iVBORw=='" in text
    assert data_of(text)["field"] is None
    assert "by-time" in Reader(text).names
    assert not FETCHED.search(text)


def test_the_page_of_runs_has_their_tables_links_sentences_and_curves():
    text = runs_page(some_runs())
    reader = Reader(text)
    assert not FETCHED.search(text)
    assert not reader.open
    assert "The loss is <not> finite." in reader.text
    assert "href='width=8,seed=0/report.html'" in text
    data = data_of(text)
    assert [group["name"] for group in data["groups"]] == ["width=8", "width=4"]
    curve = data["groups"][0]["runs"][0]["curve"]
    assert {name: list(unpacked(values)) for name, values in curve.items()} == {
        "seconds": [1.0, 10.0],
        "evaluations": [10.0, 100.0],
        "error": [1.0, np.float32(1e-4)],
    }
    axes, lines = data["parallel"]["axes"], data["parallel"]["lines"]
    assert [(axis["key"], axis["log"]) for axis in axes] == [("width", False), ("error", True)]
    assert [line["values"] for line in lines] == [[8, 1e-4], [8, 2e-4], [4, 1e-2], [4, None]]


def test_axes_are_numbers_magnitudes_or_words():
    runs = [
        replace(some_runs().members[0], settings={"rate": rate, "model": model, "on": on})
        for rate, model, on in ((1e-4, "MLP", True), (1e-1, None, False))
    ]
    axes = sweep_page._parallel(runs, "error")["axes"]
    assert axes[0] == {"key": "rate", "name": "rate", "log": True}
    assert axes[1] == {"key": "model", "name": "model", "words": ["MLP", "–"]}
    assert axes[2]["words"] == ["False", "True"]


def test_curves_of_many_runs_are_thinned_to_both_ends(monkeypatch):
    monkeypatch.setattr(sweep_page, "MOST_IN_CURVES", 100)
    long = [(float(k), 1.0 / k) for k in range(1, 500)]
    member = replace(some_runs().members[0], curves={"seconds": long, "evaluations": []})
    (group,) = data_of(runs_page(some_runs(members=[member], rows=some_runs().rows[:1])))["groups"]
    seconds = unpacked(group["runs"][0]["curve"]["seconds"])
    assert seconds.size == 33
    assert (seconds[0], seconds[-1]) == (1.0, 499.0)


@pytest.mark.parametrize("is_going_on", [True, False])
def test_a_page_is_read_again_while_runs_go_on(is_going_on):
    text = runs_page(some_runs(is_going_on))
    assert data_of(text)["refresh"] == (page.REFRESH if is_going_on else None)
    assert ("http-equiv='refresh'" in text) == is_going_on


def test_packed_values_are_little_endian_and_what_is_missing_stays_so():
    first, missing, large = unpacked(packed([1.5, np.nan, 1e300])).tolist()
    assert first == 1.5
    assert np.isnan(missing)
    assert np.isinf(large)
    assert packed(None) is None


def test_the_library_is_the_version_that_is_named_and_has_its_licence():
    assert "(v1.6.32)" in (BROWSER / "uPlot.iife.min.js").read_text()[:100]
    assert "uPlot 1.6.32" in page.__doc__
    assert "MIT License" in (BROWSER / "uPlot.LICENSE").read_text()
