"""Training: stages of optimizers, the loop over their steps, checkpoints and guards. It knows no physics."""

from pinn_ac.training.checkpoints import Checkpoints
from pinn_ac.training.guards import Diverged, OverfitGuard, Stopped, StopSignals
from pinn_ac.training.loop import Intervals, Recorder, Stage, Trainer, Window
from pinn_ac.training.state import TrainingState, blank, stacked, unstacked
from pinn_ac.training.together import require_one_program, run_together

__all__ = [
    "Checkpoints",
    "Diverged",
    "Intervals",
    "OverfitGuard",
    "Recorder",
    "Stage",
    "StopSignals",
    "Stopped",
    "Trainer",
    "TrainingState",
    "Window",
    "blank",
    "require_one_program",
    "run_together",
    "stacked",
    "unstacked",
]
