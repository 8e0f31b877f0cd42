"""Trackers: objects that are told how a run goes, and write it for JSON's readers, TensorBoard, MLflow or W&B."""

from pinn_ac.tracking.jsonl import (
    HISTORY,
    History,
    Jsonl,
    read_history,
    steps_of_stages,
    total_evaluations,
    write_history,
)
from pinn_ac.tracking.memory import Memory
from pinn_ac.tracking.mlflow import MLflow
from pinn_ac.tracking.tensorboard import TensorBoard
from pinn_ac.tracking.tracker import Shared, Tracker, say_to_all, tracked
from pinn_ac.tracking.wandb import WandB

__all__ = [
    "HISTORY",
    "History",
    "Jsonl",
    "MLflow",
    "Memory",
    "Shared",
    "TensorBoard",
    "Tracker",
    "WandB",
    "read_history",
    "say_to_all",
    "steps_of_stages",
    "total_evaluations",
    "tracked",
    "write_history",
]
