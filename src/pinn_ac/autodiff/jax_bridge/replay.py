"""Adopting a function written with jax.numpy (a Flax network, say), which our traced values cannot enter.

`jax.make_jaxpr` writes down its operations without differentiating anything; they are then replayed one by one with
our primitives. An operation none of whose arguments is traced is simply carried out as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jax.extend.source_info_util import summarize

from ..errors import MissingRuleError, in_engine, user_line
from ..graph import Value, unwrap
from ..rules import TABLE
from ..rules.elementwise import sinc
from .jax_functions import is_sinc, stand_in
from .jax_primitives import CALLS, CONSTANT, DIRECT, HARMLESS, RENAMED, REWRITTEN, is_jaxs


def from_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, a function of pytrees written with jax.numpy, so that traced values may be among its arguments.

    Its positional and keyword arguments may hold anything; only traced values need be arguments (f cannot close over
    them), and where there are none f is called as it is. Inside f anything goes that JAX can trace: jit, vmap, remat
    and this engine's own jvp, grad and taylor. A rule that its author gave a function is followed: by jax.custom_jvp
    in every mode, by jax.custom_vjp in reverse mode; so are JAX's own, but for those that `jax_functions` replaces.
    Raises MissingRuleError, naming the operation and its line, where f uses one that the table lacks, where a traced
    float is rebuilt from its bits, and where a mode other than reverse meets a jax.custom_vjp.
    """

    ours = stand_in(f)

    @wraps(f)
    def adopted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Value)]
        if not positions:
            return f(*args, **kwargs)
        if ours is not None:
            return ours(*args, **kwargs)
        traced = [leaves[i] for i in positions]
        closed, out_tree = _written_down(f, leaves, tree, positions)(*(unwrap(x) for x in traced))
        return jax.tree.unflatten(out_tree, _without_bits(replay(closed.jaxpr, closed.consts, traced), f))

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


def from_library(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `from_jax`, for a pure function of a library: what it does for arguments of given types is remembered."""

    ours = stand_in(f)

    @wraps(f)
    def adopted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not any(isinstance(leaf, Value) for leaf in leaves):
            return f(*args, **kwargs)
        if ours is not None:
            return ours(*args, **kwargs)
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
        return jax.tree.unflatten(out_tree, _without_bits(replay(closed.jaxpr, closed.consts, inputs), f))

    return adopted


def _is_float_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)


class _Bits:
    """Integers that the bits of a traced float went into."""

    def __init__(self, value: Any):
        self.value = value


def replay(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The results of the jaxpr on `inputs`, traced operations by our primitives."""
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        if not isinstance(atom, Literal):
            return known[atom]
        # Rules ask their operands for a shape, which the Python numbers in a jaxpr lack.
        return atom.val if hasattr(atom.val, "shape") else np.asarray(atom.val, _dtype(atom))

    for eqn in jaxpr.eqns:
        arguments = [read(atom) for atom in eqn.invars]
        if any(isinstance(x, (Value, _Bits)) for x in arguments):
            results = _replay_one(eqn, arguments)
        else:
            results = as_it_is(eqn, arguments)
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def as_it_is(eqn: JaxprEqn, arguments: Sequence[Any]) -> Sequence[Any]:
    """The results of one operation, by JAX."""
    params = eqn.primitive.get_bind_params(eqn.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # a pair in older versions of JAX
    results = eqn.primitive.bind(*functions, *arguments, **params)
    return results if eqn.primitive.multiple_results else [results]


def _replay_one(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """The results of one operation with traced arguments."""
    name = RENAMED.get(eqn.primitive.name, eqn.primitive.name)
    if not is_jaxs(eqn.primitive):
        raise MissingRuleError(
            f"an operation called '{eqn.primitive.name}', which is not JAX's, has no rule, used at {line_of(eqn)}\n"
            "Give a function around it a rule by jax.custom_jvp."
        )
    if name in CALLS:
        return _replay_call(eqn, arguments)
    if name == "bitcast_convert_type" or any(isinstance(x, _Bits) for x in arguments):
        return _on_bits(eqn, arguments)
    if name in CONSTANT or not any(is_inexact(out.aval) for out in eqn.outvars):
        return as_it_is(eqn, [unwrap(x) for x in arguments])
    if name in DIRECT:
        return DIRECT[name](eqn, *arguments)
    if name in TABLE:
        primitive = TABLE[name]
        unknown = set(eqn.params) - set(primitive.keywords) - HARMLESS
        if any(eqn.params[key] is not None for key in unknown):
            raise MissingRuleError(
                f"the rule of '{name}' knows no {', '.join(sorted(unknown))}, used at {line_of(eqn)}"
            )
        return [primitive(*arguments, **{key: eqn.params[key] for key in primitive.keywords})]
    if name in REWRITTEN:
        results = from_jax(partial(REWRITTEN[name], **eqn.params))(*arguments)
        return results if eqn.primitive.multiple_results else [results]
    raise MissingRuleError(
        f"the operation '{eqn.primitive.name}' has no rule, used at {line_of(eqn)}\n"
        "Write that part with other functions, or wrap it in stop_gradient if its derivative is not wanted."
    )


def _on_bits(eqn: JaxprEqn, arguments: Sequence[Any]) -> list[Any]:
    """The results of an operation on the bits of a traced float: further bits, or comparisons, which are constants.

    Raises MissingRuleError where bits become a float again: it would pass for a constant.
    """
    if any(is_inexact(out.aval) for out in eqn.outvars):
        raise _lost_in_bits(f"a traced value was rebuilt from its bits by '{eqn.primitive.name}', at {line_of(eqn)}")
    plain = [unwrap(x.value if isinstance(x, _Bits) else x) for x in arguments]
    return [r if r.dtype == bool else _Bits(r) for r in as_it_is(eqn, plain)]


def _lost_in_bits(what: str) -> MissingRuleError:
    return MissingRuleError(
        f"{what}\nIts derivative would be lost there. Write that part with arithmetic (ldexp(x, n) as x * 2.0**n, "
        "say), or wrap it in stop_gradient if its derivative is not wanted."
    )


def _without_bits(results: Sequence[Any], f: Callable[..., Any]) -> Sequence[Any]:
    if any(isinstance(x, _Bits) for x in results):
        name = getattr(f, "__name__", repr(f))
        raise _lost_in_bits(f"'{name}' returns the bits of a traced value as integers, at {user_line()}")
    return results


def line_of(eqn: JaxprEqn) -> str:
    """Where the reader's code asked for the operation: in an adopted function, or in the call of a library's."""
    place = summarize(eqn.source_info)
    return place if place and not in_engine(place) else user_line()


def _dtype(atom: Any) -> Any:
    return atom.aval.dtype


def is_inexact(type_of: Any) -> bool:
    """Whether arrays of this type can have derivatives."""
    return jnp.issubdtype(type_of.dtype, jnp.inexact)


def _replay_call(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """Inline a call."""
    inner = next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    return [sinc(*arguments)] if is_sinc(jaxpr) else replay(jaxpr, consts, arguments)


def stop_gradient(x: Any) -> Any:
    """x, a pytree, as a constant for every derivative; with respect to it they are zero."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(unwrap(leaf)), x)
