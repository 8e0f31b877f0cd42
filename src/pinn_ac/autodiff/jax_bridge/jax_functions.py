"""JAX's functions for which our engine uses rows of its own table, since their derivatives there are more accurate.

Those with a derivative rule are recognised by the rule, that is by the Python function which JAX calls for the
derivative, and never by their name: a user's function called `relu` keeps the user's rule.
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
        "Its derivative would be lost there: use frexp(stop_gradient(x)), whose results are constants."
    )


def _ldexp(x: Any, n: Any) -> Any:
    """x 2ⁿ by three exact factors: the single factor 2ⁿ may overflow although the result does not."""
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
"""Functions with a derivative rule: JAX's function, shapes of arguments for which its rule is looked up, and ours."""

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
"""Functions without a derivative rule whose formula in JAX has inaccurate derivatives somewhere, and ours."""


def stand_in(f: Callable[..., Any]) -> Callable[..., Any] | None:
    """Our function for one of JAX's without a derivative rule; None if JAX's formula is to be used."""
    return next((ours for theirs, ours in _WITHOUT if f is theirs), None)


def ours_for(eqn: Any) -> Callable[..., Any] | None:
    """Our function for a call with a derivative rule; None if that rule is to be followed.

    The rule is followed if it is a user's, and if `jax.vmap` has arranged the axes as our function would not.
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
    """Whether every operation of the call combines elements at the same index."""
    shape = eqn.outvars[0].aval.shape
    equations = list(_equations(eqn.params["call_jaxpr"].jaxpr))
    shapes = {atom.aval.shape for e in equations for atom in (*e.invars, *e.outvars)}
    return shapes <= {(), shape} and not any(e.primitive.name == "transpose" for e in equations)


def _is_batch_of_matrices(eqn: Any) -> bool:
    """Whether the matrices are certainly in the last two axes of the argument."""
    shape, batch, n = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape, eqn.invars[0].aval.shape[-1]
    return shape == (*batch, n, n) and n not in batch


def is_sinc(jaxpr: Jaxpr) -> bool:
    """Whether this is the body of jnp.sinc, which has a rule only for an inner function, for the slope at 0."""
    return any(ours_for(eqn) is rows.sinc for eqn in jaxpr.eqns)


@lru_cache(maxsize=1)
def _ours() -> dict[Any, Callable[..., Any]]:
    """Rule → our function. What is found for several functions is not a rule, but a wrapper of JAX's around rules."""
    rules = {ours: _rules_in(f, *shapes) for f, shapes, ours in _WITH_A_RULE}
    common = Counter(rule for found in rules.values() for rule in found)
    return {rule: ours for ours, found in rules.items() for rule in found if common[rule] == 1}


def _rules_in(f: Callable[..., Any], *shapes: tuple[int, ...]) -> set[Any]:
    """The Python functions stored with the first call in f that has a rule, except those made anew for each call."""
    args = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    # A new lambda each time, since JAX caches jaxprs by function.
    jaxprs = [jax.make_jaxpr(lambda *x: f(*x))(*args).jaxpr for _ in range(2)]
    first, again = (
        _rules_of(next(e for e in _equations(jaxpr) if e.primitive.name == "custom_jvp_call")) for jaxpr in jaxprs
    )
    return first & again


def _equations(jaxpr: Jaxpr) -> Iterator[Any]:
    """All operations of the jaxpr, including those inside its calls."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in jaxprs_in_params(eqn.params):
            yield from _equations(inner)


def _rules_of(eqn: Any) -> set[Any]:
    """The Python functions that JAX has stored with a call: the rule, and JAX's wrappers around it."""
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
            if str(x.__module__).split(".")[0] == "jax":  # closures of a user's function are not searched
                for cell in x.__closure__ or ():
                    with suppress(ValueError):  # an empty cell
                        waiting.append(cell.cell_contents)
    return found
