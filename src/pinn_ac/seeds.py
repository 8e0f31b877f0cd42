"""One root seed, split by name: every user of randomness has a stream of its own."""

import zlib

import jax
import numpy as np


def named_key(seed: int | jax.Array, name: str) -> jax.Array:
    """The JAX key of the stream `name` under the root `seed`."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def host_generator(seed: int, name: str, index: int) -> np.random.Generator:
    """A NumPy generator for draw `index` of the stream `name`; the same three give the same numbers."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])
