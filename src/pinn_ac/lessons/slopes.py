"""Whether a formula has a derivative at a point: one-sided difference quotients in 500-digit arithmetic."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import mpmath

from pinn_ac.lessons.formula import Formula
from pinn_ac.lessons.notation import number, pretty

DIGITS = 500
EXPONENTS = (20, 40, 80, 160)
"""Exponents k of the steps h = 10^−k |x|, so far apart that a quotient that grows like a power of 1/h shows it."""


class Side(NamedTuple):
    """How the function behaves on one side of a point.

    Args:
        kind: "slope" if the quotients have a limit, "infinite", "jump" (the function itself is not continuous from
            this side) or "undefined".
        slope: the limit of the quotients.
        doubt: the difference of the last two quotients, an error bound for the limit.
    """

    kind: str
    slope: float = 0.0
    doubt: float = 0.0


def side(formula: Formula, at: Mapping[str, float], name: str, sign: int) -> Side:
    """The behaviour of (y(x + h) − y(x))/h as h goes to zero from above (`sign` 1) or from below (−1).

    Args:
        formula: y.
        at: the values of its variables.
        name: the variable x.
        sign: the side.
    """
    with mpmath.workdps(DIGITS):
        point = {other: mpmath.mpf(repr(float(value))) for other, value in at.items()}
        size = abs(point[name]) or mpmath.mpf(1)
        value, quotients, steps = formula.exact(point), [], []
        for exponent in EXPONENTS:
            h = sign * size * mpmath.mpf(10) ** -exponent
            shifted = formula.exact(point | {name: point[name] + h})
            if shifted is None or value is None:
                return Side("undefined")
            steps.append(abs(shifted - value))
            quotients.append((shifted - value) / h)
        changes = [abs(after - before) for before, after in pairwise(quotients)]
        last, doubt = quotients[-1], changes[-1]
        if doubt <= abs(last) * mpmath.mpf(10) ** -30 or doubt <= changes[-2] / 1000:
            return Side("slope", float(last) if abs(last) > 10 * doubt else 0.0, float(doubt))
        return Side("jump" if steps[-1] > steps[0] / 2 else "infinite", float(mpmath.sign(last)) * float("inf"))


def derivative(formula: Formula, at: Mapping[str, float], name: str) -> float | None:
    """The derivative of the formula by the variable `name`, at the values `at`; None if there is none."""
    below, above = (side(formula, at, name, sign) for sign in (-1, 1))
    if below.kind != "slope" or above.kind != "slope":
        return None
    doubt = 10 * (below.doubt + above.doubt) + 1e-30 * max(abs(below.slope), abs(above.slope))
    return None if abs(above.slope - below.slope) > doubt else above.slope


def why_none(formula: Formula, at: Mapping[str, float], name: str) -> str:
    """A sentence that says why there is no derivative, for a point at which `derivative` returns None."""
    x, point = pretty(name), number(at[name])
    below, above = (side(formula, at, name, sign) for sign in (-1, 1))
    if "undefined" in (below.kind, above.kind):
        neither = below.kind == above.kind
        where = "on either side of" if neither else "below" if below.kind == "undefined" else "above"
        other = (
            "" if neither else f", and on the other side {_in_words(above if below.kind == 'undefined' else below)}"
        )
        reason = f"y has no value {where} it{other}"
    elif below.kind == above.kind == "slope":
        reason = f"from below the slope is {number(below.slope)}, from above {number(above.slope)}"
    else:
        reason = f"from below {_in_words(below)}, from above {_in_words(above)}"
    return f"y has no derivative with respect to {x} at {x} = {point}: {reason}."


def _in_words(one: Side) -> str:
    if one.kind == "slope":
        return f"the slope is {number(one.slope)}"
    return "y jumps" if one.kind == "jump" else f"the slope is {'−' if one.slope < 0 else ''}∞"
