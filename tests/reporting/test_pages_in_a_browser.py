"""The pages of runs and sweeps in a real browser: what a reader points at, types and ticks changes what is shown."""

import numpy as np
import pytest
from pages import ERROR, EXACT, T, X, a_run, history, some_runs

from pinn_ac.reporting import page
from pinn_ac.reporting.run_page import run_page
from pinn_ac.reporting.sweep_page import runs_page

pytestmark = pytest.mark.landing
DIGITS = 6e-3
"""Relative: a number in a readout has three or four digits."""
SHIFTS = """
const done = arguments[0]; let sum = 0;
new PerformanceObserver(list => { for (const one of list.getEntries()) sum += one.value; })
  .observe({ type: "layout-shift", buffered: true });
requestAnimationFrame(() => setTimeout(() => done(sum), 50));
"""


class Reader:
    """A reader of one page."""

    def __init__(self, browser, folder):
        self.browser, self.folder = browser, folder

    def opens(self, text, width=1280, scheme="light", address="page.html", choices=""):
        """The page's text as a file, in a window of that width."""
        place = self.folder / address
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get("about:blank")  # or another part of the address alone would not open the page anew
        self.browser.get(f"{place.as_uri()}{choices}")
        return self

    def runs(self, script):
        return self.browser.execute_script(script)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def numbers(self, selector):
        """The bold numbers of a readout."""
        texts = self.runs(f"return [...document.querySelectorAll('{selector} b')].map(one => one.textContent)")
        return [float(text) if text != "–" else None for text in texts]

    def points_at(self, selector, right, down):
        """Move the pointer to a share of the box's width and height."""
        from selenium.webdriver import ActionChains

        box = self.find(selector)
        self.runs(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
        width, height = box.size["width"], box.size["height"]
        at = round((right - 0.5) * width), round((down - 0.5) * height)
        ActionChains(self.browser, duration=0).move_to_element_with_offset(box, *at).perform()
        self.runs("return new Promise(requestAnimationFrame)")

    def clicks(self, selector):
        self.runs(f"document.querySelector(`{selector}`).click()")

    def types(self, selector, *keys):
        self.find(selector).send_keys(*keys)
        self.runs("return new Promise(requestAnimationFrame)")

    def rows(self, table):
        """Names of the rows that are seen, in order."""
        script = (
            f"return [...document.querySelectorAll('#{table} tbody tr:not(.hidden)')].map(row => row.dataset.name)"
        )
        return self.runs(script)

    @property
    def complaints(self):
        """What the browser has to say against the page."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def reader(browser, tmp_path):
    return Reader(browser, tmp_path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("make", [lambda: run_page(a_run()), lambda: runs_page(some_runs())], ids=["run", "runs"])
def test_a_page_fits_its_window_does_not_jump_and_fetches_nothing(reader, make, width, scheme):
    reader.opens(make(), width, scheme)
    assert reader.complaints == []
    assert reader.runs("return document.documentElement.scrollWidth") <= width
    assert reader.browser.execute_async_script(SHIFTS) < 0.01
    fetched = "return performance.getEntriesByType('resource').map(one => one.name)"
    assert reader.runs(fetched) == []
    paper = reader.runs("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert reader.runs("return drawn.every(one => one.plot.ctx.canvas.width > 200)")


def test_the_slider_moves_the_profiles_through_time(reader):
    from selenium.webdriver import Keys

    reader.opens(run_page(a_run()))
    for key, row in ((Keys.END, -1), (Keys.HOME, 0)):
        reader.types("#time", key)
        assert reader.text("#time-value") == f"t = {T[row]:g}"
        drawn = reader.runs("return drawn.find(one => one.figure.id === 'in-space').plot.data.map(one => [...one])")
        np.testing.assert_allclose(drawn, [X, EXACT[row], EXACT[row] + ERROR[row]], rtol=1e-6, atol=1e-12)


def test_the_pointer_on_a_map_chooses_time_and_place(reader):
    reader.opens(run_page(a_run()))
    reader.points_at("#network .u-over", 0.8, 0.75)  # t = 0.8, x = −0.5
    assert (reader.text("#time-value"), reader.text("#place-value")) == ("t = 0.8", "x = -0.5")
    row, column = 16, 8
    x, exact, ours = reader.numbers("#in-space .readout")
    assert (x, reader.numbers("#in-time .readout")[0]) == (-0.5, 0.8)
    assert abs(exact - EXACT[row, column]) < 1e-6
    assert abs(ours - EXACT[row, column]) < 1e-6
    assert reader.numbers("#third .readout")[0] == pytest.approx(abs(ERROR[row, column]), rel=DIGITS)
    reader.clicks("[data-third=residual]")
    assert reader.numbers("#third .readout")[0] == pytest.approx(1e-3 * (1 + 0.8 * 0.25), rel=DIGITS)
    assert reader.numbers("#in-time-error .readout")[1] == pytest.approx(1e-3 * (1 + 0.8 * 0.25), rel=DIGITS)
    above = {"third": "Residual |f|", "in-space-error": "Residual against x at this time"}
    above["in-time-error"] = "Residual against t at this x"
    for name, words in above.items():
        assert reader.text(f"#{name} figcaption span") == words
    reader.clicks("[data-third=error]")
    assert reader.text("#in-time-error figcaption span") == "Error against t at this x"


def test_names_of_a_history_are_text_on_the_page_of_its_run(reader):
    name = "<img src=x onerror='document.title=1'>"
    terms = {f"loss_{name}": 1.0, "loss_other": 1.0}
    reader.opens(run_page(a_run(history=[line | terms for line in history()])))
    assert name in reader.text("#losses .readout")
    assert not reader.runs("return document.querySelectorAll('.readout img').length")


def test_a_finger_on_a_map_chooses_time_and_place(reader):
    reader.opens(run_page(a_run()), width=390)
    box = reader.runs(
        "const one = document.querySelector('#network .u-over'); one.scrollIntoView({block: 'center'});"
        "const {left, top, width, height} = one.getBoundingClientRect(); return {left, top, width, height}"
    )
    finger = {"x": box["left"] + 0.2 * box["width"], "y": box["top"] + 0.25 * box["height"]}
    for kind, points in (("touchStart", [finger]), ("touchEnd", [])):
        reader.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    reader.runs("return new Promise(requestAnimationFrame)")
    assert (reader.text("#time-value"), reader.text("#place-value")) == ("t = 0.2", "x = 0.5")


def test_histories_tell_values_at_the_pointer_on_axes_that_can_be_chosen(reader):
    reader.opens(run_page(a_run()))
    reader.points_at("#losses .u-over", 0.999, 0.5)
    last = history()[-1]
    assert reader.numbers("#losses .readout") == [last["step"], last["loss"]]
    assert reader.numbers("#errors .readout")[1] == pytest.approx(1e-20, rel=1e-6)  # below what single floats print
    kinds = (
        "const {scales} = drawn.find(one => one.figure.id === 'losses').plot; return [scales.x.distr, scales.y.distr]"
    )
    assert reader.runs(kinds) == [1, 3]
    reader.clicks("#losses [data-log=y]")
    reader.clicks("#losses [data-log=x]")
    assert reader.runs(kinds) == [3, 1]
    reader.clicks("[name=along][value=seconds]")
    reader.points_at("#losses .u-over", 0.999, 0.5)
    assert reader.numbers("#losses .readout") == [last["seconds"], last["loss"]]
    assert reader.complaints == []


def test_runs_that_ended_badly_have_a_page(reader):
    broken = a_run(metrics={}, history=[], points=np.empty((0, 3)), breaks=(), config="", commands=())
    broken.sampled.u[3:, 5:] = np.nan
    broken.reference.u[:] = 0.0
    reader.opens(run_page(broken))
    assert reader.complaints == []
    assert "not started by a command line" in reader.text("body")
    small = [{"step": k, "seconds": float(k), "loss": 10.0 ** (-7 * k), "stage": "adam"} for k in range(1, 6)]
    reader.opens(run_page(a_run(known=False, history=small, metrics={"relative_l2": 0.0})))
    assert reader.complaints == []
    assert "Residual" in reader.text("body")


def test_tables_sort_filter_and_remember_it(reader):
    reader.opens(runs_page(some_runs()))
    assert reader.rows("runs") == ["width=8,seed=0", "width=8,seed=1", "width=4,seed=0", "width=4,seed=1"]
    error = "#runs th[data-key=relative_l2]"
    reader.clicks(error)
    assert reader.rows("runs")[-1] == "width=4,seed=1"  # what is unknown comes last
    reader.clicks(error)
    assert reader.rows("runs") == ["width=4,seed=0", "width=8,seed=1", "width=8,seed=0", "width=4,seed=1"]
    for words, left in (
        ("failed", 1),
        ("status=finished", 3),
        ("relative_l2<1e-3", 2),
        ("error>=1e-2", 1),
        ("width=4 seed=0", 1),
    ):
        reader.find("#filter").clear()
        reader.types("#filter", words)
        assert len(reader.rows("runs")) == left, words
    reader.find("#filter").clear()
    reader.types("#filter", "status=finished")
    reader.browser.refresh()
    assert reader.rows("runs") == ["width=4,seed=0", "width=8,seed=1", "width=8,seed=0"]
    assert reader.text("#runs-count") == "3 of 4"
    assert reader.runs("return document.querySelectorAll('#parallel path.dim').length") == 1
    assert reader.complaints == []


def test_curves_are_those_of_what_is_ticked(reader):
    reader.opens(runs_page(some_runs()))
    seen = "return drawn[0].spec.series.map(one => one.name)"
    assert reader.runs(seen) == ["width=8,seed=0", "width=8,seed=1", "width=4,seed=0", "width=4,seed=1"]
    reader.clicks("#groups tr[data-name=`width=8`] input".replace("`", '"'))
    assert reader.runs(seen) == ["width=4,seed=0", "width=4,seed=1"]
    reader.clicks("[name=over][value=evaluations]")
    assert reader.runs("return [...drawn[0].plot.data[0]]") == [10, 100]
    reader.browser.refresh()
    assert reader.runs(seen) == ["width=4,seed=0", "width=4,seed=1"]
    assert reader.runs("return drawn[0].spec.x.label") == "evaluations by the optimizer"


def test_a_stretch_of_an_axis_keeps_the_runs_that_pass_it_and_a_line_says_its_name(reader):
    from selenium.webdriver import ActionChains

    reader.opens(runs_page(some_runs()))
    axis = reader.browser.find_elements("css selector", "#parallel rect.axis")[0]
    reader.runs("document.getElementById('parallel').scrollIntoView({block: 'center'})")
    half = axis.size["height"] // 2
    drag = ActionChains(reader.browser, duration=0).move_to_element_with_offset(axis, 0, 5 - half).click_and_hold()
    drag.move_by_offset(0, half).release().perform()
    dim = "return [...document.querySelectorAll('#parallel path')].map(one => one.classList.contains('dim'))"
    assert reader.runs(dim) == [False, False, True, True]  # the wider ones stand above
    reader.runs("document.querySelector('#parallel path').dispatchEvent(new PointerEvent('pointerenter'))")
    assert reader.text("#parallel-readout") == "width=8,seed=0: error 1.00e-4"


def test_a_link_leads_to_the_page_of_the_run(reader):
    reader.opens(run_page(a_run()), address="width=8,seed=0/report.html")
    reader.opens(runs_page(some_runs()))
    reader.clicks("#runs a")
    assert reader.text("h1") == "A <run>"


def test_a_page_whose_runs_go_on_is_read_again_with_what_the_reader_has_chosen(reader, monkeypatch):
    from selenium.webdriver.support.ui import WebDriverWait

    monkeypatch.setattr(page, "REFRESH", 0.5)
    going_on, done = some_runs(True), some_runs(False)
    reader.opens(runs_page(some_runs(True, runs=going_on.runs[:2])), choices="#filter=seed%3D1")
    assert reader.rows("runs") == ["width=8,seed=1"]
    (reader.folder / "page.html").write_text(runs_page(done))
    WebDriverWait(reader.browser, 20).until(lambda _: len(reader.rows("runs")) == 2)
    assert reader.rows("runs") == ["width=8,seed=1", "width=4,seed=1"]
    assert reader.runs("return DATA.refresh") is None
