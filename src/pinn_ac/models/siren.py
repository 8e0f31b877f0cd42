"""SIREN: a perceptron of sines, with initial weights that keep its signals alike in every layer.

Source: V. Sitzmann, J. Martel, A. Bergman, D. Lindell and G. Wetzstein, NeurIPS 2020, arXiv 2006.09661, section 3.2.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.models import weight_factorization
from pinn_ac.models.layers import Initializer, dense, require_sizes, scaled


class Siren(nn.Module):
    """N(z) = W_{d+1} h_d + b_{d+1}, h_k = sin(ω (W_k h_{k−1} + b_k)), h_0 = z; in the first layer ω is ω₁.

    Initial weights are uniform: W_1 in ±1/n, all others in ±√(6/n)/ω, with n the inputs of the layer. Then the
    arguments ω W_k h_{k−1} of every later sine are standard normal in distribution, since h has mean square ½ and
    n · ω² · 6/(n ω²)/3 · ½ = 1; N itself has variance 1/ω². Biases are drawn from the range of their layer's weights,
    that of the output is zero; the authors' code draws them from ±1/√n in all layers.

    ω₁ sets the highest frequencies of the start. 30 is the authors' for images; derivatives multiply by it, so that
    for equations on [−1, 1] less is usually better. A step of W_k counts ω-fold.

    Args:
        width: units in each hidden layer.
        depth: hidden layers d.
        first_omega, omega: ω₁ and ω.
        output_scale: factor on the initial output weights.
        weight_factorization: None, or settings; see :class:`~pinn_ac.models.layers.Layered`.

    Raises:
        InputError: a size that is not a whole number from 1, or a frequency that is not positive.

    >>> import jax
    >>> network = Siren(width=8, depth=2, first_omega=5.0)
    >>> params = network.init(jax.random.key(0), jax.numpy.ones(3))
    >>> network.apply(params, jax.numpy.ones(3)).shape
    ()
    """

    width: int = 20
    depth: int = 3
    first_omega: float = 30.0
    omega: float = 30.0
    output_scale: float = 1.0
    weight_factorization: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        require_sizes(self.width, self.depth)
        for name in ("first_omega", "omega"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, f"model.{name} is {value}: give a positive number.")
        require(is_number(self.output_scale), f"model.output_scale is {self.output_scale}: give a number.")
        weight_factorization.checked(self.weight_factorization)
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        bound, omega = 1 / z.shape[-1], self.first_omega
        for _ in range(self.depth):
            z = jnp.sin(omega * dense(self.width, even(bound), even(bound), self.weight_factorization)(z))
            bound, omega = (6 / self.width) ** 0.5 / self.omega, self.omega
        kernel = scaled(even(bound), self.output_scale)
        return dense(1, kernel, nn.initializers.zeros, self.weight_factorization)(z)[0]


def even(bound: float) -> Initializer:
    """Draws numbers that are uniform in ±bound."""
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -bound, bound)
