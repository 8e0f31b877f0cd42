"""A short number that tells one batch from another."""

from typing import Any

import jax
import jax.numpy as jnp


def fingerprint(batch: Any) -> jax.Array:
    """64 bits of all that the arrays of a pytree hold, as two words, (2,): other arrays share them with chance 2⁻⁶⁴.

    Every word of the arrays is scrambled together with its place, and the sum is taken, in two ways.
    """
    total = jnp.asarray([1, 2], jnp.uint32)
    for count, leaf in enumerate(jax.tree.leaves(batch)):
        words = _words(leaf)
        places = jnp.arange(len(words), dtype=jnp.uint32) + jnp.uint32(count << 24)
        both = [_scramble(words ^ _scramble(places * jnp.uint32(odd))) for odd in (0x9E3779B1, 0x85EBCA77)]
        total = total + jnp.stack([jnp.sum(scrambled, dtype=jnp.uint32) for scrambled in both])
    return total


def _words(leaf: jax.Array) -> jax.Array:
    """The bits of an array, as words of 32."""
    wide = leaf if leaf.dtype.itemsize >= 4 else leaf.astype(jnp.float32)
    return jax.lax.bitcast_convert_type(wide, jnp.uint32).reshape(-1)


def _scramble(words: jax.Array) -> jax.Array:
    """MurmurHash3's last mixing of a word: every bit of the answer hangs on every bit of the word."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
