"""Checkpoints, by Orbax: arrays only, each complete or absent, the newest few kept."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding
from orbax.checkpoint.options import MultiprocessingOptions

from pinn_ac.compute import device_in_use
from pinn_ac.errors import InputError, require
from pinn_ac.parallel import is_first, on_host
from pinn_ac.training.state import TrainingState, unstacked

log = logging.getLogger(__name__)


class Checkpoints:
    """The folder `checkpoints/` of a run: `params` (the best so far) and `state` (all that resuming needs).

    Args:
        folder: where they lie; made on the first save.
        keep: how many of the newest stay.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder.absolute()
        alone: dict[str, Any] = {}
        if jax.distributed.is_initialized():  # each process reads by itself, and only the first one writes
            mine = jax.process_index()
            alone = {
                "create": False,
                "multiprocessing_options": MultiprocessingOptions(mine, {mine}, f"process{mine}"),
            }
            if is_first():
                self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False, **alone)
        with _logging_left_alone():
            self._manager = ocp.CheckpointManager(
                self.folder, options=options, item_names=("params", "state", "progress")
            )
        self._damaged: list[int] = []

    def save(self, params: Any, state: TrainingState) -> None:
        """Write the checkpoint of the state's step, in the first process; nothing is done if it is there already.

        Those that could not be read make way: the run has gone on from one before them.
        """
        if not is_first():
            return
        with _logging_left_alone():
            while self._damaged:
                self._manager.delete(self._damaged.pop())
            if state.step not in self._manager.all_steps():
                params, state = on_host(params), on_host(state)
                items = ocp.args.Composite(
                    params=ocp.args.StandardSave(params),
                    state=ocp.args.StandardSave(state),
                    progress=ocp.args.JsonSave(_progress(state)),
                )
                self._manager.save(state.step, args=items, force=True)

    def exist(self) -> bool:
        """There is at least one."""
        return bool(self._manager.all_steps())

    def restore(self, item: str, template: Callable[[int, int], Any]) -> Any:
        """`item` ("params" or "state") of the newest readable checkpoint.

        Args:
            template: (index of the window that it was saved in, index of the stage) → any tree of the item's shapes;
                those of the points are in the checkpoint.

        Raises:
            InputError: there is none, none can be read, or the points are asked for and were not saved.
        """
        reasons = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                with _logging_left_alone():
                    return self._restore(step, item, template)
            except InputError:
                raise
            except Exception as error:  # Orbax lets many kinds through for a damaged file
                log.warning("Checkpoint %d in %s cannot be read; trying the one before.", step, self.folder)
                self._damaged.append(step)
                reasons.append(f"{step}: {type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}")
        why = "; ".join(reasons) or "it is empty"
        raise InputError(f"{self.folder} holds no checkpoint that can be read ({why}): start the run anew.")

    def close(self) -> None:
        """Let go of the folder."""
        with _logging_left_alone():
            self._manager.close()

    def _restore(self, step: int, item: str, template: Callable[[int, int], Any]) -> Any:
        progress = self._manager.restore(step, args=ocp.args.Composite(progress=ocp.args.JsonRestore()))["progress"]
        here = SingleDeviceSharding(device_in_use())  # wherever it was when it was saved
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
            jax.eval_shape(lambda: template(progress.get("window", 0), progress["stage"])),
        )
        if isinstance(shapes, TrainingState):
            require(
                "points" in progress,
                f"{self.folder} was saved by an earlier version, without its points: it can be evaluated, but not be "
                "gone on with; start the run anew.",
            )
            real = jax.dtypes.canonicalize_dtype(float)
            points = {
                name: jax.ShapeDtypeStruct(tuple(shape), real, sharding=here)
                for name, shape in progress["points"].items()
            }
            shapes = shapes._replace(points=points)
        return self._manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(shapes)}))[item]


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Within it absl, by which Orbax logs, does not configure a root logger that has no handler, as it else does."""
    nothing = logging.NullHandler()  # one each, since several threads may be here
    logging.root.addHandler(nothing)
    try:
        yield
    finally:
        logging.root.removeHandler(nothing)


def _progress(state: TrainingState) -> dict[str, Any]:
    """Where the run is, and the shapes of the points, which only the checkpoint knows."""
    points = {name: list(values.shape) for name, values in state.points.items()}
    return {"window": len(unstacked(state.finished)), "stage": state.stage, "step": state.step, "points": points}
