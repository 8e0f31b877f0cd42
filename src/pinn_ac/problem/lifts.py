"""Heat flows of initial conditions: the lifts that carry u₀ into t > 0, smooth and periodic."""

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

DERIVATIVES = 3
"""In ξ, that a heat flow comes with: what u_t, u_x and u_xx of it and of its slope are made of."""
BLOCK = 32
"""Wavenumbers whose cosines are computed from those of their sum's parts."""
WIDE = 0.05
"""Standard deviation beyond which the Fourier series of a kinked condition is short (64 modes)."""


def fourier_heat_flow(coefficients: np.ndarray, variance: jax.Array, xi: jax.Array) -> tuple[jax.Array, ...]:
    """Σ_k c_k e^{−(kπ)² variance/2} e^{ikπξ}, the heat flow of a real Fourier series, and its first derivatives in ξ.

    Args:
        coefficients: c_0 … c_m (complex); c_{−k} = conj(c_k).
        variance: 2Dt, any shape that broadcasts with `xi`.
        xi: position in the unit period.
    """
    k = np.flatnonzero(coefficients)
    wavenumber = np.pi * k
    decay = jnp.exp(-0.5 * jnp.asarray(wavenumber**2, xi.dtype) * variance[..., None])
    angle = jnp.asarray(wavenumber, xi.dtype) * xi[..., None]
    cosines, sines = decay * jnp.cos(angle), decay * jnp.sin(angle)
    derivatives = []
    for order in range(DERIVATIVES + 1):
        # c_k e^{ikπξ} + conj = 2 (Re c_k cos − Im c_k sin); the mean (k = 0) counts once.
        scaled = coefficients[k] * (1j * wavenumber) ** order * np.where(k == 0, 1, 2)
        waves = jnp.asarray(scaled.real, xi.dtype) * cosines - jnp.asarray(scaled.imag, xi.dtype) * sines
        derivatives.append(jnp.sum(waves, axis=-1))
    return tuple(derivatives)


def long_series(
    cosine: jax.Array, sine: jax.Array | None, variance: jax.Array, xi: jax.Array
) -> tuple[jax.Array, ...]:
    """Σ_{k<m} e^{−(kπ)² variance/2} (a_k cos kπξ + b_k sin kπξ) at one point, and its first derivatives in ξ.

    Args:
        cosine: a_k, (m,), m a multiple of `BLOCK`.
        sine: b_k, (m,); None where all are zero.
        variance: a scalar.
        xi: a scalar, position in the unit period.
    """
    waves, k = _long_waves(len(cosine), variance, xi), jnp.pi * jnp.arange(len(cosine), dtype=cosine.dtype)
    amplitudes, derivatives = (cosine, sine), []
    for _ in range(DERIVATIVES + 1):
        parts = [_sum(w, a) for w, a in zip(waves, amplitudes, strict=True) if a is not None]
        derivatives.append(reduce(operator.add, parts))
        a, b = amplitudes  # (a cos kπξ + b sin kπξ)' = kπb cos kπξ − kπa sin kπξ
        amplitudes = None if b is None else k * b, None if a is None else -k * a
    return tuple(derivatives)


def _sum(waves: jax.Array, amplitudes: jax.Array) -> jax.Array:
    """Σ_k of their products; not as a product of matrices, for which XLA's takes ten times as long on a CPU."""
    return jnp.sum(waves * amplitudes.reshape(waves.shape))


def _long_waves(modes: int, variance: jax.Array, xi: jax.Array) -> tuple[jax.Array, jax.Array]:
    """e^{−(kπ)² variance/2} cos kπξ and … sin kπξ for k < `modes`, each (modes/B, B) with B = `BLOCK`.

    With k = p + qB they are those of sums of two angles, so that B + m/B cosines and sines are evaluated
    instead of m: they are what takes the time.
    """
    blocks = modes // BLOCK
    near, far = (jnp.pi * xi * jnp.arange(n, dtype=xi.dtype) * step for n, step in ((BLOCK, 1), (blocks, BLOCK)))
    cos_near, sin_near, cos_far, sin_far = jnp.cos(near), jnp.sin(near), jnp.cos(far)[:, None], jnp.sin(far)[:, None]
    wavenumber = np.pi * np.arange(modes).reshape(blocks, BLOCK)
    decay = jnp.exp(jnp.asarray(-0.5 * wavenumber**2, xi.dtype) * variance)
    return decay * (cos_far * cos_near - sin_far * sin_near), decay * (sin_far * cos_near + cos_far * sin_near)


def kinked_coefficients(modes: int) -> np.ndarray:
    """c_k = (I_{k−1} + I_{k+1})/2, k = 0..modes, of ξ² cos(πξ), with I_m = ∫₀¹ ξ² cos(mπξ) dξ.

    I_0 = 1/3 and I_m = 2(−1)^m/(mπ)².
    """
    k = np.arange(-1, modes + 2)
    with np.errstate(divide="ignore"):
        integrals = np.where(k == 0, 1 / 3, 2.0 * (-1.0) ** k / (np.pi * k) ** 2)
    return 0.5 * (integrals[:-2] + integrals[2:]).astype(complex)


