"""What the README, docs/ and the help pages tell people to type is typed here, word for word, at a small size.

A command that is added to a page is tested by being there. Those that need what a test has not are listed in
`NEEDS`, each with the reason; of them it is tested that their words are understood.
"""

import doctest
import importlib
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf

import pinn_ac
import typed
from composed import CONFIGS, options
from composed import composed as config_of
from pinn_ac.ansatz import Soft
from pinn_ac.app import cli, config, report
from pinn_ac.app.assembly import assemble
from pinn_ac.app.benchmarks import command as benchmark
from pinn_ac.app.commands import COMMANDS
from pinn_ac.app.comparison.plan import SETTINGS, Comparison
from pinn_ac.app.jobs import find_jobs
from pinn_ac.app.train import train_in
from pinn_ac.fitting import fit
from pinn_ac.lessons import LESSONS, command, every_node
from pinn_ac.models import MLP, Periodic
from pinn_ac.reference import grids
from pinn_ac.sampling import Sobol

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "outputs/README.md",
]
PROGRAMS = ("python", "make", "srun", "source", "pip", "pinn-ac", "scripts/", ".ci/run")
"""What a command in the midst of a sentence begins with."""
PLACES = re.compile(r"outputs/multirun/default/DATE|outputs/default/\d[\d_-]+|FOLDER")
"""What stands in a page for the folder of a run or a sweep of the reader's own."""


class Command(NamedTuple):
    """A command, and where it stands."""

    page: str
    text: str

    @property
    def words(self):
        """As a shell sees them."""
        return shlex.split(self.text, comments=True)


def blocks(page, language):
    """The text of every block of code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def spans(page):
    """Every piece of code in the midst of a sentence; none of those in blocks."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def helped():
    """(Page, command) of the examples that `--help` and the first lines of the scripts give."""
    for page in sorted((CONFIGS / "hydra/help").glob("*.yaml")):
        footer = yaml.safe_load(page.read_text())["footer"]
        for line in re.sub(r"\$\{pinn_ac\.command:(\w+)\}", r"python scripts/\1.py", footer).splitlines():
            if line.strip().startswith("python "):
                yield page.name, re.sub(r"\s{2,}\(.*\)$", "", line.strip())
    for script in sorted((ROOT / "scripts").glob("*.py")):
        for text in re.findall(r"python scripts/[^(),;\n\"]*[^(),;\n\" ]", script.read_text()):
            yield script.name, text
    yield "lesson.py", f"{command.PROGRAM} {command.EXAMPLE}"


def commands():
    """Every command of every page, once."""
    found = [
        Command(page.name, line) for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()
    ]
    found += [Command(page.name, text) for page in PAGES for text in spans(page) if text.startswith(PROGRAMS)]
    found += [Command(name, text) for name, text in helped()]
    found = [one._replace(text=as_a_script(one.text)) for one in found]
    return list({tuple(one.words): one for one in found if one.words and not is_a_name(one)}.values())


def as_a_script(text):
    """`pinn-ac NAME …` as the script that calls the same function."""
    name = re.match(r"pinn-ac ([a-z-]+) ", text)
    if name is None:
        return text
    assert name[1] in COMMANDS, text
    return f"python scripts/{name[1].replace('-', '_')}.py {text[name.end() :]}"


def is_a_name(one):
    """A program that is spoken of, and not called."""
    return len(one.words) == 1 and one.words[0].startswith(("scripts/", *PROGRAMS[:6]))


