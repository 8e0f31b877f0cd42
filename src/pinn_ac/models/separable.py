"""The separable network: a sum of products of a function of t and a function of x.

Source: J. Cho, S. Nam, H. Yang, S.-B. Yun, Y. Hong and E. Park, NeurIPS 2023, arXiv 2306.15969 (SPINN).
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar

import flax.linen as nn
import jax

from pinn_ac.errors import is_whole, require
from pinn_ac.models.layers import Layered
from pinn_ac.models.modified_mlp import ModifiedMLP

NAMES = ("time", "place")
"""Of the two factors among the parameters."""


class Separable(Layered):
    """N(t, x) = Σ_{j=1}^{r} f_j(t) g_j(x), with f and g two networks of r outputs.

    f sees the first of the embedding's features, which is time, and g the others, which must depend on x alone: of an
    embedding for which this does not hold a run is refused (`separable`). Each is a modified perceptron
    (:class:`~pinn_ac.models.ModifiedMLP`), with linear outputs.

    On a grid of m times and n places f is computed m times and g n times, and N is the product of two matrices, as
    are its derivatives ∂_t^i ∂_x^k N = Σ_j f_j^(i)(t) g_j^(k)(x). :meth:`on_grid` gives the values. The loss and its
    gradient are computed so wherever the points are a square grid, as those of `sampler=grid` with a square
    `num_points` are. Points are taken one by one where their number is no square or above 65,536, where several
    devices share them, and by methods that need the gradient of every point's residual. With `gradient=own` both ways
    are computed, since it cannot differentiate the choice between them, and nothing is gained.

    Published settings: depth 4, width 64, rank 32, 64 points an axis. The rank bounds what can be reached: a thin
    interface that moves has high rank.

    Args:
        width, depth, activation: of both networks.
        output_scale: factor on the initial output weights of g; small, so that training starts close to N = 0.
        bias_scale: standard deviation of the initial hidden biases.
        weight_factorization, fourier_features, adaptive_slopes: None, or settings; see
            :class:`~pinn_ac.models.layers.Layered`.
        rank: r.

    Raises:
        InputError: a size that is not a whole number from 1, an unknown activation, or a setting out of range.

    >>> import jax, jax.numpy as jnp
    >>> network = Separable(width=8, depth=2, rank=4)
    >>> params = network.init(jax.random.key(0), jnp.ones(3))
    >>> network.on_grid(params, jnp.ones((5, 1)), jnp.ones((6, 2))).shape
    (5, 6)
    """

    rank: int = 16

    separates: ClassVar[bool] = True
    """It needs an embedding that is `separable`."""

    def __post_init__(self) -> None:
        require(is_whole(self.rank, 1), f"model.rank is {self.rank}: give a whole number from 1.")
        super().__post_init__()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """N(z), a scalar, for features z of shape (d,)."""
        return self._factor(0)(z[:1]) @ self._factor(1)(z[1:])

    @nn.nowrap
    def factors(self, params: Any) -> tuple[Callable[[jax.Array], jax.Array], Callable[[jax.Array], jax.Array]]:
        """f and g as functions of their own features, (1,) and (d − 1,), to (r,)."""

        def applied(which: int) -> Callable[[jax.Array], Any]:
            own = {"params": params["params"][NAMES[which]]}
            return lambda z: self._factor(which, parent=None).apply(own, z)

        return applied(0), applied(1)

    @nn.nowrap
    def on_grid(self, params: Any, times: jax.Array, places: jax.Array) -> jax.Array:
        """N, (m, n), at all pairs of m times and n places, of their features (m, 1) and (n, d − 1)."""
        f, g = self.factors(params)
        return jax.vmap(f)(times) @ jax.vmap(g)(places).T

    @nn.nowrap
    def _factor(self, which: int, **of_flax: Any) -> "Factor":
        shared = {one.name: getattr(self, one.name) for one in fields(Layered) if one.name not in ("parent", "name")}
        scale = self.output_scale if which else 1.0
        return Factor(**(shared | {"output_scale": scale}), outputs=self.rank, name=NAMES[which], **of_flax)


class Factor(ModifiedMLP):
    """A modified perceptron with several linear outputs; the settings are those of :class:`Separable`."""

    outputs: int = 1

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Its values, (outputs,), for features z."""
        return self.output(self.mixed(z), self.outputs)
