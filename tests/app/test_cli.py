"""How a sweep begins: in a folder of its own, or in the one that it is given."""

import logging
import os
import subprocess
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from composed import CONFIGS
from pinn_ac.app import cli, config, sweep_start
from pinn_ac.app.run_folder import _as_typed


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder to work in, whose outputs are in the test's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def composed(*words):
    """The config of a command, with Hydra's own part."""
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", list(words), return_hydra_config=True)


def begun(*words):
    """The folder of a sweep that begins, as each of its jobs finds it."""
    sweep = composed(*words)
    sweep_start.SweepStart().on_multirun_start(sweep)
    job = composed(*sweep.hydra.overrides.hydra, "seed=1")
    assert job.hydra.sweep.dir == sweep.hydra.sweep.dir
    return sweep.hydra.sweep.dir


def test_sweeps_of_the_same_moment_have_folders_of_their_own(project):
    """`started` is one moment in this process."""
    folders = [begun() for _ in range(3)]
    assert len(set(folders)) == 3
    assert {path.parent for path in (project / "outputs").glob("*/*/*")} == {project / "outputs/multirun/default"}
    assert sorted(folders) == sorted(str(path) for path in (project / "outputs/multirun/default").iterdir())


def test_a_folder_that_is_named_by_the_moment_is_new_and_another_is_gone_on_with(project):
    named = f"hydra.sweep.dir='{project}/${{pinn_ac.started:%Y}}'"
    assert begun(named) != begun(named)
    given = f"hydra.sweep.dir={project}/mine"
    assert begun(given) == begun(given) == str(project / "mine")


def test_jobs_find_a_relative_folder_from_anywhere(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(project / "home"))
    assert begun("hydra.sweep.dir=mine") == str(project / "mine")
    assert begun("hydra.sweep.dir='~/mine'") == str(project / "home/mine")


STRANGE = ["a b", "a,b=c", "it's", 'a"b', "50%7?x#&", "{a}[b](c)", "a\\b", "ü → ∂"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_may_have_any_name(project, name):
    quoted = name.replace("\\", "\\\\").replace("'", r"\'") if "'" in name else name
    assert begun(f"hydra.sweep.dir='{project}/{quoted}'") == str(project / name)
    assert (project / name).is_dir()


@pytest.mark.parametrize("name", [*STRANGE, "seed=0,model=mlp"])
def test_a_run_may_lie_in_a_folder_of_any_name(project, name):
    (project / name).mkdir()
    word = f"resume={project / name}"
    found = composed(cli.for_hydra(word), cli.for_hydra(f"hydra.run.dir={project / name}"))
    assert found.resume == found.hydra.run.dir == str(project / name)
    assert _as_typed(cli.for_hydra(word)) == word
    assert cli.for_hydra("resume=a,b") == "resume=a,b"
    assert cli.for_hydra("seed=0,1") == "seed=0,1"


def test_a_home_is_the_users_where_the_shell_left_its_sign(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project))
    assert cli.for_hydra("run=~") == f"run='{project}'"
    assert cli.for_hydra("run=~no_such_user/a") == "run=~no_such_user/a"


@pytest.mark.parametrize(
    ("words", "folder", "setting"),
    [
        (["run=a"], "a", "run, such as a copy of it"),
        (["resume=a", "device=cpu"], "a", "resume, such as a copy of it"),
        (["resume=a", "hydra.run.dir='b'"], "b", "hydra.run.dir"),
        (["run=nowhere"], "outputs", "hydra.run.dir"),
        (["--help"], None, None),
        (["seed=1", "--cfg", "job"], None, None),
    ],
)
def test_what_is_written_has_to_be_writable_and_nothing_else(project, monkeypatch, words, folder, setting):
    tried = []
    monkeypatch.setattr(cli, "require_writable", lambda *given: tried.append(given))
    (project / "a").mkdir()
    (project / "a/config.yaml").write_text("")
    cli._require_writable_output(words)
    assert tried == ([] if folder is None else [(Path(folder), setting)])


def test_a_folder_that_cannot_be_made_is_one_sentence_and_status_2(project, capsys):
    (project / "file").write_text("")
    with pytest.raises(SystemExit) as end:
        begun(f"hydra.sweep.dir={project}/file/sweep")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "another hydra.sweep.dir" in said


@pytest.fixture
def slurm(monkeypatch):
    """submitit's part for Slurm, put back as it was."""
    module = pytest.importorskip("submitit.slurm.slurm")
    monkeypatch.setattr(module.SlurmJob, "watcher", module.SlurmJob.watcher)
    logger = logging.getLogger("submitit")
    monkeypatch.setattr(logger, "filters", list(logger.filters))
    monkeypatch.setattr(logger, "handlers", [])  # which hold the streams of the moment of their import
    return module


def sacct(monkeypatch, folder, script):
    """Let `sacct` be a script."""
    (folder / "sacct").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_slurm_without_accounts_says_so_once(project, monkeypatch, caplog, slurm):
    sacct(monkeypatch, project, "echo accounting is disabled >&2; exit 1")
    begun("hydra/launcher=slurm_cpu")
    for job in range(3):
        assert slurm.SlurmJob.watcher.get_state(str(job), mode="force") == "UNKNOWN"
    assert slurm.SlurmJob.watcher.num_calls == 3
    assert [record.message for record in caplog.records if "sacct fails" in record.message]
    assert len(caplog.records) == 1
    asked = subprocess.run(slurm.SlurmJob.watcher._make_command(), capture_output=True, check=False)
    assert (asked.returncode, asked.stdout, asked.stderr) == (1, b"", b"")


def test_slurm_with_accounts_is_asked_as_ever(project, monkeypatch, caplog, slurm):
    sacct(monkeypatch, project, "echo 'JobID|State|NodeList'; echo '7|FAILED|here'")
    begun("hydra/launcher=slurm_cpu")
    assert slurm.SlurmJob.watcher.get_state("7", mode="force") == "FAILED"
    assert slurm.SlurmJob.watcher.is_done("7")
    assert not caplog.records
