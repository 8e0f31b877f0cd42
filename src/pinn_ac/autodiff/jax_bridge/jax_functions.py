"""Functions of JAX's that carry a derivative rule of their own, and the rows of our table that stand for them.

A function is known by its rule, the very Python function that JAX calls for the derivative, and never by its name:
a reader's function called `relu` is the reader's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, jaxprs_in_params
from jax.scipy import special

from ..errors import MissingRuleError, user_line
from ..graph import unwrap
from ..rules import elementwise as rows
from ..rules.linear_algebra import det


def _refuse_frexp(x: Any) -> Any:
    raise MissingRuleError(
        f"frexp takes a traced value apart into mantissa and exponent, at {user_line()}\n"
        "Its derivative would be lost there: frexp(stop_gradient(x)) gives constants, and ldexp(x, n) is x 2ⁿ."
    )


def _ldexp(x: Any, n: Any) -> Any:
    """x 2ⁿ, by three factors, since one alone may overflow where the result does not. Their product is exact."""
    n = unwrap(n)
    third = n // 3
    a, b = (jnp.ldexp(jnp.ones((), x.dtype), k) for k in (third, n - 2 * third))
    return x * a * a * b


def _gelu(x: Any, approximate: bool = True) -> Any:
    return rows.gelu_tanh(x) if approximate else x * rows.ndtr(x)


_WITH_A_RULE: tuple[tuple[Callable[..., Any], tuple[tuple[int, ...], ...], Callable[..., Any]], ...] = (
    (jax.nn.relu, ((),), rows.relu),
    (jnp.logaddexp, ((), ()), rows.logaddexp),
    (jnp.logaddexp2, ((), ()), rows.logaddexp2),
    (special.xlogy, ((), ()), rows.xlogy),
    (special.xlog1py, ((), ()), rows.xlog1py),
    (special.entr, ((),), rows.xlogx),
    (special.logit, ((),), rows.logit),
    (special.log_ndtr, ((),), rows.log_ndtr),
    (jax.nn.log1mexp, ((),), rows.log1mexp),
    (jnp.linalg.det, ((4, 4),), det),
    (jnp.sinc, ((),), rows.sinc),
    (jnp.frexp, ((),), _refuse_frexp),
)
"""JAX's function, the shapes of arguments with which it is written down, and what stands for it."""

_WITHOUT: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = (
    (jnp.ldexp, _ldexp),
    (jnp.hypot, rows.hypot),
    (jax.nn.softplus, rows.softplus),
    (jax.nn.soft_sign, rows.soft_sign),
    (jax.nn.squareplus, rows.squareplus),
    (jax.nn.mish, rows.mish),
    (jax.nn.gelu, _gelu),
    (special.ndtr, rows.ndtr),
    (special.ndtri, rows.ndtri),
    (special.spence, rows.spence),
    (special.boxcox, rows.boxcox),
    (special.boxcox1p, rows.boxcox1p),
)
"""Functions without a rule, whose formula in JAX loses the derivative somewhere, and what stands for them."""


def stand_in(f: Callable[..., Any]) -> Callable[..., Any] | None:
    """What stands for a function of JAX's that has no rule; None where its own formula serves."""
    return next((ours for theirs, ours in _WITHOUT if f is theirs), None)


def ours_for(eqn: Any) -> Callable[..., Any] | None:
    """The function of ours that stands for a call with a rule; None where that rule is to be followed.

    It is followed where it is a reader's, and where `jax.vmap` has laid the axes out as our function would not.
    """
    if eqn.primitive.name != "custom_jvp_call":
        return None
    rules = _rules_of(eqn)
    ours = next((ours for rule, ours in _ours().items() if rule in rules), None)
    if ours is None or ours is _refuse_frexp:
        return ours
    fits = _is_batch_of_matrices(eqn) if ours is det else _is_elementwise(eqn)
    return ours if fits else None


def _is_elementwise(eqn: Any) -> bool:
    """Whether the operations of the call pair the elements of its arguments as they lie."""
    shape = eqn.outvars[0].aval.shape
    equations = list(_equations(eqn.params["call_jaxpr"].jaxpr))
    shapes = {atom.aval.shape for e in equations for atom in (*e.invars, *e.outvars)}
    return shapes <= {(), shape} and not any(e.primitive.name == "transpose" for e in equations)


def _is_batch_of_matrices(eqn: Any) -> bool:
    """Whether the matrices lie in the last two axes of the argument, beyond doubt."""
    shape, batch, n = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape, eqn.invars[0].aval.shape[-1]
    return shape == (*batch, n, n) and n not in batch


def is_sinc(jaxpr: Jaxpr) -> bool:
    """Whether this is the inside of jnp.sinc, whose rule is that of a helper, for the slope at 0 alone."""
    return any(ours_for(eqn) is rows.sinc for eqn in jaxpr.eqns)


@lru_cache(maxsize=1)
def _ours() -> dict[Any, Callable[..., Any]]:
    """Rule → function of ours. What several functions have in common is no rule, but JAX's way of calling one."""
    rules = {ours: _rules_in(f, *shapes) for f, shapes, ours in _WITH_A_RULE}
    common = Counter(rule for found in rules.values() for rule in found)
    return {rule: ours for ours, found in rules.items() for rule in found if common[rule] == 1}


def _rules_in(f: Callable[..., Any], *shapes: tuple[int, ...]) -> set[Any]:
    """The functions stored with the first call in f that has a rule, those made anew for each call left out."""
    args = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    # A function of its own each time, or JAX would remember the first jaxpr.
    jaxprs = [jax.make_jaxpr(lambda *x: f(*x))(*args).jaxpr for _ in range(2)]
    first, again = (
        _rules_of(next(e for e in _equations(jaxpr) if e.primitive.name == "custom_jvp_call")) for jaxpr in jaxprs
    )
    return first & again


def _equations(jaxpr: Jaxpr) -> Iterator[Any]:
    """All that the jaxpr does, inside its calls too."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in jaxprs_in_params(eqn.params):
            yield from _equations(inner)


def _rules_of(eqn: Any) -> set[Any]:
    """The functions that JAX has stored with a call: the rule is among them, and JAX's own wrappers around it."""
    waiting, seen, found = list(eqn.params.values()), list[Any](), set()
    while waiting:
        x = waiting.pop()
        if any(x is y for y in seen):
            continue
        seen.append(x)
        if type(x).__name__ == "WrappedFun":
            waiting.append(x.f)
        elif isinstance(x, FunctionType):
            found.add(x)
            if str(x.__module__).split(".")[0] == "jax":  # a reader's function is not looked into
                for cell in x.__closure__ or ():
                    with suppress(ValueError):  # of an empty cell
                        waiting.append(cell.cell_contents)
    return found
