"""The spectral reference solution that every error is measured against, and a cache of its answers."""

from pinn_ac.reference.cache import load_or_solve
from pinn_ac.reference.solver import Reference, solve
from pinn_ac.reference.study import study

__all__ = ["Reference", "load_or_solve", "solve", "study"]
