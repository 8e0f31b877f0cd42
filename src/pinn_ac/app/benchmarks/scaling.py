"""What a step costs in time and memory, against the number of points and of parameters.

Each row is measured in a process of its own, because the peak memory of a process never falls. Points are drawn and
prepared before the clock starts; their memory counts.
"""

import multiprocessing
import resource
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.app.benchmarks.optimizers import one_trial, setting_of
from pinn_ac.app.environment import configure
from pinn_ac.compute import device_in_use
from pinn_ac.optimizers import Adam

POINTS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
WIDTHS = (10, 20, 40, 80)
NETWORK = (10, 2)
"""Width and depth of the network for the rows over numbers of points."""
DEPTH, FEW = 3, 4096
"""Depth and number of points for the rows over widths."""
SECONDS = 5.0
"""Steps are repeated for at most so long."""


def run(
    rounds: int = 30, points: tuple[int, ...] = POINTS, widths: tuple[int, ...] = WIDTHS
) -> list[dict[str, object]]:
    """A row for every method and number of points, and for every method and width, in this process's precision."""
    precision = str(jnp.result_type(float))
    settings = [(*NETWORK, count) for count in points] + [(width, DEPTH, FEW) for width in widths]
    rows = []
    for method in ("adam", "levenberg_marquardt"):
        for setting in settings:
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                rows.append(alone.apply(_row, (method, *setting, rounds, precision)))
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    return rows


def _row(method: str, width: int, depth: int, points: int, rounds: int, precision: str) -> dict[str, object]:
    configure(precision, "auto")
    setting = setting_of(width, depth, points)
    methods: dict[str, Any] = {"adam": Adam(), "levenberg_marquardt": one_trial()}
    optimizer = methods[method].build(setting.objective)
    state = optimizer.init(setting.params)
    jax.block_until_ready(optimizer.step(state, setting.batch))
    seconds: list[float] = []
    while not seconds or (len(seconds) < rounds and sum(seconds) < SECONDS):
        start = time.perf_counter()
        jax.block_until_ready(optimizer.step(state, setting.batch))
        seconds.append(time.perf_counter() - start)
    step = statistics.median(seconds)
    return {
        "method": method,
        "network": f"{depth}×{width}",
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(setting.params)),
        "points": points,
        "ms": round(1e3 * step, 3),
        "us_a_point": round(1e6 * step / points, 3),
        "peak_mb": round(peak_bytes() / 1e6),
        "steps": len(seconds),
    }


def peak_bytes() -> int:
    """The most memory that this process has used: on its GPU, or else on the host."""
    statistics_of_device = device_in_use().memory_stats() or {}
    return statistics_of_device.get("peak_bytes_in_use", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
