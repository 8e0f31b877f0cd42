"""Random Fourier features as a network's first layer.

Sources: A. Rahimi and B. Recht, NIPS 2007; M. Tancik et al., NeurIPS 2020, arXiv 2006.10739; for differential
equations S. Wang, H. Wang and P. Perdikaris, Comput. Methods Appl. Mech. Eng. 384 (2021) 113938, arXiv 2012.10047.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.models.choices import completed

DEFAULTS = {"stddev": 2.0, "seed": None}
FREQUENCIES = "frequencies"
"""The name of B among the parameters."""


class FourierFeatures(nn.Module):
    """φ(z) = (cos Bz, sin Bz), with B of independent N(0, stddev²) entries.

    It is applied to the embedding's features, so that what these are periodic or even in, φ is too, exactly. Half of
    the units are cosines; of an odd number one more.

    Traps. (1) Tancik et al., and most codes, write cos 2πBz: their σ is stddev/2π here. The codes of the PINN papers
    have no 2π, as here. (2) In these (jaxpi) B is a parameter that is trained along; elsewhere it stays as drawn:
    `seed` chooses. (3) In jaxpi time runs from 0 to 1, which is `embedding.time=unit`: for the same σ the features
    vary half as fast in t as with "symmetric" (:class:`~pinn_ac.models.Periodic`).

    Args:
        width: units.
        stddev: σ; published for the problem of docs/methods.md with 1 and 2.
        seed: None trains B, drawn as the other parameters are ("frequencies"); a number draws B once from this seed,
            and it stays.
    """

    width: int
    stddev: float = 2.0
    seed: int | None = None

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """φ(z), of shape (width,), for z of shape (d,)."""
        real, shape = jnp.result_type(float), (-(-self.width // 2), z.shape[-1])
        if self.seed is None:
            B = self.param(FREQUENCIES, nn.initializers.normal(self.stddev), shape, real)
        else:
            B = jnp.asarray(np.random.default_rng(self.seed).normal(0, self.stddev, shape), real)
        angles = B @ z
        return jnp.concatenate([jnp.cos(angles), jnp.sin(angles[: self.width // 2])])


def checked(given: Mapping[str, Any] | None) -> None:
    """Refuse a setting `model.fourier_features` that is neither None nor some of `DEFAULTS`.

    Raises:
        InputError: it is refused.
    """
    if given is None:
        return
    chosen = completed("fourier_features", given, DEFAULTS)
    positive = is_number(chosen["stddev"]) and chosen["stddev"] > 0
    require(positive, f"model.fourier_features.stddev is {chosen['stddev']}: give a positive number.")
    drawn = chosen["seed"] is None or is_whole(chosen["seed"], 0)
    require(drawn, f"model.fourier_features.seed is {chosen['seed']}: give null or a whole number from 0.")