TYPED = commands()
NEEDS = {
    "make test": "it is what runs these tests",
    "make test-all": "it is what runs these tests",
    ".ci/run": "it is what runs these tests",
    "make format": "it rewrites the sources",
    "make setup": "the tests run in an environment already",
    "make docs": "tests/test_site.py builds the documentation",
    "make notebooks": "tests/test_notebooks.py executes the notebooks",
    "source .venv/bin/activate": "the tests run in an environment already",
    "pip install": "it would change the environment",
    "srun": "a Slurm and GPUs; tests/test_parallel.py and tests/app/test_sweeps.py run processes under a real one",
    "JAX_COORDINATOR_ADDRESS": "a second process at the same time, as tests/test_parallel.py starts it",
    "hydra/launcher=slurm": "a Slurm; tests/app/test_sweeps.py runs the launchers on a real one",
    "scripts/benchmark.py": "minutes to hours; tests/app/benchmarks/ runs what each of them is made of",
    "scripts/compare.py": "hours; tests/app/test_compare.py runs a small comparison",
    "model=mine": "the reader's own file",
    "experiment=inverse": "the reader's own observations; tests/app/test_inverse.py infers from some",
    "allow=": "the reader's own module; tests/app/test_objects.py trains, resumes and evaluates with one",
}
"""What a command begins with or holds → why it is not run here."""


def need(one):
    """Why the command is not run; None where it is."""
    return next((reason for mark, reason in NEEDS.items() if mark in one.text), None)


def essence(words):
    """The words but for their order, the clock, and the folder: commands that share it compute the same.

    So do marches of an easy problem to another tolerance, as all of them are made here; a run without a tolerance is
    no march. And references of other diffusivities, since all are computed for one that is soon done, and evaluations
    on other grids.
    """
    left_out: tuple[str, ...] = ("train.seconds=",)
    if "experiment=record" in words:
        left_out += ("train.tolerance=", "problem.diffusivity=", "problem.horizon=")
    if any(word.endswith("reference.py") for word in words):
        left_out += ("problem.diffusivity=",)
    if any(word.endswith("evaluate.py") for word in words):
        left_out += ("times=", "points=")
    return frozenset(PLACES.sub("FOLDER", word) for word in words if not word.startswith(left_out))


def first_and_alike(every):
    """The commands of which none computes what another does, and those that compute the same as one of them."""
    first = {essence(one.words): one for one in reversed(every)}
    return [one for one in every if one in first.values()], [one for one in every if one not in first.values()]


RUN, ALIKE = first_and_alike([one for one in TYPED if need(one) is None])
NOT_RUN = [one for one in TYPED if need(one) is not None]
SMALL = (
    "model.width=4",
    "model.depth=1",
    "sampler.num_points=64",
    "reference=false",
    "estimate=false",
    "train.checkpoint_every=2",
)


def described(one):
    return f"{one.page}: {' '.join(one.words)}"[:90]


def of_script(words):
    """The words after the script, with -m if it is there."""
    (place,) = (index for index, word in enumerate(words) if re.search(r"scripts/\w+[.]py$", word))
    return words[place + 1 :]


def composed(words, with_hydra=False):
    """The config that they describe; a swept setting has one of its values. Hydra's part is there if they name it."""
    plain = [cli.for_hydra(word) for word in words if not word.startswith("-")]
    plain = [re.sub(r"^([\w./]+=[^,\[('\"]+),.*", r"\1", word) for word in plain]
    plain = [word for word in plain if not re.search(r"=(tag|choice|interval|range)\(", word)]
    if not with_hydra and not any(word.lstrip("+~").startswith("hydra") for word in plain):
        return config_of(*plain)
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", plain, return_hydra_config=True)


