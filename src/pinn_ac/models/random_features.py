"""A network of drawn features: its hidden weights are drawn and stay, and only its output weights are trained."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.models.layers import ACTIVATIONS, activation

DISTRIBUTIONS = ("uniform", "normal")


class RandomFeatures(nn.Module):
    """N(z) = Σ_k c_k a(A_k·z + b_k), with A and b drawn once; the parameters are c alone, at first zero.

    It is known as the random feature method, as an extreme learning machine and, for differential equations, as PIELM
    and locELM. N is linear in its parameters, so that Gauss–Newton finds them in a few steps
    (`optimizer=gauss_newton`), though any optimizer can. In a run to a tolerance (`train.tolerance`) each window of
    time draws its own A and b, from the run's seed, and `width` is where the search for their number begins.

    Sources: A. Rahimi and B. Recht, NIPS 2007; G.-B. Huang, Q.-Y. Zhu and C.-K. Siew, Neurocomputing 70 (2006)
    489–501; V. Dwivedi and B. Srinivasan, Neurocomputing 391 (2020) 96–118; S. Dong and Z. Li, Comput. Methods Appl.
    Mech. Eng. 387 (2021) 114129; J. Chen, X. Chi, W. E and Z. Yang, J. Mach. Learn. 1 (2022) 268–298.

    Args:
        width: K, the number of features; None leaves it to a run to a tolerance, and is 512 elsewhere.
        scale: A and b are drawn from [−scale, scale], or, "normal", with the same variance.
        distribution: "uniform" or "normal".
        activation: a, by name (see `layers.ACTIVATIONS`).
        seed: of the draw.

    Raises:
        InputError: a size that is not a whole number from 1, a scale that is not positive, or an unknown name.

    >>> import jax
    >>> network = RandomFeatures(width=8)
    >>> params = network.init(jax.random.key(0), jax.numpy.ones(3))
    >>> jax.tree.map(lambda leaf: leaf.shape, params)
    {'params': {'output': (8,)}}
    """

    width: int | None = None
    scale: float = 0.5
    distribution: str = "uniform"
    activation: str = "tanh"
    seed: int = 0

    def __post_init__(self) -> None:
        require(
            self.width is None or is_whole(self.width, 1), f"model.width is {self.width}: give a whole number from 1."
        )
        require(is_whole(self.seed, 0), f"model.seed is {self.seed}: give a whole number from 0.")
        require(is_number(self.scale) and self.scale > 0, f"model.scale is {self.scale}: give a positive number.")
        known = self.distribution in DISTRIBUTIONS
        require(known, f"model.distribution is {self.distribution!r}: choose {' or '.join(DISTRIBUTIONS)}.")
        names = ", ".join(sorted(ACTIVATIONS))
        named = isinstance(self.activation, str) and self.activation in ACTIVATIONS
        require(named, f"model.activation is {self.activation!r}: choose one of {names}.")
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        units, real = self.width or DEFAULT_WIDTH, jnp.result_type(float)
        A, b = draw(np.random.default_rng(self.seed), units, z.shape[-1], self.scale, self.distribution)
        c = self.param("output", nn.initializers.zeros, (units,), real)
        return activation(self.activation)(jnp.asarray(A, real) @ z + jnp.asarray(b, real)) @ c


DEFAULT_WIDTH = 512
"""K where nothing chooses it."""


def draw(
    generator: np.random.Generator, units: int, features: int, scale: float, distribution: str
) -> tuple[np.ndarray, np.ndarray]:
    """A, (units, features), and b, (units,), uniform in [−scale, scale] or normal with the same variance."""
    if distribution == "uniform":
        return generator.uniform(-scale, scale, (units, features)), generator.uniform(-scale, scale, units)
    deviation = scale / 3**0.5
    return generator.normal(0, deviation, (units, features)), generator.normal(0, deviation, units)
