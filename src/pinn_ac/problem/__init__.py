"""The Allen–Cahn problem: coefficients, initial conditions, lifts and the flow of its reaction."""

from pinn_ac.problem.allen_cahn import AllenCahn
from pinn_ac.problem.initial_conditions import (
    BandLimited,
    Cosine,
    Fourier,
    InitialCondition,
    Sine,
    XSquaredCosine,
)
from pinn_ac.problem.tabulated import Tabulated

__all__ = [
    "AllenCahn",
    "BandLimited",
    "Cosine",
    "Fourier",
    "InitialCondition",
    "Sine",
    "Tabulated",
    "XSquaredCosine",
]
