"""A run as a user's first one: `train` in a process of its own, which compiles everything anew."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pinn_ac.app.run import TOLERANCE_MISSED
from pinn_ac.files import user_cache

TRAIN = "from pinn_ac.app.commands import train; train()"
"""The command `train`, wherever the package is installed."""
PROCESS = "process.json"
"""What is known of the process, beside the files of the run."""


def cold_run(folder: Path, words: Sequence[str]) -> dict[str, Any]:
    """The metrics of a run; one that its folder does not have yet is done first.

    To the metrics of a run that was done here come `command_seconds`, from the start of Python to its end, and
    `peak_bytes`, the most of the host's memory that the process used, or what this one held when it began the other
    if that is more, since Linux hands it on.

    Args:
        folder: of the run.
        words: of the command line of `train`.

    Raises:
        CalledProcessError: the run failed. One that misses its tolerance has not.
    """
    told, of_process = folder / "metrics.json", folder / PROCESS
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-c", TRAIN, *words, f"hydra.run.dir={folder}"]
        environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "PINN_AC_CACHE": str(user_cache())}
        status, found = _finished(command, environment)
        if status not in (0, TOLERANCE_MISSED):
            raise subprocess.CalledProcessError(status, command)
        of_process.write_text(json.dumps(found))
    return json.loads(told.read_text()) | (json.loads(of_process.read_text()) if of_process.exists() else {})


def _finished(command: Sequence[str], environment: dict[str, str]) -> tuple[int, dict[str, float]]:
    """Run a command: its exit status, and what the system says of the process."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr, env=environment)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # an interrupted benchmark leaves no run behind
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    kilobyte = 1 if sys.platform == "darwin" else 1024  # in which the system counts
    return process.returncode, {
        "command_seconds": round(time.perf_counter() - begun, 2),
        "peak_bytes": kilobyte * usage.ru_maxrss,
    }
