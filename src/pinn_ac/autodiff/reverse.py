"""Reverse mode: adjoints travel back along the Wengert list, v̄_j = Σ_i v̄_i ∂v_i/∂v_j, all inputs in one sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .arguments import bound, chosen_of, picked, traced
from .errors import real_only
from .forward import jvp
from .graph import Graph, Node, as_leaf, is_real, require_real
from .table import broadcast_like, sum_like, total


class Step(NamedTuple):
    """One step of the reverse sweep: `node` adds `contribution` = v̄_node ∂v_node/∂v_parent to an adjoint.

    `adjoint` is the adjoint of `parent` after this step.
    """

    node: Node
    parent: Node
    contribution: Any
    adjoint: Any


def accumulation(graph: Graph, seeds: Sequence[Any], adjoints: list[Any]) -> Iterator[Step]:
    """The steps of the reverse sweep, one at a time.

    Args:
        graph: from `trace`.
        seeds: the adjoints of the outputs, arrays of their shapes; None for zero.
        adjoints: a list of None, as long as the graph. The sweep fills it in: v̄ of every node, None where it is zero.

    >>> import pinn_ac.autodiff.numpy as np
    >>> from pinn_ac.autodiff import trace
    >>> graph = trace(lambda x, y: x * y + x, 3.0, 5.0)
    >>> steps = accumulation(graph, [np.ones(())], [None] * len(graph))
    >>> [(step.parent.index, float(step.adjoint)) for step in steps]
    [(2, 1.0), (0, 1.0), (0, 6.0), (1, 3.0)]
    """
    for out, seed in zip(graph.outputs, seeds, strict=True):
        if isinstance(out, Node) and seed is not None:
            adjoints[out.index] = total([adjoints[out.index], seed])
    for node in reversed(graph.nodes):
        adjoint = adjoints[node.index]
        if adjoint is None or node.primitive is None:
            continue
        operands = node.operands
        for i, parent in enumerate(node.arguments):
            if not isinstance(parent, Node):
                continue
            contribution = node.primitive.vjp(adjoint, i, node.value, *operands, **node.params)
            if contribution is None:
                continue
            contribution = sum_like(contribution, parent.value)
            adjoints[parent.index] = total([adjoints[parent.index], contribution])
            yield Step(node, parent, contribution, adjoints[parent.index])


def adjoints_of_nodes(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The adjoint of every node of the graph, in order; None stands for zero.

    The adjoint of a node is the derivative of Σ seeds · outputs with respect to its value.

    >>> import pinn_ac.autodiff.numpy as np
    >>> from pinn_ac.autodiff import trace
    >>> graph = trace(lambda x, y: x * y + x, 3.0, 5.0)
    >>> [float(adjoint) for adjoint in adjoints_of_nodes(graph, [np.ones(())])]
    [6.0, 3.0, 1.0, 1.0]
    """
    adjoints: list[Any] = [None] * len(graph)
    for _ in accumulation(graph, seeds, adjoints):
        pass
    return adjoints


def pull(graph: Graph, seeds: Sequence[Any]) -> list[Any]:
    """The adjoints of the inputs, with arrays of zeros in place of None."""
    adjoints = adjoints_of_nodes(graph, seeds)
    found = [(adjoints[node.index], node.value) for node in graph.inputs]
    return [jnp.zeros(x.shape, x.dtype) if a is None else a for a, x in found]


