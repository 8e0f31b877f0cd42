"""The smallest period of an initial condition, and the axis about which it is even there."""

import math
from typing import Any, NamedTuple

import numpy as np

from pinn_ac.problem.initial_conditions import ROUNDING, BandLimited, Fourier


class OwnPeriod(NamedTuple):
    """The condition on one of its `repeats` periods in [−1, 1): u₀(ξ) = condition(repeats · (ξ − axis)).

    repeats: the largest m for which u₀ has the period 2/m.
    axis: where its axis lies; 0 where nothing is gained by another.
    condition: of the new coordinate, with the period 2.
    """

    repeats: int
    axis: float
    condition: Any

    def fold(self, xi: Any) -> Any:
        """repeats · (ξ − axis), wrapped into [−1, 1]; of ξ in [−1, 1], a NumPy or JAX array."""
        if self.repeats == 1 and not self.axis:
            return xi
        folded = self.repeats * (xi - self.axis)
        return folded - 2 * (folded / 2).round()

    def unfold(self, folded: Any) -> Any:
        """The ξ in [−1, 1] next to the axis whose :meth:`fold` this is."""
        if self.repeats == 1 and not self.axis:
            return folded
        xi = self.axis + folded / self.repeats
        return xi - 2 * (xi / 2).round()


def own_period(condition: Any, is_same_everywhere: bool, is_mirrored: bool) -> OwnPeriod:
    """Of an initial condition.

    Only finite Fourier series are looked at: for other conditions, whose kinks and heat flow have formulas of their
    own, the period is the whole one.

    Args:
        condition: u₀.
        is_same_everywhere: the equation does not change when x is shifted.
        is_mirrored: u(t, −x) solves the equation whenever u(t, x) does, so that a u₀ that is even stays even.

    >>> from pinn_ac.problem import Sine
    >>> own = own_period(Sine(wavenumber=3), True, True)
    >>> own.repeats, round(own.axis, 4), own.condition.even
    (3, 0.1667, True)
    """
    whole = OwnPeriod(1, 0.0, condition)
    if not is_same_everywhere or not isinstance(condition, BandLimited):
        return whole
    c = condition.coefficients
    waves = np.flatnonzero(np.abs(c) > ROUNDING * np.abs(c).max())
    waves = waves[waves > 0]
    if not len(waves):
        return whole
    repeats = int(np.gcd.reduce(waves))
    kept = c[::repeats]
    axis = _axis(kept) if is_mirrored and not condition.even else 0.0
    if repeats == 1 and not axis:
        return whole
    k = np.arange(len(kept))
    turned = kept * np.exp(1j * math.pi * k * axis)
    sines = np.zeros(len(kept)) if axis or condition.even else -2 * turned.imag
    own = Fourier(float(turned[0].real), tuple(map(float, 2 * turned.real[1:])), tuple(map(float, sines[1:])))
    return OwnPeriod(repeats, axis / repeats, own)


def _axis(c: np.ndarray) -> float:
    """ξ₀ ≠ 0 of least size about which Σ c_k e^{ikπξ} is even, so that all c_k e^{ikπξ₀} are real; 0 if none is."""
    first = 1 + int(np.argmax(np.abs(c[1:])))
    candidates = (np.arange(-first, first + 1) - np.angle(c[first]) / math.pi) / first
    for axis in sorted(candidates, key=lambda axis: (round(abs(axis), 12), axis < 0)):
        turned = c * np.exp(1j * math.pi * np.arange(len(c)) * axis)
        if np.abs(turned.imag).max() <= 10 * ROUNDING * np.abs(c).max():
            return float(axis)
    return 0.0
