"""The multilayer perceptron."""

import flax.linen as nn
import jax

from pinn_ac.models.layers import Layered


class MLP(Layered):
    """N(z) = W_{d+1} h_d + b_{d+1}, h_k = a(W_k h_{k−1} + b_k), h_0 = z.

    Args:
        width: units in each hidden layer.
        depth: hidden layers d.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: factor on the initial output weights; small, so that training starts close to N = 0.
        bias_scale: standard deviation of the initial hidden biases.
        weight_factorization, fourier_features, adaptive_slopes: None, or settings; see
            :class:`~pinn_ac.models.layers.Layered`.

    Raises:
        InputError: a size that is not a whole number from 1, an unknown activation, or a setting out of range.

    >>> import jax
    >>> network = MLP(width=8, depth=2)
    >>> params = network.init(jax.random.key(0), jax.numpy.ones(3))
    >>> network.apply(params, jax.numpy.ones(3)).shape
    ()
    """

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        a, z = self.activations(), self.encoded(z)
        for _ in range(self.depth):
            z = a(self.hidden()(z))
        return self.output(z)[0]
