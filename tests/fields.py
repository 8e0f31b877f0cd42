"""Fields and parameters for tests; parameters come from NumPy, since compiling JAX's generator takes seconds."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Field, ReactionFlow
from pinn_ac.models import MLP, Splitting
from pinn_ac.problem import AllenCahn


def random_params(network: Any, features: int, seed: int = 0) -> Any:
    """Parameters of the network's shape, of size one over the root of the inputs; single precision holds them."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((features,), float))
    generator = np.random.default_rng(seed)

    def draw(leaf):
        values = generator.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0])
        return jnp.asarray(values.astype(np.float32), float)

    return jax.tree.map(draw, shapes)


def a_field(
    problem: AllenCahn | None = None, embedding: Any = None, network: Any = None, ansatz: Any = None, seed: int = 0
) -> tuple[Field, Any]:
    """A field of these parts, by default small ones, and parameters that are not small."""
    problem = AllenCahn() if problem is None else problem
    network = MLP(5, 2, "tanh", 1.0) if network is None else network
    field = Field(problem, embedding or Splitting(), network.apply, ansatz or ReactionFlow())
    point = jax.ShapeDtypeStruct((), float)
    return field, random_params(network, jax.eval_shape(field.background, point, point).shape[0] - 1, seed)


def zeros_like(params: Any) -> Any:
    """Parameters for which N = 0."""
    return jax.tree.map(jnp.zeros_like, params)