def small(words):
    """The same command at a small size."""
    settings = composed(PLACES.sub("FOLDER", word) for word in words)
    if settings.resume:
        return [*words, "train.steps=4"]
    if settings.train.tolerance and settings.model["_target_"].endswith("RandomFeatures"):  # it chooses its own size
        easy = ("train.tolerance=1e-2", "problem.diffusivity=1e-2", "problem.horizon=0.1")
        return [*words, "reference=false", *easy]
    stages = [f"stages.{name}.steps=2" for name in settings.stages or ()] or ["train.steps=2"]
    chosen = {word.split("=")[0] for word in words if word.endswith("=null") or "(" in word}
    size = [*(word for word in SMALL if word.split("=")[0] not in chosen), *stages]
    if any(word.startswith("windows") for word in words):
        size += ["windows=2", "problem/initial_condition=cosine"]  # whose flow costs less to compile, twice here
    else:
        size.append("windows=1")
    if "depth" not in settings.model:
        size.remove("model.depth=1")
    if "seed=0,1,2" in words:
        size.append("seed=0" if any("," in word for word in words if not word.startswith("seed")) else "seed=0,1")
    if settings.ensemble > 1:
        size.append("ensemble=2")
    if "hydra/sweeper=search" in words:
        size.append("hydra.sweeper.n_trials=2")
    if "hydra/launcher=cores" in words:  # tests/app/test_objects.py starts processes
        size.append("hydra.launcher.n_jobs=1")
    return [*words, *size]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without outputs yet, in which commands run as if each had a process of its own."""
    shutil.copytree(ROOT / "outputs", tmp_path / "outputs", ignore=lambda *_: ["default", "multirun", "benchmarks"])
    monkeypatch.setattr(command, "FOLDER", tmp_path / "outputs/lessons")
    monkeypatch.setattr(command.main, "__defaults__", (tmp_path / "outputs/lessons", None, command.PROGRAM))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_process():
    """Put back what a command sets for its process."""
    with typed.own_process():
        os.environ["HYDRA_FULL_ERROR"] = "1"
        yield


def run_script(script, words):
    """Run a script of the project in this process; the exit status."""
    sys.argv = [str(ROOT / "scripts" / script), *words]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a small run, and below it those of an ensemble's: what FOLDER stands for."""
    place = tmp_path_factory.mktemp("folder") / "run"
    words = ("optimizer=adam", "windows=1", *SMALL, "train.steps=2")
    with typed.undrawn_runs():
        train_in(place, config_of(*words))
    shutil.copytree(place, place / "seed=K")
    return place


@pytest.fixture
def reported_in_brief(monkeypatch):
    """Runs are reported on a coarse grid, and the figures of each kind of run are drawn for one of its kind.

    Both would take longer than all else.
    """

    def draw(solution, *others):
        kind = type(solution.problem), solution.experiment.marches, solution.experiment.windows > 1
        drawn = kind in DRAWN
        DRAWN.add(kind)
        return [] if drawn else whole(solution, *others)

    whole = report.draw
    monkeypatch.setattr(report, "draw", draw)
    monkeypatch.setattr(grids, "USUAL", {1: (21, 64), 2: (6, 16)})


DRAWN: set[tuple] = set()


@pytest.mark.landing
@pytest.mark.usefixtures("own_process", "reported_in_brief")
@pytest.mark.parametrize("one", RUN, ids=described)
def test_every_command_of_the_pages_works(one, project, folder, monkeypatch):
    copy = project / "copy"
    if PLACES.search(one.text):
        shutil.copytree(folder, copy)
    words = [PLACES.sub(str(copy), word) for word in one.words if word != "WORDS"]  # the words of a table's rows
    if words[0] == "make":
        (line,) = made(*words[1:])
        assert essence(["python", *shlex.split(line)[1:]]) in [essence(other.words) for other in RUN]
        return
    script, rest = next((word, words[index + 1 :]) for index, word in enumerate(words) if "scripts/" in word)
    name = Path(script).name
    if name == "train.py" and rest != ["--help"]:
        rest = small(rest)
    if name == "evaluate.py":
        rest = [*rest, "times=11", "points=16", "estimate=false"]
    if name == "reference.py":
        rest = [*rest, "problem.horizon=0.05", "problem.diffusivity=1e-2"]
    if name == "lesson.py":
        monkeypatch.setitem(every_node.teach.__globals__, "SIZES", (2, 100))
        monkeypatch.setattr(every_node.teach, "__defaults__", ((2, 100),))
    assert run_script(name, rest) == 0
    if name == "train.py" and rest != ["--help"] and not any(word.startswith("resume=") for word in rest):
        jobs = find_jobs(project / "outputs")
        assert {job.status for job in jobs} == {"finished"}
        assert all(job.metrics["steps"] > 0 for job in jobs)