def kinked_heat_flow(variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
    """The heat flow of ξ² cos(πξ), whose slope, continued periodically, jumps by 4 at ξ = ±1; its first derivatives.

    The flow of ξ² cos(πξ) on the whole line, S, plus the flow K(y) of each kink at y = |ξ| − 1; beyond a
    standard deviation of `WIDE`, the first 64 modes.

    Args:
        variance: σ² = 2Dt.
        xi: in [−1, 1].
        largest: the largest variance that will be asked for; decides which formulas are compiled.
    """
    near = min(math.sqrt(largest), WIDE)
    if largest <= WIDE**2:
        return _closed_form(variance, xi, near)
    # The closed form must stay finite where it is not taken. Where they meet the series is, for minimum has only
    # half its slope at a tie.
    closed = _closed_form(jnp.minimum(variance, near**2), xi, near)
    series = fourier_heat_flow(kinked_coefficients(64), variance, xi)
    return tuple(jnp.where(variance < near**2, c, s) for c, s in zip(closed, series, strict=True))


def _closed_form(variance: jax.Array, xi: jax.Array, widest: float) -> tuple[jax.Array, ...]:
    return tuple(map(operator.add, _smooth_part(variance, xi), _kink_part(variance, xi, widest)))


def _smooth_part(variance: jax.Array, xi: jax.Array) -> list[jax.Array]:
    """S = Re{e^{iπξ − π²σ²/2} P}, P = (ξ + iπσ²)² + σ², and its derivatives, by Leibniz."""
    shift = jnp.pi * variance
    P: list[tuple[Any, Any]] = [(xi**2 - shift**2 + variance, 2 * xi * shift), (2 * xi, 2 * shift), (2.0, 0.0)]
    damping, cosine, sine = jnp.exp(-0.5 * jnp.pi * shift), jnp.cos(jnp.pi * xi), jnp.sin(jnp.pi * xi)
    derivatives = []
    for order in range(DERIVATIVES + 1):
        real = imaginary = jnp.zeros_like(shift * xi)
        for j, (a, b) in enumerate(P[: order + 1]):
            for _ in range(order - j):  # times iπ
                a, b = -math.pi * b, math.pi * a
            real, imaginary = real + math.comb(order, j) * a, imaginary + math.comb(order, j) * b
        derivatives.append(damping * (real * cosine - imaginary * sine))
    return derivatives


def _kink_part(variance: jax.Array, xi: jax.Array, widest: float) -> list[jax.Array]:
    """K(y) = 4 Σ_j (−1)^j π^{2j}/(2j)! M_{2j+1}(y), and its derivatives in ξ; see :func:`gaussian_moments`."""
    y, terms = jnp.abs(xi) - 1, _terms_needed(widest)
    derivative = gaussian_moments(y, variance, 2 * terms)

    derivatives = []
    for order in range(DERIVATIVES + 1):
        total = jnp.zeros_like(y)
        for j in range(terms):
            factor = 4 * (-1) ** j * math.pi ** (2 * j) / math.factorial(2 * j)
            total = total + factor * derivative(2 * j + 1, order)
        derivatives.append(total * jnp.where(xi < 0, -1, 1) if order % 2 else total)
    return derivatives


def gaussian_moments(y: jax.Array, variance: jax.Array, count: int) -> Callable[[int, int], jax.Array]:
    """(n, order) → derivatives of M_n(y) = E[(y + σZ)₊ⁿ], n < `count`, Z standard normal and σ² the variance.

    M_0 = Φ(y/σ), M_1 = yΦ + σφ, M_n = y M_{n−1} + (n−1)σ² M_{n−2}; M_n' = n M_{n−1} and M_0' = φ/σ.
    """
    # At t = 0 a width of one rounding error of ξ leaves the values exact and every derivative finite.
    width = jnp.sqrt(jnp.maximum(variance, jnp.finfo(jnp.result_type(variance, y)).eps ** 2))
    density = jnp.exp(-0.5 * (y / width) ** 2) / (math.sqrt(2 * math.pi) * width)
    beyond = [density, -(y / width**2) * density]  # the derivatives of M_0
    moments = [ndtr(y / width)]
    moments.append(y * moments[0] + width**2 * density)
    for n in range(2, count):
        moments.append(y * moments[-1] + (n - 1) * width**2 * moments[-2])

    def derivative(n: int, order: int) -> jax.Array:
        if order <= n:
            return math.perm(n, order) * moments[n - order]
        return math.factorial(n) * beyond[order - n - 1]

    return derivative


def _terms_needed(width: float) -> int:
    """Terms of K until the next one, at most 4 (π²)^j/(2j)! σ^{2j+1} E|Z|^{2j+1}, is below 1e−17."""
    for j in range(12):
        moment = 2**j * math.factorial(j) * width ** (2 * j + 1)
        if 4 * math.pi ** (2 * j) / math.factorial(2 * j) * moment * (2 * j + 1) / max(width, 1e-3) < 1e-17:
            return max(j, 2)
    return 12
