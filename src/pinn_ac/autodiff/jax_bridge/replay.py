"""Replay of a jaxpr: how a function written with jax.numpy (a Flax network, say) is differentiated by our engine.

Our traced values cannot enter JAX's functions. So `jax.make_jaxpr` writes down the operations of the function,
without differentiating anything, and these are replayed one by one with our primitives. An operation without a traced
argument is left to JAX.
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
    """f, a function of pytrees written with jax.numpy, made fit for our traced values.

    The arguments of the result may hold anything. Traced values must be among them: f cannot close over them. Without
    a traced argument f is simply called. Inside f everything is allowed that JAX can trace: jit, vmap, remat (which
    saves no memory here), loops of known length (which are unrolled), and this engine's own jvp, grad and taylor.

    Where f calls a function with a derivative rule of its own, the rule is followed: one by jax.custom_jvp in every
    mode, one by jax.custom_vjp in reverse mode. For some of JAX's functions a row of our table is used instead of
    JAX's rule; see `jax_functions`.

    The result raises MissingRuleError, with the operation and the line of the user's code, if f uses an operation
    that the table lacks, if it makes a float from the bits of a traced value, or if forward or Taylor mode meets a
    rule by jax.custom_vjp.

    >>> import jax.numpy as jnp
    >>> from pinn_ac import autodiff
    >>> f = from_jax(lambda x: jnp.sum(x**2))
    >>> autodiff.grad(f)(jnp.array([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

    ours = stand_in(f)

    @wraps(f)
    def converted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Value)]
        if not positions:
            return f(*args, **kwargs)
        if ours is not None:
            return ours(*args, **kwargs)
        traced = [leaves[i] for i in positions]
        closed, out_tree = _jaxpr_maker(f, leaves, tree, positions)(*(unwrap(x) for x in traced))
        return jax.tree.unflatten(out_tree, _without_bits(replay(closed.jaxpr, closed.consts, traced), f))

    return converted


def _jaxpr_maker(
    f: Callable[..., Any], leaves: Sequence[Any], tree: Any, positions: Sequence[int]
) -> Callable[..., Any]:
    """The function arrays ↦ (jaxpr of f, structure of its result), with the leaves at `positions` as the only inputs.

    `leaves` and `tree` are the flattened arguments of f; all other leaves are constants.
    """

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
    """The key of a cached jaxpr: the function, its static leaves, the types of its inputs, and JAX's settings."""

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
    if isinstance(leaf, float):
        return type(leaf), leaf.hex()  # 0.0 and -0.0 are equal, and NaN is equal to nothing
    hash(leaf)
    return (type(leaf), leaf)


@lru_cache(maxsize=4096)
def _cached_jaxpr(key: _Key) -> tuple[ClosedJaxpr, Any]:
    f, leaves, tree, positions = key.call
    arrays = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in key.key[4]]
    return _jaxpr_maker(f, leaves, tree, positions)(*arrays)


def from_library(f: Callable[..., Any]) -> Callable[..., Any]:
    """As `from_jax`, for a pure function of a library: its jaxpr is cached for each combination of argument types."""

    ours = stand_in(f)

    @wraps(f)
    def converted(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not any(isinstance(leaf, Value) for leaf in leaves):
            return f(*args, **kwargs)
        if ours is not None:
            return ours(*args, **kwargs)
        # All floating-point arrays are inputs, traced or not. Other leaves (indices, masks, axes) go into the key.
        positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Value) or _is_float_array(leaf)]
        inputs = [leaves[i] for i in positions]
        arrays = [unwrap(x) for x in inputs]
        blank = [None if i in positions else leaf for i, leaf in enumerate(leaves)]
        try:
            closed, out_tree = _cached_jaxpr(_Key(f, blank, tree, tuple(positions), arrays))
        except TypeError as error:
            if "unhashable" not in str(error):
                raise
            closed, out_tree = _jaxpr_maker(f, leaves, tree, positions)(*arrays)
        return jax.tree.unflatten(out_tree, _without_bits(replay(closed.jaxpr, closed.consts, inputs), f))

    return converted


def _is_float_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)


