"""Initial conditions u₀(ξ) on the unit period [−1, 1): values, exact Fourier coefficients, heat flow."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import is_number, is_whole, numbers, require
from pinn_ac.problem.lifts import fourier_heat_flow, kinked_coefficients, kinked_heat_flow

LONG, AT_ONCE = 512, 2**22
"""Terms of a series from which on it is not summed at all points at once, and terms × points that are."""
ROUNDING = 1e-13
"""Coefficients below this share of the largest are the rounding of a quadrature, not the condition's."""


class InitialCondition(Protocol):
    """What a problem, a lift and the reference solver ask of an initial condition."""

    @property
    def even(self) -> bool:
        """u₀(−ξ) = u₀(ξ); then the solution is even too."""
        ...

    @property
    def kinks(self) -> tuple[float, ...]:
        """The ξ in (−1, 1] where the slope of the periodic u₀ jumps."""
        ...

    @property
    def steepest_slope(self) -> float:
        """max |u₀'(ξ)|; 1 for a constant."""
        ...

    def __call__(self, xi: jax.Array) -> jax.Array:
        """u₀(ξ)."""
        ...

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """c_k, k = 0..modes (complex, exact), of u₀ = Σ_k c_k e^{ikπξ} with c_{−k} = conj(c_k)."""
        ...

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """u₀ convolved with a normal density of this variance (= 2Dt ≤ largest), and its first derivatives in ξ."""
        ...


class NaturalDomain(tuple[Any, ...]):
    """The domain of a problem in natural units, in which samples keep the domain that they were read for."""


def on_same_domain(condition: Any, domain: Any) -> Any:
    """A condition with a `domain` as the condition of a problem on this domain; without one it gets the problem's.

    It is the method `on_domain` of conditions that have a domain.

    Raises:
        InputError: its own is another one, or what the condition holds does not fit the problem's.
    """
    if condition.domain is None:
        return replace(condition, domain=domain)
    require(
        isinstance(domain, NaturalDomain) or condition.domain == domain,
        f"problem.initial_condition.domain is {condition.domain}, and problem.domain is {domain}: leave the former "
        "out, or give both the same.",
    )
    return condition


ASKED = {
    1: ("even", "kinks", "steepest_slope", "fourier_coefficients", "heat_flow"),
    2: ("steepest_slope", "largest", "matrix", "heat_flow"),
}
"""What is asked of an initial condition besides its values, by the dimensions of space."""


def require_known(problem: Any) -> None:
    """Refuse an initial condition that is a function alone, where its heat flow or its series is needed.

    Between walls a function is enough: what is asked is asked of its reflection.

    Raises:
        InputError: it lacks what :class:`InitialCondition` lists.
    """
    known = dir(problem.circle.initial_condition)  # which computes none of it
    missing = ", ".join(name for name in ASKED[len(problem.axes)] if name not in known)
    plane = "2D" if len(problem.axes) == 2 else ""
    require(
        not missing,
        f"problem.initial_condition is a function of which nothing but values is known, where {missing} is needed "
        f"too: give its coefficients to pinn_ac.problem.Fourier{plane}, or a file of samples to "
        f"pinn_ac.problem.Tabulated{plane}.",
    )


def largest_value(condition: InitialCondition) -> float:
    """max |u₀|, in double precision, on 8193 points of the period."""
    long = isinstance(condition, BandLimited) and condition.terms > LONG
    u = values_on_grid(condition, 8192) if long else values_at(condition, np.linspace(-1.0, 1.0, 8193))
    return float(np.abs(u).max())


