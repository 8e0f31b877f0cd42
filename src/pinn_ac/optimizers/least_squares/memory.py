"""How much memory a solver needs, checked before it is allocated."""

import os
from contextlib import suppress
from pathlib import Path

import jax.numpy as jnp

from pinn_ac.compute import device_in_use
from pinn_ac.errors import InputError

CGROUPS = Path("/sys/fs/cgroup")

ADVICE = {
    ("normal", False): "choose optimizer.accumulate=true, which sums JᵀJ over chunks, or optimizer.solver=cg",
    ("normal", True): "choose optimizer.solver=cg, which holds no matrix, or a smaller network",
    ("qr", False): "choose optimizer.solver=normal or cg",
    ("kernel", False): "choose optimizer.solver=cg, or a smaller sampler.num_points",
}


def bytes_needed(solver: str, accumulate: bool, n: int, P: int, devices: int = 1) -> int:
    """Peak size, on each device, of the arrays of a step that grow with n·P, P² or n².

    Args:
        solver, accumulate: as `LeastSquares.choose` returns them.
        n, P: residuals and parameters.
        devices: how many share the residuals.
    """
    entries = {
        "normal": 3 * P * P + (0 if accumulate else n * P // devices),  # JᵀJ, its damped copy and the factor
        "qr": 2 * n * P + P * P,  # J, its reflectors, and R
        "kernel": 3 * n * P + 3 * n * n,  # J, its scaled copy and the transpose of that
        "cg": 0,
    }[solver]
    return entries * jnp.result_type(float).itemsize


def bytes_available() -> int | None:
    """Memory of the device that computes, in bytes; None where it does not say."""
    device = device_in_use()
    if device.platform == "cpu":
        return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_granted()])
    return (device.memory_stats() or {}).get("bytes_limit")


def _granted() -> list[int]:
    """Memory limits of the control groups that this process is in, as Slurm and containers set them."""
    limits = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers in ("", "memory"):  # the second version of control groups, and the first
            root, file = (CGROUPS, "memory.max") if not controllers else (CGROUPS / "memory", "memory.limit_in_bytes")
            group = root / inside.lstrip("/")
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # "max" is no number
                    limits.append(int((folder / file).read_text()))
    return limits


def require_memory(solver: str, accumulate: bool, n: int, P: int, devices: int = 1) -> None:
    """Refuse a problem that does not fit into memory.

    Raises:
        InputError: more is needed than there is.
    """
    needed, available = bytes_needed(solver, accumulate, n, P, devices), bytes_available()
    if available is None or needed <= available:
        return
    raise InputError(
        f"A least-squares step by solver={solver} needs {needed / 1e9:.1f} GB for {n:,} residuals in {P:,} "
        f"parameters, and there are {available / 1e9:.1f} GB: {ADVICE[solver, accumulate]}.",
    )
