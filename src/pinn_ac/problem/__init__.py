"""Problems: the interface of an equation, the equations themselves, initial conditions and their heat flows."""

from pinn_ac.problem.allen_cahn import AllenCahn
from pinn_ac.problem.arrays import read_arrays
from pinn_ac.problem.between_walls import HalfWaves, Tanh
from pinn_ac.problem.burgers import Burgers
from pinn_ac.problem.capabilities import CAPABILITIES
from pinn_ac.problem.initial_conditions import (
    BandLimited,
    Cosine,
    Fourier,
    InitialCondition,
    Sine,
    XSquaredCosine,
)
from pinn_ac.problem.local_lift import LOCAL_ORDERS, with_local_lift
from pinn_ac.problem.problem import Problem
from pinn_ac.problem.tabulated import Tabulated
from pinn_ac.problem.transfer import FourierCondition, modes_needed, transfer

__all__ = [
    "CAPABILITIES",
    "LOCAL_ORDERS",
    "AllenCahn",
    "BandLimited",
    "Burgers",
    "Cosine",
    "Fourier",
    "FourierCondition",
    "HalfWaves",
    "InitialCondition",
    "Problem",
    "Sine",
    "Tabulated",
    "Tanh",
    "XSquaredCosine",
    "modes_needed",
    "read_arrays",
    "transfer",
    "with_local_lift",
]
