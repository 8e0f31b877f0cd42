"""Weightings behind one interface, one module each: how much each point counts in the loss, decided as it trains."""

from pinn_ac.weighting.causal import Causal, CausalState
from pinn_ac.weighting.weighting import Measured, Weighting

__all__ = ["Causal", "CausalState", "Measured", "Weighting"]
