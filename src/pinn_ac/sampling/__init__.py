"""Samplers of collocation points, one module each."""

from pinn_ac.sampling.grid import Grid
from pinn_ac.sampling.latin_hypercube import LatinHypercube
from pinn_ac.sampling.monitor import Monitor
from pinn_ac.sampling.residual_distribution import ResidualDistribution
from pinn_ac.sampling.retain_release import RetainRelease
from pinn_ac.sampling.sampler import Guides, Sampler, draw_points
from pinn_ac.sampling.sobol import Sobol
from pinn_ac.sampling.uniform import Uniform

__all__ = [
    "Grid",
    "Guides",
    "LatinHypercube",
    "Monitor",
    "ResidualDistribution",
    "RetainRelease",
    "Sampler",
    "Sobol",
    "Uniform",
    "draw_points",
]
