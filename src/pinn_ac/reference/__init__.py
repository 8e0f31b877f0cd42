"""The spectral reference solution that errors are measured against, its refinement study, and a cache of it."""

from pinn_ac.reference.cache import load_or_solve
from pinn_ac.reference.grids import usual_grid
from pinn_ac.reference.plane import PlaneReference, solve_plane
from pinn_ac.reference.refinement import study
from pinn_ac.reference.solver import Reference, solve

__all__ = ["PlaneReference", "Reference", "load_or_solve", "solve", "solve_plane", "study", "usual_grid"]
