"""Settings of the whole process, which only commands change; and a description of what a run ran on."""

import gc
import importlib.metadata
import logging
import os
import platform
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp

from pinn_ac.app.program import version
from pinn_ac.compute import ComputeSettings, device_in_use
from pinn_ac.files import user_cache
from pinn_ac.lapack import limit_lapack

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "hydra-core", "numpy", "scipy", "matplotlib")
GARBAGE = 50_000
"""Objects made, less those freed, after which Python looks for cycles."""


def prepare_process() -> None:
    """Set where compiled programs are kept, and that Orbax does not report every file, for the whole process.

    For commands, before they compile anything; a library leaves this to its user. Two settings make tracing quicker,
    by 6 % of a short run: it makes objects by the million, few of them in cycles, for which Python would search after
    every 700; and no compiled program says which line of ours an operation came from.
    """
    gc.set_threshold(GARBAGE)
    jax.config.update("jax_traceback_in_locations_limit", 0)
    jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    logging.getLogger("absl").setLevel(logging.ERROR)


def configure(precision: str, device: str) -> None:
    """Use these settings in the whole process, without a cache of compiled programs: for measurements.

    Args:
        precision, device: as for :meth:`~pinn_ac.compute.ComputeSettings.of`.

    Raises:
        InputError: as there.
    """
    settings = ComputeSettings.of(precision, device)
    jax.config.update("jax_enable_x64", settings.double)
    jax.config.update("jax_default_matmul_precision", settings.matmul_precision)
    jax.config.update("jax_default_device", settings.device)
    jax.config.update("jax_compilation_cache_dir", None)
    limit_lapack()


def describe() -> dict[str, object]:
    """Device, versions, and the git commit of the checkout that holds the code (with + if files were changed)."""
    device = device_in_use()
    return {
        "device": f"{device.platform} ({device.device_kind}), {os.cpu_count()} cores",
        "precision": str(jnp.result_type(float)),
        "versions": {
            "python": platform.python_version(),
            "pinn_ac": version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    """None for code outside a checkout, such as an installed wheel, even inside another project's checkout."""
    here = Path(__file__)

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
