"""The commands, as `pinn-ac` and as scripts: one list, one sentence and status 2 for a mistake; and the wheel."""

import json
import math
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email import message_from_string
from importlib.metadata import distribution, version
from importlib.util import cache_from_source
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import pinn_ac
from composed import CONFIGS
from pinn_ac.app import config_folder
from pinn_ac.app.commands import COMMANDS
from pinn_ac.app.config_folder import options
from pinn_ac.app.help import SUMMARIES, groups, listed
from pinn_ac.app.program import spelled
from pinn_ac.reporting.page import BROWSER
from typed import typed

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_the_commands_are_listed_with_a_line_each(words):
    listed = typed(*words)
    assert listed.status == 0
    lines = [line.split(maxsplit=1) for line in listed.out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == list(COMMANDS)
    assert all(10 < len(summary) < 90 for _, summary in lines)


def test_an_unknown_command_is_one_sentence_and_status_2():
    refused = typed("trian", "model=mlp")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == f"Error: There is no command trian: choose {', '.join(COMMANDS)}.\n"


def test_every_script_is_a_command_and_every_command_a_script():
    scripts = {path.stem.replace("_", "-") for path in (PROJECT / "scripts").glob("*.py")}
    assert scripts == set(COMMANDS)


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("train", ["problem.diffusivity=-1"], "problem.diffusivity is -1: give a positive number."),
        ("train", ["model=unknown"], "model=unknown is no option: choose one of chebyshev_kan, mlp, modified_mlp"),
        ("train", ["optimizer=null"], "by name, such as optimizer=adam"),
        (
            "train",
            ["model.widht=3"],
            "model (MLP) has no setting widht: it has width, depth, activation, output_scale, bias_scale",
        ),
        ("train", ["resume=/"], "/ is not the folder of a run"),
        ("train", ["hydra.run.dir=/proc/here"], "/proc/here cannot be written"),
        ("train", ["seed=1,2"], "seed=1,2 holds several values: add -m"),
        ("train", ["allow=[5]"], "allow names 5: give names of modules, such as allow=[my_module]"),
        ("train", ["hydra.run.dir='${started:%Y}'"], "${started:…} is called ${pinn_ac.started:…} now: write that."),
        ("evaluate", [], "run has no value: give it one by run=…"),
        ("evaluate", ["run=/"], "/ is not the folder of a run"),
        ("evaluate", [f"run={__file__}"], "test_commands.py is not the folder of a run"),
        ("reference", ["+foo=1"], "A study of the reference has no setting foo: it has problem."),
        ("reference", ["problem.horizon=-1"], "problem.horizon is -1: give a positive number"),
        ("reference", ["seed=1"], "There is no setting seed: there are problem."),
        ("sweep-report", ["nowhere"], "nowhere is not a folder: give that of a sweep"),
        ("benchmark", ["autodiff", "--precision", "float16"], "precision is 'float16': choose float64 or float32"),
        ("lesson", ["nix"], "There is no lesson 'nix': choose"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(project, command, words, sentence):
    refused = typed(command, *words)
    assert refused.status == 2
    assert sentence in refused.err
    assert "Traceback" not in refused.err
    assert not list(project.rglob("config.yaml"))
    assert not list(project.rglob("*.log"))


def test_help_fits_a_screen_and_shows_groups_and_examples_as_the_user_types_them(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for program, start in (("pinn-ac", "pinn-ac train"), ("scripts/train.py", "python scripts/train.py")):
        words = ("train",) if program == "pinn-ac" else ()
        helped = typed(*words, "--help", program=program)
        assert helped.status == 0
        assert f"    {start} experiment=record\n" in helped.out
        assert "allow=[MODULE]" in helped.out
        assert "${" not in helped.out

        require_a_screen(helped.out)
        for group in groups():
            (line,) = (line for line in helped.out.splitlines() if line.startswith(f"  {group} "))
            assert line.split(maxsplit=1)[1].startswith(SUMMARIES[group])


def require_a_screen(helped):
    """Of 80 columns and 50 lines, but for examples, which are to be copied as they are."""
    lines = helped.strip().splitlines()
    assert 5 < len(lines) <= 50
    assert [line for line in lines if len(line) > 80 and not line.startswith(("    pinn-ac", "    python"))] == []


@pytest.mark.landing
@pytest.mark.parametrize("command", ["compare", "evaluate", "reference", "sweep-report"])
def test_help_fits_a_screen(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    require_a_screen(typed(command, "--help").out)


def test_a_wider_help_names_more_options_and_counts_those_that_are_left_out():
    narrow, wide = listed("optimizer", 80), listed("optimizer", 120)
    assert narrow == "  optimizer                  the method: adam, gauss_newton, lbfgs, … (10)"
    assert wide.startswith(narrow.removesuffix(", … (10)"))
    assert wide.endswith(", … (10)")
    assert len(narrow) < 80 < len(wide) < 120


def test_a_checkout_may_lie_in_a_folder_of_any_name(project, monkeypatch):
    (project / "experiment").mkdir()
    (project / "experiment/configs").symlink_to(CONFIGS)
    monkeypatch.setattr(config_folder, "CONFIGS", project / "experiment/configs")
    assert options("gradient") == ["jax", "own"]


def test_all_options_of_a_group_can_be_asked_for():
    refused = typed("train", "sampler=?")
    assert refused.status == 2
    assert refused.err.endswith(f"choose one of {', '.join(options('sampler'))}.\n")


@pytest.mark.landing
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pinn-ac tr", {*COMMANDS}),
        ("pinn-ac train model=m", {"model=mlp", "model=modified_mlp"}),
        ("pinn-ac reference problem=b", {"problem=burgers"}),
        ("pinn-ac lesson tr", set()),
    ],
)
def test_a_shell_completes_commands_groups_and_settings(monkeypatch, line, expected):
    monkeypatch.setenv("COMP_LINE", line)
    assert set(typed("-sc", "query=bash").out.split()) == expected


@pytest.mark.landing
def test_a_shell_is_told_how_to_complete():
    assert typed("-sc", "install=bash").out.rstrip().endswith(" pinn-ac")


def test_the_version_is_that_of_the_package():
    assert typed("--version").out == f"pinn_ac {pinn_ac.__version__}\n"
    assert (
        pinn_ac.__version__
        == version("pinn_ac")
        == tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    )


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("scripts/evaluate.py", "python scripts/train.py"),
        ("/a/scripts/train.py", "python /a/scripts/train.py"),
        ("/usr/bin/pinn-ac", "pinn-ac train"),
        ("/usr/lib/pytest/__main__.py", "pinn-ac train"),
    ],
)
def test_a_command_is_spelled_as_the_user_calls_it(program, command):
    assert spelled("train", program) == command
    assert spelled("sweep-report", "scripts/train.py") == "python scripts/sweep_report.py"


