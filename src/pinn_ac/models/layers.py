"""What the networks share: activations by name, the dense layer and its initial weights."""

from collections.abc import Callable
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import require

ACTIVATIONS = MappingProxyType(
    {
        "tanh": jnp.tanh,
        "sin": jnp.sin,
        "swish": nn.swish,
        "gelu": nn.gelu,
        "softplus": nn.softplus,
        "sigmoid": nn.sigmoid,
    }
)
"""All twice differentiable: the residual holds u_xx."""


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation of this name."""
    return ACTIVATIONS[name]


def dense(features: int, scale: float = 1.0, bias_width: float = 0.1) -> nn.Dense:
    """A linear layer in the default precision: Glorot-normal weights times `scale`, normal biases."""
    precision = jnp.result_type(float)

    def kernel(key, shape, dtype=precision):
        return scale * nn.initializers.glorot_normal()(key, shape, dtype)

    bias = nn.initializers.normal(bias_width) if bias_width else nn.initializers.zeros
    return nn.Dense(features, dtype=precision, param_dtype=precision, kernel_init=kernel, bias_init=bias)


def require_shape(width: int, depth: int, activation_name: str) -> None:
    """Refuse a network without units or layers, or with an unknown activation."""
    for name, value in (("width", width), ("depth", depth)):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        require(whole, f"model.{name} is {value}: give a whole number from 1.")
    known = ", ".join(sorted(ACTIVATIONS))
    require(activation_name in ACTIVATIONS, f"model.activation is {activation_name!r}: choose one of {known}.")
