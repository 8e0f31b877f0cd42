"""The modified multilayer perceptron.

Source: S. Wang, Y. Teng and P. Perdikaris, SIAM J. Sci. Comput. 43 (2021) A3055–A3081, arXiv 2001.04536, eqs. 42–46.
"""

import flax.linen as nn
import jax

from pinn_ac.models.layers import activation, dense, require_shape


class ModifiedMLP(nn.Module):
    """A perceptron each of whose hidden layers mixes two encodings U and V of the input z.

    U = a(W_U z), V = a(W_V z), Z_k = a(W_k h_{k−1}), h_k = (1 − Z_k) U + Z_k V, with products component by component,
    h_0 = z, and a bias in every linear map (not written).

    Args:
        width: units in each layer and each encoding.
        depth: mixing layers.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: factor on the initial output weights; see :class:`~pinn_ac.models.MLP`.

    Raises:
        InputError: a size that is not a whole number from 1, or an unknown activation.
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