@pytest.mark.landing
def test_two_real_processes(project):
    """A script, and the console script's function: a refusal, and the list."""
    script = [sys.executable, str(PROJECT / "scripts/train.py"), "problem.diffusivity=-1"]
    refused = subprocess.run(script, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr == "Error: problem.diffusivity is -1: give a positive number.\n"
    assert not list(project.glob("outputs/*/*"))
    called = [sys.executable, "-c", "from pinn_ac.app.commands import main; main()", "lesson", "--help"]
    listed = subprocess.run(called, capture_output=True, text=True, check=True)
    assert "pinn-ac lesson trace" in listed.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built from the archive of its sources."""
    pytest.importorskip("hatchling")
    place = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_{0} as build; print(build(r'{1}'))"
    subprocess.run([sys.executable, "-c", build.format("sdist", place)], cwd=PROJECT, check=True, capture_output=True)
    (archive,) = place.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", archive, "-C", place], check=True)
    sources = archive.with_name(archive.name.removesuffix(".tar.gz"))
    subprocess.run([sys.executable, "-c", build.format("wheel", place)], cwd=sources, check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_holds_the_configs_the_types_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "pinn-ac = pinn_ac.app.commands:main" in archive.read(points).decode()
        for path in CONFIGS.rglob("*.yaml"):
            packaged = f"pinn_ac/configs/{path.relative_to(CONFIGS).as_posix()}"
            assert archive.read(packaged).decode() == path.read_text(), packaged
        for path in BROWSER.iterdir():
            assert archive.read(f"pinn_ac/reporting/browser/{path.name}") == path.read_bytes(), path.name
    plugins = {f"hydra_plugins/{path.name}" for path in (PROJECT / "src/hydra_plugins").glob("*.py")}
    assert {"pinn_ac/py.typed", "pinn_ac/__init__.py", *plugins} <= names
    assert len(plugins) > 1
    assert not [name for name in names if name.startswith(("tests", "scripts", "configs"))]


def test_the_citation_names_this_version_and_licence():
    """And what version 1.2.0 of the Citation File Format requires."""
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert all("name" in author or "family-names" in author for author in citation["authors"])
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (declared["version"], declared["license"])
    assert f"## {declared['version']}" in (PROJECT / "CHANGELOG.md").read_text()


SMALL = (
    "ansatz=soft",
    "embedding=periodic",
    "model.width=4",
    "model.depth=1",
    "sampler.num_points=64",
    "windows=1",
    "reference=false",
    "estimate=false",
)


EASY = (
    *("problem.diffusivity=1e-2", "problem.horizon=0.05", "model.width=4", "model.depth=1", "sampler.num_points=64"),
    "estimate=false",
)
"""A comparison of little work."""


TYPED = """
import json, sys
from hydra.core.global_hydra import GlobalHydra
from pinn_ac.app.commands import main

for words in json.load(sys.stdin):
    sys.argv = ["pinn-ac", *words]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    GlobalHydra.instance().clear()
"""
"""Several commands in one process of the environment, one after the other."""


ASKED = """
import jax, pinn_ac
from pinn_ac.models import MLP
from pinn_ac.tracking import MLflow

print(pinn_ac.__file__, pinn_ac.__version__, sep="\\n")
try:
    MLflow()
except pinn_ac.InputError as error:
    print(error)
solution = pinn_ac.fit(pinn_ac.Burgers(0.1), network=MLP(4, 1), steps=1, windows=1, seed=1, progress=False)
solution.derivatives(0.5, [0.0, 0.25], orders=("t", "xx"))
solution.save("here")
again = pinn_ac.load_run("here")
assert float(jax.jit(again)(0.5, 0.3)) == float(jax.jit(solution)(0.5, 0.3))
print(float(jax.grad(lambda x: again(0.5, x))(0.3)))
"""
"""Where the package lies, its version, what a tracker says whose extra is not installed, and a short session."""


@pytest.mark.landing
def test_the_wheel_works_in_an_empty_environment(wheel, project):
    """Beside nothing but what it requires; what the commands write goes to outputs/ where they are called."""
    place = project / "environment"
    venv.create(place)
    _link_what_it_requires(wheel, place)
    _install(wheel, place)
    here = project / "empty"
    here.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def called(*command, **given):
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, **given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    train = ("train", "-m", "model=mlp", "train.steps=2", "seed=0,1", *SMALL, "hydra.sweep.dir=outputs/sweep")
    called(place / "bin/pinn-ac", *train)
    run = str(next(here.glob("outputs/sweep/*/config.yaml")).parent.relative_to(here))
    others = (
        ("evaluate", f"run={run}", "times=5", "points=8", "reference=false", "estimate=false"),
        ("sweep-report", "outputs/sweep"),
        ("reference", "problem.diffusivity=1e-2", "problem.horizon=0.05"),
        ("lesson",),
        ("lesson", "try_it"),
        ("benchmark", "--help"),
        ("compare", "experiments=[plain]", "seeds=[0]", "steps=2", *EASY, "hydra.run.dir=outputs/table"),
    )
    said = called(place / "bin/python", "-c", TYPED, input=json.dumps(others))
    assert json.loads((here / run / "evaluation/5x8/metrics.json").read_text())["git_commit"] is None
    assert (here / "outputs/sweep/report/runs.csv").exists()
    assert "pinn-ac lesson" in said
    assert (here / "outputs/lessons/try_it/graph.png").exists()
    assert "autodiff" in said
    assert (here / "outputs/table/comparison.csv").read_text().startswith("experiment,seeds,median")
    assert {path.name for path in here.iterdir()} == {"outputs"}
    told = called(place / "bin/python", "-c", ASKED).splitlines()
    assert Path(told[0]).is_relative_to(place)
    assert told[1] == wheel.name.split("-")[1]
    assert "pip install 'pinn_ac[mlflow]'" in told[2]
    assert math.isfinite(float(told[-1]))


def _link_what_it_requires(wheel, place):
    """Put links to the tests' own copies of the packages that the wheel requires, and of theirs, into an environment.

    To fetch and unpack them anew would take a minute; nothing else of the tests' environment can be imported there.
    """
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        wanted = message_from_string(archive.read(metadata).decode()).get_all("Requires-Dist")
    (packages,) = place.glob("lib/python*/site-packages")
    waiting, linked = [(Requirement(text), ()) for text in wanted], set()
    while waiting:
        one, extras = waiting.pop()
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        found = distribution(one.name)
        assert one.specifier.contains(found.version, prereleases=True), f"{one}, and here is {found.version}"
        if (found.name, *sorted(one.extras)) in linked:
            continue
        linked.add((found.name, *sorted(one.extras)))
        waiting += [(Requirement(text), one.extras) for text in found.requires or ()]
        for file in found.files:
            _link(packages, file)


def _link(packages, file):
    """A file of a package, and what Python has compiled of it."""
    source, here = Path(file.locate()), packages / file
    if ".." in file.parts or here.exists():
        return
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(source)
    compiled = Path(cache_from_source(source))
    if source.suffix == ".py" and compiled.exists():
        (here.parent / "__pycache__").mkdir(exist_ok=True)
        (here.parent / "__pycache__" / compiled.name).symlink_to(compiled)


def _install(wheel, place):
    """The wheel alone, by uv where the tests' environment has it."""
    uv, python = Path(sys.prefix) / "bin/uv", place / "bin/python"
    words = [uv, "pip", "install", "--python"] if uv.exists() else [sys.executable, "-m", "pip", "--python"]
    words += [python] if uv.exists() else [python, "install"]
    subprocess.run([*words, "--no-index", "--no-deps", wheel], check=True, timeout=600, capture_output=True)
