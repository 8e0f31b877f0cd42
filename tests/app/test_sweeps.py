"""Sweeps as a user starts them: in sequence, on several cores, searched by Optuna, gone on with, under Slurm."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from composed import EASY, composed
from pinn_ac.app.jobs import FAILED_SCORE, find_jobs, read_job
from pinn_ac.app.run import require_own_places
from pinn_ac.errors import InputError
from pinn_ac.tracking import read_history
from typed import own_process, typed, undrawn_runs

PROJECT = Path(__file__).resolve().parents[2]
SMALL = (
    *EASY,
    "optimizer=adam",
    "windows=1",
    "ansatz=soft",
    "embedding=periodic",
    "model.width=4",
    "model.depth=1",
    "sampler.num_points=64",
    "train.steps=4",
    "estimate=false",
)
pytestmark = pytest.mark.usefixtures("undrawn")


def sweep(folder, *words, environment=(), check=True):
    """`pinn-ac train -m` into `folder`, in this process."""
    with own_process():
        os.environ.update(environment)
        done = typed("train", "-m", *SMALL, *words, f"hydra.sweep.dir={folder}")
    if check:
        assert done.status == 0, done.err
    return done


def metrics(folder):
    """Folder → metrics and when they were written, of every run below."""
    return {
        path.parent: (json.loads(path.read_text()), path.stat().st_mtime) for path in folder.rglob("metrics.json")
    }


@pytest.mark.landing
def test_a_sweep_given_the_folder_of_another_goes_on_with_it(tmp_path):
    """Finished jobs are not run again, an interrupted one ends with the bits of an undisturbed one, new ones run."""
    sweep(tmp_path, "seed=0,1")
    before = metrics(tmp_path)
    assert sorted(values["seed"] for values, _ in before.values()) == [0, 1]
    (cut,) = (folder for folder, (values, _) in before.items() if values["seed"] == 1)
    (cut / "metrics.json").unlink()
    newest = max((cut / "checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    said = sweep(tmp_path, "seed=0,1,2").err
    after = metrics(tmp_path)
    assert sorted(values["seed"] for values, _ in after.values()) == [0, 1, 2]
    (done,) = (folder for folder in before if folder != cut)
    assert after[done] == before[done]
    assert f"{done} is finished" in said
    assert after[cut][0]["relative_l2"] == before[cut][0]["relative_l2"]
    refused = sweep(tmp_path, "seed=3", f"hydra.sweep.subdir='{cut.name}'", check=False)  # another run's folder
    assert refused.status != 0
    assert "holds a run with another seed" in refused.err


@pytest.mark.slow
def test_a_diverged_job_is_scored_and_run_again_on_request_only(tmp_path):
    words = ("optimizer.learning_rate=1e300,1e-3",)
    said = sweep(tmp_path, *words).err
    assert "is not finite" in said
    (bad,) = (path.parent for path in tmp_path.rglob("failure.json"))
    assert len(metrics(tmp_path)) == 1
    assert json.loads((bad / "failure.json").read_text())["kind"] == "diverged"
    assert "failed before" in sweep(tmp_path, *words).err
    assert "failed before" not in sweep(tmp_path, *words, "retry=true").err


@pytest.mark.landing
def test_a_job_that_is_refused_is_noted_and_the_others_run(tmp_path):
    refused = sweep(tmp_path, "sampler.num_points=0,32", check=False)
    assert refused.status != 0
    (folder,) = (path.parent for path in tmp_path.rglob("failure.json"))
    assert "sampler.num_points is 0" in read_job(folder).failure
    assert len(metrics(tmp_path)) == 1


@pytest.mark.slow
def test_several_cores(tmp_path):
    """In the folder that the sweep began with, though it is named by the moment and workers start later."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sweep(tmp_path / "${pinn_ac.started:%H-%M-%S-%f}", "seed=0,1", "hydra/launcher=cores", "train.steps=2")
    assert sorted(values["seed"] for values, _ in metrics(tmp_path).values()) == [0, 1]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_signal_ends_the_sweep_and_saves_the_run(tmp_path):
    command = [sys.executable, str(PROJECT / "scripts/train.py"), "-m", *SMALL, "seed=0,1"]
    command += ["train.steps=100000", "train.checkpoint_every=100000", f"hydra.sweep.dir={tmp_path}"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        _wait(lambda: list(tmp_path.rglob("history.jsonl")), 120)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + signal.SIGINT
    assert f"hydra.sweep.dir={tmp_path}" in said
    assert not list(tmp_path.rglob("failure.json"))
    assert list(tmp_path.rglob("checkpoints/*"))
    assert len(list(tmp_path.glob("*/config.yaml"))) == 1


SEARCH = ("hydra/sweeper=search", "reference=false", "train.steps=2")


def trials(folder):
    """Those of the study in the folder."""
    import optuna

    return optuna.load_study("default", f"sqlite:///{folder}/study.db").trials


@pytest.mark.slow
def test_a_search_scores_divergence_and_goes_on_where_it_ended(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    folder = tmp_path / "new"
    words = ("hydra/sweeper=search", "optimizer.learning_rate=choice(1e300,1e-3)")
    sweep(folder, *words, "hydra.sweeper.n_trials=4")
    best = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    assert best["best_value"] < 10
    assert best["best_params"]["optimizer.learning_rate"] == 1e-3
    sweep(folder, *words, "hydra.sweeper.n_trials=2")
    assert len(trials(folder)) == 6
    assert FAILED_SCORE in [trial.value for trial in trials(folder)]


@pytest.mark.landing
@pytest.mark.parametrize(
    ("words", "sentences", "status"),
    [
        (("train.log_every=choice(0,-1)",), ("train.log_every is -1: give", "None of the 3 trials has a result"), 2),
        (("optimizer.learning_rate=choice(1e300,1e299)",), ("not finite", "None of the 3 trials has a result"), 2),
        (("model.width=choice(3,4)",), ("There is nothing to search in",), 2),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_search_without_a_result_says_so(tmp_path, words, sentences, status):
    """Each trial's sentence, and one at the end. `SMALL` sets the width already, and the sweeper keeps to that."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    refused = sweep(tmp_path / "new", *SEARCH, "hydra.sweeper.n_trials=3", *words, check=False)
    assert refused.status == status
    for sentence in sentences:
        assert sentence in refused.err
    assert refused.err.rstrip().splitlines()[-1].startswith(f"Error: {sentences[-1]}")
    assert "Traceback" not in refused.err


@pytest.mark.landing
def test_another_search_in_the_folder_is_refused(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = (*SEARCH, "hydra.sweeper.n_trials=1")
    sweep(tmp_path, *words, "train.log_every=choice(3,4)")
    refused = sweep(tmp_path, *words, "train.log_every=choice(5,6)", check=False)
    assert refused.status == 2
    assert "Error: Optuna cannot go on with this study" in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.landing
def test_two_processes_search_together(tmp_path):
    """Each trial of theirs is another one, though both start at once with the same words."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = (*SMALL, *SEARCH, "optimizer.learning_rate=tag(log, interval(1e-4, 1e-1))", "hydra.sweeper.n_trials=2")
    command = [sys.executable, str(PROJECT / "scripts/train.py"), "-m", *words, f"hydra.sweep.dir={tmp_path}"]
    together = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=600)[1] for process in together]
    assert [process.returncode for process in together] == [0, 0], said
    assert sorted(trial.number for trial in trials(tmp_path)) == [0, 1, 2, 3]
    assert len({trial.params["optimizer.learning_rate"] for trial in trials(tmp_path)}) == 4
    assert len(metrics(tmp_path)) == 4


@pytest.mark.slow
def test_a_report_of_a_real_sweep(tmp_path):
    sweep(tmp_path, "seed=0,1", "model.width=3,4")
    command = [sys.executable, str(PROJECT / "scripts/sweep_report.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "model.width" in done.stdout
    assert (tmp_path / "report/effects.png").exists()


LIMITS = (
    "hydra.launcher.partition=debug",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.mem_gb=2",
    "hydra.launcher.timeout_min=20",
)
SLURM = ("hydra/launcher=slurm_cpu", *LIMITS)


@pytest.mark.landing
def test_three_jobs_on_slurm_end_as_the_runs_would_and_slurm_knows_it(slurm, tmp_path):
    """One finishes, one diverges, one is refused; that Slurm keeps no accounts is said once."""
    words = ("optimizer.learning_rate=1e-3,1e300,-1",)
    done = sweep(tmp_path, *words, *SLURM, environment=slurm, check=False)
    assert done.status == 2
    assert "optimizer.learning_rate is -1" in done.err
    assert len(metrics(tmp_path)) == 1
    assert sorted(job.status for job in find_jobs(tmp_path)) == ["diverged", "failed", "finished"]
    said = done.out + done.err
    assert "sacct error" not in said
    assert "accounting storage is disabled" not in said
    assert said.count("sacct fails") == 1
    assert states(tmp_path, slurm) == ["COMPLETED 0:0", "FAILED 2:0", "FAILED 3:0"]


@pytest.fixture(scope="module")
def error_alone(tmp_path_factory):
    """The error of the small run with seed 0, by itself."""
    folder = tmp_path_factory.mktemp("alone")
    with undrawn_runs():
        sweep(folder, "seed=0")
    ((values, _),) = metrics(folder).values()
    return values["relative_l2"]


@pytest.mark.landing
@pytest.mark.parametrize("launcher", ["slurm_gpus", "slurm_nodes"])
def test_a_job_of_several_processes_is_one_run_or_one_failure(slurm, tmp_path, launcher, error_alone):
    """Without the GPUs and the second node that this machine does not have."""
    here = ("gres=null", "tasks_per_node=2", *(["nodes=1"] if launcher == "slurm_nodes" else []))
    words = (f"hydra/launcher={launcher}", *LIMITS, *(f"hydra.launcher.{word}" for word in here))
    width = "model.width=4,0" if launcher == "slurm_gpus" else "model.width=4"
    done = sweep(tmp_path, width, *words, environment=slurm, check=False)
    ((values, _),) = metrics(tmp_path).values()
    assert values["devices"] == 2
    assert values["relative_l2"] == pytest.approx(error_alone, rel=1e-9)
    if launcher == "slurm_gpus":
        assert done.status == 2
        assert states(tmp_path, slurm) == ["COMPLETED 0:0", "FAILED 2:0"]


@pytest.mark.slow
def test_a_preempted_job_ends_with_the_bits_of_an_undisturbed_one(slurm, tmp_path):
    """It saves itself when it is told to, without a checkpoint before; as Slurm does, SIGTERM comes first."""
    words = ("train.steps=4000", "train.checkpoint_every=4000", "train.overfit=ignore")
    sweep(tmp_path / "whole", *words)
    command = [sys.executable, str(PROJECT / "scripts/train.py"), "-m", *SMALL, *words, *SLURM]
    environment = os.environ | slurm
    with subprocess.Popen([*command, f"hydra.sweep.dir={tmp_path / 'cut'}"], env=environment) as process:
        _wait(lambda: _steps(tmp_path / "cut") >= 400, 120)
        assert not metrics(tmp_path / "cut")
        jobs = subprocess.run(
            ["squeue", "-h", "-o", "%A"], env=environment, capture_output=True, text=True, check=True
        )
        for name in ("TERM", "USR2"):
            subprocess.run(["scancel", f"--signal={name}", *jobs.stdout.split()], env=environment, check=True)
        _wait(lambda: _saved(tmp_path / "cut"), 60)
        assert 400 <= min(_saved(tmp_path / "cut")) < 4000
        assert process.wait(400) == 0
    logs = "".join(path.read_text() for path in (tmp_path / "cut/.submitit").rglob("*.err"))
    assert "USR2" in logs
    (whole,), (cut,) = metrics(tmp_path / "whole"), metrics(tmp_path / "cut")
    with np.load(whole / "prediction.npz") as one, np.load(cut / "prediction.npz") as other:
        np.testing.assert_array_equal(one["u"], other["u"])


def states(folder, slurm):
    """Slurm's own words on the jobs of the sweep in the folder, once they have ended."""
    ours = {path.name.partition("_")[0] for path in (folder / ".submitit").iterdir() if path.name[0].isdigit()}

    def asked():
        words = ["scontrol", "show", "job", "-o", *([next(iter(ours))] if len(ours) == 1 else [])]
        said = subprocess.run(words, env=os.environ | slurm, capture_output=True, text=True, check=True).stdout
        return sorted(" ".join(re.findall(r"(?:JobState|ExitCode)=(\S+)", line)) for line in said.splitlines())

    _wait(lambda: not any(state.startswith(("RUNNING", "COMPLETING", "PENDING")) for state in asked()), 60)
    return asked()


def _steps(folder):
    """How far the one run in the folder has come."""
    return max((line["step"] for path in folder.rglob("history.jsonl") for line in read_history(path)), default=0)


def _saved(folder):
    """The steps of its checkpoints, drafts aside."""
    return [int(path.name) for path in folder.rglob("checkpoints/*") if path.name.isdigit()]


def _wait(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_runs_of_a_sweep_do_not_write_into_one_file(tmp_path):
    """Each would take away what the one before has written."""
    one, own = tmp_path / "all.jsonl", tmp_path / "${seed}.jsonl"
    refused = sweep(tmp_path / "one", "seed=0,1", f"tracker.jsonl.path={one}", check=False)
    assert refused.status != 0
    assert f"tracker.jsonl.path is {one}, where all runs of this sweep would write" in refused.err
    assert not one.exists()
    sweep(tmp_path / "own", "seed=0,1", "reference=false", f"tracker.jsonl.path={own}")
    assert [len(read_history(tmp_path / f"{seed}.jsonl")) for seed in (0, 1)] == [4, 4]


def test_what_keeps_runs_apart_itself_may_be_shared_by_a_sweep(tmp_path):
    """W&B makes a folder of its own for each run; TensorBoard shows all event files of a folder as one run."""
    config = composed("tracker=[jsonl,tensorboard,wandb]", f"tracker.wandb.folder={tmp_path}")
    require_own_places(config)
    with pytest.raises(InputError, match=r"tracker\.tensorboard\.folder is .*, where all runs of this"):
        require_own_places(composed("tracker=[jsonl,tensorboard]", f"tracker.tensorboard.folder={tmp_path}"))
    with pytest.raises(InputError, match=r"tracker\.jsonl\.path is \.\./all\.jsonl, where all runs of this"):
        require_own_places(composed("tracker.jsonl.path=../all.jsonl"))
