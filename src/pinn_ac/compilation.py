"""How much the compiler is to do for a program: on two cores that takes as long as fifty steps of a training."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

LITTLE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""For what runs rarely: compiled in a third of the time, it takes two to four times as long (measured)."""
SOME = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}
"""For what sums no long series: compiled in 0.6 of the time, it takes as long; such a sum three times (measured)."""


def compiled(f: Callable[..., Any], options: Mapping[str, Any] | None) -> Any:
    """`jax.jit(f)`, with these options of XLA's on a CPU, whose compiler they are for."""
    return jax.jit(f, compiler_options=dict(options) if options and jax.default_backend() == "cpu" else None)


def compiled_by_condition(f: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """`compiled` f(condition, …) where its condition is None, and `jax.jit(f)` where that is a series."""
    briefly, thoroughly = compiled(f, options), jax.jit(f)
    return lambda condition, *others: (briefly if condition is None else thoroughly)(condition, *others)
