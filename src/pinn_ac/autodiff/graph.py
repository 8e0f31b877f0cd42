"""The Wengert list: a Python function is traced into a list of nodes, one for each operation.

A trace wraps every input of the function in a `Value`. A primitive that is applied to Values computes its result at
once and records a `Node` with the primitive, its arguments and its result. The forward, reverse and Taylor sweeps
then read this list.

Traces can be nested: a Value of a newer trace may hold a Value of an older one. A primitive is recorded in the newest
trace among its arguments, and is then applied to the values inside them, which may belong to an older trace, and so
on. The traces are numbered by a counter that only rises. So two nested derivatives are never mistaken for one another
(perturbation confusion), an exception leaves no state behind, and threads do not interfere.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .errors import EscapedValueError, TracedValueError, line_of_error, user_line

_levels = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row of the table of rules: an operation, how to evaluate it, and its rule for each mode.

    Args:
        name: the name in the table; that of JAX's operation where there is one.
        evaluate: evaluate(*args, **params) -> out, the value, by jax.numpy.
        jvp: jvp(tangents, out, *args, **params) -> Σ_i ∂out/∂args[i] · tangents[i]. A tangent of None stands for
            zero; so does a result of None.
        vjp: vjp(adjoint, i, out, *args, **params) -> (∂out/∂args[i])ᵀ · adjoint, or None for zero.
        taylor: taylor(out, inputs, node, memo) -> rule, where `out` and `inputs` are the `Series` of the result and
            of the arguments, and rule(k) is the k-th coefficient of `out`. See `taylor.expand` for the memo.
        keywords: the names of the params.

    Rules are themselves written with primitives, so that every mode can be applied to every other.
    """

    name: str
    evaluate: Callable[..., Any]
    jvp: Callable[..., Any]
    vjp: Callable[..., Any]
    taylor: Callable[..., Any]
    keywords: tuple[str, ...] = ()

    def __call__(self, *arguments: Any, **params: Any) -> Any:
        return bind(self, *arguments, **params)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Node:
    """One line of the list: v_index = primitive(arguments; params), with its value. An input has the primitive None.

    An argument is a Node, or the constant that the function used there.
    """

    __slots__ = ("arguments", "index", "params", "primitive", "value")

    def __init__(self, index: int, primitive: Primitive | None, arguments: Sequence[Any], params: dict, value: Any):
        self.index, self.primitive, self.arguments = index, primitive, tuple(arguments)
        self.params, self.value = params, value

    @property
    def name(self) -> str:
        """The primitive's name, or "input"."""
        return "input" if self.primitive is None else self.primitive.name

    @property
    def parents(self) -> tuple[Node, ...]:
        """The arguments that are nodes, in order; x * x has the same parent twice."""
        return tuple(a for a in self.arguments if isinstance(a, Node))

    @property
    def operands(self) -> tuple[Any, ...]:
        """The values of all arguments."""
        return tuple(a.value if isinstance(a, Node) else a for a in self.arguments)

    def __repr__(self) -> str:
        inside = ", ".join(f"v{a.index}" if isinstance(a, Node) else str(a) for a in self.arguments)
        return f"v{self.index} = {self.name}({inside})"