@pytest.mark.parametrize("one", [one for one in ALIKE if "scripts/train.py" in one.text], ids=described)
def test_the_settings_of_commands_that_compute_the_same_as_another_can_be_used(one):
    settings = composed(of_script(one.words))
    assert config.plan(settings)
    assert assemble(settings)


@pytest.mark.usefixtures("own_process", "project")
@pytest.mark.parametrize(
    "one",
    [one for one in (*RUN, *ALIKE) if "scripts/evaluate.py" in one.text and re.search("times=|points=", one.text)],
    ids=described,
)
def test_the_grids_of_other_evaluations_can_be_asked_for(one, monkeypatch):
    asked = []
    monkeypatch.setattr("pinn_ac.app.evaluate.evaluate", asked.append)
    assert run_script("evaluate.py", of_script(one.words)) == 0
    assert len(asked) == 1
    assert [f"{name}={asked[0][name]}" for name in ("times", "points") if f"{name}=" in one.text] == [
        word for word in one.words if word.startswith(("times=", "points="))
    ]


def made(*goals):
    """The lines in which make would train."""
    said = subprocess.run(["make", "-n", "-C", ROOT, *goals], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if "scripts/train.py" in line]


def test_every_page_is_read():
    """Commands are found in each place that they stand in, and those that are listed as not run stand there."""
    assert {one.page for one in TYPED} >= {"README.md", "sweeps.md", "method.md", "scaling.md", "pinn_ac.yaml"}
    assert len(TYPED) > 40
    assert len(RUN) + len(ALIKE) > len(NOT_RUN)
    assert "python scripts/train.py model=mlp" in [" ".join(one.words) for one in RUN]
    for mark in NEEDS:
        assert any(mark in one.text for one in TYPED), f"no page holds {mark} any more"


@pytest.mark.parametrize("one", NOT_RUN, ids=described)
def test_the_words_of_every_other_command_are_understood(one, monkeypatch, tmp_path):
    words = one.words
    if words[0] == "make":
        assert subprocess.run(["make", "-n", "-C", ROOT, *words[1:]], capture_output=True, check=True).stdout
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(re.findall(r"\[(\w+)\]", one.text)) <= set(extras)
        assert words[1] == "install"
    elif "scripts/benchmark.py" in one.text:
        asked = []
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(benchmark, "configure", lambda *settings, **options: None)
        for name in benchmark.BENCHMARKS:
            monkeypatch.setitem(benchmark.BENCHMARKS, name, lambda rounds: asked.append(rounds) or [{"ratio": 1.0}])
        benchmark.main(words[2:])
        assert len(asked) == 1
    elif "scripts/compare.py" in one.text:
        comparison_of(words[2:])
    elif "scripts/lesson.py" in one.text:
        assert words[2] in (*LESSONS, "all", "trace")
    elif "allow=" in one.text:
        own = ("allow=", "--config-dir", "my_configs", "model=m", "problem=fisher_kpp", "resume=", "run=")
        assert [word for word in words if word.startswith(own)]
        assert composed([word for word in of_script(words) if not word.startswith(own)])
    elif "scripts/train.py" in one.text and "model=mine" not in one.text:
        assert composed(of_script(words), with_hydra=True).hydra.launcher._target_
    elif words[0] == "source":
        assert f"VENV := {words[1].partition('/')[0]}" in (ROOT / "Makefile").read_text()
    else:
        assert one.text in (".ci/run", "python scripts/train.py model=mine")


def comparison_of(words):
    """The runs of its first two experiments, composed; none for the help, and for the table of a folder."""
    if words[0] in ("--help", "run=FOLDER"):
        return []
    ours = [word for word in words if word.partition("=")[0] in SETTINGS]
    settings = OmegaConf.to_container(OmegaConf.from_dotlist(ours))
    assert set(settings["experiments"]) <= set(options("experiment"))
    few = settings | {"experiments": settings["experiments"][:2]}
    others = [word for word in words if word not in ours and not word.startswith("hydra")]
    return Comparison(**few).jobs(others, lambda of_a_run: config_of(*of_a_run))


