"""The command teaches every lesson, lists them, and answers what it does not understand in one sentence."""

import io

import pytest
from rich.console import Console

from pinn_ac.lessons import LESSONS, command, every_node


@pytest.fixture(autouse=True)
def same_platform(monkeypatch):
    """The command chooses a platform for a process of its own; the tests' process keeps the one it has."""
    monkeypatch.setattr(command.jax.config, "update", lambda *_: None)


def teach(tmp_path, *words):
    out = io.StringIO()
    status = command.main(words, tmp_path, Console(file=out, width=104))
    return status, out.getvalue()


FILES = {
    "allen_cahn": {"graph.png", "graph.dot", "graph.mmd", "residual.png"},
    "linear_regression": {"graph.png", "graph.dot", "graph.mmd", "descent.png"},
    "three_ways": {"error_against_h.png"},
    "chain_rule": {"graph.png", "graph.dot", "graph.mmd"},
    "product_plus_sine": {"graph.png", "graph.dot", "graph.mmd"},
    "try_it": {"graph.png", "graph.dot", "graph.mmd"},
    "every_node": {"cost_against_inputs.png"},
}
WORDS = {
    "allen_cahn": ("u_xx", "L before", "scripts/train.py experiment=lecture"),
    "linear_regression": ("closed form", "−285", "w → 2 and b → 0"),
    "three_ways": ("symbolic", "numerical", "automatic", "h = 1e-05"),
    "chain_rule": ("inside out", "outside in", "①", "= 0.844"),
    "product_plus_sine": ("w̄₁ = w̄₄ cos w₁ + w̄₃ w₂", "4.584"),
    "try_it": ("= 11.652", "= 5.5", "= −0.284", "= 1.716", "−0.284 + 1 × 2", "x₁ − cos x₂"),
    "every_node": ("v₋₁ × v₀", "one direction"),
}


@pytest.mark.parametrize("name", LESSONS)
def test_each_lesson_prints_its_tables_and_writes_its_pictures(tmp_path, name, monkeypatch):
    monkeypatch.setitem(every_node.teach.__globals__, "SIZES", (2, 100))
    monkeypatch.setattr(every_node.teach, "__defaults__", ((2, 100),))
    status, said = teach(tmp_path, name)
    assert status == 0
    assert {path.name for path in (tmp_path / name).iterdir()} == FILES[name]
    for words in WORDS[name]:
        assert words in said
    assert "…" not in said.replace(", …, ", "")  # no cell was cut off
    for path in (tmp_path / name).glob("*.png"):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_without_a_name_the_lessons_are_listed(tmp_path, words):
    status, said = teach(tmp_path, *words)
    assert status == 0
    for name in (*LESSONS, "all", "trace"):
        assert any(line.strip().startswith(name) for line in said.splitlines())
    assert not list(tmp_path.iterdir())


def test_all_teaches_every_lesson_in_order(tmp_path, monkeypatch):
    taught = []
    lessons = {
        name: lesson._replace(teach=lambda page: taught.append(page.folder.name)) for name, lesson in LESSONS.items()
    }
    monkeypatch.setattr(command, "LESSONS", lessons)
    assert teach(tmp_path, "all")[0] == 0
    assert taught == list(LESSONS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nonsense",), "There is no lesson 'nonsense': choose allen_cahn, linear_regression"),
        (("try_it", "now"), "takes no more words"),
        (("trace",), "needs a formula"),
        (("trace", "2*(x", "x=1"), "never closed"),
        (("trace", "x*y", "x=1"), "y has no value"),
        (("trace", "3 + 4"), "no variable"),
        (("trace", "ln(x)", "x=-1"), "no finite value"),
    ],
)
def test_what_is_not_understood_is_one_sentence_and_status_2(tmp_path, capsys, words, sentence):
    status, said = teach(tmp_path, *words)
    complaint = capsys.readouterr().err
    assert (status, said) == (2, "")
    assert complaint.startswith("Error: ")
    assert sentence in complaint
    assert "Traceback" not in complaint


def test_a_users_own_formula_is_traced(tmp_path):
    status, said = teach(tmp_path, "trace", "ln(x1) + x1*x2 - sin(x2)", "x1=2", "x2=5")
    assert status == 0
    for words in ("= 11.652", "= 5.5", "= 1.716", "1 / x₁"):
        assert words in said
    assert (tmp_path / "trace" / "graph.png").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status, _ = teach(tmp_path / "file", "try_it")
    assert status == 2
    assert "cannot be written" in capsys.readouterr().err
