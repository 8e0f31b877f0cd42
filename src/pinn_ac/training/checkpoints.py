"""Checkpoints, written by Orbax. Each is complete or absent; the newest few are kept."""

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
    """The checkpoints of a run.

    Each holds the items "params" (the best parameters so far, of every time window), "state" (the `TrainingState`,
    which resuming needs) and "progress" (where the run stood, and the shapes that only the checkpoint knows).

    Args:
        folder: where they are; created by the first save.
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder.absolute()
        alone: dict[str, Any] = {}
        if jax.distributed.is_initialized():  # every process reads by itself; only the first one writes
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
        """Write the checkpoint of the state's step, unless there is one of that step. Only the first process writes.

        Checkpoints that `restore` found unreadable are deleted: the run has continued from one before them.
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
                    state=ocp.args.StandardSave(_stored(state)),
                    progress=ocp.args.JsonSave(_progress(state)),
                )
                self._manager.save(state.step, args=items, force=True)

    def save_params(self, params: Any, step: int) -> None:
        """Write a checkpoint of parameters alone, stacked over the time windows; it cannot be resumed from."""
        windows = jax.tree.leaves(params)[0].shape[0]
        progress = {"window": windows - 1, "stage": 0, "step": step}
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(on_host(params)), progress=ocp.args.JsonSave(progress)
        )
        with _logging_left_alone():
            self._manager.save(step, args=items, force=True)

    def exist(self) -> bool:
        """Whether there is at least one."""
        return bool(self._manager.all_steps())

    def restore(
        self, item: str, template: Callable[[int, int], Any], init_weighting: Callable[[Any], Any] | None = None
    ) -> Any:
        """Read `item` ("params" or "state") of the newest readable checkpoint.

        Args:
            template: (index of the time window that it was saved in, index of the stage) → any tree with the item's
                structure and shapes. Its `points` and `weighting` are ignored: their shapes follow from the
                checkpoint.
            init_weighting: points → the state of the run's weighting, traced for its shapes alone; None if the run
                has no weighting.

        Raises:
            InputError: there is no checkpoint, none can be read, or the newest was saved by another version or
                with another weighting.
        """
        reasons = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                with _logging_left_alone():
                    return self._restore(step, item, template, init_weighting)
            except InputError:
                raise
            except Exception as error:  # Orbax lets many kinds through for a damaged file
                log.warning("Checkpoint %d in %s cannot be read; trying the one before it.", step, self.folder)
                self._damaged.append(step)
                reasons.append(f"{step}: {type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}")
        why = "; ".join(reasons) or "it is empty"
        raise InputError(f"{self.folder} holds no checkpoint that can be read ({why}): start a new run.")

    def close(self) -> None:
        """Release the folder."""
        with _logging_left_alone():
            self._manager.close()

    def _restore(
        self, step: int, item: str, template: Callable[[int, int], Any], init_weighting: Callable[[Any], Any] | None
    ) -> Any:
        progress = self._manager.restore(step, args=ocp.args.Composite(progress=ocp.args.JsonRestore()))["progress"]
        here = SingleDeviceSharding(device_in_use())  # whatever device it was saved on

        def placed(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here)

        shapes = jax.eval_shape(lambda: template(progress.get("window", 0), progress["stage"]))
        if isinstance(shapes, TrainingState):
            require(
                "points" in progress,
                f"{self.folder} was saved without what resuming needs, by `Solution.save` or by an earlier version: "
                "it can be evaluated but not resumed, so start a new run.",
            )
            real = jax.dtypes.canonicalize_dtype(float)
            points = {name: jax.ShapeDtypeStruct(tuple(shape), real) for name, shape in progress["points"].items()}
            weighting = jax.eval_shape(init_weighting, points) if init_weighting is not None and points else ()
            saved, wanted = progress.get("weighted", False), bool(jax.tree.leaves(weighting))
            require(
                saved == wanted,
                f"{self.folder} was saved {'with' if saved else 'without'} the state of a weighting, but the run "
                f"that resumes has {'none' if saved else 'one'}: use the weighting that it had, or start a new run.",
            )
            shapes = shapes._replace(points=points, weighting=weighting)
        is_state = isinstance(shapes, TrainingState)
        shapes = jax.tree.map(placed, _stored(shapes) if is_state else shapes)
        found = self._manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(shapes)}))[item]
        return TrainingState(**found) if is_state else found


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Keep absl, by which Orbax logs, from configuring a root logger without handlers, as it otherwise does."""
    nothing = logging.NullHandler()  # one for each call, since several threads may be here
    logging.root.addHandler(nothing)
    try:
        yield
    finally:
        logging.root.removeHandler(nothing)


def _stored(state: TrainingState) -> dict[str, Any]:
    """The fields of a state as they are saved: without that of a weighting if there is none, as before it existed."""
    fields = state._asdict()
    return fields if jax.tree.leaves(state.weighting) else {k: v for k, v in fields.items() if k != "weighting"}


def _progress(state: TrainingState) -> dict[str, Any]:
    """Where the run stands, the shapes of its points, and whether the state of a weighting is saved."""
    return {
        "window": len(unstacked(state.finished)),
        "stage": state.stage,
        "step": state.step,
        "points": {name: list(values.shape) for name, values in state.points.items()},
        "weighted": bool(jax.tree.leaves(state.weighting)),
    }
