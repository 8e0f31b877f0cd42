"""The row of the table for linear systems A x = b in which A is given as the function x ↦ A x.

JAX writes `linalg.solve` and `linalg.inv` in this form, with a factorization of A as a constant. Derivatives follow
from the equation, A ẋ = ḃ − Ȧ x, and not from the steps of its solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax.extend.core import jaxpr_as_fun

from ..errors import MissingRuleError, user_line
from ..forward import jvp
from ..graph import Primitive
from ..reverse import vjp
from ..rules.builders import general, neg
from ..table import total
from .jax_primitives import DIRECT
from .replay import from_jax


def _parts(arrays: Sequence[Any], const_lengths: Any) -> tuple[list[Any], list[Any], list[Any], list[Any], Any]:
    """The arrays in groups: the constants of x ↦ A x, of x ↦ Aᵀ x, of solving with A and with Aᵀ; and b."""
    groups, start = [], 0
    for n in const_lengths:
        groups.append(list(arrays[start : start + n]))
        start += n
    return (*groups, arrays[start])


def _evaluate(*arrays: Any, const_lengths: Any, jaxprs: Any) -> Any:
    _, _, consts, _, b = _parts(arrays, const_lengths)
    return jaxpr_as_fun(jaxprs.solve)(*consts, b)[0]


def _applied(jaxprs: Any, x: Any) -> Any:
    """The function of the constants of A whose value is A x, for a fixed x."""
    return lambda *consts: from_jax(jaxpr_as_fun(jaxprs.matvec))(*consts, x)[0]


def _jvp(t: Sequence[Any], out: Any, *arrays: Any, const_lengths: Any, jaxprs: Any) -> Any:
    consts, moved = _parts(arrays, const_lengths)[0], [i for i in range(const_lengths.matvec) if t[i] is not None]

    def product(*moving: Any) -> Any:
        full = list(consts)
        for i, c in zip(moved, moving, strict=True):
            full[i] = c
        return _applied(jaxprs, out)(*full)

    change = neg(jvp(product, [consts[i] for i in moved], [t[i] for i in moved])[1]) if moved else None
    right = total([t[-1], change])
    return None if right is None else linear_solve(*arrays[:-1], right, const_lengths=const_lengths, jaxprs=jaxprs)


def _vjp(g: Any, i: int, out: Any, *arrays: Any, const_lengths: Any, jaxprs: Any) -> Any:
    consts, consts_t, solve, solve_t, _ = _parts(arrays, const_lengths)
    w = linear_solve(
        *consts_t, *consts, *solve_t, *solve, g, const_lengths=const_lengths.transpose(), jaxprs=jaxprs.transpose()
    )
    if i == len(arrays) - 1:
        return w
    if i >= const_lengths.matvec:
        return None
    change = vjp(lambda c: _applied(jaxprs, out)(*consts[:i], c, *consts[i + 1 :]), consts[i])[1]
    return neg(change(w)[0])


linear_solve: Primitive = general("linear_solve", _evaluate, _jvp, _vjp, ("const_lengths", "jaxprs"))


def _solved(eqn: Any, *arrays: Any) -> list[Any]:
    lengths, jaxprs = eqn.params["const_lengths"], eqn.params["jaxprs"]
    if len(eqn.outvars) != 1 or len(arrays) != sum(lengths) + 1:
        raise MissingRuleError(
            f"custom_linear_solve has a rule for one array b and no aux, used at {user_line()}\n"
            "Join the arrays of b into one, and leave has_aux out."
        )
    if jaxprs.transpose_solve is None:
        raise MissingRuleError(
            f"custom_linear_solve needs to know how to solve with the transpose, used at {user_line()}\n"
            "Give it transpose_solve, or symmetric=True."
        )
    return [linear_solve(*arrays, const_lengths=lengths, jaxprs=jaxprs)]


DIRECT["custom_linear_solve"] = _solved
