"""In which precision and on which device this thread computes, for as long as it is told so.

JAX keeps these as options of the whole process, or of a thread for the length of a `with`. A library may only use the
latter: what a run needs must not change what its user computes beside it.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import InputError, require

PRECISIONS = ("float64", "float32")
DEVICES = ("cpu", "gpu", "auto")
_NOW: Any = jax.config
"""Its options as this thread has them."""
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class ComputeSettings:
    """What decides the bits that JAX computes, and where.

    Args:
        double: real numbers have 64 bits; else 32.
        matmul_precision: that of matrix products on a GPU, by JAX's name; None leaves it to JAX.
        device: where new arrays lie.
    """

    double: bool
    matmul_precision: str | None
    device: jax.Device

    @classmethod
    def of(cls, precision: str, device: str) -> "ComputeSettings":
        """Those of a run.

        Args:
            precision: "float64" or "float32".
            device: "cpu", "gpu", or "auto" for the one that this thread computes on now: JAX's choice, or the user's.

        Raises:
            InputError: an unknown name, or no such device here.
        """
        require(precision in PRECISIONS, f"precision is {precision!r}: choose {' or '.join(PRECISIONS)}.")
        require(device in DEVICES, f"device is {device!r}: choose cpu, gpu or auto.")
        try:
            chosen = device_in_use() if device == "auto" else jax.local_devices(backend=device)[0]
        except RuntimeError as error:
            if device == "auto":
                raise
            raise InputError(
                f"device={device}, but JAX sees none here: pip install 'pinn_ac[cuda]' adds GPUs, device=cpu does "
                "without."
            ) from error
        return cls(precision == "float64", "highest", chosen)

    @classmethod
    def current(cls) -> "ComputeSettings":
        """Those under which this thread computes now."""
        return cls(_NOW.jax_enable_x64, _NOW.jax_default_matmul_precision, device_in_use())

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within it this thread, and no other, computes under these settings."""
        with (
            jax.enable_x64(self.double),
            jax.default_matmul_precision(self.matmul_precision),
            jax.default_device(self.device),
        ):
            yield


class HasSettings(Protocol):
    """An object with settings of its own."""

    @property
    def compute(self) -> ComputeSettings:
        """Under which its methods compute."""
        ...


S = TypeVar("S", bound=HasSettings)


def under_own_settings(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """The method, computed under the settings of its object whatever the thread that calls it has.

    And computed at once where JAX traces the caller: its arguments are numbers and arrays, not traced values.
    """

    @functools.wraps(method)
    def computed(self: S, *arguments: P.args, **keywords: P.kwargs) -> T:
        with self.compute.active(), jax.core.eval_context():
            return method(self, *arguments, **keywords)

    return computed


def in_another_thread(task: Callable[[], T]) -> Callable[[], T]:
    """The task, to be computed by another thread under the settings that this one has now."""
    settings = ComputeSettings.current()

    def computed() -> T:
        with settings.active():
            return task()

    return computed


def device_in_use() -> Any:
    """The device on which this thread makes new arrays: the one answer for all who ask what they compute on."""
    chosen = _NOW.jax_default_device  # a device, the name of a platform, or None
    return chosen if isinstance(chosen, jax.Device) else jax.local_devices(backend=chosen)[0]


def on_cpu() -> bool:
    """This thread computes on a CPU."""
    return device_in_use().platform == "cpu"


def precision_of(kind: np.dtype) -> float:
    """The spacing of numbers of a kind next to 1; whole numbers and whatever is finer count as double precision."""
    floating = jnp.issubdtype(kind, jnp.floating)
    return max(float(jnp.finfo(kind).eps), float(np.finfo(float).eps)) if floating else float(np.finfo(float).eps)
