"""Comparisons: which runs they consist of, what is refused before compute, and the table of whatever is there."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from composed import CONFIGS, EASY, composed, options
from hydra_plugins.pinn_ac_comparison import _of_a_run
from pinn_ac.app import config as app_config
from pinn_ac.app.assembly import assemble
from pinn_ac.app.comparison.continued import require_same_comparison
from pinn_ac.app.comparison.plan import Comparison
from pinn_ac.app.comparison.result import COLUMNS, report
from pinn_ac.app.jobs import find_jobs, note_failure
from pinn_ac.app.objects import build
from pinn_ac.errors import InputError
from pinn_ac.reporting.comparison import draw_comparison
from pinn_ac.running import Plan, Training, computing
from pinn_ac.tracking import History, Memory, read_history, total_evaluations
from pinn_ac.training import Intervals
from typed import typed

FEW = ("problem.horizon=0.1", "sampler.num_points=64", "model.width=4", "model.depth=1")
"""What makes the runs of `plain` and its like small."""


def words_of_a_run(words):
    """The config of one run of a comparison, as Hydra's sweeper composes it."""
    app_config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return _of_a_run(compose("compare", list(words), return_hydra_config=True))


def run(folder, error=None, curve=((1.0, 0.5), (2.0, 0.3)), **metrics):
    """A run's folder; unfinished without an error."""
    folder.mkdir(parents=True)
    seed = int(folder.name.rpartition("=")[2])
    (folder / "config.yaml").write_text(
        json.dumps({"seed": seed, "name": folder.parent.name, "precision": "float64"})
    )
    history = History(folder / "history.jsonl")
    for index, (seconds, value) in enumerate(curve):
        history.append(10 * index + 10, seconds, 1.0, stage="adam", relative_l2=value, evaluations=12 * index + 12)
    if error is not None:
        found = {"relative_l2": error, "train_seconds": 3.0, "compile_seconds": 1.0, "steps": 20, "reference": "U"}
        (folder / "metrics.json").write_text(json.dumps(found | metrics))


@pytest.fixture
def without_figures(monkeypatch):
    """Comparisons are reported without their figures, which take most of the time."""
    monkeypatch.setattr("pinn_ac.app.comparison.result.draw_comparison", lambda *arguments: None)


@pytest.fixture
def folder(tmp_path):
    """Three methods: one with three seeds, one with a seed that diverged and one under way, one that was refused."""
    for seed, error in enumerate([3e-3, 1e-3, 2e-3]):
        run(tmp_path / f"good/seed={seed}", error)
    run(tmp_path / "better/seed=0", 1e-4, num_parameters=7, ended_by="the number of steps")
    run(tmp_path / "better/seed=1")
    note_failure(tmp_path / "better/seed=1", "diverged", RuntimeError("The loss is <not> finite."))
    run(tmp_path / "better/seed=2")
    (tmp_path / "refused/seed=0").mkdir(parents=True)
    note_failure(tmp_path / "refused/seed=0", "failed", InputError("a | b"))
    return tmp_path


@pytest.mark.usefixtures("without_figures")
def test_the_table_has_medians_over_the_seeds_that_finished_and_counts_the_others(folder):
    rows = {row["experiment"]: row for row in report(folder, quiet=True)}
    assert list(rows) == ["better", "good", "refused"]
    good, better, refused = rows["good"], rows["better"], rows["refused"]
    assert (good["median"], good["best"], good["worst"], good["seeds"], good["failed"]) == (2e-3, 1e-3, 3e-3, 3, 0)
    assert (good["steps"], good["seconds"], good["compile_seconds"]) == (20, 3.0, 1.0)
    assert good["step_ms"] == 100.0  # from 1 s at step 10 to 2 s at step 20
    assert good["evaluations"] == 24
    assert (better["median"], better["seeds"], better["failed"], better["finished"]) == (1e-4, 3, 1, 1)
    assert better["parameters"] == 7
    assert (refused["median"], refused["seeds"], refused["failed"]) == (None, 1, 1)


