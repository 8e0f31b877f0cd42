"""Functions with derivative rules of their own, by `jax.custom_jvp` or `jax.custom_vjp`: the rules are followed.

A call of such a function is recorded as one node, whose rules replay the author's. All real results of the call are
packed into one vector, so that the author's rule is evaluated once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import MissingRuleError
from ..forward import zero_tangent
from ..graph import Primitive, Value, as_leaf, is_real, newest_trace, unwrap
from ..reverse import vjp
from ..rules.builders import general
from ..table import zeros_like
from .jax_functions import ours_for
from .jax_primitives import DIRECT
from .replay import as_it_is, from_jax, is_inexact, line_of, replay


def _packed(eqn: Any, results: Sequence[Any]) -> Any:
    """The real results of the call, or their tangents, as one vector; a single one is returned unchanged."""
    real = [r for r, out in zip(results, eqn.outvars, strict=True) if is_inexact(out.aval)]
    if len(real) == 1:
        return real[0]
    dtype = jnp.result_type(*(r.dtype for r in real))
    return from_jax(lambda *xs: jnp.concatenate([x.ravel().astype(dtype) for x in xs]))(*real)


def _unpacked(eqn: Any, packed: Any) -> list[Any]:
    """The results from the vector of `_packed`; None for results that are not real."""
    shapes = [out.aval if is_inexact(out.aval) else None for out in eqn.outvars]
    if sum(s is not None for s in shapes) == 1:
        return [None if s is None else packed for s in shapes]
    results, start = [], 0
    for s in shapes:
        size = 0 if s is None else math.prod(s.shape)
        results.append(None if s is None else packed[start : start + size].reshape(s.shape).astype(s.dtype))
        start += size
    return results


def _rule(eqn: Any, which: str, flags: Sequence[bool]) -> Any:
    """The author's rule `which` as a jaxpr; `flags` says which tangents are zero, or which arguments are traced."""
    try:
        return eqn.params[which].call_wrapped(*flags)
    except jax.errors.UnexpectedTracerError as error:
        raise _closed_over(eqn) from error


def _closed_over(eqn: Any) -> MissingRuleError:
    return MissingRuleError(
        f"a function with its own derivative rule uses a traced value that is not one of its arguments, at "
        f"{line_of(eqn)}\nThe rule cannot differentiate by that value: hand it over as an argument."
    )


# jax.custom_jvp: the rule of forward mode serves every mode.


def _evaluate(*arguments: Any, eqn: Any) -> Any:
    return _packed(eqn, as_it_is(eqn, arguments))


def _jvp(tangents: Sequence[Any], out: Any, *arguments: Any, eqn: Any) -> Any:
    first = eqn.params["num_consts"]
    if any(t is not None for t in tangents[:first]):
        raise _closed_over(eqn)
    own, tangents = arguments[first:], tangents[first:]
    symbolic = eqn.params["symbolic_zeros"]  # whether the author asked to be told which tangents are zero
    zero = [symbolic and t is None for t in tangents]
    jaxpr, consts, zero_out = _rule(eqn, "jvp_jaxpr_fun", zero)
    filled = [zero_tangent(as_leaf(x)) if t is None else t for t, x in zip(tangents, own, strict=True)]
    results = replay(jaxpr, consts, [*own, *(t for t, z in zip(filled, zero, strict=True) if not z)])
    found, types = iter(results[len(eqn.outvars) :]), (v.aval for v in eqn.outvars)
    return _packed(
        eqn, [jnp.zeros(v.shape, v.dtype) if z else next(found) for z, v in zip(zero_out, types, strict=True)]
    )


