"""The Allen–Cahn equation in Fourier space: a finite set of modes, with the symmetries of its initial condition."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from pinn_ac.problem import Problem
from pinn_ac.problem.initial_conditions import ROUNDING


@dataclass(frozen=True)
class Galerkin:
    """c_j' = −D(jmπ)² c_j + [R(u − u³)]_j for u = Σ_j c_j e^{ijmπξ}, j = 0..modes, ξ in the unit period.

    The equation keeps what symmetry u₀ has: a shorter period 2/m, evenness, oddness, and a sign change in half
    a period. Rounding does not, and where u ≈ 0 it would grow like e^{Rt}; so it is removed.

    Args:
        problem: the equation and its initial condition.
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
        """The exact c_0 … c_modes of u₀, never those of its samples: these would alias a kink."""
        c = self.problem.initial_condition.fourier_coefficients(self.modes * self.stride)
        return c[:: self.stride] * self._allowed

    @cached_property
    def linear(self) -> np.ndarray:
        """−D(jmπ)²."""
        wavenumber = np.pi * self.stride * np.arange(self.modes + 1)
        return -self.problem.unit_diffusivity * wavenumber**2

    @cached_property
    def grid(self) -> int:
        """Points of the grid on which the cube is taken; with u resolved, what it aliases is below rounding."""
        return fft.next_fast_len(2 * self.modes + 2, real=True)

    @cached_property
    def _allowed(self) -> np.ndarray:
        """1 for the modes that the symmetries of u₀ allow."""
        k = _wavenumbers(self.problem) // self.stride
        j = np.arange(self.modes + 1)
        if not k.any():
            return (j == 0).astype(float)
        return j % 2.0 if (k % 2).all() else np.ones(len(j))

    @cached_property
    def _parity(self) -> str | None:
        """The part of c that vanishes: "imag" for an even u₀, "real" for an odd one."""
        c = self.problem.initial_condition.fourier_coefficients(self.modes * self.stride)
        negligible = ROUNDING * np.abs(c).max()
        return next((part for part in ("imag", "real") if np.abs(getattr(c, part)).max() <= negligible), None)

    def reaction(self, c: np.ndarray) -> np.ndarray:
        """The coefficients of R(u − u³)."""
        u = fft.irfft(c, self.grid, norm="forward", overwrite_x=False)
        cube = u * (1 - u * u)
        rate = fft.rfft(cube, norm="forward", overwrite_x=True)[: self.modes + 1]
        rate *= self.problem.reaction_rate * self._allowed
        if self._parity:
            setattr(rate, self._parity, 0.0)
        return rate

    def start(self) -> np.ndarray:
        """c at t = 0, with exactly the symmetries that are kept later."""
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
    """The greatest common divisor of the wavenumbers of u₀ (1 for a constant u₀)."""
    return max(int(np.gcd.reduce(_wavenumbers(problem))), 1)


def _wavenumbers(problem: Problem) -> np.ndarray:
    """The k whose share of u₀ is more than rounding, among the lowest 20,000."""
    c = np.abs(problem.initial_condition.fourier_coefficients(20_000))
    return np.flatnonzero(c > ROUNDING * c.max())