@pytest.mark.usefixtures("without_figures")
def test_a_method_most_of_whose_seeds_fail_comes_last(tmp_path):
    run(tmp_path / "lucky/seed=0", 1e-9)
    for seed in (1, 2):
        run(tmp_path / f"lucky/seed={seed}")
        note_failure(tmp_path / f"lucky/seed={seed}", "diverged", RuntimeError("no"))
    run(tmp_path / "steady/seed=0", 1e-1)
    assert [row["experiment"] for row in report(tmp_path, quiet=True)] == ["steady", "lucky"]


def test_the_files_hold_the_table(folder, capsys):
    report(folder)
    printed = capsys.readouterr().out
    assert "better seed=1 diverged: The loss is <not> finite." in printed
    assert "7 runs, of which 1 has not ended yet" in printed
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["experiment"] for row in rows] == ["better", "good", "refused"]
    assert float(rows[1]["median"]) == 2e-3
    assert (rows[2]["median"], rows[2]["failed"]) == ("", "1")
    with (folder / "runs.csv").open() as file:
        runs = {(row["experiment"], row["seed"]): row for row in csv.DictReader(file)}
    assert len(runs) == 7
    assert (runs["better", "2"]["status"], float(runs["better", "2"]["error"])) == ("interrupted", 0.3)
    assert runs["refused", "0"]["failure"] == "a | b"
    lines = (folder / "comparison.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith("| good |") and "finished" not in line)
    assert row.split(" | ")[1:4] == ["2.00e-03", "1.00e-03", "3.00e-03"]
    assert any("a \\| b" in line for line in lines)
    assert sum("| the number of steps |" in line for line in lines) == 2  # of the experiment, and of its run
    assert "![" in "".join(lines)


class Reader(HTMLParser):
    """The headings of the tables, their cells, and everything that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.headings, self.cells, self.fetched, self.inside = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.fetched += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        if self.inside in ("th", "td"):
            {"th": self.headings, "td": self.cells}[self.inside].append(data)
        self.inside = ""


@pytest.mark.usefixtures("without_figures")
def test_the_page_needs_nothing_else(folder):
    report(folder, quiet=True)
    text = (folder / "comparison.html").read_text()
    reader = Reader()
    reader.feed(text)
    assert {"experiment", "median", "best", "worst", "failed"} <= set(reader.headings)
    assert "The loss is <not> finite." in reader.cells  # escaped in the file
    assert not reader.fetched
    assert not re.search(r"@import|<link|url\(", text)
    named = re.findall(r"https?://[^\s)\"]+", text)  # where uPlot comes from, and what SVG is called
    assert named == ["https://github.com/leeoniya/uPlot", "http://www.w3.org/2000/svg"]


def test_a_second_report_is_the_same(folder):
    first = report(folder, quiet=True)
    before = (folder / "comparison.html").read_text()
    assert report(folder, quiet=True) == first
    assert (folder / "comparison.html").read_text() == before


@pytest.mark.usefixtures("without_figures")
def test_runs_of_a_sweep_are_named_by_their_configs(tmp_path):
    run(tmp_path / "experiment=plain,seed=0", 1e-2)
    (tmp_path / "experiment=plain,seed=0/config.yaml").write_text(json.dumps({"name": "plain", "seed": 4}))
    (row,) = report(tmp_path, quiet=True)
    assert (row["experiment"], row["seeds"]) == ("plain", 1)


def test_curves_go_over_seconds_or_evaluations(folder):
    (job,) = (job for job in find_jobs(folder) if job.folder == folder / "better/seed=0")
    assert job.curve() == [(1.0, 0.5), (2.0, 0.3), (3.0, 1e-4)]
    assert job.curve("evaluations") == [(12, 0.5), (24, 0.3), (24, 1e-4)]


def test_evaluations_are_summed_over_the_stages():
    """Each stage counts anew; so does each time window, whose stages have another name."""
    entries = [("1/2 adam", 5), ("1/2 adam", 10), ("1/2 lbfgs", 3), ("2/2 adam", 4), ("2/2 adam", None)]
    history = [{"stage": stage, "evaluations": count} for stage, count in entries]
    assert total_evaluations(history) == [5, 10, 13, 17, None]


@pytest.mark.parametrize("count", [0, 1, 13])
def test_the_figure_takes_any_number_of_methods(tmp_path, count):
    curves = {
        f"method {index}": [[(1, 0.1), (9, 0.01 * (index + 1))], [(2, 0.2), (5, 0.1)], []] for index in range(count)
    }
    drawn = draw_comparison(curves | {"without errors": [[]]}, "seconds", tmp_path)
    assert (drawn is None) == (count == 0)
    assert drawn is None or drawn.read_bytes().startswith(b"\x89PNG")


def test_every_experiment_runs_with_every_seed_and_the_same_clock():
    jobs = Comparison(["plain", "broyden"], [3, 4], seconds=7).jobs(["size=small"], words_of_a_run)
    assert [(job[0], job[-1]) for job in jobs] == [
        (f"experiment={name}", f"seed={seed}") for seed in (3, 4) for name in ("plain", "broyden")
    ]
    for job in jobs:
        config = words_of_a_run(job)
        assert config.train.seconds == 7
        assert (config.precision, config.model.width, config.model.depth) == ("float64", 30, 3)
        assert config.estimate is False


def test_the_clock_of_an_experiment_does_not_end_what_steps_end():
    (job,) = Comparison(["levenberg_marquardt"], [0], steps=9).jobs(["train.log_every=4"], words_of_a_run)
    train = words_of_a_run(job).train
    assert (train.steps, train.seconds, train.log_every, train.evaluate_every) == (9, None, 4, None)


def test_a_run_with_one_optimizer_goes_on_to_its_clock():
    """With the rates that it has anyway, then the last of them, and logs and evaluations as often as before."""
    (job,) = Comparison(["plain"], [0], seconds=7).jobs([], words_of_a_run)
    config, alone = words_of_a_run(job), composed("experiment=plain")
    assert config.optimizer.steps > 1e6 > alone.optimizer.steps
    rates, before = (build(one.optimizer).rates() for one in (config, alone))
    for step in (0, 1, 5000, 9999, 10_000):
        assert rates(step) == before(step)
    assert rates(10**6) == before(10_000)
    given = Intervals(*(config.train[name] for name in Intervals._fields))
    assert given.for_stage(config.optimizer.steps) == Intervals().for_stage(alone.optimizer.steps)
    training = Training(assemble(config), Plan(seconds=7))
    assert training.described(0)["total_steps"] is None  # progress is a share of the seconds alone


@pytest.mark.parametrize(("name", "words"), [("plain", ["optimizer.steps=5"]), ("broyden", []), ("record", [])])
def test_steps_that_were_typed_and_stages_and_a_tolerance_end_a_run_before_its_clock(name, words):
    (job,) = Comparison([name], [0], seconds=7).jobs(words, words_of_a_run)
    assert job == [f"experiment={name}", "train.seconds=7", *words, "seed=0"]


def test_steps_are_shared_out_between_the_passes_of_a_regime():
    jobs = Comparison(["plain", "bc_pinn"], [0], steps=8).jobs([], words_of_a_run)
    assert [assemble(words_of_a_run(job)).total_steps for job in jobs] == [8, 8]


def test_a_folder_takes_other_experiments_and_seeds_of_the_same_problem_end_and_size(tmp_path):
    saved, place = ["experiment=plain", "train.steps=8", "size=small", "seed=0"], tmp_path / "plain/seed=0"
    other = ["experiment=bc_pinn", "stages.adam.steps=2", "~stages.lbfgs", "seed=1"]
    require_same_comparison(tmp_path, other, words_of_a_run)  # nothing is there yet
    place.mkdir(parents=True)
    OmegaConf.save(words_of_a_run(saved), place / "config.yaml", resolve=True)
    (place / "command.txt").write_text(f"pinn-ac train {' '.join(saved)}\n")
    require_same_comparison(tmp_path, [*other, "size=small"], words_of_a_run)
    for words, differing in (
        (["size=small", "problem.diffusivity=2e-3"], "problem"),
        (["size=small", "stages.adam.steps=3"], r"end \(8 steps\)"),
        (["size=small", "train.seconds=60"], r"end \(8 steps\)"),
        ([], r"size \(small\)"),
    ):
        with pytest.raises(InputError, match=f"holds a comparison with another {differing}: choose another hydra"):
            require_same_comparison(tmp_path, [*other, *words], words_of_a_run)


@pytest.mark.parametrize(("steps", "stages"), [(1000, {"adam": 200, "ssbroyden": 800}), (150, {"adam": 150})])
def test_steps_are_those_of_all_stages_together(steps, stages):
    (job,) = Comparison(["broyden"], [0], steps=steps).jobs([], words_of_a_run)
    assert {stage.name: stage.steps for stage in assemble(words_of_a_run(job)).stages} == stages


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["experiments=[plain,nope]", "steps=1"], "experiment=nope is no option: choose one of "),
        (["steps=1"], "experiments is []: name some of configs/experiment/, such as experiments=[plain,broyden]."),
        (["experiments=[]", "steps=1"], "experiments is []: name some"),
        (["experiments=[plain,plain]", "steps=1"], "experiments is [plain, plain]: name each once."),
        (["experiments=[plain]"], "Nothing ends the runs: give seconds, such as seconds=120, or steps."),
        (["experiments=[plain]", "steps=1", "seconds=1"], "steps is 1 and seconds is 1: give one of them"),
        (["experiments=[plain]", "steps=0"], "steps is 0: give a whole number from 1."),
        (["experiments=[plain]", "seconds=-1"], "seconds is -1: give a positive number of seconds."),
        (["experiments=[plain]", "seconds=soon"], "seconds is soon: give a positive number of seconds."),
        (["experiments=[plain]", "steps=1", "seeds=[]"], "seeds is []: give some whole numbers from 0"),
        (["experiments=[plain]", "steps=1", "seeds=[a]"], "seeds is [a]: give some whole numbers from 0"),
        (["experiments=[plain]", "steps=1", "seed=3"], "seed is not for a comparison: seeds=[…] gives the seeds."),
        (["experiments=[plain]", "steps=1", "train.seconds=3"], "train.seconds is not for a comparison: seconds=…"),
        (["experiments=[plain]", "steps=1", "model.width=3,4"], "model.width holds several values, but a comparison"),
        (["experiments=[plain]", "steps=1", "model.widht=3"], "model (MLP) has no setting widht"),
        (
            ["experiments=[plain]", "steps=1", "train.log_every=0"],
            "train.log_every is 0: give a whole number from 1.",
        ),
        (["experiments=[bc_pinn]", "steps=6"], "goes 4 times through all steps: give a multiple of 4."),
        (["experiments=[record]", "steps=1"], "experiment=record ends at a tolerance and chooses its own steps"),
        (["experiments=[plain]", "steps=1", "reference=false"], "reference is False, but a comparison is about true"),
        (["run=nowhere"], "nowhere is not a folder"),
        (["nowhere"], "nowhere is not a folder"),
        (["run=.", "steps=3"], "run=. writes the table of the runs that are there: give nothing else with it."),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_is_refused_is_refused_before_compute_by_one_sentence(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = typed("compare", *words)
    assert refused.status == 2
    assert sentence in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*.*"))


def test_experiments_for_different_problems_are_refused(tmp_path):
    def other(words):
        config = words_of_a_run(words)
        config.problem.diffusivity = 1.0 if "experiment=plain" in words else 2.0
        return config

    with pytest.raises(InputError, match="experiment=broyden and experiment=plain solve different problems"):
        Comparison(["plain", "broyden"], [0], steps=3).jobs([], other)


@pytest.mark.landing
def test_a_comparison_runs_goes_on_and_is_shown(tmp_path, monkeypatch):
    """One experiment is refused, by a setting that only it cannot take: its seeds count as failed."""
    monkeypatch.setattr("pinn_ac.app.report.draw", lambda *arguments: [])  # of the run, not of the comparison
    words = ["experiments=[plain,levenberg_marquardt]", "seeds=[3]", "steps=2", "loss=l1", *EASY, *FEW]
    words += [f"hydra.run.dir={tmp_path}"]
    first = typed("compare", *words)
    assert first.status == 0, first.err
    assert "levenberg_marquardt seed=3 failed: optimizer=levenberg_marquardt minimises a sum of squares" in " ".join(
        first.out.split()
    )
    with (tmp_path / "comparison.csv").open() as file:
        rows = {row["experiment"]: row for row in csv.DictReader(file)}
    assert (rows["plain"]["seeds"], rows["plain"]["failed"], rows["plain"]["steps"]) == ("1", "0", "2")
    assert (rows["levenberg_marquardt"]["seeds"], rows["levenberg_marquardt"]["failed"]) == ("1", "1")
    metrics = {path: path.stat().st_mtime for path in tmp_path.rglob("metrics.json")}
    assert [path.parent for path in metrics] == [tmp_path / "plain/seed=3"]
    assert [line["evaluations"] for line in read_history(tmp_path / "plain/seed=3/history.jsonl")] == [1, 2]
    (tmp_path / "comparison.html").unlink()
    again = typed("compare", *words)
    assert again.status == 0, again.err
    assert {path: path.stat().st_mtime for path in tmp_path.rglob("metrics.json")} == metrics
    assert (tmp_path / "comparison.html").exists()
    other = typed("compare", *(word for word in words if word != "steps=2"), "steps=3")
    assert other.status == 2
    assert "holds a comparison with another end (2 steps): choose another hydra.run.dir." in other.err
    changed = ["experiments=[lecture]" if word.startswith("experiments") else word for word in words]
    other = typed("compare", *changed, "problem.diffusivity=2e-3", "size=small")
    assert other.status == 2
    assert "with another problem, size (published): choose another hydra.run.dir." in other.err
    assert not (tmp_path / "lecture").exists()
    for name in ("comparison.csv", "comparison.md"):
        (tmp_path / name).unlink()
    assert "2 runs" in typed("compare", f"run={tmp_path}").out
    assert (tmp_path / "comparison.csv").exists()


@pytest.mark.landing
@pytest.mark.parametrize("name", options("experiment"))
def test_small_is_the_same_method_in_double_precision_on_a_small_network(name):
    published, small = (composed(f"experiment={name}", *words) for words in ((), ("size=small",)))
    assert small.precision == "float64"
    for group in ("weighting", "ansatz", "loss"):
        assert small[group] == published[group]
    assert small.model._target_ == published.model._target_
    if "depth" in small.model:
        layers = 2 if small.model._target_.endswith("PirateNet") else 3  # each block has three
        assert (small.model.width, small.model.depth, small.sampler.num_points) == (30, layers, 2048)


OFTEN = ("causal_modified_mlp", "hard_constraints", "soap", "self_adaptive")
"""Experiments that have nearly all groups and options of the others in them."""
EXPERIMENTS = [
    pytest.param(name, marks=pytest.mark.landing if name in OFTEN else pytest.mark.slow)
    for name in options("experiment")
    if name != "record"  # which has no small size, and no steps
]


@pytest.mark.landing
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_takes_two_steps_at_the_small_size(name):
    config = composed(f"experiment={name}", "size=small", "model.depth=1", "sampler.num_points=128", *EASY)
    if config.windows == "auto":
        config.windows = 1
    nodes = config.stages.values() if config.stages else [config.optimizer]
    for node in nodes:
        node.steps = 2
    config.train.seconds = None
    experiment, memory = assemble(config), Memory()
    with computing(experiment):
        solution = Training(experiment, Plan(evaluate_every=2, overfit="ignore"), [memory]).run()
    stages = config.regime.segments if config.get("regime") and "segments" in config.regime else 1
    assert solution.metrics["steps"] == 2 * len(list(nodes)) * stages
    assert all(entry["loss"] < float("inf") for entry in memory.history)
