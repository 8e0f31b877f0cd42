"""Physics-informed neural networks for the Allen–Cahn equation, with their own differentiation."""

from pinn_ac.app.saved_run import load_run
from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Burgers, Problem
from pinn_ac.solution import Solution

__all__ = ["AllenCahn", "Burgers", "InputError", "Problem", "Solution", "load_run"]
