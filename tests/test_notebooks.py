"""The notebooks: their kept outputs are those of their code, and their code runs."""

import ast
import importlib
import json
import runpy
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pytest

import pinn_ac
from pinn_ac.fitting import fit
from pinn_ac.lessons import allen_cahn, every_node
from pinn_ac.reference import solve
from pinn_ac.reporting.style import new_figure

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
SMALL = [source for source in SOURCES if source.stem != "inverse_problem"]
"""Those that can be run at a small size: an inverse run chooses its own, so the slow test alone executes it."""
LARGEST = 300_000
"""Bytes of a notebook with its outputs."""


@pytest.fixture
def notebooks(monkeypatch):
    """The module `website/notebooks.py`."""
    monkeypatch.syspath_prepend(ROOT / "website")
    return importlib.import_module("notebooks")


def cells(source):
    """The code of every cell of a script in percent format."""
    parts = source.read_text().split("# %%")[1:]
    return [part.partition("\n")[2].strip() for part in parts if not part.startswith(" [markdown]")]


def named(source):
    return source.stem


def test_there_are_notebooks():
    assert len(SOURCES) >= 7
    assert sum(map(len, map(cells, SOURCES))) > 40


@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_what_is_kept_is_what_the_code_gave(source, notebooks):
    """The same code, cell by cell; it was executed in order and without an error, and is not large."""
    assert notebooks.is_fresh(source), (
        f"notebooks/{source.name} has changed since it was executed: run `make notebooks`"
    )
    kept = source.with_suffix(".ipynb")
    assert kept.stat().st_size < LARGEST
    code = [cell for cell in json.loads(kept.read_text())["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]).strip() for cell in code] == cells(source)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    shown = [output for output in outputs if "Figure size" in str(output.get("data", {}).get("text/plain"))]
    assert all("image/png" in output["data"] for output in shown)


def test_outputs_of_another_source_are_seen(notebooks, tmp_path):
    copy = tmp_path / "copy.py"
    copy.write_text(SOURCES[0].read_text() + "\n")
    copy.with_suffix(".ipynb").write_text(SOURCES[0].with_suffix(".ipynb").read_text())
    assert not notebooks.is_fresh(copy)
    copy.write_text(SOURCES[0].read_text())
    assert notebooks.is_fresh(copy)


def test_a_notebook_shows_a_figure_of_ours():
    """It asks for `_repr_png_`: pyplot, which sets the formats of other figures, need not have been imported."""
    picture = new_figure(3.0, 2.0)._repr_png_()
    assert picture.startswith(b"\x89PNG")
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (240, 160)


def at_a_small_size(problem, **choices):
    """`pinn_ac.fit` with the same words but for a few steps on a small network."""
    choices.pop("tolerance", None)
    if "network" in choices:
        choices["network"] = choices["network"].clone(width=4, depth=1)
    else:
        choices |= {"network": pinn_ac.models.MLP(width=4, depth=1), "steps": 2, "windows": 1}
    if "sampler" in choices:
        choices["sampler"] = replace(choices["sampler"], num_points=min(32, choices["sampler"].num_points))
    if "optimizer" in choices:
        choices["optimizer"] = replace(choices["optimizer"], steps=2)
    if choices.get("reference"):
        choices["reference"] = coarse_reference(problem.diffusivity, problem.reaction_rate)
    return fit(problem, **choices | {"progress": False})


@cache
def coarse_reference(diffusivity, reaction_rate):
    """A reference on a few points, solved for once."""
    return solve(pinn_ac.AllenCahn(diffusivity=diffusivity, reaction_rate=reaction_rate), np.linspace(0, 1, 3), 8)


@pytest.mark.landing
@pytest.mark.usefixtures("shared_programs")
@pytest.mark.parametrize("source", SMALL, ids=named)
def test_the_code_of_every_notebook_runs(source, monkeypatch, tmp_path):
    """At a small size, with one seed's error for all: what is trained is tested elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pinn_ac, "fit", at_a_small_size)
    monkeypatch.setattr(pinn_ac.Solution, "error", lambda self: float(np.abs(self(0.5, 0.25))))
    monkeypatch.setattr(pinn_ac.Solution, "plot", lambda self: None)
    monkeypatch.setattr(allen_cahn.train, "__defaults__", (2,))
    monkeypatch.setattr(every_node, "REPEATS", 1)
    monkeypatch.setattr(every_node, "MEASURED_WHOLE", 10)
    monkeypatch.setattr(every_node._best, "__defaults__", (1,))
    with mpl.rc_context({"backend": "agg"}):
        names = runpy.run_path(str(source))
    for name, value in names.items():
        if isinstance(value, float | np.ndarray | jax.Array):
            assert np.isfinite(value).all(), name


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=named)
def test_every_notebook_can_be_executed(source, notebooks):
    """In a kernel, as `make notebooks` does; the numbers that it prints about errors are those that are kept."""
    pytest.importorskip("nbclient", reason="make docs installs what executes notebooks")
    executed = notebooks.execute(source)
    kept = json.loads(source.with_suffix(".ipynb").read_text())
    assert [cell.source for cell in executed.cells] == ["".join(cell["source"]) for cell in kept["cells"]]
    kinds = [[output["output_type"] for output in cell.get("outputs", ())] for cell in executed.cells]
    assert kinds == [[output["output_type"] for output in cell.get("outputs", ())] for cell in kept["cells"]]


def test_the_engine_from_nothing_has_about_150_lines():
    """What the notebook promises: the cells before the first example, without empty lines and comments."""
    (source,) = (one for one in SOURCES if one.stem == "lecture_4_from_nothing")
    text = "\n".join(cells(source)).split("def f(x1, x2)")[0]
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 80 < len(lines) <= 150
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imported for alias in node.names] == ["math"]
