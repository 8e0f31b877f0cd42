"""A problem between walls where u is held, as a sine series of what is left of u when its base is taken away."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from pinn_ac.problem import Problem
from pinn_ac.problem.reflected import bernoulli_function
from pinn_ac.reference.galerkin import Galerkin

FEWEST = 512
"""Modes: their error falls by a power of their number alone, and so many cost little."""
STEP = 1e-3
"""Of the differences that give the reaction's slopes at a wall: the second is exact for a cubic reaction, the first
good to the square of this."""


@dataclass(frozen=True)
class Held(Galerkin):
    """c_k' = L(k) c_k + [N]_k for v = u − B = Σ_k c_k e^{ikπξ}, the odd reflection of what lies between the walls.

    B is the problem's base (`pinn_ac.problem.reflected.Base`): v and v_ξξ vanish at the walls, and so does
    N = reaction(u) + D B_ξξ, with D in units of ξ. The odd reflection of N is not smooth all the same. Its second
    derivative jumps at a wall where u = b by twice

        N_ξξ = reaction'(b) B_ξξ + reaction''(b) u_ξ² + D B_ξξξξ,

    and its coefficients fall like k⁻³. So the function that has these jumps alone is taken out on the grid, and its
    exact coefficients are added. What is left is aliased like k⁻⁵, and modes of v beyond the last are as small.
    """

    @cached_property
    def stride(self) -> int:
        """1: the reaction need not be odd about other points than the walls."""
        return 1

    @cached_property
    def _allowed(self) -> np.ndarray:
        return np.ones(self.modes + 1)

    @cached_property
    def initial(self) -> np.ndarray:
        """c_0 … c_modes of v at t = 0."""
        return _odd(self.problem.initial_condition.fourier_coefficients(self.modes))

    def start(self) -> np.ndarray:
        """c at t = 0."""
        return self.initial.copy()

    @cached_property
    def grid(self) -> int:
        """Points of the circle at which the reaction is evaluated; the walls are two of them."""
        return 2 * fft.next_fast_len(self.modes + 1, real=True)

    @cached_property
    def _xi(self) -> np.ndarray:
        return np.linspace(0.0, 1.0, self.grid // 2 + 1)

    @cached_property
    def _base(self) -> tuple[np.ndarray, np.ndarray]:
        """B and D B_ξξ on the grid between the walls."""
        base = self.problem.base
        return base(self._xi), self.problem.unit_diffusivity * base(self._xi, 2)

    @cached_property
    def _jump(self) -> tuple[np.ndarray, np.ndarray]:
        """b_2 about the first wall: on the grid between the walls, and its coefficients."""
        k = np.arange(1, self.modes + 1)
        return bernoulli_function(2)(self._xi), np.append(0, 1 / (2 * (1j * np.pi * k) ** 3))

    @cached_property
    def _walls(self) -> tuple[tuple[float, float, float, np.ndarray], ...]:
        """Of each wall: the part of N_ξξ that does not change, reaction''(b), B_ξ and (ikπ) e^{ikπξ} there."""
        problem, base = self.problem, self.problem.base
        k, found = np.arange(self.modes + 1), []
        for at, b, bend in zip((0, 1), base.values, base.bends, strict=True):
            step = STEP * max(1.0, abs(b))
            below, here, above = (float(np.asarray(problem.reaction(b + shift))) for shift in (-step, 0.0, step))
            slope, curvature = (above - below) / (2 * step), (above - 2 * here + below) / step**2
            fixed = slope * bend - 6 * problem.unit_diffusivity * bend / base.width**2
            waves = np.pi * k * np.where(k * at % 2, -1.0, 1.0)
            found.append((fixed, curvature, float(base(np.array(float(at)), 1)), waves))
        return tuple(found)

    def nonlinear(self, c: np.ndarray) -> np.ndarray:
        """The coefficients of N."""
        half = self.grid // 2
        v = fft.irfft(c, self.grid, norm="forward")[: half + 1]
        base, forced = self._base
        rate = np.asarray(self.problem.reaction(base + v), float) + forced
        values, coefficients = self._jump
        added: np.ndarray | float = 0.0
        for at, (fixed, curvature, slope, waves) in enumerate(self._walls):
            u_x = slope - 2 * float(waves @ c.imag)
            jump = 2 * (fixed + curvature * u_x**2)
            if at:  # b_2 is odd, and the jump of the reflection has the other sign at this wall
                rate = rate - jump * values[::-1]
                added = added - jump * coefficients * np.where(np.arange(self.modes + 1) % 2, -1.0, 1.0)
            else:
                rate = rate - jump * values
                added = added + jump * coefficients
        sines = fft.dst(rate[1:-1], type=1)[: self.modes] / (2 * half)
        return _odd(-1j * np.append(0, sines) + added)

    def sample(self, c: np.ndarray, points: int) -> np.ndarray:
        """u at ξ = −1 + 2i/points: that between the walls, and its mirror image."""
        xi = -1 + 2 * np.arange(points) / points
        v = super().sample(c, points)
        return np.where(xi < 0, -v, v) + self.problem.base(np.abs(xi))


def _odd(c: np.ndarray) -> np.ndarray:
    """The coefficients of the odd part."""
    return 1j * c.imag


def system_of(problem: Problem, modes: int) -> Galerkin:
    """The system of ordinary differential equations of a problem on a circle."""
    return Held(problem, max(modes, FEWEST)) if problem.is_mirrored else Galerkin(problem, modes)
