"""Physics-informed neural networks for the Allen–Cahn equation, with their own differentiation."""

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn
from pinn_ac.saved_run import Run, load_run

__all__ = ["AllenCahn", "InputError", "Run", "load_run"]