WORDS = re.compile(r"^[~+]?[a-z][\w./]*=\S+$")
NO_OVERRIDES = {
    "_target_": "what a file holds",
    "seed=K": "a folder",
    "partial_": "what a file holds",
}
OVERRIDES = sorted(
    {
        span
        for page in PAGES
        for span in spans(page)
        if all(WORDS.match(word) for word in span.split()) and span not in NO_OVERRIDES and "run=" not in span
    }
)


@pytest.mark.parametrize("span", OVERRIDES)
def test_every_setting_that_the_pages_speak_of_exists(span):
    """By itself, or in the run that most of the pages are about, or in a search."""
    refusals = []
    for around in ([], ["experiment=record"], ["hydra/sweeper=search"]):
        try:
            assert composed([*around, *span.split()])
            return
        except HydraException as error:
            refusals.append(error)
    pytest.fail(str(refusals[0]))


def test_settings_are_found():
    assert "experiment=levenberg_marquardt problem.horizon=10" in OVERRIDES
    assert len(OVERRIDES) > 20


FILE = re.compile(r"(?:\.?[\w-]+/)*(?:[\w.-]+\.(?:py|yaml|sh|md|toml|png))|(?:\.?[\w-]+/)+(?=[\s)]|$)")
NO_FILES = {
    "src/pinn_ac/models/mine.py": "the reader's own",
    "configs/model/mine.yaml": "the reader's own",
    "FOLDER/report/": "a sweep's own",
    "my_module.py": "the reader's own",
    "comparison.md": "a comparison's own",
    "comparison_seconds.png": "a comparison's own",
    "comparison_evaluations.png": "a comparison's own",
    "my_configs/model/mine.yaml": "the reader's own",
    "my_configs/problem/fisher_kpp.yaml": "the reader's own",
}
"""What stands in a page like a file of the project and is none, and why."""


def files_named():
    """(Page, name) of every file or folder of the project that a page speaks of or links to."""
    for page in PAGES:
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
        for name in [*spans(page), *(link for link in links if link and "://" not in link)]:
            if FILE.fullmatch(name) and name not in NO_FILES and page.parent.name != "outputs":
                yield page, name


def exists(page, name):
    """Beside the page, at the top, or in the package: there the pages call files by the end of their path."""
    places = (page.parent / name, ROOT / name, ROOT / "src/pinn_ac" / name)
    return any(place.exists() for place in places) or any(
        path.match(name) for path in (ROOT / "src/pinn_ac").rglob(Path(name).name)
    )


@pytest.mark.parametrize(
    ("page", "name"), sorted(set(files_named())), ids=lambda value: getattr(value, "name", value)
)
def test_every_file_that_the_pages_speak_of_exists(page, name):
    assert exists(page, name), f"{page.name} speaks of {name}, which is gone"


def test_files_are_found():
    names = {name for _, name in files_named()}
    assert names >= {"windows.py", "src/pinn_ac/models/", "docs/solution.png", "docs/method.md"}
    assert not exists(ROOT / "README.md", "models/gone.py")


NAMES = sorted({name for page in PAGES for name in re.findall(r"\bpinn_ac(?:\.[A-Za-z_]\w*)+", page.read_text())})


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_package_that_the_pages_speak_of_exists(name):
    """Also in examples that are too small to stand as a whole."""
    assert pkgutil.resolve_name(name) is not None


def test_names_are_found():
    assert {"pinn_ac.fit", "pinn_ac.inverse.infer_profile", "pinn_ac.problem.read_arrays"} <= set(NAMES)


