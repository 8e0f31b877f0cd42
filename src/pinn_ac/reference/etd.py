"""Exponential time differencing of fourth order (ETDRK4) for equations whose linear part is diagonal."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

TAYLOR_TERMS = 18
"""1/18! is below rounding, so this many terms of φ_j are exact for |z| ≤ 1."""

KEPT = 24
"""Number of step lengths whose coefficients are kept in memory."""


def phi_functions(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """φ_1, φ_2, φ_3 of real z, with φ_0 = e^z and φ_{j+1}(z) = (φ_j(z) − 1/j!)/z.

    The recursion cancels near z = 0; there (|z| < 1) their Taylor series Σ z^n/(n+j)! replace it, as the
    contour integral of Kassam and Trefethen does.

    Source: A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214–1233, section 2.
    """
    near = np.abs(z) < 1
    inside, outside = np.where(near, z, 0.0), np.where(near, -1.0, z)
    values = []
    recursion = np.exp(outside)
    for j in (1, 2, 3):
        recursion = np.expm1(outside) / outside if j == 1 else (recursion - 1 / math.factorial(j - 1)) / outside
        series = np.zeros_like(z)
        for n in reversed(range(TAYLOR_TERMS)):
            series = series * inside + 1 / math.factorial(n + j)
        values.append(np.where(near, series, recursion))
    return values[0], values[1], values[2]


@dataclass(frozen=True)
class Weights:
    """The coefficients of one step of length h, with z = h·linear."""

    half: np.ndarray
    """e^{z/2} − 1"""
    full: np.ndarray
    """e^z − 1"""
    stage: np.ndarray
    """(h/2) φ_1(z/2)"""
    first: np.ndarray
    """h (φ_1 − 3φ_2 + 4φ_3)"""
    middle: np.ndarray
    """h (2φ_2 − 4φ_3)"""
    last: np.ndarray
    """h (4φ_3 − φ_2)"""


def weights(linear: np.ndarray, step: float) -> Weights:
    """The coefficients of Kassam and Trefethen's equations (26)–(29)."""
    z = step * linear
    phi_1, phi_2, phi_3 = phi_functions(z)
    return Weights(
        half=np.expm1(0.5 * z),
        full=np.expm1(z),
        stage=0.5 * step * phi_functions(0.5 * z)[0],
        first=step * (phi_1 - 3 * phi_2 + 4 * phi_3),
        middle=step * (2 * phi_2 - 4 * phi_3),
        last=step * (4 * phi_3 - phi_2),
    )


class State(NamedTuple):
    """Where a march is.

    c: the coefficients.
    rate: nonlinear(c).
    carry: what rounding has taken from c and the next step gives back.
    """

    c: np.ndarray
    rate: np.ndarray
    carry: np.ndarray


@dataclass(frozen=True)
class Stepper:
    """Steps of c' = linear·c + nonlinear(c), for any step length.

    A step computes the change of c, which it adds by a compensated sum (Kahan 1965). So rounding errors do not add up
    with the number of steps: those of e^z c, which is c nearly, would do so systematically.

    Args:
        linear: the diagonal linear part (real), shape (modes,).
        nonlinear: the rest of the right-hand side, a function from coefficients to coefficients.
        known: the coefficients of steps, kept by step length.
    """

    linear: np.ndarray
    nonlinear: Callable[[np.ndarray], np.ndarray]
    known: dict[float, Weights] = field(default_factory=dict)

    def weights(self, step: float) -> Weights:
        """The step's coefficients, computed once for each of the last `KEPT` lengths."""
        found = self.known.pop(step, None) or weights(self.linear, step)
        self.known[step] = found
        if len(self.known) > KEPT:
            del self.known[next(iter(self.known))]
        return found

    def begin(self, c: np.ndarray) -> State:
        """The state before the first step."""
        return State(c, self.nonlinear(c), np.zeros_like(c))

    def advance(self, state: State, step: float) -> tuple[State, np.ndarray]:
        """One step.

        Returns:
            The new state, and an estimate of the local error, of third order: the difference that it makes to use
            nonlinear(new c) in place of the last stage. It costs nothing, since nonlinear(new c) is the first stage
            of the next step.
        """
        w, c, rate = self.weights(step), state.c, state.rate
        a = c + (w.half * c + w.stage * rate)
        rate_a = self.nonlinear(a)
        b = c + (w.half * c + w.stage * rate_a)
        rate_b = self.nonlinear(b)
        rate_c = self.nonlinear(a + (w.half * a + w.stage * (2 * rate_b - rate)))
        change = w.full * c + w.first * rate + w.middle * (rate_a + rate_b) + w.last * rate_c + state.carry
        new = c + change
        new_rate = self.nonlinear(new)
        return State(new, new_rate, change - (new - c)), w.last * (rate_c - new_rate)
