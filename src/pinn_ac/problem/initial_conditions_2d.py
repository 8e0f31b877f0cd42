"""Initial conditions u₀(ξ, η) on the unit square [−1, 1)²: double Fourier series, fronts, random fields."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from pinn_ac.errors import InputError, is_number, is_whole, numbers, rectangle, require
from pinn_ac.problem.double_series import (
    MOST_MODES,
    DoubleSeries,
    coefficients,
    grid_values,
    slope,
    trimmed,
)
from pinn_ac.problem.initial_conditions import on_same_domain, require_finite

NEIGHBOURS = range(-2, 3)
"""Periods whose figures reach into this one."""
CUT = 1e-10
"""What may be cut off of a front's series, as a share of its largest coefficient."""
UNIT_SQUARE = ((-1.0, 1.0), (-1.0, 1.0))
"""The domain of a condition that no problem has been given."""


class _Condition(DoubleSeries):
    """A series whose coefficients are plain numbers."""

    def on_domain(self, domain: Any) -> Any:
        """The condition of a problem with this domain."""
        return self

    @cached_property
    def steepest_slope(self) -> float:
        """max |∇u₀| in (ξ, η), on a grid; 1 for a constant."""
        n = max(128, 2 * len(self.matrix))
        along = [grid_values(slope(self.matrix, axis), n) for axis in (0, 1)]
        return float(np.hypot(*along).max()) or 1.0


@dataclass(frozen=True)
class Fourier2D(_Condition):
    """u₀ = mean + Σ a cos(π(kξ + lη)) + Σ b sin(π(kξ + lη)).

    Args:
        mean: the mean of u₀.
        cosine: triples (k, l, a) with whole k and l.
        sine: triples (k, l, b).

    Raises:
        InputError: a triple that is none, or u₀ is zero everywhere.

    The default is 0.5 sin πξ sin πη + 0.3 cos(πξ + 2πη):

    >>> round(float(Fourier2D()([0.5, 0.5])), 12)
    0.5
    """

    mean: float = 0.0
    cosine: tuple[tuple[float, float, float], ...] = ((1, -1, 0.25), (1, 1, -0.25), (1, 2, 0.3))
    sine: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        require_finite("mean", self.mean)
        for name in ("cosine", "sine"):
            object.__setattr__(self, name, _triples(name, getattr(self, name)))
        require(
            bool(self.matrix.any()),  # the sine of (0, 0) is not in it, nor are waves that cancel
            "problem.initial_condition is zero everywhere: give mean, cosine or sine a coefficient other than 0.",
        )

    @cached_property
    def matrix(self) -> np.ndarray:
        """A; cos(p + q) = cos p cos q − sin p sin q, and sin(p + q) = sin p cos q + cos p sin q."""
        waves = [int(abs(k)) for triple in (*self.cosine, *self.sine) for k in triple[:2]]
        m = 1 + max(waves, default=0)
        A = np.zeros((2 * m, 2 * m))
        A[0, 0] = self.mean
        for triples, is_sine in ((self.cosine, False), (self.sine, True)):
            for k, l, a in triples:
                p, q, signs = abs(int(k)), abs(int(l)), (np.sign(k) or 1, np.sign(l) or 1)
                if is_sine:
                    A[m + p, q] += a * signs[0]
                    A[p, m + q] += a * signs[1]
                else:
                    A[p, q] += a
                    A[m + p, m + q] -= a * signs[0] * signs[1]
        A[m, :] = A[:, m] = 0  # the sine of wavenumber 0
        return A


class Placed(_Condition):
    """A condition in the units of a domain: its `domain` is None as long as no problem has given it its own."""

    domain: Any

    on_domain = on_same_domain

    def settle(self) -> None:
        """Check the domain and, where there is one, the series, so that it is refused before anything is computed."""
        if self.domain is not None:
            hint = ", or choose problem=allen_cahn_2d: this condition is for two dimensions"
            object.__setattr__(self, "domain", rectangle("problem.initial_condition.domain", self.domain, hint))
            _ = self.matrix


