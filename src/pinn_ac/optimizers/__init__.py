"""Optimizers behind one interface, one module each.

A method such as :class:`Adam` is a frozen dataclass of settings; `method.build(objective)` is an :class:`Optimizer`,
the functions `init` and `step` on pytrees.
"""

from types import MappingProxyType

from pinn_ac.optimizers.adam import Adam
from pinn_ac.optimizers.gauss_newton import GaussNewton
from pinn_ac.optimizers.lbfgs import LBFGS
from pinn_ac.optimizers.levenberg_marquardt import LevenbergMarquardt
from pinn_ac.optimizers.muon import Muon
from pinn_ac.optimizers.nystrom_newton_cg import NystromNewtonCG
from pinn_ac.optimizers.optimizer import Method, Optimizer, StepInfo, Trainable
from pinn_ac.optimizers.soap import SOAP
from pinn_ac.optimizers.spring import Spring
from pinn_ac.optimizers.ssbfgs import SSBFGS
from pinn_ac.optimizers.ssbroyden import SSBroyden

__all__ = [
    "LBFGS",
    "SOAP",
    "SSBFGS",
    "Adam",
    "GaussNewton",
    "LevenbergMarquardt",
    "Method",
    "Muon",
    "NystromNewtonCG",
    "Optimizer",
    "SSBroyden",
    "Spring",
    "StepInfo",
    "Trainable",
]

RENAMED = MappingProxyType({one.name: one.__name__ for one in (Adam, LBFGS, LevenbergMarquardt, SSBFGS, SSBroyden)})
"""Former names of this package's objects, which were functions then → the names that they have now."""
