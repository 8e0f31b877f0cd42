"""Inverse problems: what observations say of the coefficients of an equation, and how sure that is."""

from pinn_ac.inverse.inference import FILE, Inference, InferredSolution, stored
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.observations import Observations
from pinn_ac.inverse.profile import InferredProfile, infer_profile
from pinn_ac.inverse.start import UnknownStart, unknowns_of, with_found
from pinn_ac.inverse.unknowns import Coefficients, Unknowns

__all__ = [
    "FILE",
    "Coefficients",
    "Inference",
    "Inferred",
    "InferredProfile",
    "InferredSolution",
    "Observations",
    "UnknownStart",
    "Unknowns",
    "infer_profile",
    "stored",
    "unknowns_of",
    "with_found",
]
