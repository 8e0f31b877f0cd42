"""Weightings behind one interface, one module each: how much each point counts in the loss, decided as it trains."""

from pinn_ac.weighting.brdr import BRDR
from pinn_ac.weighting.causal import Causal, CausalState
from pinn_ac.weighting.gradient_norm import GradientNorm
from pinn_ac.weighting.ntk import NTK
from pinn_ac.weighting.rba import RBA
from pinn_ac.weighting.relobralo import ReLoBRaLo
from pinn_ac.weighting.self_adaptive import SelfAdaptive
from pinn_ac.weighting.softadapt import SoftAdapt
from pinn_ac.weighting.together import Together
from pinn_ac.weighting.vrba import VRBA
from pinn_ac.weighting.weighting import Measured, Weighting, require_terms

__all__ = [
    "BRDR",
    "NTK",
    "RBA",
    "VRBA",
    "Causal",
    "CausalState",
    "GradientNorm",
    "Measured",
    "ReLoBRaLo",
    "SelfAdaptive",
    "SoftAdapt",
    "Together",
    "Weighting",
    "require_terms",
]
