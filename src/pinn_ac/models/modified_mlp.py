"""The modified multilayer perceptron of Wang, Teng and Perdikaris (2021, arXiv 2001.04536, eqs. 42–46)."""

import flax.linen as nn
import jax

from pinn_ac.models.layers import activation, dense, require_shape


class ModifiedMLP(nn.Module):
    """An MLP whose every hidden layer mixes two encodings of the input.

    U = a(W_U z), V = a(W_V z), Z_k = a(W_k h_{k−1}), h_k = (1 − Z_k) U + Z_k V (products by component);
    every linear map has its bias.

    Args:
        width: units in each layer and each encoding.
        depth: mixing layers.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: factor on the initial output weights.
    """

    width: int = 20
    depth: int = 3
    activation: str = "tanh"
    output_scale: float = 0.01

    def __post_init__(self) -> None:
        require_shape(self.width, self.depth, self.activation, self.output_scale)
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        a = activation(self.activation)
        first, second = a(dense(self.width)(z)), a(dense(self.width)(z))
        for _ in range(self.depth):
            gate = a(dense(self.width)(z))
            z = first + gate * (second - first)
        return dense(1, self.output_scale, bias_width=0.0)(z)[0]
