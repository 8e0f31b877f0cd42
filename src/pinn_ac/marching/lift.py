"""The heat flow of a window's initial condition on lines of constant time, by the fast Fourier transform."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.problem import Problem
from pinn_ac.problem.lifts import DERIVATIVES
from pinn_ac.reference.grids import fastest_decay

CHUNK = 2048
"""Points that one call of a compiled program gets, so that each program is compiled for one number of points."""
ROUGH = 4096
"""Modes that stand for a condition with a kink where a rough value is enough."""


@dataclass(frozen=True)
class Lift:
    """g = exp(tD∂²)u₀ and its derivatives in ξ up to the third, on lines of constant t.

    Args:
        problem: in natural units.
        condition: u₀: a Fourier series, or a condition with kinks, whose closed form is then evaluated at each point.
        pace: how fast the clock runs that D is multiplied by; see `Problem.at_pace`.
        points: G, even, of the grid ξ_j = −1 + 2j/G; at least twice the modes of the series.
    """

    problem: Problem
    condition: Any
    pace: float
    points: int

    @property
    def exact_series(self) -> bool:
        """u₀ is a finite Fourier series."""
        return not self.condition.kinks

    @cached_property
    def _coefficients(self) -> np.ndarray:
        modes = self.points // 2 - 1
        return np.asarray(self.condition.fourier_coefficients(modes if self.exact_series else min(modes, ROUGH)))

    @cached_property
    def fastest(self) -> float:
        """The rate of the fastest decay of g that leaves something behind, see `pinn_ac.reference.grids`."""
        return self.pace * fastest_decay(self.problem, self._coefficients)

    def lines(self, t: np.ndarray, orders: int = 1) -> np.ndarray:
        """The first derivatives, (orders, m, G), at the times t, (m,); near a kink at t = 0 they are rough."""
        c = self._coefficients
        k = np.pi * np.arange(len(c))
        decay = np.exp(-self._variance(t)[:, None] / 2 * k**2) * c * np.where(np.arange(len(c)) % 2, -1.0, 1.0)
        return np.stack([self._inverse(decay * (1j * k) ** p) for p in range(orders)])

    def _inverse(self, c: np.ndarray) -> np.ndarray:
        """Σ_k c_k e^{ikπ(ξ + 1)} + conjugates on the grid."""
        half = self.points // 2
        padded = np.zeros((len(c), half + 1), complex)
        kept = min(c.shape[1], half)
        padded[:, :kept] = c[:, :kept]
        return np.fft.irfft(padded * self.points, self.points, axis=1)

    def _variance(self, t: np.ndarray) -> np.ndarray:
        return 2 * float(self.problem.unit_diffusivity) * self.pace * np.asarray(t)

    def at(self, t: np.ndarray, columns: np.ndarray, exact: Callable[..., Any]) -> np.ndarray:
        """All derivatives at the points (t_i, ξ_{columns[i, j]}), (4, m, q).

        Args:
            t: (m,).
            columns: (m, q), indices of the grid.
            exact: (variance, ξ) → the derivatives by the closed form, of vectors of `CHUNK` points.
        """
        if self.exact_series:
            lines = self.lines(t if self.pace else t[:1], DERIVATIVES + 1)
            lines = np.broadcast_to(lines, (len(lines), len(t), self.points))  # at pace 0 all are the same
            return np.take_along_axis(lines, columns[None] % self.points, axis=2)
        variance = np.broadcast_to(self._variance(t)[:, None], columns.shape).ravel()
        xi = (-1 + 2 * columns / self.points).ravel()
        found = in_chunks(exact, CHUNK, variance, xi)
        return np.stack([part.reshape(columns.shape) for part in found])

    def at_places(self, t: np.ndarray, xi: np.ndarray, exact: Callable[..., Any]) -> np.ndarray:
        """:meth:`at` of any places: at the points (t_i, ξ_j), t (m,) and ξ (q,), (4, m, q)."""
        variance = self._variance(t)
        if not self.exact_series:
            found = in_chunks(exact, CHUNK, np.repeat(variance, len(xi)), np.tile(xi, len(t)))
            return np.stack([part.reshape(len(t), len(xi)) for part in found])
        return series_at(self._coefficients, variance, xi, DERIVATIVES + 1)


def series_at(c: np.ndarray, variance: np.ndarray, xi: np.ndarray, orders: int) -> np.ndarray:
    """The heat flow of Σ_k c_k e^{ikπξ} + conjugates and its derivatives in ξ, (orders, m, q).

    Args:
        c: c_k, k from 0.
        variance, xi: 2Dt, (m,), and ξ, (q,): a value for each pair.
        orders: how many, from the value on.
    """
    kept = np.flatnonzero(c)
    k = np.pi * kept
    decayed = np.exp(-0.5 * np.outer(variance, k**2)) * c[kept] * np.where(kept, 2, 1)
    waves = np.exp(1j * np.outer(k, xi))
    return np.stack([((decayed * (1j * k) ** p) @ waves).real for p in range(orders)])


def in_chunks(f: Callable[..., Any], size: int, *columns: np.ndarray) -> Any:
    """f of arrays whose last axis is one of points, `size` points at a time, so that it is compiled once."""
    count, parts = columns[0].shape[-1], []
    for start in range(0, count, size):
        chunk = [column[..., np.arange(start, start + size) % count] for column in columns]
        kept = min(size, count - start)
        parts.append(jax.tree.map(lambda leaf, kept=kept: np.asarray(leaf)[..., :kept], f(*map(jnp.asarray, chunk))))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=-1), *parts)
