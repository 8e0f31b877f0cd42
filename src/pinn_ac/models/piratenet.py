"""PirateNet: residual blocks that are the identity at first, and a start that is fitted to the initial condition.

Source: S. Wang, B. Li, Y. Chen and P. Perdikaris, J. Mach. Learn. Res. 25 (2024) 402, arXiv 2402.00326.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict

from pinn_ac.errors import require
from pinn_ac.models import fourier_features, weight_factorization
from pinn_ac.models.layers import Layered

STARTS = ("fitted", "drawn")
CUTOFF = 1e-3
"""Singular values of the fit below this share of the largest are taken as zero.

With 10⁴ points it is what the authors' package has by the default of single precision. The features are nearly
dependent: with width 256, all of their directions halve the misfit to the lecture's u₀, by weights of 10⁷.
"""


class PirateNet(Layered):
    """N(z) = w · x_d, x_k = α_k h_k + (1 − α_k) x_{k−1}, x_0 = Φ(z), with a trained scalar α_k, at first 0, a block.

    Each block k has three dense layers, with the encodings U = a(W_U Φ) and V = a(W_V Φ) as gates:

        f = a(W_1 x_{k−1}),  z_1 = f U + (1 − f) V,
        g = a(W_2 z_1),      z_2 = g U + (1 − g) V,
        h_k = a(W_3 z_2),

    products component by component, a bias in every linear map but the output. Φ(z) are the random Fourier features
    of z; without them a(W_Φ z). So the network begins as one that is linear in its parameters, N = w·Φ(z), and grows
    deeper as the α_k move away from 0. The weights of a block have zero gradient as long as its α_k is 0, and α_k has
    none as long as w is.

    **The start.** `start` "fitted" is the physics-informed initialisation: w is the least-squares fit of N to the
    initial condition, N(z(t_j, ξ_i)) ≈ u₀(ξ_i) at all of 21 times and 512 places. What is fitted is that which makes
    u = u₀ by the ansatz. Of an ansatz that has the initial condition built in (`lifted`, `reaction_flow`) that is
    N = 0, so that w begins at zero, and u at the ansatz itself. A later time window is fitted to where it begins.
    `Experiment.initial_params` does all this; the module's own `init` leaves w at zero.

    The authors' settings for the problem of docs/methods.md: width 256, depth 3 (nine dense layers), tanh,
    `fourier_features` {stddev: 2.0} of z = (t, cos πx, sin πx), `weight_factorization` {mean: 1.0, stddev: 0.1,
    trained: factor}, no initial biases; published 2.24e-5.

    Args:
        width: units in each layer, and components of Φ, U, V and x.
        depth: blocks d.
        activation: a, by name (see `layers.ACTIVATIONS`).
        output_scale: of `start` "drawn": the factor on Glorot-normal initial weights w.
        bias_scale: standard deviation of the initial biases.
        weight_factorization, fourier_features, adaptive_slopes: None, or settings; see
            :class:`~pinn_ac.models.layers.Layered`.
        start: of w, "fitted" or "drawn".

    Raises:
        InputError: a size that is not a whole number from 1, an unknown activation, or a setting out of range.

    >>> import jax
    >>> network = PirateNet(width=8, depth=2, start="drawn")
    >>> z = jax.numpy.ones(3)
    >>> params = network.init(jax.random.key(0), z)
    >>> x = network.apply(params, z, True)  # Φ(z) at first
    >>> bool(abs(network.apply(params, z) - x @ params["params"]["output"]) < 1e-6)
    True
    """

    depth: int = 2
    output_scale: float | None = 1.0
    bias_scale: float = 0.0
    weight_factorization: Mapping[str, Any] | None = FrozenDict(weight_factorization.DEFAULTS)
    fourier_features: Mapping[str, Any] | None = FrozenDict(fourier_features.DEFAULTS)
    start: str = "fitted"

    def __post_init__(self) -> None:
        require(self.start in STARTS, f"model.start is {self.start!r}: choose {' or '.join(STARTS)}.")
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array, last_hidden: bool = False) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,); with `last_hidden` x_d, of shape (width,)."""
        a, real = self.activations(), jnp.result_type(float)
        x = a(self.hidden()(z)) if self.fourier_features is None else self.encoded(z)
        first, second = a(self.hidden()(x)), a(self.hidden()(x))
        for block in range(self.depth):
            h = x
            for _ in range(2):
                h = second + a(self.hidden()(h)) * (first - second)
            h = a(self.hidden()(h))
            x = x + self.param(f"alpha_{block}", nn.initializers.zeros, (1,), real) * (h - x)
        deviation = (0.0 if self.is_fitted else self.output_scale or 0.0) * (2 / (self.width + 1)) ** 0.5
        w = self.param("output", nn.initializers.normal(deviation), (self.width,), real)
        return x if last_hidden else x @ w

    @property
    def is_fitted(self) -> bool:
        """Whether its start is a fit."""
        return self.start == "fitted"

    def fitted(self, params: Any, z: jax.Array, values: jax.Array) -> Any:
        """The parameters whose w minimises Σ_i (N(z_i) − values_i)², for features z (n, d) and values (n,).

        Of all that minimise it the shortest, up to `CUTOFF`; computed in double precision whatever the run's is.
        """
        rows = jax.jit(jax.vmap(lambda one: self.apply(params, one, True)))(z)
        w = np.linalg.lstsq(np.asarray(rows, np.float64), np.asarray(values, np.float64), rcond=CUTOFF)[0]
        old: Mapping[str, Any] = params["params"]
        return {**params, "params": {**old, "output": jnp.asarray(w, old["output"].dtype)}}