class _Bits:
    """An array of integers that was computed from the bits of a traced float."""

    def __init__(self, value: Any):
        self.value = value


def replay(jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The results of the jaxpr for `inputs`; operations with traced arguments are done by our primitives."""
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        if not isinstance(atom, Literal):
            return known[atom]
        # Rules need the shape of their operands; Python numbers in a jaxpr have none.
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
    """The results of one operation by JAX."""
    params = eqn.primitive.get_bind_params(eqn.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # a pair in older versions of JAX
    results = eqn.primitive.bind(*functions, *arguments, **params)
    return results if eqn.primitive.multiple_results else [results]


def _replay_one(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """The results of one operation with traced arguments, by our primitives."""
    name = RENAMED.get(eqn.primitive.name, eqn.primitive.name)
    if not is_jaxs(eqn.primitive):
        raise MissingRuleError(
            f"an operation called '{eqn.primitive.name}', which is not JAX's, has no rule, used at {line_of(eqn)}\n"
            "Wrap it in a function with a rule by jax.custom_jvp."
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
                f"the rule of '{name}' does not support {', '.join(sorted(unknown))}, used at {line_of(eqn)}\n"
                "Call it without."
            )
        return [primitive(*arguments, **{key: eqn.params[key] for key in primitive.keywords})]
    if name in REWRITTEN:
        results = from_jax(partial(REWRITTEN[name], **eqn.params))(*arguments)
        return results if eqn.primitive.multiple_results else [results]
    raise MissingRuleError(
        f"the operation '{eqn.primitive.name}' has no rule, used at {line_of(eqn)}\n"
        "Write that part with other functions, or apply stop_gradient to its arguments if its derivative is not "
        "needed."
    )


def _on_bits(eqn: JaxprEqn, arguments: Sequence[Any]) -> list[Any]:
    """The results of an operation on the bits of a traced float: integers, or comparisons, which are constants.

    Raises MissingRuleError if the result is a float: it would be taken for a constant, and the derivative lost.
    """
    if any(is_inexact(out.aval) for out in eqn.outvars):
        raise _lost_in_bits(f"a traced value was rebuilt from its bits by '{eqn.primitive.name}', at {line_of(eqn)}")
    plain = [unwrap(x.value if isinstance(x, _Bits) else x) for x in arguments]
    return [r if r.dtype == bool else _Bits(r) for r in as_it_is(eqn, plain)]


def _lost_in_bits(what: str) -> MissingRuleError:
    return MissingRuleError(
        f"{what}\nIts derivative would be lost there. Write that part with arithmetic (for example ldexp(x, n) as "
        "x * 2.0**n), or apply stop_gradient to its arguments if its derivative is not needed."
    )


def _without_bits(results: Sequence[Any], f: Callable[..., Any]) -> Sequence[Any]:
    """The results of f. Raises MissingRuleError if one is the bits of a traced float."""
    if any(isinstance(x, _Bits) for x in results):
        name = getattr(f, "__name__", repr(f))
        raise _lost_in_bits(f"'{name}' returns the bits of a traced value as integers, at {user_line()}")
    return results


def line_of(eqn: JaxprEqn) -> str:
    """The line of the user's code that led to the operation."""
    line = summarize(eqn.source_info)
    return line if line and not in_engine(line) else user_line()


def _dtype(atom: Any) -> Any:
    return atom.aval.dtype


def is_inexact(type_of: Any) -> bool:
    """Whether arrays of this type can have derivatives."""
    return jnp.issubdtype(type_of.dtype, jnp.inexact)


def _replay_call(eqn: JaxprEqn, arguments: list[Any]) -> Sequence[Any]:
    """The results of a call of an inner jaxpr, which is inlined."""
    inner = next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)
    jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())
    return [sinc(*arguments)] if is_sinc(jaxpr) else replay(jaxpr, consts, arguments)


def stop_gradient(x: Any) -> Any:
    """The pytree x, whose arrays become constants: derivatives do not pass through them.

    >>> from pinn_ac import autodiff
    >>> float(autodiff.grad(lambda x: x * stop_gradient(x))(3.0))
    3.0
    """
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(unwrap(leaf)), x)
