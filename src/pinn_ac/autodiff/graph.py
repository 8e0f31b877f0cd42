"""The Wengert list: a Python function, traced into nodes one operation at a time.

A trace gives every input a `Value`. A primitive applied to Values computes its result at once and records a `Node`
that names the primitive, its arguments and its result. The sweeps (forward, reverse, Taylor) then read the list.

Traces nest: the values inside a newer trace may be Values of an older one. A primitive is recorded by the newest
trace among its arguments and evaluated on what is inside them, where it meets the next older trace. Each trace is
numbered from a counter that only rises, so two derivatives can never be taken for one another (perturbation
confusion), an exception leaves nothing behind, and threads do not meet.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .errors import EscapedValueError, TracedValueError, user_line

_levels = itertools.count(1)


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row of the table: an operation and its rule for each of the modes.

    evaluate(*args, **params) -> out            the value, by jax.numpy
    jvp(tangents, out, *args, **params)         Σ_i ∂out/∂args[i] · tangents[i]; a tangent None stands for zero
    vjp(adjoint, i, out, *args, **params)       (∂out/∂args[i])ᵀ · adjoint
    taylor(out, inputs, params, memo) -> rule   rule(k) is the k-th coefficient of `out`, all being `Series`
    keywords                                    the names of the params that the four take

    Every rule is itself written in primitives, so each mode can be applied to every other.
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
    """One line of the list: v_index = primitive(arguments; params), with its value. Inputs have primitive None.

    An argument is a Node, or whatever constant the function used in that place.
    """

    __slots__ = ("arguments", "index", "params", "primitive", "value")

    def __init__(self, index: int, primitive: Primitive | None, arguments: Sequence[Any], params: dict, value: Any):
        self.index, self.primitive, self.arguments = index, primitive, tuple(arguments)
        self.params, self.value = params, value

    @property
    def name(self) -> str:
        """The primitive's name, or `input`."""
        return "input" if self.primitive is None else self.primitive.name

    @property
    def parents(self) -> tuple[Node, ...]:
        """The arguments that are nodes, in order, repeated where the operation repeats them."""
        return tuple(a for a in self.arguments if isinstance(a, Node))

    @property
    def operands(self) -> tuple[Any, ...]:
        """The values of all arguments."""
        return tuple(a.value if isinstance(a, Node) else a for a in self.arguments)

    def __repr__(self) -> str:
        inside = ", ".join(f"v{a.index}" if isinstance(a, Node) else str(a) for a in self.arguments)
        return f"v{self.index} = {self.name}({inside})"


class Graph:
    """A function's Wengert list at one point: `nodes` in order (inputs first), `inputs`, `outputs` and their trees.

    An output is a Node, or a constant where the function does not depend on its inputs there.
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
        """Append a line to the list."""
        node = Node(len(self.nodes), primitive, arguments, params, value)
        self.nodes.append(node)
        return Value(self, node)

    def node_of(self, x: Any) -> Any:
        """The node behind a Value of this very trace; anything else as it is."""
        return x.node if isinstance(x, Value) and x.graph is self else x

    def lowered(self, tree: Any) -> Any:
        """The tree with this trace's Values replaced by what is inside them."""
        return jax.tree.map(lambda x: x.value if isinstance(x, Value) and x.graph is self else x, tree)

    @property
    def output_values(self) -> list[Any]:
        """The values of the outputs."""
        return [out.value if isinstance(out, Node) else as_leaf(out) for out in self.outputs]

    def with_values(self, substitute: Callable[[Any], Any]) -> Graph:
        """The same list with every value and constant passed through `substitute`."""
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


def _refusal(where: str, remedy: str) -> Callable[..., Any]:
    def refuse(self: Value, *_: Any, **__: Any) -> Any:
        raise TracedValueError(
            f"a traced value of shape {self.shape} was used as {where}, at {user_line()}\n"
            f"Its derivative would be lost there. {remedy}"
        )

    return refuse


