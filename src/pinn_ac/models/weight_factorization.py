"""Random weight factorisation: a dense layer whose weights are a scale for each unit times a direction.

Source: S. Wang, H. Wang, J. Seidman and P. Perdikaris, arXiv 2210.01274 (2022).
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.models.choices import completed

TRAINED = ("exponent", "factor")
DEFAULTS = {"mean": 1.0, "stddev": 0.1, "trained": "exponent"}


class FactorizedDense(nn.Module):
    """y_q = e^{s_q} Σ_p V_pq x_p + b_q: the weights are W = V diag(e^s), one exponent s_q for each unit q.

    At the start s ~ N(mean, stddev²), and V = W diag(e^{−s}) with W drawn as for any dense layer: the layer begins as
    that one would, and only its training differs, since a step of s scales all weights of a unit.

    The authors' package trains the factors g = e^s themselves, which is another trajectory; it produced the numbers
    published for the problem of docs/methods.md. `trained` chooses. Parameters: "kernel", V of shape (inputs,
    features); "scale", s or g of shape (features,); "bias", b.

    Args:
        features: units q.
        mean, stddev: of the exponents at the start, published as 1 and 0.1 for the problem of docs/methods.md,
            elsewhere as 0.5 and 0.1.
        trained: "exponent", s, or "factor", g.
        kernel_init, bias_init: draw W and b, as those of `flax.linen.Dense`.
    """

    features: int
    mean: float
    stddev: float
    trained: str
    kernel_init: Callable[..., jax.Array]
    bias_init: Callable[..., jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """y, of shape (features,), for x of shape (inputs,)."""
        real, inputs = jnp.result_type(float), x.shape[-1]
        factor: Callable[[jax.Array], jax.Array] = jnp.exp if self.trained == "exponent" else lambda g: g

        def draw_scale(key):
            s = self.mean + self.stddev * jax.random.normal(key, (self.features,), real)
            return s if self.trained == "exponent" else jnp.exp(s)

        scale = self.param("scale", draw_scale)

        def draw_direction(key):
            return self.kernel_init(key, (inputs, self.features), real) / factor(scale)

        directions = self.param("kernel", draw_direction)
        bias = self.param("bias", self.bias_init, (self.features,), real)
        return (x @ directions) * factor(scale) + bias


def checked(given: Mapping[str, Any] | None) -> None:
    """Refuse a setting `model.weight_factorization` that is neither None nor some of `DEFAULTS`.

    Raises:
        InputError: it is refused.
    """
    if given is None:
        return
    chosen = completed("weight_factorization", given, DEFAULTS)
    name = "model.weight_factorization"
    require(is_number(chosen["mean"]), f"{name}.mean is {chosen['mean']}: give a number.")
    positive = is_number(chosen["stddev"]) and chosen["stddev"] >= 0
    require(positive, f"{name}.stddev is {chosen['stddev']}: give zero or a positive number.")
    known = chosen["trained"] in TRAINED
    require(known, f"{name}.trained is {chosen['trained']!r}: choose {' or '.join(TRAINED)}.")
