"""Our own automatic differentiation: functions are traced into Wengert lists, which three kinds of sweep read.

    forward mode   jvp, linearize, derivative, jacfwd    tangents, from the inputs to the results
    reverse mode   vjp, grad, value_and_grad, jacrev     adjoints, from the results back to the inputs
    Taylor mode    taylor, taylor_curves                 whole Taylor series along curves
    both           hessian, hvp                          forward mode over reverse mode

The functions have the names and conventions of JAX's. What they differentiate is written with
`pinn_ac.autodiff.numpy`, or with jax.numpy and converted by `from_jax`. `trace` gives the list itself.

>>> import pinn_ac.autodiff.numpy as np
>>> f = lambda x, y: np.log(x) + x * y - np.sin(y)
>>> float(grad(f)(2.0, 5.0))
5.5

Inside, imports run in one direction, from the bottom: the sweeps (`forward`, `reverse`, `taylor`), the `rules`,
the bridge from JAX (`jax_bridge`), and on top of them `jacobians` and `numpy`.
"""

from . import numpy
from .errors import AutodiffError, EscapedValueError, MissingRuleError, TracedValueError
from .forward import derivative, jvp, linearize, tangents_of_nodes
from .graph import Graph, Node, Primitive, Value, trace
from .jacobians import hessian, jacfwd, jacrev
from .jax_bridge import from_jax, stop_gradient
from .numeric import central_difference, check_grads
from .reverse import accumulation, adjoints_of_nodes, grad, hvp, value_and_grad, vjp
from .rules import TABLE
from .taylor import taylor, taylor_curves

__all__ = [
    "TABLE",
    "AutodiffError",
    "EscapedValueError",
    "Graph",
    "MissingRuleError",
    "Node",
    "Primitive",
    "TracedValueError",
    "Value",
    "accumulation",
    "adjoints_of_nodes",
    "central_difference",
    "check_grads",
    "derivative",
    "from_jax",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "numpy",
    "stop_gradient",
    "tangents_of_nodes",
    "taylor",
    "taylor_curves",
    "trace",
    "value_and_grad",
    "vjp",
]
