"""Our own differentiation: a Python function is traced into a Wengert list, and three kinds of sweep read it.

    forward   jvp, linearize, derivative, jacfwd        tangents, from the inputs on
    reverse   vjp, grad, value_and_grad, jacrev         adjoints, from the result back
    Taylor    taylor, taylor_curves                     whole series along curves
    both      hessian, hvp

The functions carry the names and conventions of JAX's. What they differentiate is written with
`pinn_ac.autodiff.numpy`, or with jax.numpy and brought in by `from_jax`. `trace` gives the list itself.
"""

from . import custom, numpy, solving  # noqa: F401  # custom and solving add rows to the table
from .adopt import from_jax, stop_gradient
from .draw import Drawing
from .errors import AutodiffError, EscapedValueError, MissingRuleError, TracedValueError
from .forward import derivative, jvp, linearize, tangents_of_nodes
from .graph import Graph, Node, Primitive, Value, trace
from .jacobians import hessian, jacfwd, jacrev
from .numeric import central_difference, check_grads
from .reverse import accumulation, adjoints_of_nodes, grad, hvp, value_and_grad, vjp
from .rules import TABLE
from .symbolic import symbolic_derivative
from .tables import Tables
from .taylor import taylor, taylor_curves

__all__ = [
    "TABLE",
    "AutodiffError",
    "Drawing",
    "EscapedValueError",
    "Graph",
    "MissingRuleError",
    "Node",
    "Primitive",
    "Tables",
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
    "symbolic_derivative",
    "tangents_of_nodes",
    "taylor",
    "taylor_curves",
    "trace",
    "value_and_grad",
    "vjp",
]