class Graph:
    """The Wengert list of a function at one point, as `trace` returns it.

    Attributes:
        nodes: all nodes in the order of computation, the inputs first. Iterating over the graph gives them too.
        inputs: the nodes of the inputs.
        outputs: for each output its Node, or a constant if that output does not depend on the inputs.
        input_tree: the pytree structure of the function's arguments.
        output_tree: the pytree structure of its result.
        level: the number of the trace; newer traces have larger numbers.
        finished: whether the traced function has returned.

    >>> graph = trace(lambda x, y: x * y + x, 3.0, 5.0)
    >>> list(graph)
    [v0 = input(), v1 = input(), v2 = mul(v0, v1), v3 = add(v2, v0)]
    >>> [float(node.value) for node in graph]
    [3.0, 5.0, 15.0, 18.0]
    """

    def __init__(self) -> None:
        self.level = next(_levels)
        self.finished = False
        self.nodes: list[Node] = []
        self.inputs: list[Node] = []
        self.outputs: list[Any] = []
        self.input_tree: Any = None
        self.output_tree: Any = None

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def record(self, primitive: Primitive | None, arguments: Sequence[Any], params: dict, value: Any) -> Value:
        """Append a node to the list, and return it as a Value."""
        node = Node(len(self.nodes), primitive, arguments, params, value)
        self.nodes.append(node)
        return Value(self, node)

    def node_of(self, x: Any) -> Any:
        """The node of a Value of this trace; anything else is returned unchanged."""
        return x.node if isinstance(x, Value) and x.graph is self else x

    def lowered(self, tree: Any) -> Any:
        """The pytree with every Value of this trace replaced by the value inside it."""
        return jax.tree.map(lambda x: x.value if isinstance(x, Value) and x.graph is self else x, tree)

    @property
    def output_values(self) -> list[Any]:
        """The values of the outputs."""
        return [out.value if isinstance(out, Node) else as_leaf(out) for out in self.outputs]

    def result(self, leaves: Sequence[Any]) -> Any:
        """`leaves`, one for each output, in the pytree structure of the function's result."""
        return jax.tree.unflatten(self.output_tree, leaves)

    def with_values(self, substitute: Callable[[Any], Any]) -> Graph:
        """A copy of the list with every value and constant x replaced by substitute(x)."""
        copy = Graph()
        twins: dict[int, Node] = {}

        def twin(a: Any) -> Any:
            return twins[a.index] if isinstance(a, Node) else substitute(a)

        for node in self.nodes:
            arguments = [twin(a) for a in node.arguments]
            twins[node.index] = Node(node.index, node.primitive, arguments, node.params, substitute(node.value))
        copy.nodes = list(twins.values())
        copy.inputs, copy.outputs = [twin(n) for n in self.inputs], [twin(n) for n in self.outputs]
        copy.input_tree, copy.output_tree, copy.finished = self.input_tree, self.output_tree, True
        return copy


REMEDY = "Use the functions of autodiff.numpy, or pass the whole jax.numpy function to autodiff.from_jax."


def _refusal(where: str, remedy: str) -> Callable[..., Any]:
    def refuse(self: Value, *_: Any, **__: Any) -> Any:
        raise TracedValueError(
            f"a traced value of shape {self.shape} was used as {where}, at {user_line()}\n"
            f"Its derivative would be lost there. {remedy}"
        )

    return refuse


class Value:
    """A traced array: what a function receives in place of its argument while it is traced.

    It has the operators, indexing and methods (`sum`, `reshape`, ...) of an array. `pinn_ac.autodiff.numpy` adds them
    to this class.
    """

    __slots__ = ("graph", "node")
    __array_priority__ = 1000.0
    __array_ufunc__ = None  # a NumPy array on the left leaves the operator to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, node: Node):
        self.graph, self.node = graph, node

    value = property(lambda self: self.node.value, doc="The value inside: an array, or a Value of an older trace.")
    shape = property(lambda self: self.node.value.shape)
    dtype = property(lambda self: self.node.value.dtype)
    ndim = property(lambda self: self.node.value.ndim)
    size = property(lambda self: self.node.value.size)

    __bool__ = _refusal("a Python bool", "Use autodiff.numpy.where, or compare first: `x > 0` gives a plain array.")
    __float__ = _refusal("a Python float", "Keep it an array, and use autodiff.numpy instead of math.")
    __int__ = _refusal("a Python int", "Pass the integer as a constant, or take it from autodiff.stop_gradient(...).")
    __index__ = _refusal("an index", "Pass the integer as a constant, or index with autodiff.stop_gradient(...).")
    __complex__ = _refusal("a Python complex number", "This engine differentiates real functions only.")
    __array__ = _refusal(
        "a NumPy or jax.numpy array",
        f"{REMEDY} To make an array of traced values use autodiff.numpy.array or stack: a plain array (zeros(n), "
        "say) cannot hold them.",
    )

    def __repr__(self) -> str:
        return f"Value(v{self.node.index} at level {self.graph.level}: {self.value!r})"