def _vjp(adjoint: Any, i: int, out: Any, *arguments: Any, eqn: Any) -> Any:
    """The transpose of the author's rule, which is linear in the tangents."""
    if i < eqn.params["num_consts"]:
        raise _closed_over(eqn)
    if not is_real(as_leaf(arguments[i])):
        return None
    rest = len(arguments) - i - 1
    along = lambda t: _jvp([*i * [None], t, *rest * [None]], out, *arguments, eqn=eqn)  # noqa: E731
    return vjp(along, zeros_like(arguments[i]))[1](adjoint)[0]


custom_jvp: Primitive = general("custom_jvp", _evaluate, _jvp, _vjp, ("eqn",))


def _call_with_jvp(eqn: Any, *arguments: Any) -> list[Any]:
    ours = ours_for(eqn)
    if ours is not None:
        return [ours(*arguments)]
    return _with_constants(eqn, arguments, custom_jvp(*arguments, eqn=eqn))


def _with_constants(eqn: Any, arguments: Sequence[Any], packed: Any) -> list[Any]:
    """The results of the call: the real ones from `packed`, all others as constants."""
    results = _unpacked(eqn, packed)
    if any(r is None for r in results):
        plain = as_it_is(eqn, [unwrap(x) for x in arguments])
        results = [p if r is None else r for r, p in zip(results, plain, strict=True)]
    return results


# jax.custom_vjp: the rule serves reverse mode only. Its forward half runs when the call is recorded; what it saves
# becomes constant arguments of the node. So an older trace sees the operations of both halves, not the call.


def _no_forward_rule(*_: Any, eqn: Any) -> NoReturn:
    raise MissingRuleError(
        f"a function has a derivative rule for reverse mode only (jax.custom_vjp), but is used in forward or Taylor "
        f"mode, at {line_of(eqn)}\nUse grad or vjp, or write the rule with jax.custom_jvp, which serves every mode."
    )


def _pullback(adjoint: Any, i: int, out: Any, *arguments: Any, eqn: Any) -> Any:
    first, count = eqn.params["num_consts"], len(eqn.invars)
    if i < first or i >= count or not is_real(as_leaf(arguments[i])):
        return None
    parts = _unpacked(eqn, adjoint)
    none = [np.zeros(v.aval.shape, jax.dtypes.float0) for v in eqn.outvars]
    cotangents = [n if p is None else p for p, n in zip(parts, none, strict=True)]

    def pulled(residuals: Any, cotangents: Any) -> Any:
        x = eqn.params["bwd"].call_wrapped(*residuals, *cotangents)[i - first]
        return x if isinstance(x, (jax.Array, np.ndarray)) else None  # anything else is JAX's symbol for zero

    return from_jax(pulled)(list(arguments[count:]), cotangents)


custom_vjp: Primitive = general(
    "custom_vjp",
    lambda *arguments, eqn: _packed(eqn, as_it_is(eqn, arguments[: len(eqn.invars)])),
    _no_forward_rule,
    _pullback,
    ("eqn",),
)


def _call_with_vjp(eqn: Any, *arguments: Any) -> list[Any]:
    graph = newest_trace(arguments)
    assert graph is not None
    moving = [isinstance(x, Value) and x.graph is graph for x in arguments]
    first = eqn.params["num_consts"]
    if any(moving[:first]):
        raise _closed_over(eqn)
    inside = graph.lowered(list(arguments))
    jaxpr, consts = _rule(eqn, "fwd_jaxpr_thunk", moving[first:])
    results = replay(jaxpr, consts, inside[first:])
    _, tree, forwarded = eqn.params["out_trees"]()
    count = tree.num_leaves - sum(f is not None for f in forwarded)
    own = iter(results[:count])
    residuals = [next(own) if f is None else inside[f] for f in forwarded]
    nodes = [graph.node_of(x) for x in arguments]
    packed = graph.record(custom_vjp, [*nodes, *residuals], {"eqn": eqn}, _packed(eqn, results[count:]))
    return _with_constants(eqn, arguments, packed)


DIRECT["custom_jvp_call"] = _call_with_jvp
DIRECT["custom_vjp_call"] = _call_with_vjp
