"""The multilayer perceptron."""

import flax.linen as nn
import jax

from pinn_ac.models.layers import activation, dense, require_shape


class MLP(nn.Module):
    """N(z) = W_{d+1} h_d + b_{d+1}, h_k = a(W_k h_{k−1} + b_k), h_0 = z.

    Args:
        width: units in each hidden layer.
        depth: hidden layers d.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: factor on the initial output weights; small, so that training starts close to N = 0.

    Raises:
        InputError: a size that is not a whole number from 1, or an unknown activation.

    >>> import jax
    >>> network = MLP(width=8, depth=2)
    >>> params = network.init(jax.random.key(0), jax.numpy.ones(3))
    >>> network.apply(params, jax.numpy.ones(3)).shape
    ()
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
        for _ in range(self.depth):
            z = a(dense(self.width)(z))
        return dense(1, self.output_scale, bias_width=0.0)(z)[0]
