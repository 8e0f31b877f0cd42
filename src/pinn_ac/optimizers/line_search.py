"""A line search for the strong Wolfe conditions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Found(NamedTuple):
    """Where a search ended: the point x + α p, and what is known there.

    flat: the point, (P,); the start itself where no trial was acceptable.
    value: φ(α).
    gradient: at the point, (P,).
    length: α.
    evaluations: of value and gradient, not counting the start.
    success: the strong Wolfe conditions hold.
    """

    flat: jax.Array
    value: jax.Array
    gradient: jax.Array
    length: jax.Array
    evaluations: jax.Array
    success: jax.Array


class _End(NamedTuple):
    """One end of the bracket: α, φ(α) and φ'(α)."""

    length: jax.Array
    value: jax.Array
    slope: jax.Array


class _Search(NamedTuple):
    low: _End
    high: _End
    found: Found


def strong_wolfe(
    value_and_grad: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    flat: jax.Array,
    value: jax.Array,
    gradient: jax.Array,
    direction: jax.Array,
    c1: float = 1e-4,
    c2: float = 0.9,
    evaluations: int = 20,
) -> Found:
    """An α > 0 with φ(α) ≤ φ(0) + c₁ α φ'(0) and |φ'(α)| ≤ −c₂ φ'(0), where φ(α) = f(x + α p); α = 1 is tried first.

    Bracketing and zoom as in Nocedal and Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6, in one loop:
    bracketing is a zoom whose upper end is still at infinity. "low" is the best point that meets the first condition,
    "high" an end beyond which no point needs to be tried. A trial that is not finite counts as too high. Where the
    evaluations run out the search ends at "low", with `success` false. Along a direction that does not descend
    nothing is evaluated.

    Args:
        value_and_grad: x, (P,) → f and ∇f, (P,).
        flat: x.
        value: f(x).
        gradient: ∇f(x).
        direction: p.
        c1: c₁ in (0, 1).
        c2: c₂ in (c₁, 1).
        evaluations: the most trials.
    """
    slope = gradient @ direction

    def unfinished(search):
        # Also false for a slope that is not a number, and for ends with no number in between.
        return ~search.found.success & (search.found.evaluations < evaluations) & (slope < 0) & _is_open(search)

    def attempt(search):
        low, high, found = search
        alpha = _next_length(low, high, found.evaluations)
        point = flat + alpha * direction
        f, g = value_and_grad(point)
        trial = _End(alpha, f, g @ direction)
        good = (f <= value + c1 * alpha * slope) & (f < low.value) & jnp.isfinite(trial.slope)
        turned = good & (trial.slope * (high.length - low.length) >= 0)
        high = _choose(good, _choose(turned, low, high), trial)
        low = _choose(good, trial, low)
        success = good & (jnp.abs(trial.slope) <= -c2 * slope)
        count = found.evaluations + 1
        best = _choose(good, Found(point, f, g, alpha, count, success), found._replace(evaluations=count))
        return _Search(low, high, best)

    zero, infinity = jnp.zeros_like(value), jnp.full_like(value, jnp.inf)
    start = Found(flat, value, gradient, zero, jnp.zeros((), int), jnp.zeros((), bool))
    bracket = _Search(_End(zero, value, slope), _End(infinity, infinity, infinity), start)
    return jax.lax.while_loop(unfinished, attempt, bracket).found


def _choose(condition: jax.Array, these: Any, those: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), these, those)


def _is_open(search: _Search) -> jax.Array:
    low, high = search.low.length, search.high.length
    return jnp.abs(high - low) > 4 * jnp.finfo(low.dtype).eps * jnp.maximum(low, jnp.where(jnp.isinf(high), 1, high))


def _next_length(low: _End, high: _End, evaluations: jax.Array) -> jax.Array:
    """1, then longer by 4 until there is a bracket, then inside of it, a tenth of its width from both ends."""
    width = high.length - low.length
    beyond = jnp.where(evaluations == 0, 1.0, 4 * low.length)
    return jnp.where(jnp.isinf(high.length), beyond, low.length + _share(low, high, width) * width)


def _share(low: _End, high: _End, width: jax.Array) -> jax.Array:
    """The next trial in the bracket, as a share of its width from "low": the minimum of a cubic or parabola, or half.

    With ψ(s) = φ(low + s·width): the cubic has ψ(0), ψ'(0), ψ(1), ψ'(1), the parabola all of them but ψ'(1).
    """
    rise = high.value - low.value
    at_low, at_high = low.slope * width, high.slope * width
    # ψ(s) − ψ(0) = at_low s + (3 rise − 2 at_low − at_high) s² + (at_low + at_high − 2 rise) s³
    a, b = at_low + at_high - 2 * rise, 3 * rise - 2 * at_low - at_high
    root = b * b - 3 * a * at_low
    # Written so that nothing cancels where b > 0 and a is small: the parabola is its limit.
    cubic = -at_low / (b + jnp.sqrt(root))
    parabola = -at_low / (2 * (rise - at_low))
    share = jnp.where(_is_inside(cubic), cubic, jnp.where(_is_inside(parabola), parabola, 0.5))
    return jnp.clip(share, 0.1, 0.9)


def _is_inside(share: jax.Array) -> jax.Array:
    return (share > 0) & (share < 1)  # false for NaN
