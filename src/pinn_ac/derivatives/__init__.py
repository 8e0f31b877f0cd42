"""Engines that give u, u_t, u_x and u_xx of a function of (t, x), one module each."""

from pinn_ac.derivatives.engine import Derivatives, Engine
from pinn_ac.derivatives.jax_jet import JaxJet
from pinn_ac.derivatives.jax_jvp import JaxJvp
from pinn_ac.derivatives.jax_reverse import JaxReverse
from pinn_ac.derivatives.own_forward import OwnForward
from pinn_ac.derivatives.own_reverse import OwnReverse
from pinn_ac.derivatives.own_taylor import OwnTaylor

__all__ = ["Derivatives", "Engine", "JaxJet", "JaxJvp", "JaxReverse", "OwnForward", "OwnReverse", "OwnTaylor"]
