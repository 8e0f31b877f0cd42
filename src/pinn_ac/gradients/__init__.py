"""Who differentiates the loss with respect to the parameters."""

from pinn_ac.gradients.gradient import Gradient
from pinn_ac.gradients.jax_gradient import JaxGradient
from pinn_ac.gradients.own_gradient import OwnGradient

__all__ = ["Gradient", "JaxGradient", "OwnGradient"]
