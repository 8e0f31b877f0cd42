"""What the networks share: activations by name, the dense layer with its weights, options of all layers."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.models import adaptive_slopes, fourier_features, weight_factorization
from pinn_ac.models.adaptive_slopes import adaptive
from pinn_ac.models.fourier_features import FourierFeatures
from pinn_ac.models.weight_factorization import FactorizedDense


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

Initializer = Callable[..., jax.Array]


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation of this name."""
    return ACTIVATIONS[name]


def dense(
    features: int,
    kernel: Initializer,
    bias: Initializer,
    factorization: Mapping[str, Any] | None = None,
) -> Callable[[jax.Array], jax.Array]:
    """A linear layer in the default precision, whose weights and biases `kernel` and `bias` draw.

    Args:
        features: outputs.
        kernel, bias: (key, shape, dtype) → initial values.
        factorization: settings of the layer's weight factorisation; None for plain weights.
    """
    precision = jnp.result_type(float)
    if factorization is not None:
        settings = {**weight_factorization.DEFAULTS, **factorization}
        return FactorizedDense(features, kernel_init=kernel, bias_init=bias, **settings)
    return nn.Dense(features, dtype=precision, param_dtype=precision, kernel_init=kernel, bias_init=bias)


def scaled(initializer: Initializer, scale: float) -> Initializer:
    """The initializer times a number."""
    return lambda key, shape, dtype: scale * initializer(key, shape, dtype)


class Layered(nn.Module):
    """A network of dense layers, with the options that all such networks have.

    Initial weights are Glorot-normal, those of the output times `output_scale`; hidden biases are normal, and that of
    the output is zero.

    Args:
        width: units in each hidden layer.
        depth: hidden layers.
        activation: a, by name (see `ACTIVATIONS`).
        output_scale: factor on the initial output weights; small, so that training starts close to N = 0.
        bias_scale: standard deviation of the initial hidden biases; the literature mostly has zero.
        weight_factorization: None, or settings `mean`, `stddev` and `trained` of
            :class:`~pinn_ac.models.weight_factorization.FactorizedDense`, for every dense layer.
        fourier_features: None, or settings `stddev` and `seed` of
            :class:`~pinn_ac.models.fourier_features.FourierFeatures`, of `width` units, of which the network is then
            one instead of z.
        adaptive_slopes: None, or settings `per` and `factor` of
            :class:`~pinn_ac.models.adaptive_slopes.AdaptiveActivation`, for every activation.

    Raises:
        InputError: a size that is not a whole number from 1, an unknown activation, or a setting out of range.
    """

    width: int = 20
    depth: int = 3
    activation: str = "tanh"
    output_scale: float | None = 0.01
    bias_scale: float = 0.1
    weight_factorization: Mapping[str, Any] | None = None
    fourier_features: Mapping[str, Any] | None = None
    adaptive_slopes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        # A start that is a fit needs none, and runs of earlier checkouts have none there.
        own_start = self.output_scale is None and getattr(self, "is_fitted", False)
        require_shape(self.width, self.depth, self.activation, 0.0 if own_start else self.output_scale)
        require_bias_scale(self.bias_scale)
        weight_factorization.checked(self.weight_factorization)
        fourier_features.checked(self.fourier_features)
        adaptive_slopes.checked(self.adaptive_slopes)
        super().__post_init__()

    def hidden(self) -> Callable[[jax.Array], jax.Array]:
        """A hidden linear map, to be called while the network is traced."""
        bias = nn.initializers.normal(self.bias_scale) if self.bias_scale else nn.initializers.zeros
        return dense(self.width, nn.initializers.glorot_normal(), bias, self.weight_factorization)

    def output(self, h: jax.Array, outputs: int = 1) -> jax.Array:
        """The linear outputs of the last hidden layer, (outputs,)."""
        kernel = scaled(nn.initializers.glorot_normal(), self.output_scale or 0.0)
        return dense(outputs, kernel, nn.initializers.zeros, self.weight_factorization)(h)

    def encoded(self, z: jax.Array) -> jax.Array:
        """What the layers see: z, or its random Fourier features."""
        return z if self.fourier_features is None else FourierFeatures(self.width, **self.fourier_features)(z)

    def activations(self) -> Callable[[jax.Array], jax.Array]:
        """a, to be called in each layer."""
        function = activation(self.activation)
        if self.adaptive_slopes is None:
            return function
        return adaptive(function, **{**adaptive_slopes.DEFAULTS, **self.adaptive_slopes})


def require_shape(width: int, depth: int, activation_name: str, output_scale: float | None) -> None:
    """Refuse a network without units or layers, with an unknown activation, or whose output scale is not a number."""
    require_sizes(width, depth)
    known = ", ".join(sorted(ACTIVATIONS))
    named = isinstance(activation_name, str) and activation_name in ACTIVATIONS
    require(named, f"model.activation is {activation_name!r}: choose one of {known}.")
    require(is_number(output_scale), f"model.output_scale is {output_scale}: give a number.")


def require_sizes(width: int, depth: int) -> None:
    """Refuse a network without units or layers."""
    for name, value in (("width", width), ("depth", depth)):
        require(is_whole(value, 1), f"model.{name} is {value}: give a whole number from 1.")


def require_bias_scale(bias_scale: float) -> None:
    """Refuse a deviation of biases that is none."""
    positive = is_number(bias_scale) and bias_scale >= 0
    require(positive, f"model.bias_scale is {bias_scale}: give zero or a positive number.")
