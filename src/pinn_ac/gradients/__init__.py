"""Who differentiates the loss with respect to the parameters."""

from pinn_ac.gradients.gradient import Gradient
from pinn_ac.gradients.jax_gradient import JaxGradient

__all__ = ["Gradient", "JaxGradient"]
