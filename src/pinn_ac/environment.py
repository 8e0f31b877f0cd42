"""What concerns the whole process, for commands alone to set; and what a run ran on."""

import importlib.metadata
import logging
import os
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import scipy.linalg  # noqa: F401  # so that its LAPACK is loaded, and can be told
from threadpoolctl import ThreadpoolController

from pinn_ac.compute import ComputeSettings, device_in_use
from pinn_ac.files import user_cache

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "hydra-core", "numpy", "scipy", "matplotlib")


def prepare_process() -> None:
    """What a command sets for its whole process, before it compiles anything: where compiled programs are kept, and
    that Orbax does not report every file. A library leaves both to its user.
    """
    jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    logging.getLogger("absl").setLevel(logging.ERROR)


def configure(precision: str, device: str) -> None:
    """Compute under these settings in the whole process, without a cache of compiled programs: for measurements.

    Args:
        precision, device: of :meth:`~pinn_ac.compute.ComputeSettings.of`.

    Raises:
        InputError: as there.
    """
    settings = ComputeSettings.of(precision, device)
    jax.config.update("jax_enable_x64", settings.double)
    jax.config.update("jax_default_matmul_precision", settings.matmul_precision)
    jax.config.update("jax_default_device", settings.device)
    jax.config.update("jax_compilation_cache_dir", None)
    _limit_lapack()


@contextmanager
def lapack_on_one_thread() -> Iterator[None]:
    """Within it SciPy's LAPACK, which JAX calls on a CPU, does not split its factorizations.

    Measured on two cores with 1000 rows: one thread takes 13 ms. Two take 28 ms, and 1300 ms once another
    process wants a core too, since they wait for each other at every block. NumPy's BLAS keeps its threads.

    The limit is the process's, not the thread's: of several trainings at once the last one to end lifts it.
    """
    with _lapack.lock:
        if _lapack.users == 0:
            _lapack.limiter = _limit_lapack()
        _lapack.users += 1
    try:
        yield
    finally:
        with _lapack.lock:
            _lapack.users -= 1
            if _lapack.users == 0:
                _lapack.limiter.restore_original_limits()


class _Lapack:
    """Who wants LAPACK on one thread now, and what undoes that."""

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.limiter: Any = None


_lapack = _Lapack()


def _limit_lapack() -> Any:
    """Limit it, and return what lifts that again."""
    libraries = ThreadpoolController()
    ours = [library["filepath"] for library in libraries.info() if "scipy.libs" in library["filepath"]]
    return libraries.select(filepath=ours).limit(limits=1)


def describe(source: Path) -> dict[str, object]:
    """Device, versions, and the git commit of the checkout at `source` (with + if it was changed since)."""
    device = device_in_use()
    return {
        "device": f"{device.platform} ({device.device_kind}), {os.cpu_count()} cores",
        "precision": str(jnp.result_type(float)),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("pinn_ac", *PACKAGES)},
        },
        "git_commit": _git_commit(source),
    }


def _git_commit(source: Path) -> str | None:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
