"""Commands typed in the tests' own process: seconds quicker than in a process each, and as if each had its own."""

import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

import jax
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from pinn_ac.app import commands, report

OPTIONS = (
    "jax_enable_x64",
    "jax_default_device",
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_platforms",
)
CACHE = "jax_persistent_cache_min_compile_time_secs"


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


def typed(*words: str, program: str = "pinn-ac") -> Ended:
    """`pinn-ac WORDS`, or a script of that path; what a command sets for its process is put back afterwards."""
    out, err = io.StringIO(), io.StringIO()
    with own_process(), redirect_stdout(out), redirect_stderr(err):
        sys.argv = [program, *words]
        try:
            if program == "pinn-ac":
                commands.main()
            else:
                commands.COMMANDS[os.path.basename(program).removesuffix(".py").replace("_", "-")].call()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:  # as Python ends a process
            traceback.print_exc(file=err)
            status = 1
    return Ended(status, out.getvalue(), err.getvalue())


@contextmanager
def undrawn_runs() -> Iterator[None]:
    """Runs in this process have neither figures nor a page, which would take as long as the runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw", lambda *arguments: [])
        yield


@contextmanager
def own_process() -> Iterator[None]:
    """Put back what a command sets for its process."""
    options = {name: getattr(jax.config, name) for name in (*OPTIONS, CACHE)}
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in ("", "jax", "absl")}
    known = list(logging._handlerList)  # type: ignore[attr-defined]
    logging._handlerList.clear()  # type: ignore[attr-defined]  # or Hydra would close them, and with absl's one stderr
    handlers, words, path, environment = list(root.handlers), list(sys.argv), list(sys.path), dict(os.environ)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        for name, value in options.items():
            jax.config.update(name, value)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        root.handlers[:] = handlers
        logging._handlerList[:] = known  # type: ignore[attr-defined]
        sys.argv[:], sys.path[:] = words, path
        os.environ.clear()
        os.environ.update(environment)