@dataclass(frozen=True)
class Disc(Placed):
    """u₀ = tanh((r₀² − r²)/(2 r₀ w)), r the distance from the middle: 1 in a disc, −1 outside, w the front's width.

    Near the front it is tanh((r₀ − r)/w), and it is smooth at r = 0. What 1 + u₀ leaves at the sides of the domain is
    added to the periods beside it, so that u₀ is smooth there too. It is used through its double Fourier series,
    which is cut where its coefficients are below 1e-10 of the largest.

    Args:
        radius: r₀ > 0, less than half of the shorter side, in the units of the domain.
        width: w > 0, in these units too; a stationary front has √(2D/R).
        domain: that of the problem, which gives its own to a disc without one.

    Raises:
        InputError: a number out of range; or, when the domain is known, a disc that does not fit, or a front too thin
            for `MOST_MODES` modes.

    >>> abs(float(Disc(radius=0.5, width=0.1)([0.5, 0.0]))) < 1e-9
    True
    """

    radius: float = 0.5
    width: float = 0.05
    domain: Any = None

    def __post_init__(self) -> None:
        _require_front(self)
        self.settle()

    @cached_property
    def matrix(self) -> np.ndarray:
        """A."""

        def u(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return np.tanh((self.radius**2 - x**2 - y**2) / (2 * self.radius * self.width))

        return _series(u, self.domain or UNIT_SQUARE, self.radius)


@dataclass(frozen=True)
class Star(Placed):
    """u₀ = tanh((ρ(θ) − r)/w), ρ = r₀ (1 + a cos nθ), in polar coordinates about the middle of the rectangle.

    It is continued periodically as `Disc` is. It is used through its double Fourier series, which is cut where its
    coefficients are below 1e-10 of the largest.

    Args:
        radius: r₀ > 0, in the units of the domain.
        amplitude: a from 0 to below 1.
        arms: n, a whole number from 2.
        width: w > 0, in the units of the domain; r₀ (1 − a) ≥ 8 w, so that u₀ is smooth at r = 0.
        domain: that of the problem, which gives its own to a star without one.

    Raises:
        InputError: a number out of range; or, when the domain is known, a star that does not fit, or a front too thin
            for `MOST_MODES` modes.
    """

    radius: float = 0.5
    amplitude: float = 0.3
    arms: int = 5
    width: float = 0.04
    domain: Any = None

    def __post_init__(self) -> None:
        a = self.amplitude
        require(
            is_number(a) and 0 <= a < 1,
            f"problem.initial_condition.amplitude is {a}: give a number from 0 to below 1.",
        )
        require(is_whole(self.arms, 2), f"problem.initial_condition.arms is {self.arms}: give a whole number from 2.")
        _require_front(self)
        require(
            self.radius * (1 - a) >= 8 * self.width,
            f"problem.initial_condition.width is {self.width}, too wide for a star whose inner radius is "
            f"{self.radius * (1 - a):.3g}: give an eighth of that at most.",
        )
        self.settle()

    @cached_property
    def matrix(self) -> np.ndarray:
        """A."""

        def u(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            rho = self.radius * (1 + self.amplitude * np.cos(self.arms * np.arctan2(y, x)))
            return np.tanh((rho - np.hypot(x, y)) / self.width)

        return _series(u, self.domain or UNIT_SQUARE, self.radius * (1 + self.amplitude))


@dataclass(frozen=True)
class Random2D(_Condition):
    """A random field: all waves with k² + l² ≤ modes² have normal coefficients of one variance; max |u₀| = amplitude.

    Args:
        modes: the band limit, a whole number from 1.
        amplitude: of the field's largest value on a grid, above 0.
        seed: of the coefficients; the same seed gives the same field.

    Raises:
        InputError: a number out of range.

    >>> round(Random2D(modes=3, amplitude=0.8, seed=1).largest, 2)
    0.8
    """

    modes: int = 4
    amplitude: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        limit = MOST_MODES // 4
        require(
            is_whole(self.modes, 1) and self.modes <= limit,
            f"problem.initial_condition.modes is {self.modes}: give a whole number from 1 to {limit}.",
        )
        require(
            is_number(self.amplitude) and self.amplitude > 0,
            f"problem.initial_condition.amplitude is {self.amplitude}: give a positive number.",
        )
        require(is_whole(self.seed, 0), f"problem.initial_condition.seed is {self.seed}: give a whole number from 0.")

    @cached_property
    def matrix(self) -> np.ndarray:
        """A."""
        m = self.modes + 1
        k = np.tile(np.arange(m), 2)
        A = np.random.default_rng(self.seed).normal(size=(2 * m, 2 * m))
        A[k[:, None] ** 2 + k[None] ** 2 > self.modes**2] = 0
        A[m, :] = A[:, m] = 0  # the sine of wavenumber 0
        plain = _Given(A)
        return A * (self.amplitude / plain.largest)


@dataclass(frozen=True, eq=False)
class _Given(_Condition):
    """A series by its coefficients."""

    matrix: np.ndarray


def _series(u: Callable[[np.ndarray, np.ndarray], np.ndarray], domain: Any, reach: float) -> np.ndarray:
    """A of a figure, u = 1 within and −1 beyond its `reach`, as a function of the position from the middle.

    What 1 + u leaves at the sides is added to the neighbouring periods, so that the sum is smooth and periodic. It is
    sampled on the first of some grids that resolves it.
    """
    _require_room(domain, reach)
    sides = [right - left for left, right in domain]
    periods = [(i * sides[0], j * sides[1]) for i in NEIGHBOURS for j in NEIGHBOURS]
    points = 128
    while points <= 2 * MOST_MODES:
        xi = -1 + 2 * np.arange(points) / points
        x, y = np.meshgrid(0.5 * sides[0] * xi, 0.5 * sides[1] * xi, indexing="ij")
        whole = reduce(operator.add, (1 + u(x - across, y - up) for across, up in periods)) - 1
        A = coefficients(whole, points // 2)
        kept = trimmed(A, CUT)
        if len(kept) <= 0.75 * len(A):
            return kept
        points *= 2
    raise InputError(
        f"problem.initial_condition needs more than {MOST_MODES} Fourier modes along an axis: give a larger width, "
        "or more room between the front and the sides of the domain."
    )


def _require_front(condition: Any) -> None:
    for name in ("radius", "width"):
        value = getattr(condition, name)
        above = is_number(value) and value > 0
        require(above, f"problem.initial_condition.{name} is {value}: give a positive number.")


def _require_room(domain: Any, reach: float) -> None:
    room = 0.5 * min(right - left for left, right in domain)
    require(
        reach < room,
        f"problem.initial_condition reaches {reach:.3g} from the middle, and the domain {room:.3g}: give a smaller "
        "radius.",
    )


def _triples(name: str, given: Any) -> tuple[tuple[float, ...], ...]:
    require(
        isinstance(given, Sequence) and not isinstance(given, str),
        f"problem.initial_condition.{name} is {given}: give a list of triples [k, l, amplitude], or [] for none.",
    )
    found = []
    for one in given:
        triple = numbers(f"problem.initial_condition.{name}", one if isinstance(one, Sequence) else (one,))
        fits = len(triple) == 3 and all(map(math.isfinite, triple)) and all(k == int(k) for k in triple[:2])
        require(
            fits and max(map(abs, triple[:2])) < MOST_MODES,
            f"problem.initial_condition.{name} holds {list(triple)}: give triples [k, l, amplitude] with whole "
            f"wavenumbers k and l from {1 - MOST_MODES} to {MOST_MODES - 1}.",
        )
        found.append(triple)
    return tuple(found)
