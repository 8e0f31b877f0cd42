"""Samplers of collocation points, one module each."""

from pinn_ac.sampling.causal_retain_release import CausalRetainRelease
from pinn_ac.sampling.failure_informed import FailureInformed
from pinn_ac.sampling.grid import Grid
from pinn_ac.sampling.latin_hypercube import LatinHypercube
from pinn_ac.sampling.monitor import Monitor
from pinn_ac.sampling.residual_distribution import ResidualDistribution
from pinn_ac.sampling.residual_refinement import ResidualRefinement
from pinn_ac.sampling.retain_release import RetainRelease
from pinn_ac.sampling.sampler import Box, Guides, Sampler, draw_points, wall_points
from pinn_ac.sampling.sobol import Sobol
from pinn_ac.sampling.uniform import Uniform

__all__ = [
    "Box",
    "CausalRetainRelease",
    "FailureInformed",
    "Grid",
    "Guides",
    "LatinHypercube",
    "Monitor",
    "ResidualDistribution",
    "ResidualRefinement",
    "RetainRelease",
    "Sampler",
    "Sobol",
    "Uniform",
    "draw_points",
    "wall_points",
]
