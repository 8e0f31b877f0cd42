"""The Allen–Cahn problem: coefficients, initial conditions, lifts and the flow of its reaction."""

from pinn_ac.problem.allen_cahn.equation import EXCESS, AllenCahn
from pinn_ac.problem.carried import Carried, carry, modes_needed
from pinn_ac.problem.expanded import expanded
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
    "EXCESS",
    "AllenCahn",
    "BandLimited",
    "Carried",
    "Cosine",
    "Fourier",
    "InitialCondition",
    "Sine",
    "Tabulated",
    "XSquaredCosine",
    "carry",
    "expanded",
    "modes_needed",
]
