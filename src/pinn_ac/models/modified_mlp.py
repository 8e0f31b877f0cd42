"""The modified multilayer perceptron.

Source: S. Wang, Y. Teng and P. Perdikaris, SIAM J. Sci. Comput. 43 (2021) A3055–A3081, arXiv 2001.04536, eqs. 42–46.
"""

import flax.linen as nn
import jax

from pinn_ac.models.layers import Layered


class ModifiedMLP(Layered):
    """A perceptron each of whose hidden layers mixes two encodings U and V of the input z.

    U = a(W_U z), V = a(W_V z), Z_k = a(W_k h_{k−1}), h_k = (1 − Z_k) U + Z_k V, with products component by component,
    h_0 = z, and a bias in every linear map (not written).

    Args:
        width: units in each layer and each encoding.
        depth: mixing layers.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: factor on the initial output weights; see :class:`~pinn_ac.models.MLP`.
        bias_scale: standard deviation of the initial hidden biases.
        weight_factorization, fourier_features, adaptive_slopes: None, or settings; see
            :class:`~pinn_ac.models.layers.Layered`.

    Raises:
        InputError: a size that is not a whole number from 1, an unknown activation, or a setting out of range.
    """

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        return self.output(self.mixed(z))[0]

    def mixed(self, z: jax.Array) -> jax.Array:
        """The last hidden layer, (width,)."""
        a, z = self.activations(), self.encoded(z)
        first, second = a(self.hidden()(z)), a(self.hidden()(z))
        for _ in range(self.depth):
            gate = a(self.hidden()(z))
            z = first + gate * (second - first)
        return z
