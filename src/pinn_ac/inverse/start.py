"""Assimilation: an unknown initial condition, as Fourier coefficients with a normal prior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from pinn_ac.description import node
from pinn_ac.errors import is_number, is_truth, is_whole, require
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.tangents import Directions
from pinn_ac.inverse.unknowns import Coefficients, Unknowns
from pinn_ac.problem import Fourier, Problem
from pinn_ac.problem.initial_conditions import require_known


@dataclass(frozen=True)
class UnknownStart:
    """An initial condition that is to be inferred; for `unknown={"initial_condition": UnknownStart(…)}`.

    On the command line its arguments are settings, such as `unknown.initial_condition.modes=3`.

    u₀(ξ) = a_0 + Σ_{k=1}^m a_k cos kπξ + b_k sin kπξ on the domain scaled to [−1, 1), with the normal prior
    a_k, b_k ~ N(μ_k, (s k^{−q})²), a_0 ~ N(μ_0, s²): μ are the coefficients of the problem's own initial condition if
    `around` it, else 0. Data at later times leave the waves that diffusion has damped to the prior, whose deviation
    is then their standard error. The posterior is taken as normal (Laplace): that is exact where u depends linearly
    on u₀, and its errors are honest where the prior is true and the posterior is narrow.

    Source: A. M. Stuart, Inverse problems: a Bayesian perspective, Acta Numerica 19 (2010) 451–559.

    Args:
        modes: m, 2 or more.
        size: s > 0.
        decay: q ≥ 0.
        around: the prior's mean is the problem's initial condition.

    Raises:
        InputError: a number out of range.

    >>> UnknownStart(modes=2).deviations.tolist()
    [1.0, 1.0, 0.5, 1.0, 0.5]
    """

    modes: int = 4
    size: float = 1.0
    decay: float = 1.0
    around: bool = False

    def __post_init__(self) -> None:
        require(is_whole(self.modes, 2), f"modes is {self.modes}: give a whole number from 2.")
        require(is_number(self.size) and self.size > 0, f"size is {self.size}: give a positive number.")
        require(is_number(self.decay) and self.decay >= 0, f"decay is {self.decay}: give zero or a positive number.")
        require(is_truth(self.around), f"around is {self.around}: choose true or false.")

    @property
    def deviations(self) -> np.ndarray:
        """Of the prior: of a_0, a_1 … a_m, b_1 … b_m."""
        waves = self.size * np.arange(1, self.modes + 1) ** -float(self.decay)
        return np.concatenate([[self.size], waves, waves])


def wave_names(modes: int) -> tuple[str, ...]:
    """Of a_0, a_1 … a_m, b_1 … b_m."""
    k = range(1, modes + 1)
    return ("mean", *(f"cos_{j}" for j in k), *(f"sin_{j}" for j in k))


def series_of(a: Sequence[float]) -> Fourier:
    """The initial condition with these coefficients, in the order of :func:`wave_names`.

    >>> series_of([0.1, 0.2, 0.3])
    Fourier(mean=0.1, cosine=(0.2,), sine=(0.3,))
    """
    m = len(a) // 2
    return Fourier(a[0], tuple(a[1 : m + 1]), tuple(a[m + 1 :]))


@dataclass(frozen=True)
class StartAndCoefficients(Unknowns):
    """An unknown initial condition and unknown positive coefficients: η = (ln θ, a_0, a_1 …, b_1 …).

    Args:
        known: the problem.
        prior_start: of the initial condition.
        guess: name → where to begin, of the coefficients; none are needed.
    """

    known: Problem
    prior_start: UnknownStart
    guess: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.guess:
            _ = self._coefficients
        if self.prior_start.around:
            require_known(self.known)
        require(
            not self.known.has_walls,
            f"An unknown initial condition is a periodic series, and problem.boundary is {self.known.boundary}: "
            "choose problem.boundary=periodic.",
        )
        require(
            "spectral" in self.known.capabilities and self.known.dimensions is not None,
            f"An unknown initial condition is for equations that are the same at every x, and "
            f"{type(self.known).__name__} does not say that it is one.",
        )

    @cached_property
    def _coefficients(self) -> Coefficients:
        return Coefficients(self.known, self.guess)

    @property
    def _count(self) -> int:
        return len(self.guess)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.guess, *wave_names(self.prior_start.modes))

    @cached_property
    def _mean(self) -> np.ndarray:
        m = self.prior_start.modes
        if not self.prior_start.around:
            return np.zeros(2 * m + 1)
        c = self.known.initial_condition.fourier_coefficients(m)
        return np.concatenate([[c[0].real], 2 * c[1:].real, -2 * c[1:].imag])

    @property
    def start(self) -> np.ndarray:
        # Not at zero, where a field without a gradient says nothing of most coefficients.
        a = self._mean if self._mean.any() else 0.1 * self.prior_start.deviations
        return np.concatenate([self._coefficients.start if self.guess else np.zeros(0), a])

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        logs = self._coefficients.start if self.guess else np.zeros(0)
        deviations = np.concatenate([np.full(self._count, np.inf), self.prior_start.deviations])
        return np.concatenate([logs, self._mean]), deviations

    def values(self, eta: np.ndarray) -> np.ndarray:
        return np.concatenate([np.exp(eta[: self._count]), eta[self._count :]])

    def scales(self, eta: np.ndarray) -> np.ndarray:
        return np.concatenate([np.exp(eta[: self._count]), np.ones(len(eta) - self._count)])

    def condition(self, eta: np.ndarray) -> Fourier:
        """u₀."""
        return series_of(eta[self._count :].tolist())

    @cached_property
    def first(self) -> Problem:
        """With an initial condition without any symmetry, so that none is built in."""
        waves = tuple(1 / (k + 1) for k in range(self.prior_start.modes))
        generic = Fourier(0.1, waves, tuple(reversed(waves)))
        return replace(self._coefficients.first if self.guess else self.known, initial_condition=generic)

    @cached_property
    def _of_coefficients(self) -> Coefficients:
        return Coefficients(self.first, self.guess)

    def natural(self, eta: np.ndarray) -> Problem:
        natural = self._of_coefficients.natural(eta[: self._count]) if self.guess else self.first.natural
        return replace(natural, initial_condition=self.condition(eta))

    def directions(self, eta: np.ndarray) -> Directions:
        n, m = self._count, self.prior_start.modes
        rates: dict[str, np.ndarray] = {}
        if self.guess:
            found = self._of_coefficients.directions(eta[:n]).coefficients
            rates = {name: np.concatenate([rate, np.zeros(2 * m + 1)]) for name, rate in found.items()}
        waves = np.zeros((n + 2 * m + 1, m + 1), complex)
        waves[n, 0] = 1.0
        for k in range(1, m + 1):
            waves[n + k, k], waves[n + m + k, k] = 0.5, -0.5j
        return Directions(rates, waves)

    def problem(self, eta: np.ndarray) -> Problem:
        whole = self._coefficients.problem(eta[: self._count]) if self.guess else self.known
        return replace(whole, initial_condition=self.condition(eta))


def unknowns_of(problem: Problem, unknown: Mapping[str, Any]) -> Unknowns:
    """What is unknown of a problem, by name: a guess; of "initial_condition" :class:`UnknownStart` or its arguments.

    Raises:
        InputError: nothing is unknown, or something that there is none of.
    """
    guess = {name: value for name, value in unknown.items() if name != "initial_condition"}
    if "initial_condition" not in unknown:
        return Coefficients(problem, guess)
    return StartAndCoefficients(problem, _prior(unknown["initial_condition"]), guess)


def _prior(given: Any) -> UnknownStart:
    if isinstance(given, Mapping):
        known = [one.name for one in fields(UnknownStart)]
        others = [str(name) for name in given if name not in known]
        require(
            not others, f"unknown.initial_condition has no setting {', '.join(others)}: it has {', '.join(known)}."
        )
        return UnknownStart(**given)
    require(
        isinstance(given, UnknownStart),
        f"unknown.initial_condition is {given!r}: give the settings of its prior, as in "
        "unknown.initial_condition.modes=4; in Python, pinn_ac.inverse.UnknownStart(modes=4).",
    )
    return given


def with_found(problem: Mapping[str, Any], inferred: Inferred) -> dict[str, Any]:
    """The settings of a problem, with what was inferred in their place: coefficients and an initial condition."""
    found = dict(zip(inferred.names, inferred.found.tolist(), strict=True))
    waves = [name for name in found if name in wave_names(len(found))]
    start = node(series_of([found.pop(name) for name in waves]), "initial condition") if waves else None
    return {**problem, **found, **({} if start is None else {"initial_condition": start})}
