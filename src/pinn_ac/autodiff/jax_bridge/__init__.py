"""The bridge from JAX: functions written with jax.numpy are written down as jaxprs and replayed with our primitives.

replay            from_jax, and the replay itself
jax_primitives    what each of JAX's operations is in our table
jax_functions     JAX's functions for which a row of our table is used instead of their own formula or rule
custom_rules      functions with derivative rules of their own, by jax.custom_jvp and jax.custom_vjp
linear_solve      linear systems A x = b in which A is given as a function
batching          many sweeps over one list at once, by jax.vmap
"""

from . import custom_rules, linear_solve  # noqa: F401  # they add rows to the table
from .replay import from_jax, stop_gradient

__all__ = ["from_jax", "stop_gradient"]
