"""The transfer from one time window to the next: what a field has reached becomes an initial condition."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.problem.lifts import BLOCK, long_series
from pinn_ac.problem.problem import Problem

FEWEST, MOST = 128, 16384
"""Modes that a transferred condition has at least and at most."""
ABOVE, TOGETHER = 8.0, 32
"""How many times as large as the noise a signal is, of so many modes together; twice would be 8 σ. A weaker signal,
left out, adds less to the residual than the noise of the many modes beyond it would."""


@partial(jax.tree_util.register_dataclass, data_fields=["cosine", "sine", "steepest_slope"], meta_fields=["even"])
@dataclass(frozen=True)
class FourierCondition:
    """u₀ = Σ_k a_k cos kπξ + b_k sin kπξ, a pytree, so that one compiled program serves every time window.

    Args:
        cosine: a_0 … a_{m−1}.
        sine: b_0 … b_{m−1}; not read where u₀ is even.
        steepest_slope: max |u₀'(ξ)|.
        even: u₀(−ξ) = u₀(ξ).
    """

    cosine: jax.Array
    sine: jax.Array
    steepest_slope: jax.Array
    even: bool

    @property
    def kinks(self) -> tuple[float, ...]:
        """None: diffusion has rounded them."""
        return ()

    def __call__(self, xi: jax.Array) -> jax.Array:
        return self.heat_flow(jnp.zeros_like(xi), xi, 0.0)[0]

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """c_k for k ≤ modes, zero beyond the series' own end."""
        c = (np.asarray(self.cosine) - 1j * np.asarray(self.sine)) / np.where(np.arange(len(self.cosine)), 2, 1)
        return np.pad(c[: modes + 1], (0, max(0, modes + 1 - len(c))))

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """Σ_k e^{−(kπ)² variance/2} (a_k cos kπξ + b_k sin kπξ) at one point, and its first derivatives in ξ."""
        del largest  # a finite series is exact for every variance
        return long_series(self.cosine, None if self.even else self.sine, variance, xi)


def modes_needed(problem: Problem, start: float) -> int:
    """Modes that hold a solution from the time `start` > 0 on to nearly double precision, a multiple of `BLOCK`.

    An interface u = tanh(ξ/w) has modes that fall like e^{−π² k w/2}; w is no thinner than the interfaces that the
    equation forms (`interface_width`), nor than its reaction can have made the steepest slope of u₀ (`steepening`).
    A kink that has been rounded by diffusion D for the time `start` has modes that fall like e^{−(kπ)² D start}; and
    those of u₀ itself, such as samples may have, are damped as much.
    """
    width = problem.interface_width or 1.0
    growth = min(problem.steepening, math.exp(50.0))
    thinnest = max(width, 1 / (problem.initial_condition.steepest_slope * growth))
    if problem.interface_width is None and problem.growth == 0:  # nothing is known but the rough guess of steepening
        thinnest = 1 / (problem.initial_condition.steepest_slope * growth)
    digits = -math.log(1e-14)
    needed = digits / (0.5 * np.pi**2 * thinnest)
    D = problem.nominal.unit_diffusivity if problem.diffusion is not None else 0.0
    if problem.initial_condition.kinks:
        needed = max(needed, math.sqrt(digits / (np.pi**2 * D * start)) if D else MOST)
    c = np.abs(problem.initial_condition.fourier_coefficients(MOST))
    damped = c * np.exp(-D * start * (np.pi * np.arange(MOST + 1)) ** 2)
    beyond = np.cumsum(damped[::-1])[::-1]  # Σ of those from k on
    needed = max(needed, float(np.count_nonzero(beyond > 1e-14 * c.max())))
    return min(max(BLOCK * math.ceil(needed / BLOCK), FEWEST), MOST)


def transfer(u: np.ndarray, modes: int, even: bool, problem: Problem | None = None) -> FourierCondition:
    """The condition through a field's values u at ξ = −1 + 2j/n, j = 0..n−1, less its modes from `modes` < n/2 on.

    Where the `problem` is mirrored, u(−ξ) = u(ξ) are the values between its walls, and the condition is the odd
    reflection of u less its base, as :class:`~pinn_ac.problem.reflected.Reflected` is.

    High modes that are rounding errors of the values are left out, see :func:`signal_modes`.
    """
    n, k = len(u), np.arange(modes)
    if problem is not None and problem.is_mirrored:
        xi = -1 + 2 * np.arange(n) / n
        u = np.where(np.abs(xi) == 1, 0.0, np.sign(xi)) * (u - problem.base(np.abs(xi)))
    # e^{ikπξ} at the first point is (−1)^k.
    found = np.fft.rfft(u)
    c = found[:modes] / n * np.where(k % 2, -1.0, 1.0) * np.where(k, 2, 1)
    c[signal_modes(found, modes) :] = 0
    slopes = np.fft.irfft(np.pad(0.5j * np.pi * k * c * n, (0, n // 2 + 1 - modes)), n)
    real = jax.dtypes.canonicalize_dtype(float)
    cosine, sine, slope = (jnp.asarray(part, real) for part in (c.real, -c.imag, np.abs(slopes).max() or 1.0))
    return FourierCondition(cosine, sine, slope, even)


def signal_modes(c: np.ndarray, modes: int) -> int:
    """How many of the first `modes` coefficients c, of values on a grid with more modes than these, hold a signal.

    Rounding errors of the values are white: they have the same size at all k, which is seen beyond `modes`, where a
    resolved field has nothing else. They would be of no account but that D k² multiplies them in the residual, where
    a solution that has settled keeps them from window to window.
    """
    squares = np.abs(c) ** 2
    noise = squares[modes:].mean()
    blocks = np.add.reduceat(squares[:modes], np.arange(0, modes, TOGETHER)) / TOGETHER
    return min(modes, TOGETHER * (1 + int(np.flatnonzero(blocks > ABOVE**2 * noise).max(initial=0))))
