"""Adopting a function written with jax.numpy (a Flax network, say), which our traced values cannot enter.

`jax.make_jaxpr` writes down its operations without differentiating anything; they are then replayed one by one with
our primitives. An operation none of whose arguments is traced is simply carried out as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxprs_in_params
from jax.extend.source_info_util import summarize

from .errors import MissingRuleError, user_line
from .graph import Value, unwrap
from .lowering import CALLS, CONSTANT, DIRECT, HARMLESS, NAMED, RENAMED, REWRITTEN
from .rules import TABLE
from .rules.elementwise import sinc


def from_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, a function of pytrees written with jax.numpy, so that traced values may be among its arguments.

    Its positional and keyword arguments may hold anything; only traced values need be arguments (f cannot close over
    them), and where there are none f is called as it is. Inside f anything goes that JAX can trace: jit, vmap, remat
    and this engine's own jvp, grad and taylor. jax.nn.relu, logaddexp and sinc, to which
    JAX gives derivatives of their own, take ours.
    Raises MissingRuleError, naming the operation and its line, where f uses one that the table lacks.
    """

    @wraps(f)
    def adopted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Value)]
        if not positions:
            return f(*args, **kwargs)
        traced = [leaves[i] for i in positions]
        closed, out_tree = _written_down(f, leaves, tree, positions)(*(unwrap(x) for x in traced))
        return jax.tree.unflatten(out_tree, _replay(closed.jaxpr, closed.consts, traced))

    return adopted


def _written_down(
    f: Callable[..., Any], leaves: Sequence[Any], tree: Any, positions: Sequence[int]
) -> Callable[..., Any]:
    """arrays ↦ (jaxpr, structure of the result) for f with the leaves at `positions` as its only inputs."""

    def of_inputs(*inputs: Any) -> Any:
        full = list(leaves)
        for i, x in zip(positions, inputs, strict=True):
            full[i] = x
        args, kwargs = jax.tree.unflatten(tree, full)
        return f(*args, **kwargs)

    def write(*arrays: Any) -> tuple[ClosedJaxpr, Any]:
        closed, shapes = jax.make_jaxpr(of_inputs, return_shape=True)(*arrays)
        return closed, jax.tree.structure(shapes)

    return write


class _Key:
    """What a remembered jaxpr depends on: the function, its static leaves, the inputs' types, JAX's own settings."""

    def __init__(self, f: Any, leaves: list, tree: Any, positions: Sequence[int], arrays: Sequence[Any]):
        self.call = (f, leaves, tree, positions)
        static = tuple(None if i in positions else _hashable(leaf) for i, leaf in enumerate(leaves))
        types = tuple((x.shape, x.dtype, bool(getattr(x, "weak_type", False))) for x in arrays)
        config: Any = jax.config
        settings = (config.jax_enable_x64, config.jax_default_matmul_precision)
        self.key = (f, static, tree, tuple(positions), types, settings)
        self.hash = hash(self.key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


def _hashable(leaf: Any) -> Any:
    if isinstance(leaf, slice):
        return (slice, *(_hashable(part) for part in (leaf.start, leaf.stop, leaf.step)))
    hash(leaf)
    return (type(leaf), leaf)


@lru_cache(maxsize=4096)
def _remembered(key: _Key) -> tuple[ClosedJaxpr, Any]:
    f, leaves, tree, positions = key.call
    arrays = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in key.key[4]]
    return _written_down(f, leaves, tree, positions)(*arrays)


def adopt_library(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `from_jax`, for a pure function of a library: what it does for arguments of given types is remembered."""

    @wraps(f)
    def adopted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not any(isinstance(leaf, Value) for leaf in leaves):
            return f(*args, **kwargs)
        # Floating-point arrays are inputs too, traced or not; all others (indices, masks, axes) stay what they are.
        positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Value) or _is_float_array(leaf)]
        inputs = [leaves[i] for i in positions]
        arrays = [unwrap(x) for x in inputs]
        blank = [None if i in positions else leaf for i, leaf in enumerate(leaves)]
        try:
            closed, out_tree = _remembered(_Key(f, blank, tree, tuple(positions), arrays))
        except TypeError as error:
            if "unhashable" not in str(error):
                raise
            closed, out_tree = _written_down(f, leaves, tree, positions)(*arrays)
        return jax.tree.unflatten(out_tree, _replay(closed.jaxpr, closed.consts, inputs))

    return adopted


def _is_float_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _replay(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The results of the jaxpr on `inputs`, traced operations by our primitives."""
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for eqn in jaxpr.eqns:
        arguments = [read(atom) for atom in eqn.invars]
        if any(isinstance(x, Value) for x in arguments):
            results = _replay_one(eqn, arguments)
        else:
            results = _as_it_is(eqn, arguments)
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _as_it_is(eqn: JaxprEqn, arguments: Sequence[Any]) -> Sequence[Any]:
    params = eqn.primitive.get_bind_params(eqn.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # a pair in older versions of JAX
    results = eqn.primitive.bind(*functions, *arguments, **params)
    return results if eqn.primitive.multiple_results else [results]


def _replay_one(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """The results of one operation with traced arguments."""
    name = RENAMED.get(eqn.primitive.name, eqn.primitive.name)
    if name in CALLS:
        return _replay_call(eqn, arguments)
    if name in CONSTANT or not any(_is_inexact(out.aval) for out in eqn.outvars):
        return _as_it_is(eqn, [unwrap(x) for x in arguments])
    if name in DIRECT:
        return DIRECT[name](eqn, *arguments)
    if name in TABLE:
        primitive = TABLE[name]
        unknown = set(eqn.params) - set(primitive.keywords) - HARMLESS
        if any(eqn.params[key] is not None for key in unknown):
            raise MissingRuleError(
                f"the rule of '{name}' knows no {', '.join(sorted(unknown))}, used at {_line(eqn)}"
            )
        return [primitive(*arguments, **{key: eqn.params[key] for key in primitive.keywords})]
    if name in REWRITTEN:
        results = from_jax(partial(REWRITTEN[name], **eqn.params))(*arguments)
        return results if eqn.primitive.multiple_results else [results]
    raise MissingRuleError(
        f"the operation '{eqn.primitive.name}' has no rule, used at {_line(eqn)}\n"
        "Write that part with other functions, or wrap it in stop_gradient if its derivative is not wanted."
    )


def _line(eqn: JaxprEqn) -> str:
    """Where the reader's code asked for the operation: in an adopted function, or in the call of a library's."""
    place = summarize(eqn.source_info)
    return place if place and not place.startswith(str(Path(__file__).parent)) else user_line()


def _is_inexact(type_of: Any) -> bool:
    return jnp.issubdtype(type_of.dtype, jnp.inexact)


def _replay_call(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """Inline a call; the few functions that JAX gives derivatives of their own take ours instead, by name."""
    inner = next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    if eqn.primitive.name == "custom_jvp_call" and _name(jaxpr) in NAMED:
        return [NAMED[_name(jaxpr)](*arguments)]
    if any("_sinc_maclaurin" in (_name(j) for j in jaxprs_in_params(e.params)) for e in jaxpr.eqns):
        return [sinc(*arguments)]
    return _replay(jaxpr, consts, arguments)


def _name(jaxpr: Any) -> str:
    return getattr(jaxpr, "jaxpr", jaxpr).debug_info.func_name


def stop_gradient(x: Any) -> Any:
    """x, a pytree, as a constant for every derivative; with respect to it they are zero."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(unwrap(leaf)), x)
