"""An initial condition between walls, reflected there: a periodic condition on a circle of twice the length."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft

from pinn_ac.errors import require
from pinn_ac.problem.initial_conditions import Fourier
from pinn_ac.problem.lifts import DERIVATIVES, WIDE, fourier_heat_flow, gaussian_moments

FEWEST, MOST = 256, 2**14
"""Intervals of the grid on [0, 1] on which a condition is sampled."""
NEGLIGIBLE = 1e-15
"""Of what is added up: smaller coefficients are rounding."""
ROUGH = 1e-9
"""A condition whose series has not fallen below this share of the largest value has kinks or fronts too thin."""
HIGHEST = 7
"""The highest derivative whose jump is taken out of the series."""
STEEPEST = (1e6, 20.0)
"""A jump, the first or a later one, whose function is larger than so many times the condition would cancel too many
digits, and stays in the series."""
FITTED = 18
"""Degree of the polynomial that derivatives at a wall are taken from."""
SPAN = 32
"""Intervals of the grid that it goes through."""
BROAD = 0.12
"""The widest layer of a `Base`: at the other wall a bend of this width is below rounding."""


@dataclass(frozen=True)
class Base:
    """What is subtracted from u between walls at ξ = 0 and ξ = 1, so that the rest and its second derivative vanish.

    B(ξ) = b₀ (1 − ξ) + b₁ ξ + s₀ β(ξ) + s₁ β(1 − ξ), with β(d) = (d²/2) exp(−d²/(2δ²)), which has β(0) = 0, β''(0)
    = 1. At a wall where u is held, u_t = 0, so that D u_ξξ = −reaction(b): that is s. It is zero where b is a state
    of rest.

    Args:
        values: b₀ and b₁.
        bends: s₀ and s₁.
        width: δ of both bends.
    """

    values: tuple[float, float] = (0.0, 0.0)
    bends: tuple[float, float] = (0.0, 0.0)
    width: float = BROAD

    @classmethod
    def of(cls, values: tuple[float, float], reactions: tuple[float, float], diffusivity: float) -> "Base":
        """For these values at the walls, the reaction there and the diffusivity in ξ."""
        largest = max(map(abs, reactions))
        size = max(1.0, *map(abs, values))
        if largest <= 1e-14 * size:
            return cls(values)
        first, last = (-reaction / diffusivity for reaction in reactions)
        return cls(values, (first, last), min(BROAD, math.sqrt(diffusivity * size / largest)))

    @property
    def largest(self) -> float:
        """A bound of |B|."""
        return max(map(abs, self.values)) + sum(abs(s) for s in self.bends) * self.width**2 / math.e

    def __call__(self, xi: Any, order: int = 0) -> Any:
        """B or its first or second derivative; in NumPy or JAX, as `xi` is."""
        b, s = self.values, self.bends
        base = (b[0] + (b[1] - b[0]) * xi, b[1] - b[0] + 0.0 * xi, 0.0 * xi)[order]
        for bend, distance, sign in ((s[0], xi, 1), (s[1], 1 - xi, -1)):
            if bend:
                xp = jnp if isinstance(xi, jax.Array) else np
                q = (distance / self.width) ** 2
                bump = xp.exp(-0.5 * q)
                parts = 0.5 * distance**2, sign * distance * (1 - 0.5 * q), 1 - 2.5 * q + 0.5 * q**2
                base = base + bend * parts[order] * bump
        return base


class Kink(NamedTuple):
    """Jumps of a reflected condition's derivatives at a wall.

    at: 0 or 1.
    jumps: (n, J_n): the n-th derivative, right of the wall less left of it.
    """

    at: float
    jumps: tuple[tuple[int, float], ...]


class Parts(NamedTuple):
    """A reflected condition as a finite series and functions with the jumps of its derivatives.

    series: c_k of the series, complex.
    kinks: at the walls.
    """

    series: np.ndarray
    kinks: tuple[Kink, ...]


@dataclass(frozen=True)
class Reflected:
    """v(ξ) = u₀(ξ) − B(ξ) on 0 ≤ ξ ≤ 1, between walls, continued to the circle [−1, 1) by reflection.

    By v(−ξ) = v(ξ) for walls without flux (Neumann), and by v(−ξ) = −v(ξ) for walls where u is held (Dirichlet). Then
    every second derivative jumps at a wall, from the first on or from the second on. The function of period 2 whose
    n-th derivative alone jumps, by 1 at d = 0, is a Bernoulli polynomial,

        b_n(d) = −2ⁿ/(n + 1)! B_{n+1}(d/2),  0 ≤ d < 2,   with coefficients 1/(2 (ikπ)^{n+1}),

    and its heat flow has a closed form: that of a polynomial, and Gaussian moments of the kink. What is left of v
    when J_n b_n of the first few n is taken away is smooth enough for a short Fourier series.

    Args:
        condition: u₀ as a function of the unit coordinate of the interval, −1 to 1.
        odd: the reflection.
        base: B.
    """

    condition: Any
    odd: bool
    base: Base = field(default_factory=Base)

    @property
    def even(self) -> bool:
        """v(−ξ) = v(ξ)."""
        return not self.odd

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        """The walls at which a derivative jumps."""
        return tuple(kink.at for kink in self.parts.kinks)

    @cached_property
    def steepest_slope(self) -> float:
        """max |u₀'(ξ)|, from the grid; 1 for a constant."""
        v = self._sampled(4096) + self.base(np.linspace(0.0, 1.0, 4097))
        return float(np.abs(np.gradient(v, 1 / 4096)).max()) or 1.0

    def _sampled(self, intervals: int) -> np.ndarray:
        """v on an even grid of [0, 1], without what rounding leaves of it at the walls."""
        xi = np.linspace(0.0, 1.0, intervals + 1)
        v = self._values(xi)
        return v - (v[0] + (v[-1] - v[0]) * xi) if self.odd else v

    def _values(self, xi: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            u = np.asarray(self.condition(jnp.asarray(2 * xi - 1)), float) * np.ones_like(xi)
        return u - self.base(xi)

    @cached_property
    def parts(self) -> Parts:
        """The decomposition, on as fine a grid as the condition asks for.

        Raises:
            InputError: the condition has kinks or fronts that are too thin.
        """
        intervals, most = FEWEST, int(getattr(self.condition, "intervals", MOST))
        while True:
            v = self._sampled(intervals)
            size = float(np.abs(v).max()) or 1.0
            kinks = self._kinks(intervals, size)
            xi = np.linspace(0.0, 1.0, intervals + 1)
            for kink in kinks:
                v = v - _with_jumps(kink, xi)
            c = _series(v, self.odd)
            added = 1 + 0.1 * sum(abs(jump) / math.pi ** (n + 1) for kink in kinks for n, jump in kink.jumps) / size
            left = float(np.abs(c[intervals // 2 :]).max()) / size
            if left <= NEGLIGIBLE * added or intervals >= most:
                break
            intervals *= 2
        require(
            left <= ROUGH or most < MOST,
            "The initial condition has a kink, or a front too thin to be resolved, between the walls: smooth it, or "
            "make it wider.",
        )
        c[np.abs(c) < 0.1 * NEGLIGIBLE * added * size] = 0
        kept = np.flatnonzero(c)
        return Parts(c[: int(kept[-1]) + 1] if len(kept) else c[:1], kinks)

    @cached_property
    def cancels(self) -> float:
        """How many times larger than u₀ the functions are that add up to v: so many times rounding is larger in v."""
        xi = np.linspace(0.0, 1.0, FEWEST + 1)
        largest = float(np.abs(self._values(xi) + self.base(xi)).max()) or 1.0
        return max(1.0, sum(float(np.abs(_with_jumps(kink, xi)).max()) for kink in self.parts.kinks) / largest)

    def _kinks(self, intervals: int, size: float) -> tuple[Kink, ...]:
        """The jumps at both walls, from polynomials through values near them."""
        reach, kinks = SPAN / intervals, []
        nodes = 0.5 * (1 - np.cos(np.pi * (np.arange(FITTED + 1) + 0.5) / (FITTED + 1)))
        for at, sign in ((0.0, 1.0), (1.0, -1.0)):
            distance = reach * nodes
            values = self._values(at + sign * distance)
            fitted = np.polynomial.Chebyshev.fit(distance, values, FITTED, domain=[0, reach])
            jumps = []
            for n in range(2 if self.odd else 1, HIGHEST + 1, 2):
                jump = 2.0 * sign**n * float(fitted.deriv(n)(0.0)) * sign
                largest = abs(jump) / math.pi ** (n + 1)
                if largest > STEEPEST[n > 2] * size:
                    break
                # Rounding of the values makes derivatives of about this size out of nothing.
                noise = 1e-15 * size * (2 * FITTED**2 / reach) ** n / math.prod(range(1, 2 * n, 2))
                if abs(jump) > 10 * noise:
                    jumps.append((n, jump))
            if jumps:
                kinks.append(Kink(at, tuple(jumps)))
        return tuple(kinks)

    @property
    def terms(self) -> int:
        """Of the series."""
        return len(self.parts.series)

    def __call__(self, xi: jax.Array) -> jax.Array:
        """v(ξ), from the decomposition."""
        return self.heat_flow(jnp.zeros_like(xi), xi, 0.0)[0]

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """c_k, k = 0..modes: those of the series and those of the jumps."""
        own = self.parts.series[: modes + 1]
        c = np.concatenate([own, np.zeros(modes + 1 - len(own), complex)])
        k = np.arange(1, modes + 1)
        for kink in self.parts.kinks:
            turned = np.where(k % 2, -1.0, 1.0) if kink.at else 1.0
            for n, jump in kink.jumps:
                c[1:] += jump / (2 * (1j * np.pi * k) ** (n + 1)) * turned
        return c

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """That of the series, and that of the jumps in closed form; beyond a width of `WIDE`, the first 64 modes."""
        series, kinks = self.parts
        near = min(math.sqrt(largest), WIDE)
        narrow = jnp.minimum(variance, near**2) if largest > WIDE**2 else variance
        found = fourier_heat_flow(series, narrow, xi)
        for kink in kinks:
            found = tuple(g + k for g, k in zip(found, _heat_flow_of(kink, narrow, xi), strict=True))
        if largest <= WIDE**2:
            return found
        wide = fourier_heat_flow(self.fourier_coefficients(64), variance, xi)
        return tuple(jnp.where(variance < near**2, n, w) for n, w in zip(found, wide, strict=True))


def reflected(condition: Any, odd: bool, base: Base | None = None) -> Any:
    """The reflected condition; as a Fourier series where it is a finite one, whose period may be shorter.

    >>> from pinn_ac.problem import Cosine
    >>> reflected(Cosine(wavenumber=2), odd=False).cosine  # cos 2πx on [−1, 1] has half the wavenumber per unit of ξ
    (0.0, 0.0, 0.0, 1.0)
    """
    whole = Reflected(condition, odd, base or Base())
    series, kinks = whole.parts
    if kinks or len(series) > 65:
        return whole
    c = np.where(np.abs(series) > 1e-15 * np.abs(series).max(), series, 0)
    if not np.abs(c).max():
        return whole
    clean = [tuple(float(f"{value:.15g}") for value in part) for part in (2 * c.real[1:], 0.0 - 2 * c.imag[1:])]
    return Fourier(float(c[0].real), *clean)


def _series(v: np.ndarray, odd: bool) -> np.ndarray:
    """c_k, k = 0..n, of the trigonometric interpolant of values on an even grid of [0, 1]."""
    n = len(v) - 1
    if odd:
        return np.concatenate([[0], -0.5j * fft.dst(v[1:-1], type=1) / n, [0]])
    c = 0.5 * fft.dct(v, type=1) / n
    c[-1] *= 0.5
    return c.astype(complex)


def _polynomial(kink: Kink) -> np.polynomial.Polynomial:
    """Σ_n J_n b_n as a polynomial of d in [0, 2]."""
    total = np.polynomial.Polynomial([0.0])
    for n, jump in kink.jumps:
        total = total + jump * bernoulli_function(n)
    return total


def bernoulli_function(n: int) -> np.polynomial.Polynomial:
    """b_n(d), 0 ≤ d ≤ 2: of period 2, its mean is zero and its n-th derivative jumps by 1."""
    half = np.polynomial.Polynomial([0, 0.5])
    return -(2.0**n) / math.factorial(n + 1) * _bernoulli(n + 1)(half)


def _bernoulli(n: int) -> np.polynomial.Polynomial:
    """B_n, by B_n' = n B_{n−1} and a mean of zero on [0, 1]."""
    B = np.polynomial.Polynomial([1.0])
    for m in range(1, n + 1):
        B = (m * B).integ()
        B = B - B.integ()(1.0)
    return B


def _with_jumps(kink: Kink, xi: np.ndarray) -> np.ndarray:
    """Σ_n J_n b_n(ξ − wall) for ξ in [0, 1]; b_n(−d) = (−1)^{n+1} b_n(d)."""
    polynomial = _polynomial(kink)
    return polynomial(xi) if not kink.at else (-1) ** (kink.jumps[0][0] + 1) * polynomial(1 - xi)


def _heat_flow_of(kink: Kink, variance: jax.Array, xi: jax.Array) -> tuple[jax.Array, ...]:
    """The heat flow of Σ_n J_n b_n(ξ − wall) and its derivatives in ξ, for a width below `WIDE`.

    With d = |ξ − wall| ≤ 1 it is the flow of the polynomial on the line, Σ_j (σ²/2)^j/j! Q^{(2j)}(d), less that of
    the jump below zero, Σ_n (−1)ⁿ J_n/n! M_n(−d). The kinks at a distance of 1 and more contribute e^{−1/(2σ²)}.
    """
    away = xi - kink.at
    away = away - 2 * jnp.round(away / 2)
    sign = jnp.where(away < 0, -1.0, 1.0).astype(away.dtype)
    d = sign * away  # not jnp.abs, whose slope is 0 at the wall
    Q = [_polynomial(kink)]
    while Q[-1].degree() > 0:
        Q.append(Q[-1].deriv())
    values = [_horner(one.coef, d) for one in Q]
    highest = max(n for n, _ in kink.jumps)
    moment = gaussian_moments(-d, variance, highest + 1)
    is_even = kink.jumps[0][0] % 2 == 1
    derivatives = []
    for order in range(DERIVATIVES + 1):
        total = jnp.zeros_like(d * variance)
        for j in range((len(Q) - 1 - order) // 2 + 1):
            total = total + (0.5 * variance) ** j / math.factorial(j) * values[2 * j + order]
        for n, jump in kink.jumps:
            total = total - (-1) ** (n + order) * jump / math.factorial(n) * moment(n, order)
        derivatives.append(total if (order % 2 == 0) == is_even else sign * total)
    return tuple(derivatives)


def _horner(coefficients: np.ndarray, d: jax.Array) -> jax.Array:
    total = jnp.full_like(d, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * d + coefficient
    return total
