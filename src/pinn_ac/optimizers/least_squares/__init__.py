"""Damped linear least squares, δ = argmin ‖Jδ − w‖² + λ ‖D^½ δ‖², by several solvers behind one interface."""

from pinn_ac.optimizers.least_squares.choice import LeastSquares, SolverSettings
from pinn_ac.optimizers.least_squares.system import Model, System

__all__ = ["LeastSquares", "Model", "SolverSettings", "System"]