def _checked_cotangents(graph: Graph, cotangents: Any) -> list[Any]:
    seeds, tree = jax.tree.flatten(cotangents)
    if tree != graph.output_tree:
        raise TypeError(f"the cotangent must have the structure of the result, {graph.output_tree}, got {tree}")
    checked: list[Any] = []
    for seed, out in zip(seeds, graph.output_values, strict=True):
        if jnp.issubdtype(out.dtype, jnp.complexfloating):
            raise real_only("a result of the function is complex, and its derivative would be lost")
        if not is_real(out):
            checked.append(None)
            continue
        seed = as_leaf(seed)
        if seed.shape != out.shape:
            raise ValueError(
                f"a cotangent of shape {seed.shape} was given for a result of shape {out.shape}: give each result a "
                "cotangent of its own shape"
            )
        checked.append(broadcast_like(seed, out))
    return checked


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of f and the transpose of its Jacobian: (f(x), ȳ ↦ J(x)ᵀ ȳ).

    f is traced once. Each call of the second, the pullback, is one reverse sweep; it returns a tuple with one x̄ for
    each primal.

    Args:
        f: a function of pytrees of real arrays.
        primals: its arguments x.
        has_aux: f returns (y, aux), and the result is (y, pullback, aux).

    Raises:
        TypeError: an argument is not real; or, by the pullback, the cotangent ȳ has not the structure of the result.
        ValueError: by the pullback: a cotangent has not the shape of its result.
        MissingRuleError: by the pullback: a result is complex. Integers and truth values are constants.

    >>> y, pullback = vjp(lambda x, y: x * y, 3.0, 5.0)
    >>> float(y), [float(adjoint) for adjoint in pullback(1.0)]
    (15.0, [5.0, 3.0])
    """
    require_real([as_leaf(x) for x in jax.tree.leaves(primals)], "vjp")
    graph, aux = traced(f, primals, has_aux)

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        return jax.tree.unflatten(graph.input_tree, pull(graph, _checked_cotangents(graph, cotangents)))

    y = graph.result(graph.output_values)
    return (y, pullback, aux) if has_aux else (y, pullback)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function x ↦ (f(x), ∇f(x)) for a scalar f, by one reverse sweep.

    Args:
        f: a function whose result is one real scalar.
        argnums: the positions of the arguments to differentiate by: an int (∇f is like that argument) or several
            (∇f is a tuple).
        has_aux: f returns (y, aux), and the value is that pair.

    The function raises TypeError for arguments that are not real, and for a result that is not one real scalar;
    ValueError if `argnums` names an argument that was not given.

    >>> value, (by_x, by_y) = value_and_grad(lambda x, y: x * y**2, argnums=(0, 1))(3.0, 5.0)
    >>> float(value), float(by_x), float(by_y)
    (75.0, 25.0, 30.0)
    """

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        chosen = chosen_of(args, argnums)
        require_real([as_leaf(x) for x in jax.tree.leaves(chosen)], "grad")
        graph, aux = traced(bound(f, argnums, args, kwargs), chosen, has_aux)
        values = graph.output_values
        if len(values) != 1 or values[0].shape != () or not is_real(values[0]):
            got = ", ".join(f"{v.dtype}{list(v.shape)}" for v in values)
            raise TypeError(
                f"grad requires a function with one real scalar as its result, got {got or 'nothing'}: use jacrev, "
                "or sum the result"
            )
        value = graph.result(values)
        seed = jnp.ones((), values[0].dtype)
        gradients = picked(jax.tree.unflatten(graph.input_tree, pull(graph, [seed])), argnums)
        return ((value, aux) if has_aux else value), gradients

    return value_and_gradient


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function x ↦ ∇f(x) for a scalar f; arguments and errors are those of `value_and_grad`.

    With `has_aux` f returns (y, aux), and the result is (∇f(x), aux).

    >>> import pinn_ac.autodiff.numpy as np
    >>> grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = value_and_grad(f, argnums, has_aux)(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product H(x) v of the Hessian of a scalar f with a vector, at the cost of about two gradients.

    The Hessian is never formed: forward mode is applied to the gradient.

    Args:
        f: a function whose result is one real scalar.
        primals: its arguments x.
        tangents: the vector v, with the structure and shapes of `primals`.

    Returns:
        What `grad` would: one array (or pytree) for one primal, a tuple for several.

    >>> import pinn_ac.autodiff.numpy as np
    >>> x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    >>> hvp(lambda x: np.prod(x) ** 2, (x,), (v,)).tolist()
    [8.0, 8.0]
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]
