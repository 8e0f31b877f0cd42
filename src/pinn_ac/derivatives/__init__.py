"""Engines, each in its own module, that differentiate a function of (t, x)."""

from pinn_ac.derivatives.engine import Engine, order_of
from pinn_ac.derivatives.jax_jet import JaxJet
from pinn_ac.derivatives.jax_jvp import JaxJvp
from pinn_ac.derivatives.jax_reverse import JaxReverse
from pinn_ac.derivatives.own_forward import OwnForward
from pinn_ac.derivatives.own_reverse import OwnReverse
from pinn_ac.derivatives.own_taylor import OwnTaylor

__all__ = ["Engine", "JaxJet", "JaxJvp", "JaxReverse", "OwnForward", "OwnReverse", "OwnTaylor", "order_of"]
