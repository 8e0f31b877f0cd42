"""Regimes behind one interface, one module each: how the problem that one network is trained on changes meanwhile."""

from pinn_ac.regimes.backward_compatible import BackwardCompatible
from pinn_ac.regimes.curriculum import Curriculum
from pinn_ac.regimes.pseudo_time import PseudoTime
from pinn_ac.regimes.regime import Moment, Regime

__all__ = ["BackwardCompatible", "Curriculum", "Moment", "PseudoTime", "Regime"]
