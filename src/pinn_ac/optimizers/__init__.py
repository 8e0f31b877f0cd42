"""Optimizers behind one interface, one module each."""

from pinn_ac.optimizers.adam import adam
from pinn_ac.optimizers.lbfgs import lbfgs
from pinn_ac.optimizers.levenberg_marquardt import levenberg_marquardt
from pinn_ac.optimizers.optimizer import Optimizer, Outcome, StepInfo, Trainable
from pinn_ac.optimizers.ssbfgs import ssbfgs
from pinn_ac.optimizers.ssbroyden import ssbroyden

__all__ = [
    "Optimizer",
    "Outcome",
    "StepInfo",
    "Trainable",
    "adam",
    "lbfgs",
    "levenberg_marquardt",
    "ssbfgs",
    "ssbroyden",
]
