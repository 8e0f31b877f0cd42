"""Engines, each in its own module, that differentiate a function of (t, x)."""

from pinn_ac.derivatives.engine import Engine, axes_of, order_of
from pinn_ac.derivatives.jax_jet import JaxJet
from pinn_ac.derivatives.jax_jvp import JaxJvp
from pinn_ac.derivatives.jax_reverse import JaxReverse
from pinn_ac.derivatives.own_forward import OwnForward
from pinn_ac.derivatives.own_reverse import OwnReverse
from pinn_ac.derivatives.own_taylor import OwnTaylor
from pinn_ac.derivatives.plane import InPlaneEngine, engine_for

__all__ = [
    "Engine",
    "InPlaneEngine",
    "JaxJet",
    "JaxJvp",
    "JaxReverse",
    "OwnForward",
    "OwnReverse",
    "OwnTaylor",
    "axes_of",
    "engine_for",
    "order_of",
]