def newest_trace(arguments: Sequence[Any]) -> Graph | None:
    """The newest trace that an argument belongs to; None if no argument is traced."""
    graph: Graph | None = None
    for a in arguments:
        if isinstance(a, Value) and (graph is None or a.graph.level > graph.level):
            graph = a.graph
    return graph


def bind(primitive: Primitive, *arguments: Any, **params: Any) -> Any:
    """Apply a primitive: record it in the newest trace among its arguments, and apply it to the values inside."""
    graph = newest_trace(arguments)
    if graph is None:
        return primitive.evaluate(*arguments, **params)
    if graph.finished:
        raise EscapedValueError(
            f"a traced value was used after the traced function had returned ({primitive.name}), at {user_line()}\n"
            "Do not store it elsewhere: return it from the traced function (has_aux=True returns extra values)."
        )
    inside = [a.value if isinstance(a, Value) and a.graph is graph else a for a in arguments]
    value = bind(primitive, *inside, **params)
    return graph.record(primitive, [graph.node_of(a) for a in arguments], params, value)


def unwrap(x: Any) -> Any:
    """The plain array inside a Value, however deeply traces are nested: a constant for every derivative."""
    while isinstance(x, Value):
        x = x.value
    return x


def as_leaf(x: Any) -> Any:
    """One leaf of the arguments as an array; Python numbers become weakly typed arrays, as in JAX."""
    return x if isinstance(x, Value) else jnp.asarray(x)


def is_real(x: Any) -> bool:
    """Whether x has a real floating-point dtype, so that derivatives with respect to it are defined."""
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def require_real(leaves: Sequence[Any], who: str) -> None:
    """Raise TypeError unless all leaves have real floating-point dtypes; `who` is the function that requires it."""
    for leaf in leaves:
        if not is_real(leaf):
            raise TypeError(
                f"{who} requires real floating-point inputs, got {leaf.dtype} of shape {leaf.shape}. "
                "Convert it with jnp.asarray(x, float), or do not differentiate by it."
            )


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """The Wengert list of f at the point `args`.

    Args:
        f: a function of pytrees of real arrays, written with `pinn_ac.autodiff.numpy`.
        args: its arguments.

    Raises:
        TypeError: an argument is not real; fix integer arguments beforehand, with a lambda or functools.partial.

    >>> trace(lambda x: 2 * x + 1, 3.0).nodes
    [v0 = input(), v1 = mul(2, v0), v2 = add(v1, 1)]
    """
    leaves: list[Any]
    tree: Any
    leaves, tree = jax.tree.flatten(args)
    leaves = [as_leaf(leaf) for leaf in leaves]
    require_real(leaves, "trace")
    graph = Graph()
    values = [graph.record(None, (), {}, leaf) for leaf in leaves]
    graph.input_tree, graph.inputs = tree, [v.node for v in values]
    try:
        result = f(*tree.unflatten(values))
    except TypeError as error:
        # What jax.numpy says to one, before it asks it for an array.
        if "pinn_ac.autodiff.graph.Value" not in str(error) or isinstance(error, TracedValueError):
            raise
        line = line_of_error(error)
        raise TracedValueError(f"a traced value was given to a function of JAX, at {line}\n{REMEDY}") from error
    finally:
        graph.finished = True
    outputs, graph.output_tree = jax.tree.flatten(result)
    graph.outputs = [graph.node_of(out) for out in outputs]
    return graph
