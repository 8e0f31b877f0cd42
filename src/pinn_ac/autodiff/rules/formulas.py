"""What rows of the table evaluate where JAX has no formula, or one whose own derivatives lose what the row's keep."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

SQRT_HALF_OVER_PI = math.sqrt(0.5 / math.pi)


def power_log(x: Any, p: Any, n: int) -> Any:
    """x^p (ln x)ⁿ, and its limit at x = 0."""
    z = jnp.power(x, p)
    return jnp.where(x == 0, jnp.where(p < 0, (-1) ** n * z, 0.0), z * jnp.log(jnp.where(x == 0, 1.0, x)) ** n)


def hypot(x: Any, y: Any) -> Any:
    """√(x² + y²) without squares that overflow or vanish.

    The arguments are divided by the larger of the two, a constant of which the value does not depend. So whoever
    differentiates this formula, and not the row, meets no maximum, whose higher slopes at a tie are lost.
    """
    size = lax.stop_gradient(jnp.maximum(jnp.abs(x), jnp.abs(y)))
    usual = (size > 0) & jnp.isfinite(size)
    size = jnp.where(usual, size, 1)
    squares = jnp.square(x / size) + jnp.square(y / size)
    return jnp.where(usual, size * jnp.sqrt(jnp.where(usual, squares, 1)), jnp.hypot(x, y))


def sech(decay: Any) -> Any:
    """1/cosh x, from e^{−|x|}."""
    return 2 * decay / (1 + decay * decay)


def polygamma(m: Any, x: Any) -> Any:
    """ψ^{(m)}(x), by its asymptotic series where x is so large that its powers underflow in JAX's formula."""
    m = jnp.full(jnp.shape(x), m, x.dtype) if jnp.ndim(m) == 0 else m
    large = (x > 1e6) & (m >= 1)
    y, k = jnp.where(large, x, 1e6), jnp.where(large, m, 1.0)
    series = jnp.exp(lax.lgamma(k)) * jnp.power(y, -k) * (1 + k / (2 * y) * (1 + (k + 1) / (6 * y)))
    return jnp.where(large, jnp.where(k % 2 == 0, -series, series), lax.polygamma(m, x))


def recurrence(z: Any, series: Any, numerators: list[Any], small: Any) -> Any:
    """f^{(n)} for f(z) = p(z)/z, from z f^{(k)} + k f^{(k-1)} = p^{(k)} and p, …, p^{(n)}; `series` for small z."""
    far, f = jnp.where(small, 1.0, z), 0.0
    for k, numerator in enumerate(numerators):
        f = jnp.where(jnp.isinf(numerator), numerator, numerator - k * f) / far
    return jnp.where(small, series, f)


def relative_exponential(z: Any, n: int) -> Any:
    """The n-th derivative of (e^z - 1)/z; near 0 it is Σ_j z^j/(j! (n + j + 1))."""
    series = jnp.zeros_like(z)
    for j in reversed(range(30 + 3 * n)):
        series = series * z + 1 / (math.factorial(j) * (n + j + 1))
    return recurrence(z, series, [jnp.expm1(z), *n * [jnp.exp(z)]], (z > -1.0) & (z < n + 1.5))


def relative_logarithm(x: Any, n: int) -> Any:
    """The n-th derivative of ln x/(x - 1); near 1, with u = x - 1, Σ_{j≥n} (-1)^j j!/(j - n)! u^{j-n}/(j + 1)."""
    u = x - 1
    series = jnp.zeros_like(u)
    for j in reversed(range(n, 40 + n)):
        series = series * u + (-1) ** j * math.perm(j, n) / (j + 1)
    later = [(-1) ** (k - 1) * math.factorial(k - 1) / x**k for k in range(1, n + 1)]
    return recurrence(u, series, [jnp.log(x), *later], jnp.abs(u) < 0.3)


@partial(jax.jit, static_argnames="n")
def inverse_mills(x: Any, n: int) -> Any:
    """The n-th derivative of h = φ(x)/Φ(x), the ratio of the normal distribution's density and cumulative function.

    On the right by h' = -h (x + h). On the left, where that cancels, by the continued fraction
    h = t + 1/(t + 2/(t + 3/(...))) with t = -x, whose Taylor coefficients in t are computed from the bottom up.
    """
    left = x < -1.5
    t = jnp.where(left, -x, 1.5)

    def level(i: Any, c: tuple[Any, ...]) -> tuple[Any, ...]:
        r = [1 / c[0]]
        for j in range(1, n + 1):
            r.append(-r[0] * sum(c[k] * r[j - k] for k in range(1, j + 1)))
        return tuple(s + (400 - i) * r_j for s, r_j in zip(start, r, strict=True))

    start = (t, jnp.ones_like(t), *(jnp.zeros_like(t),) * n)[: n + 1]
    fraction = lax.fori_loop(0, 400, level, start)[n] * (-1) ** n * math.factorial(n)
    h = [SQRT_HALF_OVER_PI * jnp.exp(-0.5 * x * x - special.log_ndtr(jnp.maximum(x, -1.5)))]
    for k in range(n):
        s = [x + h[0], 1 + h[1] if k else 0.0, *h[2:]]
        h.append(-sum(math.comb(k, j) * h[j] * s[k - j] for j in range(k + 1)))
    return jnp.where(left, fraction, h[n])


def sinc_derivative(x: Any, n: int) -> Any:
    """The n-th derivative of sin(πx)/(πx).

    With θ = πx and S_k = d^k/dθ^k (sin θ/θ): S_k = (sin^{(k)} θ - k S_{k-1})/θ where θ is large, and
    S_n = Σ_j (-1)^j θ^{2j-n}/((2j+1) (2j-n)!) where it is small.
    """
    x = jnp.asarray(x, float) if isinstance(x, int) else x
    theta, turn = math.pi * x, math.pi * (x - 2 * jnp.round(x / 2))
    small = jnp.abs(theta) < n + 0.5
    series, terms = jnp.zeros_like(theta), range((n + 1) // 2, 2 * n + 14)
    for j in reversed(terms):
        factor = (-1) ** j / ((2 * j + 1) * math.factorial(2 * j - n))
        series = series * theta * theta + factor
    series = series * theta if n % 2 else series
    far = jnp.where(small, 1.0, theta)
    cycle = (jnp.sin(turn), jnp.cos(turn), -jnp.sin(turn), -jnp.cos(turn))
    recurred = cycle[0] / far
    for k in range(1, n + 1):
        recurred = (cycle[k % 4] - k * recurred) / far
    return math.pi**n * jnp.where(small, series, recurred)