def test_the_readme_names_every_room():
    named = {name.removeprefix("src/pinn_ac/").rstrip("/") for _, name in files_named()}
    rooms = {path.name for path in (ROOT / "src/pinn_ac").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not rooms - named - {"__init__.py", "__pycache__"}


EXAMPLES = [
    pytest.param(block, id=f"{page.name} {index}", marks=[pytest.mark.landing] * (page.name == "getting_started.md"))
    for page in PAGES  # the README's example has the same calls
    if page.name != "own_equation.md"  # tests/problem/test_own_equation.py runs it, and looks at what comes of it
    for index, block in enumerate(blocks(page, "python"))
]


def test_there_are_examples():
    assert EXAMPLES
    assert examples_of("pinn_ac")


def at_the_place(text, request):
    """The text with a run's folder in it, if it speaks of one; only then the run is trained."""
    return PLACES.sub(str(request.getfixturevalue("folder")), text) if PLACES.search(text) else text


def at_a_small_size(problem, **choices):
    """`pinn_ac.fit` with the same words, but for a few steps, points and weights: no clock ends it.

    Where the words leave it open the method is the one that compiles fastest; tests/test_fit.py trains with the best.
    """
    defaults = {"network": MLP(), "sampler": Sobol(), "ansatz": Soft(), "embedding": Periodic(modes=1)}
    chosen = defaults | choices
    chosen["network"] = chosen["network"].clone(width=4, depth=1)
    chosen["sampler"] = replace(chosen["sampler"], num_points=64)
    return fit(problem, **chosen | {"steps": min(2, choices.get("steps", 2)), "progress": False, "windows": 1})


@pytest.mark.landing
@pytest.mark.parametrize("block", EXAMPLES)
def test_every_example_in_python_runs(block, request, project, monkeypatch):
    """What comes of it is finite, and each file that it names is written."""
    monkeypatch.setattr(pinn_ac, "fit", at_a_small_size)
    names: dict[str, object] = {}
    exec(compile(at_the_place(block, request), "example", "exec"), names)
    (solution,) = (value for value in names.values() if isinstance(value, pinn_ac.Solution))
    assert solution.metrics["steps"] == 2
    places = [solution.problem.grid(3)] if len(solution.problem.axes) == 1 else solution.problem.grids(3)
    assert np.isfinite(solution([[0.0], [solution.problem.horizon]], *places)).all()
    for name in re.findall(r'(?:plot|save)\("([\w.]+)"\)', block):
        assert (project / name).exists(), name


OF_AUTODIFF = re.compile(r"pinn_ac\.autodiff(?!\.numpy).*|pinn_ac\.lessons\.symbolic")
"""Modules whose examples tests/autodiff/test_examples.py runs."""


def modules():
    """The names of the package and of all in it."""
    return ["pinn_ac", *(found.name for found in pkgutil.walk_packages(pinn_ac.__path__, "pinn_ac."))]


def examples_of(name):
    """The examples in the docstrings of a module, but for those that a function of ours has taken over from JAX's."""
    module = importlib.import_module(name)
    written = Path(module.__file__).read_text()
    found = [one for one in doctest.DocTestFinder().find(module) if one.examples]
    return [one for one in found if f">>> {one.examples[0].source.splitlines()[0]}" in written]


@pytest.fixture(scope="module")
def given():
    """What the examples of the optimizers begin with: an objective, its parameters, and a batch of points."""
    experiment = assemble(config_of("optimizer=adam", "windows=1", *SMALL))
    params = experiment.initial_params()
    batch = experiment.prepare(experiment.draw(0, params, {}))
    return {"objective": experiment.objective, "params": params, "batch": batch}


@pytest.mark.landing
@pytest.mark.parametrize(
    "name", [name for name in modules() if not OF_AUTODIFF.fullmatch(name) and examples_of(name)]
)
def test_every_example_in_a_docstring_gives_what_it_says(name, request, given, project, monkeypatch):
    """At a small size where it trains; tests/autodiff/test_examples.py runs those of our differentiation."""
    monkeypatch.setattr(pinn_ac, "fit", at_a_small_size)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for found in examples_of(name):
        for example in found.examples:
            example.source = at_the_place(example.source, request)
        if name.startswith("pinn_ac.optimizers."):
            found.globs.update(given)
        runner.run(found)
    assert runner.summarize().attempted
    assert runner.summarize().failed == 0
