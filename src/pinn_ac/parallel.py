"""One run over several devices and processes: its points are divided among them, everything else is on each.

Every process runs the same program. What it decides by itself, such as when the time is up, it must decide as all
others do: `agreed` and `gathered` are for that. Only the first process writes (`is_first`).
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pinn_ac.compute import device_in_use, in_another_thread
from pinn_ac.errors import InputError, is_whole, require

AXIS = "points"
SHUTDOWN_SECONDS = 600
"""Seconds that a process which has ended waits for the others, of which the first has yet to write its report."""
BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
"""The environment's variables that make a process one of several."""
_BACKGROUND = ThreadPoolExecutor(1, "background")
"""One thread: a compilation alone uses one core and a half."""

T = TypeVar("T")
EVERYWHERE, DIVIDED = PartitionSpec(), PartitionSpec(AXIS)


@dataclass(frozen=True)
class Shards:
    """The devices that share the points of a run: those of `mesh`, evenly, or one device where it is None."""

    mesh: Mesh | None = None

    @property
    def count(self) -> int:
        """How many devices."""
        return self.mesh.size if self.mesh is not None else 1

    def sharded(self, f: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """f(whole, divided) = (rows, sums), of which each device computes the part that belongs to its points.

        Args:
            f: `whole` is on every device as it is. Every array in `divided` has a leading axis of points, of which a
                device gets its share. So have the rows, which stay where they are; the sums are over the points, and
                one all-reduce adds all of them up.
        """
        if self.mesh is None:
            return f

        def on_each(whole, divided):
            rows, sums = f(whole, divided)
            flat, unravel = ravel_pytree(sums)
            return rows, unravel(jax.lax.psum(flat, AXIS)) if flat.size else sums

        return self._mapped(on_each)

    def _mapped(self, f: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """f(whole, divided) = (divided, whole) on every device.

        Without JAX's check of what varies over the devices, which would reduce the gradients leaf by leaf.
        """
        return jax.shard_map(
            f,
            mesh=self.mesh,
            in_specs=(EVERYWHERE, DIVIDED),
            out_specs=(DIVIDED, EVERYWHERE),
            check_vma=False,
        )

    def rows(self, f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """:meth:`sharded` for an f(whole, divided) whose every array has the axis of points."""
        return lambda whole, divided: self.sharded(lambda *given: (f(*given), ()))(whole, divided)[0]

    def averaged(self, f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """:meth:`sharded` for an f(whole, divided) that is all means over the points."""

        def sums(whole, divided):
            return (), jax.tree.map(lambda mean: mean / self.count, f(whole, divided))

        return lambda whole, divided: self.sharded(sums)(whole, divided)[1]

    def qr(self, A: jax.Array) -> tuple[jax.Array, jax.Array]:
        """A = QR, with the rows of A and of Q where their points are, and R everywhere; within a compiled function.

        Over several devices by TSQR: each factors its own rows, A_i = Q_i R_i, all of them the stacked R_i, and the
        rows of that Q which belong to R_i turn Q_i. Only the R_i are sent, never A.

        Source: Demmel, Grigori, Hoemmen and Langou 2012, SIAM J. Sci. Comput. 34, A206–A239.

        Args:
            A: (n, P).

        Returns:
            Q, (n, k), and R, (k, P), with k = min(n, P).
        """

        def parts(_, own):
            Q, R = jnp.linalg.qr(own)
            turn, whole = jnp.linalg.qr(jax.lax.all_gather(R, AXIS, tiled=True))
            first = jax.lax.axis_index(AXIS) * R.shape[0]
            return Q @ jax.lax.dynamic_slice_in_dim(turn, first, R.shape[0]), whole

        Q, R = jnp.linalg.qr(A) if self.mesh is None else self._mapped(parts)((), A)
        return Q, R

    def triangle(self, A: jax.Array) -> jax.Array:
        """R of :meth:`qr` alone."""

        def parts(_, own):
            R = jnp.linalg.qr(own, mode="r")
            return (), jnp.linalg.qr(jax.lax.all_gather(R, AXIS, tiled=True), mode="r")

        return jnp.linalg.qr(A, mode="r") if self.mesh is None else self._mapped(parts)((), A)[1]

    def replicated(self, tree: Any) -> Any:
        """The tree with every array whole on every device; every process must give the same tree."""
        return tree if self.mesh is None else jax.tree.map(lambda leaf: self._put(leaf, EVERYWHERE), tree)

    def everywhere(self, tree: Any) -> Any:
        """Within a compiled function: the tree with every array whole on every device, as :meth:`replicated`."""
        return (
            tree
            if self.mesh is None
            else jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, EVERYWHERE))
        )

    def divided(self, points: Mapping[str, np.ndarray]) -> Mapping[str, jax.Array]:
        """Drawn points as JAX's arrays in the run's precision, of which each device holds its share."""
        real = {name: np.asarray(values, jax.dtypes.canonicalize_dtype(float)) for name, values in points.items()}
        if self.mesh is None:
            return {name: jnp.asarray(values) for name, values in real.items()}
        return {name: self._put(values, DIVIDED) for name, values in real.items()}

    def run_in_background(self, task: Callable[[], T]) -> Callable[[], T]:
        """Begin a task in another thread, after all tasks begun before it, under the caller's compute settings.

        Where several devices compute together the task runs at once in this thread, since all devices must get
        their programs in the same order.

        Returns:
            A function that waits for the task and returns its result.
        """
        if self.mesh is not None:
            answer = task()
            return lambda: answer
        return _BACKGROUND.submit(in_another_thread(task)).result

    def _put(self, leaf: Any, part: PartitionSpec) -> Any:
        assert self.mesh is not None
        sharding = NamedSharding(self.mesh, part)
        if isinstance(leaf, jax.core.Tracer) or (isinstance(leaf, jax.Array) and leaf.sharding == sharding):
            return leaf
        values = np.asarray(leaf)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


ONE_DEVICE = Shards()


def share_out(devices: Any) -> Shards:
    """Divide the points over so many devices, over "all", or for "auto" over all where several processes run it.

    Raises:
        InputError: it is neither, or there are not so many.
    """
    there = jax.devices(device_in_use().platform)
    several = jax.process_count() > 1
    number = (len(there) if several or devices == "all" else 1) if devices in ("auto", "all") else devices
    require(is_whole(number, 1), f"devices is {devices}: give auto, all, or a whole number from 1.")
    require(
        number <= len(there),
        f"devices is {devices}, but there are {len(there)} here: give at most that, or start more processes.",
    )
    require(
        not several or number == len(there),
        f"devices is {devices}, but its {jax.process_count()} processes have {len(there)}: leave devices out.",
    )
    if number == 1:
        return ONE_DEVICE
    return Shards(Mesh(np.array(there[:number]), (AXIS,), axis_types=(AxisType.Auto,)))


def join() -> None:
    """Become one of the processes of a run, where several were started: by Slurm, or by hand with `BY_HAND` set.

    Raises:
        InputError: these variables are not all set, or are no numbers.
    """
    if jax.distributed.is_initialized():
        return
    by_hand = [os.environ.get(name) for name in BY_HAND]
    if any(by_hand):
        address, count, index = by_hand
        require(
            address is not None
            and (count or "").isdigit()
            and (index or "").isdigit()
            and int(index or 0) < int(count or 0),
            f"To run several processes set all of {', '.join(BY_HAND)}: host:port, how many, and which from 0.",
        )
        jax.distributed.initialize(
            address, int(count or 0), int(index or 0), shutdown_timeout_seconds=SHUTDOWN_SECONDS
        )
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        jax.distributed.initialize(shutdown_timeout_seconds=SHUTDOWN_SECONDS)


def leave(status: int) -> None:
    """End this process with `status`, once the others that it runs with, if there are any, have come this far too."""
    jax.distributed.shutdown()
    _exit(status)


def leave_at_once(status: int) -> None:
    """End this process without waiting for the others, if there are any: they would wait for it for ever."""
    if jax.distributed.is_initialized():
        _exit(status)


def _exit(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def is_first() -> bool:
    """This process is the one that writes."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def gathered(*values: float) -> np.ndarray:
    """The values of every process, (processes, values), in all of them."""
    mine = np.array([values], np.float64)
    if not jax.distributed.is_initialized():
        return mine
    bits = multihost_utils.process_allgather(mine.view(np.uint8)[0])  # which single precision does not round
    return np.ascontiguousarray(bits).view(np.float64)


def agreed(value: float) -> float:
    """The first process's value, in all of them."""
    return float(gathered(value)[0, 0])


def first_begins(begin: Callable[[], Any]) -> Any:
    """What `begin` returns, called by the first process alone; the others get None, once it is done.

    Raises:
        InputError: it failed; the first process raises its own error.
    """
    done, answer = False, None
    try:
        if is_first():
            answer = begin()
        done = True
    finally:
        succeeded = agreed(done)
    if not succeeded:
        raise InputError("The first process could not begin, and says why.")
    return answer


def on_host(tree: Any) -> Any:
    """The tree with NumPy's arrays for those that lie on several devices, which are the same on each."""
    several = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array) and len(leaf.devices()) > 1]
    if not several:
        return tree
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, tree)


@cache
def started() -> float:
    """When the run began, in seconds since 1970: the same in all of its processes."""
    return agreed(time.time())
