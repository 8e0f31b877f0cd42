"""What must be set before the first array exists: precision, device, compilation cache; and what a run ran on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import scipy.linalg  # noqa: F401  # so that its LAPACK is loaded, and can be told
from threadpoolctl import ThreadpoolController

from pinn_ac.errors import InputError, require
from pinn_ac.files import user_cache

PRECISIONS = ("float64", "float32")
PLATFORMS = {"cpu": "cpu", "gpu": "cuda,rocm"}
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "hydra-core", "numpy", "scipy", "matplotlib")


def configure(precision: str, device: str, cache: bool = True) -> None:
    """Set the precision, the device and the persistent cache of compiled programs.

    Args:
        precision: "float64" or "float32".
        device: "cpu", "gpu", or "auto" for the best there is.
        cache: use that cache; not where compilation itself is measured.

    Raises:
        InputError: an unknown name, or no such device here.
    """
    require(precision in PRECISIONS, f"precision is {precision!r}: choose {' or '.join(PRECISIONS)}.")
    require(device in ("auto", *PLATFORMS), f"device is {device!r}: choose cpu, gpu or auto.")
    _run_lapack_on_one_thread()
    jax.config.update("jax_enable_x64", precision == "float64")
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compiled") if cache else None)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    if device == "auto":
        return
    try:
        kind = jax.local_devices(backend="gpu" if device == "gpu" else "cpu")[0]
    except RuntimeError as error:
        raise InputError(
            f"device={device}, but JAX sees none here: pip install -e '.[cuda]' adds GPUs, device=cpu does without."
        ) from error
    jax.config.update("jax_default_device", kind)


def _run_lapack_on_one_thread() -> None:
    """Keep SciPy's LAPACK, which JAX calls on a CPU, from splitting its factorizations.

    Measured on two cores with 1000 rows: one thread takes 13 ms. Two take 28 ms, and 1300 ms once another
    process wants a core too, since they wait for each other at every block. NumPy's BLAS keeps its threads.
    """
    libraries = ThreadpoolController()
    ours = [library["filepath"] for library in libraries.info() if "scipy.libs" in library["filepath"]]
    libraries.select(filepath=ours).limit(limits=1)


def describe(source: Path) -> dict[str, object]:
    """Device, versions, and the git commit of the checkout at `source` (with + if it was changed since)."""
    (device,) = jnp.zeros(()).devices()
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
