"""Trackers: objects that are told how a run goes. The history as JSON lines is one, TensorBoard another."""

from pinn_ac.tracking.jsonl import HISTORY, History, Jsonl, read_history, steps_of_stages, total_evaluations
from pinn_ac.tracking.memory import Memory
from pinn_ac.tracking.tensorboard import TensorBoard
from pinn_ac.tracking.tracker import Shared, Tracker, tracked

__all__ = [
    "HISTORY",
    "History",
    "Jsonl",
    "Memory",
    "Shared",
    "TensorBoard",
    "Tracker",
    "read_history",
    "steps_of_stages",
    "total_evaluations",
    "tracked",
]
