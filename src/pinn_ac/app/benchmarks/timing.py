"""How programs are timed against each other."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax


class Timing(NamedTuple):
    """Seconds of compilation, with tracing, and of a call: median, least and most over the rounds."""

    compile_seconds: float
    median: float
    least: float
    most: float


def compare(programs: Mapping[str, Callable[..., Any]], arguments: tuple, rounds: int = 30) -> dict[str, Timing]:
    """Compile every program for `arguments`, then call them in turn, `rounds` times over.

    They are called in turn so that a change of the machine's speed affects all of them alike.
    """
    compiled, compile_seconds = {}, {}
    for name, program in programs.items():
        start = time.perf_counter()
        compiled[name] = jax.jit(program).lower(*arguments).compile()
        compile_seconds[name] = time.perf_counter() - start
        jax.block_until_ready(compiled[name](*arguments))
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, call in compiled.items():
            start = time.perf_counter()
            jax.block_until_ready(call(*arguments))
            seconds[name].append(time.perf_counter() - start)
    return {
        name: Timing(compile_seconds[name], statistics.median(all_), min(all_), max(all_))
        for name, all_ in seconds.items()
    }
