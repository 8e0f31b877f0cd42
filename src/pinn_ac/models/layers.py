"""What the networks share: activations by name, the dense layer and its initial weights."""

from collections.abc import Callable
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require


def softplus(z: jax.Array) -> jax.Array:
    """log(1 + e^z) = −log σ(−z), by functions that every engine differentiates; that of JAX breaks Taylor mode."""
    small = jnp.minimum(z, 40.0)  # e^{−40} is below the rounding of 40
    return jnp.where(z > small, z, -jnp.log(nn.sigmoid(-small)))


ACTIVATIONS = MappingProxyType(
    {
        "tanh": jnp.tanh,
        "sin": jnp.sin,
        "swish": nn.swish,
        "gelu": nn.gelu,
        "softplus": softplus,
        "sigmoid": nn.sigmoid,
    }
)
"""Name → function; all are smooth, since a residual contains second or higher derivatives."""


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


def require_shape(width: int, depth: int, activation_name: str, output_scale: float) -> None:
    """Refuse a network without units or layers, with an unknown activation, or whose output scale is not a number."""
    for name, value in (("width", width), ("depth", depth)):
        require(is_whole(value, 1), f"model.{name} is {value}: give a whole number from 1.")
    known = ", ".join(sorted(ACTIVATIONS))
    named = isinstance(activation_name, str) and activation_name in ACTIVATIONS
    require(named, f"model.activation is {activation_name!r}: choose one of {known}.")
    require(is_number(output_scale), f"model.output_scale is {output_scale}: give a number.")
