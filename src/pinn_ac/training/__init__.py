"""Training: time windows, stages of optimizers, the loop over their steps, checkpoints. It knows no physics."""

from pinn_ac.training.checkpoints import Checkpoints
from pinn_ac.training.ensemble import require_one_program, run_ensemble
from pinn_ac.training.guards import Diverged, OverfitGuard, Stopped, StopSignals, Stopwatch
from pinn_ac.training.loop import Trainer
from pinn_ac.training.schedule import BatchWeighting, Intervals, Stage, TimeWindows, Window
from pinn_ac.training.state import TrainingState, blank, stacked, unstacked, with_plain_counters

__all__ = [
    "BatchWeighting",
    "Checkpoints",
    "Diverged",
    "Intervals",
    "OverfitGuard",
    "Stage",
    "StopSignals",
    "Stopped",
    "Stopwatch",
    "TimeWindows",
    "Trainer",
    "TrainingState",
    "Window",
    "blank",
    "require_one_program",
    "run_ensemble",
    "stacked",
    "unstacked",
    "with_plain_counters",
]
