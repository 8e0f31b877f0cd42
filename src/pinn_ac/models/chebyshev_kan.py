"""A Kolmogorov–Arnold network of Chebyshev polynomials.

Sources: S. S. Sidharth, arXiv 2405.07200 (2024); for differential equations (cPIKAN) K. Shukla, J. Toscano, Z. Wang,
Z. Zou and G. Karniadakis, Comput. Methods Appl. Mech. Eng. 431 (2024) 117290, arXiv 2406.02917.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.models.layers import require_sizes


class ChebyshevKAN(nn.Module):
    """Layers y_q = Σ_p Σ_{k=0}^{m} c_pkq T_k(tanh x_p), `depth` hidden ones and one with a single output.

    T_k are the Chebyshev polynomials, by the recurrence T_{k+1}(s) = 2s T_k(s) − T_{k−1}(s): by cos(k arccos s) their
    derivatives would be 0/0 at s = ±1. T_0 = 1 takes the place of a bias. Initial coefficients are normal with
    deviation 1/√(n (m + 1)), n the inputs of the layer, so that y keeps the size of one; some codes have
    1/(n (m + 1)), with which deep networks start near zero.

    Published for the problem of docs/methods.md: width 64, depth 5, degree 5 with ten modes of the embedding.

    Args:
        width: outputs of a hidden layer.
        depth: hidden layers.
        degree: m ≥ 1.
        output_scale: factor on the initial coefficients of the output; small, so that training starts close to N = 0.

    Raises:
        InputError: a size that is not a whole number from 1, or a scale that is not a number.

    >>> import jax
    >>> network = ChebyshevKAN(width=4, depth=1, degree=3)
    >>> params = network.init(jax.random.key(0), jax.numpy.ones(3))
    >>> jax.tree.map(lambda leaf: leaf.shape, params)
    {'params': {'coefficients_0': (3, 4, 4), 'coefficients_1': (4, 4, 1)}}
    """

    width: int = 8
    depth: int = 3
    degree: int = 5
    output_scale: float = 0.01

    def __post_init__(self) -> None:
        require_sizes(self.width, self.depth)
        require(is_whole(self.degree, 1), f"model.degree is {self.degree}: give a whole number from 1.")
        require(is_number(self.output_scale), f"model.output_scale is {self.output_scale}: give a number.")
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        for layer in range(self.depth + 1):
            is_last = layer == self.depth
            inputs, outputs, scale = z.shape[-1], 1 if is_last else self.width, self.output_scale if is_last else 1.0
            draw = nn.initializers.normal(scale * (inputs * (self.degree + 1)) ** -0.5)
            shape = (inputs, self.degree + 1, outputs)
            coefficients = self.param(f"coefficients_{layer}", draw, shape, jnp.result_type(float))
            polynomials = jnp.stack(chebyshev(jnp.tanh(z), self.degree), axis=-1)
            z = polynomials.reshape(-1) @ coefficients.reshape(-1, outputs)
        return z[0]


def chebyshev(s: jax.Array, degree: int) -> list[jax.Array]:
    """T_0(s), …, T_degree(s), for degree ≥ 1.

    >>> [round(float(value), 6) for value in chebyshev(jnp.asarray(0.5), 3)]
    [1.0, 0.5, -0.5, -1.0]
    """
    found = [jnp.ones_like(s), s]
    for _ in range(degree - 1):
        found.append(2 * s * found[-1] - found[-2])
    return found
