"""The Allen–Cahn equation."""

from pinn_ac.problem.allen_cahn.equation import EXCESS, AllenCahn

__all__ = ["EXCESS", "AllenCahn"]
