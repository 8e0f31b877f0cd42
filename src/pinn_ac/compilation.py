"""How much the compiler is to do for a program, and how long what it made is kept."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax

from pinn_ac.compute import on_cpu

LITTLE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""For what runs rarely: compiled in a third of the time, it takes two to four times as long (measured)."""
SOME = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}
"""For what sums no long series: compiled in 0.6 of the time, it takes as long; such a sum three times (measured)."""

T = TypeVar("T")


def compiled(f: Callable[..., Any], options: Mapping[str, Any] | None) -> Any:
    """`jax.jit(f)`, with these options of XLA's on a CPU, whose compiler they are for."""
    return jax.jit(f, compiler_options=dict(options) if options and on_cpu() else None)


def compiled_by_condition(f: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """`compiled` f(condition, …) where its condition is None, and `jax.jit(f)` where that is a series."""
    briefly, thoroughly = compiled(f, options), jax.jit(f)
    return lambda condition, *others: (briefly if condition is None else thoroughly)(condition, *others)


def kept(owner: Any, make: Callable[..., T], *settings: Any) -> T:
    """`make(owner, *settings)`, made once for each choice of settings and kept as long as its owner.

    What is compiled for an object belongs here. A function of a module with the object as a static argument would
    never let go of it, and one that is compiled wherever it is asked for is compiled anew each time.

    Args:
        owner: any object with a `__dict__`.
        make: its name and the settings tell what is kept; what cannot be hashed is made anew.
    """
    made = vars(owner).setdefault("_kept", {})
    key = make, *((type(setting), setting) for setting in settings)  # the types too, since 1 equals True
    try:
        hash(key)
    except TypeError:
        return make(owner, *settings)
    if key not in made:
        made[key] = make(owner, *settings)
    return made[key]
