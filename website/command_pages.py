"""The page of the commands: what each says when it is asked for help."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "\x1e"
"""Between the helps of two commands."""
SCRIPT = f"""
import os, sys
from pinn_ac.app.commands import COMMANDS
for name, command in COMMANDS.items():
    print(name, command.summary[0].upper() + command.summary[1:], sep="\\n", flush=True)
    if not os.fork():
        sys.argv[:] = ["pinn-ac", "--help"]
        try:
            command.call()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code or 0)
        sys.stdout.flush()
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"pinn-ac {{name}} --help fails")
    print({MARK!r}, end="", flush=True)
"""
"""Each command in a process of its own, which has the imports of this one."""


def page() -> str:
    """Every command's help, as it prints it."""
    lines = [
        "# Commands",
        "",
        "*Reference: what each command says to `--help`. After `pip install` they are called `pinn-ac NAME`; in a "
        "checkout there is a script for each, `scripts/NAME.py`.*",
        "",
    ]
    for told in _helps():
        name, summary, text = told.split("\n", 2)
        lines += [f"## pinn-ac {name}", "", f"{summary}.", "", "````text", text.rstrip(), "````", ""]
    return "\n".join(lines)


def _helps() -> list[str]:
    """Of every command, in order: its name, a line about it, and its help."""
    own = {**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env=own, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.split(MARK)[:-1]