class Value:
    """A traced array: what a function sees in place of its argument while it is traced.

    Operators, indexing and the array methods (`sum`, `reshape`, ...) are those of `pinn_ac.autodiff.numpy`, which
    installs them here.
    """

    __slots__ = ("graph", "node")
    __array_priority__ = 1000.0
    __array_ufunc__ = None  # a NumPy array on the left leaves the operator to us
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, node: Node):
        self.graph, self.node = graph, node

    value = property(lambda self: self.node.value, doc="What is inside: an array, or a Value of an older trace.")
    shape = property(lambda self: self.node.value.shape)
    dtype = property(lambda self: self.node.value.dtype)
    ndim = property(lambda self: self.node.value.ndim)
    size = property(lambda self: self.node.value.size)

    __bool__ = _refusal("a Python bool", "Use autodiff.numpy.where, or compare: `x > 0` gives a plain array.")
    __float__ = _refusal("a Python float", "Keep it an array and use the functions of autodiff.numpy, not of math.")
    __int__ = _refusal("a Python int", "Pass the integer as a constant, or use autodiff.stop_gradient.")
    __index__ = _refusal("an index", "Pass the integer as a constant, or index by autodiff.stop_gradient(...).")
    __complex__ = _refusal("a Python complex number", "The engine differentiates real functions.")
    __array__ = _refusal(
        "a NumPy or jax.numpy array",
        "Use the functions of autodiff.numpy, or hand the whole jax.numpy function to autodiff.from_jax. An array "
        "of traced values is made by autodiff.numpy.array or stack; a plain one, such as zeros(n), cannot take them.",
    )

    def __repr__(self) -> str:
        return f"Value(v{self.node.index} at level {self.graph.level}: {self.value!r})"


def newest_trace(arguments: Sequence[Any]) -> Graph | None:
    """The newest trace that one of the arguments belongs to."""
    graph: Graph | None = None
    for a in arguments:
        if isinstance(a, Value) and (graph is None or a.graph.level > graph.level):
            graph = a.graph
    return graph


def bind(primitive: Primitive, *arguments: Any, **params: Any) -> Any:
    """Apply a primitive: record it in the newest trace among its arguments, evaluate it on what is inside."""
    graph = newest_trace(arguments)
    if graph is None:
        return primitive.evaluate(*arguments, **params)
    if graph.finished:
        raise EscapedValueError(
            f"a traced value was used after its trace had ended ({primitive.name}), at {user_line()}\n"
            "Return it from the traced function (has_aux=True returns extra values) instead of storing it."
        )
    inside = [a.value if isinstance(a, Value) and a.graph is graph else a for a in arguments]
    value = bind(primitive, *inside, **params)
    return graph.record(primitive, [graph.node_of(a) for a in arguments], params, value)


def unwrap(x: Any) -> Any:
    """The plain array at the bottom of a Value of any depth: a constant for every derivative."""
    while isinstance(x, Value):
        x = x.value
    return x


def as_leaf(x: Any) -> Any:
    """A leaf of the arguments as an array (Python numbers become weakly typed ones, as in JAX)."""
    return x if isinstance(x, Value) else jnp.asarray(x)


def is_real(x: Any) -> bool:
    """Whether derivatives with respect to x are defined: a real floating-point dtype."""
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


def require_real(leaves: Sequence[Any], who: str) -> None:
    """Raise TypeError, naming `who` asked, where a leaf is not of a real floating-point dtype."""
    for leaf in leaves:
        if not is_real(leaf):
            raise TypeError(
                f"{who} requires real floating-point inputs, got {leaf.dtype} of shape {leaf.shape}. "
                "Convert it with jnp.asarray(x, float), or leave it out of the differentiated arguments."
            )


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """The Wengert list of f at `args`, pytrees of real arrays.

    Raises TypeError for integer arguments: bind those before, with a lambda or functools.partial.
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
    finally:
        graph.finished = True
    outputs, graph.output_tree = jax.tree.flatten(result)
    graph.outputs = [graph.node_of(out) for out in outputs]
    return graph
