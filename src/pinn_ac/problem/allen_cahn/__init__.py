"""The Allen–Cahn equation."""

from pinn_ac.problem.allen_cahn.equation import AllenCahn

__all__ = ["AllenCahn"]
