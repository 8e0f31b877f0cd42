"""How a sweep begins: in a folder of its own, or in the one that it is given."""

import logging
import subprocess
import types

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from composed import CONFIGS
from pinn_ac import cli, config

PROJECT = config.PROJECT


@pytest.fixture
def project(tmp_path):
    """A project whose outputs are in the test's folder."""
    OmegaConf.register_new_resolver("project", lambda: str(tmp_path), replace=True)
    yield tmp_path
    OmegaConf.register_new_resolver("project", lambda: str(PROJECT), replace=True)


def composed(*words):
    """The config of a command, with Hydra's own part."""
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("config", list(words), return_hydra_config=True)


def begun(*words):
    """The folder of a sweep that begins, as each of its jobs finds it."""
    sweep = composed(*words)
    cli.SweepStart().on_multirun_start(sweep)
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
    named = f"hydra.sweep.dir='{project}/${{started:%Y}}'"
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


def test_a_folder_that_cannot_be_made_is_one_sentence_and_status_2(project, capsys):
    (project / "file").write_text("")
    with pytest.raises(SystemExit) as end:
        begun(f"hydra.sweep.dir={project}/file/sweep")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "another hydra.sweep.dir" in said


def test_slurm_without_accounts_is_asked_once_and_said_once(project, monkeypatch, caplog):
    slurm = pytest.importorskip("submitit.slurm.slurm")
    monkeypatch.setattr(slurm.SlurmJob, "watcher", slurm.SlurmJob.watcher)
    asked = []

    def sacct(words, **options):
        asked.append(words[0])
        return types.SimpleNamespace(returncode=1, stderr="Slurm accounting storage is disabled\n")

    monkeypatch.setattr(subprocess, "run", sacct)
    monkeypatch.setattr(subprocess, "check_output", lambda words, **options: asked.append(words[0]))
    with caplog.at_level(logging.WARNING):
        begun("hydra/launcher=slurm_cpu")
        for job in range(3):
            assert slurm.SlurmJob.watcher.get_state(str(job), mode="force") == "UNKNOWN"
    assert asked == ["sacct"]
    assert [record.message for record in caplog.records if "accounting storage is disabled" in record.message]
    assert len(caplog.records) == 1


def test_slurm_with_accounts_is_asked_as_ever(project, monkeypatch, caplog):
    slurm = pytest.importorskip("submitit.slurm.slurm")
    before = slurm.SlurmJob.watcher
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: types.SimpleNamespace(returncode=0, stderr=""))
    begun("hydra/launcher=slurm_cpu")
    assert slurm.SlurmJob.watcher is before
    assert not caplog.records