def values_at(condition: Any, xi: np.ndarray) -> np.ndarray:
    """u₀(ξ) in double precision, (n,); where it is a long series at some points after others."""
    terms = getattr(condition, "terms", 0)
    size = max(1, AT_ONCE // terms if terms > LONG else len(xi))
    with jax.enable_x64(True):
        found = [np.asarray(condition(jnp.asarray(xi[k : k + size])), float) for k in range(0, len(xi), size)]
    return found[0] if len(found) == 1 else np.concatenate(found)


def values_on_grid(condition: Any, points: int) -> np.ndarray:
    """u₀ at ξ = −1 + 2j/n, j = 0..n−1, in double precision; of a long series by the fast Fourier transform.

    There the modes k and k + n of a series are the same.
    """
    if not (isinstance(condition, BandLimited) and condition.terms > LONG):
        return values_at(condition, -1 + 2 * np.arange(points) / points)
    c = condition.coefficients
    k, folded = np.arange(len(c)), np.zeros(points, complex)
    np.add.at(folded, k % points, c * np.where(k % 2, -1, 1) * np.where(k, 2, 1))  # e^{−ikπ} at the first point
    return np.fft.ifft(folded).real * points


class _Series:
    """What follows from the Fourier coefficients."""

    @cached_property
    def steepest_slope(self) -> float:
        """max |u₀'(ξ)| on 1024 points, from the first 512 modes; 1 for a constant."""
        slopes = 1j * np.pi * np.arange(513) * self.fourier_coefficients(512)
        return float(np.abs(np.fft.irfft(slopes * 1024)).max()) or 1.0

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """c_k, k = 0..modes."""
        raise NotImplementedError


@dataclass(frozen=True)
class XSquaredCosine(_Series):
    """u₀ = amplitude · ξ² cos(πξ), the lecture's: even, its slope jumps by 4 amplitude at ξ = ±1."""

    amplitude: float = 1.0
    even = True
    kinks = (1.0,)

    def __post_init__(self) -> None:
        _require_amplitude(self.amplitude)

    def __call__(self, xi: jax.Array) -> jax.Array:
        return self.amplitude * xi**2 * jnp.cos(jnp.pi * xi)

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """Half the sum of both neighbours' moments, exact (:func:`kinked_coefficients`); they fall like 2/(πk)²."""
        return self.amplitude * kinked_coefficients(modes)

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """In closed form (see :func:`kinked_heat_flow`)."""
        return tuple(self.amplitude * g for g in kinked_heat_flow(variance, xi, largest))


class BandLimited(_Series):
    """A finite Fourier series Σ_k c_k e^{ikπξ}; subclasses give `coefficients`, c_0 … c_m (complex)."""

    kinks: tuple[float, ...] = ()

    @cached_property
    def coefficients(self) -> np.ndarray:
        """c_0 … c_m."""
        raise NotImplementedError

    @property
    def terms(self) -> int:
        """Coefficients of the series that :meth:`__call__` sums at every point."""
        return len(self.coefficients)

    @property
    def even(self) -> bool:
        """The series has no sine."""
        c = self.coefficients
        return bool(np.abs(c.imag).max() <= ROUNDING * np.abs(c).max())

    def __call__(self, xi: jax.Array) -> jax.Array:
        xi = jnp.asarray(xi, jnp.result_type(xi, float))  # of whole numbers too
        return self.heat_flow(jnp.zeros_like(xi), xi, 0.0)[0]

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """c_k for k ≤ modes, zero beyond the series' own end."""
        own = self.coefficients[: modes + 1]
        return np.concatenate([own, np.zeros(modes + 1 - len(own), complex)])

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """Σ_k c_k e^{−(kπ)² variance/2} e^{ikπξ}, and its derivatives."""
        del largest  # a finite series is exact for every variance
        return fourier_heat_flow(self.coefficients, variance, xi)


@dataclass(frozen=True)
class Cosine(BandLimited):
    """u₀ = amplitude · cos(wavenumber · πξ), with a whole wavenumber ≥ 1."""

    amplitude: float = 1.0
    wavenumber: int = 1

    def __post_init__(self) -> None:
        _require_wave(self.amplitude, self.wavenumber)

    @cached_property
    def coefficients(self) -> np.ndarray:
        return _single_wave(self.wavenumber, 0.5 * self.amplitude)


@dataclass(frozen=True)
class Sine(BandLimited):
    """u₀ = amplitude · sin(wavenumber · πξ), with a whole wavenumber ≥ 1."""

    amplitude: float = 1.0
    wavenumber: int = 1

    def __post_init__(self) -> None:
        _require_wave(self.amplitude, self.wavenumber)

    @cached_property
    def coefficients(self) -> np.ndarray:
        return _single_wave(self.wavenumber, -0.5j * self.amplitude)


@dataclass(frozen=True)
class Fourier(BandLimited):
    """u₀ = mean + Σ_{k≥1} a_k cos(kπξ) + b_k sin(kπξ).

    Args:
        mean: the mean of u₀.
        cosine: (a_1, a_2, …).
        sine: (b_1, b_2, …).
    """

    mean: float = 0.0
    cosine: tuple[float, ...] = ()
    sine: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_series(self)

    @cached_property
    def coefficients(self) -> np.ndarray:
        c = np.zeros(1 + max(len(self.cosine), len(self.sine)), complex)
        c[0] = self.mean
        c[1 : 1 + len(self.cosine)] += 0.5 * np.asarray(self.cosine)
        c[1 : 1 + len(self.sine)] -= 0.5j * np.asarray(self.sine)
        return c


def _single_wave(wavenumber: int, coefficient: complex) -> np.ndarray:
    return np.append(np.zeros(wavenumber, complex), coefficient)


def require_series(condition: Any) -> None:
    """Make `cosine` and `sine` of a condition tuples; refuse numbers that are not finite, `mean` included, and 0."""
    for name in ("cosine", "sine"):
        object.__setattr__(condition, name, numbers(f"problem.initial_condition.{name}", getattr(condition, name)))
    for name, values in (("mean", (condition.mean,)), ("cosine", condition.cosine), ("sine", condition.sine)):
        for value in values:
            require_finite(name, value)
    require(
        any((condition.mean, *condition.cosine, *condition.sine)),
        "problem.initial_condition is zero everywhere: give mean, cosine or sine a coefficient other than 0.",
    )


def require_finite(name: str, value: Any) -> None:
    """Refuse a setting of an initial condition that is not a finite number."""
    require(is_number(value), f"problem.initial_condition.{name} is {value}: give a finite number.")


def _require_amplitude(amplitude: float) -> None:
    require_finite("amplitude", amplitude)
    require(amplitude != 0, "problem.initial_condition.amplitude is 0: give another number.")


def _require_wave(amplitude: float, wavenumber: int) -> None:
    _require_amplitude(amplitude)
    require(
        is_whole(wavenumber, 1),
        f"problem.initial_condition.wavenumber is {wavenumber}: give a whole number from 1, so that it is periodic.",
    )
