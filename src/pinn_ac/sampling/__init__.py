"""Samplers of collocation points, one module each."""

from pinn_ac.sampling.grid import Grid
from pinn_ac.sampling.latin_hypercube import LatinHypercube
from pinn_ac.sampling.sampler import Sampler, draw_points
from pinn_ac.sampling.sobol import Sobol
from pinn_ac.sampling.uniform import Uniform

__all__ = ["Grid", "LatinHypercube", "Sampler", "Sobol", "Uniform", "draw_points"]
