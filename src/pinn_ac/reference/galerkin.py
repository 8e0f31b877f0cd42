"""A problem in Fourier space: an ordinary differential equation for finitely many modes of its solution."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from pinn_ac.problem import Problem
from pinn_ac.problem.initial_conditions import ROUNDING


@dataclass(frozen=True)
class Galerkin:
    """c_j' = L(k_j) c_j + [reaction(u)]_j − i k_j [flux(u)]_j for u = Σ_j c_j e^{ijmπξ}, j = 0..modes.

    ξ is the domain scaled to [−1, 1), and k_j = 2πjm/(b − a) the wavenumber in x.

    What symmetry the initial condition u₀ has, the exact solution keeps: a shorter period 2/m always, since the
    equation is the same at every x; the others (even, odd, a change of sign in half a period) where
    `problem.symmetries` says that the equation keeps them. Rounding errors break these symmetries, and an unstable
    equation amplifies what they leave; so it is removed in every step.

    Args:
        problem: the equation and its initial condition; it must have the capability "spectral".
        modes: the highest j.
    """

    problem: Problem
    modes: int

    @cached_property
    def stride(self) -> int:
        """m, the greatest common divisor of the wavenumbers of u₀ (1 for a constant u₀)."""
        return stride(self.problem)

    @cached_property
    def initial(self) -> np.ndarray:
        """c_0 … c_modes of u₀, exact. Those of samples of u₀ would be aliased where it has a kink."""
        c = self.problem.initial_condition.fourier_coefficients(self.modes * self.stride)
        return c[:: self.stride] * self._allowed

    @cached_property
    def wavenumber(self) -> np.ndarray:
        """k_j, shape (modes + 1,)."""
        return 2 * np.pi / self.problem.period * self.stride * np.arange(self.modes + 1)

    @cached_property
    def linear(self) -> np.ndarray:
        """L(k_j), shape (modes + 1,)."""
        return np.asarray(self.problem.symbol(self.wavenumber), float)

    @cached_property
    def grid(self) -> int:
        """Points at which the nonlinear term is evaluated.

        Of a reaction, 2·modes + 2 are enough: where u is resolved, the modes of its powers that are aliased are below
        rounding. The derivative of a flux multiplies such errors by k, so there the grid is fine enough that a
        polynomial of the problem's `degree` has no aliased modes among the kept ones.
        """
        per_mode = 2 if self._slope is None else max(2, self.problem.degree + 1)
        return fft.next_fast_len(per_mode * self.modes + 2, real=True)

    @cached_property
    def _slope(self) -> np.ndarray | None:
        """i k_j, or None where the equation has no flux."""
        return None if self.problem.flux(np.zeros(1)) is None else 1j * self.wavenumber

    @cached_property
    def _reacts(self) -> bool:
        """The problem defines a reaction."""
        return type(self.problem).reaction is not Problem.reaction

    @cached_property
    def _allowed(self) -> np.ndarray:
        """1 for the modes that symmetry allows, else 0."""
        k = _wavenumbers(self.problem) // self.stride
        j = np.arange(self.modes + 1)
        if not k.any():
            return (j == 0).astype(float)
        changes_sign = "sign" in self.problem.symmetries and bool((k % 2).all())
        return j % 2.0 if changes_sign else np.ones(len(j))

    @cached_property
    def _parity(self) -> str | None:
        """The part of c that vanishes: "imag" where the solution is even, "real" where it is odd."""
        c = self.problem.initial_condition.fourier_coefficients(self.modes * self.stride)
        negligible = ROUNDING * np.abs(c).max()
        for part, symmetry in (("imag", "even"), ("real", "odd")):
            if symmetry in self.problem.symmetries and np.abs(getattr(c, part)).max() <= negligible:
                return part
        return None

    def nonlinear(self, c: np.ndarray) -> np.ndarray:
        """The coefficients of N(u) = reaction(u) − ∂x flux(u)."""
        u = fft.irfft(c, self.grid, norm="forward")
        rate = self._transform(self.problem.reaction(u)) if self._reacts else np.zeros(self.modes + 1, complex)
        if self._slope is not None:
            rate -= self._slope * self._transform(self.problem.flux(u))
        rate *= self._allowed
        if self._parity:
            setattr(rate, self._parity, 0.0)
        return rate

    def _transform(self, values: np.ndarray) -> np.ndarray:
        return fft.rfft(np.asarray(values, float), norm="forward")[: self.modes + 1]

    def start(self) -> np.ndarray:
        """c at t = 0, with the symmetries that are kept later."""
        c = self.initial.copy()
        if self._parity:
            setattr(c, self._parity, 0.0)
        return c

    def sample(self, c: np.ndarray, points: int) -> np.ndarray:
        """u at ξ = −1 + 2i/points, i < points: the whole series, whatever the number of points."""
        full = np.zeros(self.modes * self.stride + 1, complex)
        full[:: self.stride] = c
        full[1::2] *= -1  # e^{ikπξ} at the left end is (−1)^k
        repeat = -(-(2 * len(full)) // points)
        return fft.irfft(full, repeat * points, norm="forward")[::repeat]


def norm(c: np.ndarray) -> float:
    """The root mean square of u, from its coefficients."""
    square = float(np.vdot(c, c).real)
    return float(np.sqrt(2 * square - abs(c[0]) ** 2))


def stride(problem: Problem) -> int:
    """The greatest common divisor of the wavenumbers of u₀ (1 for a constant u₀, and between walls)."""
    if problem.is_mirrored:
        return 1
    return max(int(np.gcd.reduce(_wavenumbers(problem))), 1)


def _wavenumbers(problem: Problem) -> np.ndarray:
    """The k ≤ 20,000 whose coefficients in u₀ are larger than rounding."""
    c = np.abs(problem.initial_condition.fourier_coefficients(20_000))
    return np.flatnonzero(c > ROUNDING * c.max())
