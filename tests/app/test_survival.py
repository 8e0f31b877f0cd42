"""Runs that are killed, and disks that are full: what is left in a folder never misleads, and nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

import pinn_ac
from composed import EASY
from pinn_ac.app.jobs import read_job
from pinn_ac.app.sweep_report import report
from pinn_ac.errors import InputError

PROJECT = Path(__file__).resolve().parents[2]
WORDS = (
    *EASY,
    "windows=1",
    "model.width=4",
    "model.depth=1",
    "sampler.num_points=64",
    "optimizer=adam",
    "train.steps=3000",
    "train.checkpoint_every=20",
    "train.evaluate_every=20",
    "train.log_every=10",
    "train.overfit=ignore",
    "estimate=false",
)


def started(folder, *words):
    """The run in `folder`, as a job of a sweep, which goes on with what it finds."""
    command = [sys.executable, str(PROJECT / "scripts/train.py"), "-m", *WORDS, *words]
    command += [f"hydra.sweep.dir={folder}", "hydra.sweep.subdir=run"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def prediction(folder):
    with np.load(folder / "run/prediction.npz") as arrays:
        return arrays["u"]


def newest(folder):
    """The step of the newest checkpoint in a job's folder, -1 for none."""
    return max((int(path.name) for path in (folder / "run/checkpoints").glob("*") if path.name.isdigit()), default=-1)


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_bits_of_an_undisturbed_one(tmp_path):
    """At random moments: importing, training, amid a checkpoint, while the results are written."""
    whole, cut, chance = tmp_path / "whole", tmp_path / "cut", random.Random(0)
    begin = time.monotonic()
    with started(whole) as process:
        while newest(whole) < 0:
            time.sleep(0.01)
        starting = time.monotonic() - begin
        process.communicate(timeout=300)
    training = time.monotonic() - begin - starting
    assert process.returncode == 0
    furthest = []
    for kill in range(20):
        before = newest(cut)
        with started(cut) as process:
            if kill % 4 == 0:  # before it has got anywhere
                time.sleep(chance.uniform(0.3, 0.9) * starting)
            else:  # so much after it has got further, however long the machine took for that
                while process.poll() is None and newest(cut) == before:
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, training / 8))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        (cut / "run/metrics.json").unlink(missing_ok=True)  # if it had ended: as if it had been killed right before
        if not (cut / "run/config.yaml").exists():
            continue
        job = read_job(cut / "run")
        assert job.status == "interrupted"
        furthest.append(max((line["step"] for line in job.history), default=0))
        report(cut)
        with nullcontext() if newest(cut) >= 0 else pytest.raises(InputError, match="checkpoint"):
            pinn_ac.load_run(cut / "run").predict(0.5, 0.0)
    assert len(set(furthest)) > 5, furthest  # it was killed in many places
    with started(cut) as process:
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert read_job(cut / "run").status == "finished"
    np.testing.assert_array_equal(prediction(cut), prediction(whole))


@pytest.mark.slow
def test_a_full_disk_is_said_and_the_last_checkpoint_is_whole(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        with started(disk, "sampler.num_points=512") as process:
            _, said = process.communicate(timeout=300)
        assert process.returncode != 0
        assert b"Error: No space left on device" in said
        assert b"Traceback" not in said
        assert read_job(disk / "run").status == "interrupted"
        assert np.isfinite(pinn_ac.load_run(disk / "run").predict(0.5, 0.0)).all()
    finally:
        subprocess.run(["umount", disk], check=True)
