"""One program for a whole test: compiling operation by operation would take most of the time."""

from collections.abc import Callable
from typing import Any

import jax


def program(f: Callable[..., Any]) -> Any:
    """f, compiled without the optimizations that would take most of a test's time."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(f, compiler_options=options)


def compiled(f: Callable[..., Any], *args: Any) -> Any:
    """f(*args) in one program; see `program`."""
    return program(f)(*args)
