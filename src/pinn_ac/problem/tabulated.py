"""An initial condition from a user's own samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import BSpline, CubicSpline, make_interp_spline

from pinn_ac.errors import InputError, expanded, interval, require
from pinn_ac.problem.arrays import NAMES, columns, file_name, read_arrays
from pinn_ac.problem.ends import BOUNDARIES, said
from pinn_ac.problem.initial_conditions import BandLimited, on_same_domain

RESAMPLED = 4096
"""Points at which samples on an uneven grid are laid anew, through a periodic cubic spline."""
FLAT = 0.05
"""Slopes at both ends below this share of the steepest are those of walls without flux."""
MOST_GAP = 4.0
"""How much wider than all others the gap between the last sample and the next period's first one may be."""


@dataclass(frozen=True)
class Tabulated(BandLimited):
    """u₀ through samples (x_j, u_j): of one period their trigonometric interpolant, between walls a spline.

    Samples of a period on an even grid are interpolated exactly; on an uneven one a periodic cubic spline comes
    first. A sample at the right end of the domain may repeat the one at the left end. Both hold up to the rounding
    of the file's own numbers: single precision, or a few decimals. Between walls the samples cover the domain with
    both ends, and a spline of fifth degree goes through them.

    Args:
        path: a CSV file with two columns x, u or a header that names them, an NPZ file with arrays x and u, or a .mat
            file (SciPy's reader). Of a solution (n_t, n_x), or with a column t, u₀ is u at the first time.
        domain: the (a, b) that the samples' x refer to: that of the problem, which gives its own to samples without
            one.
        boundary: that of the problem.
        x_name, u_name, t_name: what the file calls its arrays, where it is not one of `arrays.NAMES`.

    Raises:
        InputError: the file cannot be read; or, when the domain is known, it holds NaN, too few samples, or samples
            outside the domain, or its ends do not fit the boundary.
    """

    path: str
    domain: Any = None
    boundary: str = "periodic"
    x_name: str | None = None
    u_name: str | None = None
    t_name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", file_name(self.path, "a CSV, NPZ or .mat file"))
        if self.domain is not None:
            object.__setattr__(self, "domain", interval("problem.domain", self.domain))
        require(
            self.boundary in BOUNDARIES,
            f"problem.initial_condition.boundary is {self.boundary!r}: choose that of the problem, "
            f"{', '.join(BOUNDARIES[:-1])} or {BOUNDARIES[-1]}.",
        )
        for name in ("x_name", "u_name", "t_name"):
            value = getattr(self, name)
            is_name = value is None or isinstance(value, str)
            require(is_name, f"problem.initial_condition.{name} is {value}: give the name of an array, or null.")
        # A bad file is refused here, before anything is computed.
        _ = self._samples if self.domain is None else self.coefficients if self.periodic else self._spline

    on_domain = on_same_domain

    @property
    def _interval(self) -> tuple[float, float]:
        """The domain; [−1, 1] as long as no problem has given one."""
        return self.domain or (-1.0, 1.0)

    @property
    def periodic(self) -> bool:
        """The samples are of one period."""
        return self.boundary == "periodic"

    @property
    def rounding(self) -> float:
        """A u that is smaller is zero but for the rounding of the samples, and of what they were computed in."""
        return max(4 * _rounding(self._samples.u), self._samples.u_rounding)

    @property
    def intervals(self) -> int:
        """Of the grid that its reflection is sampled on."""
        return RESAMPLED

    @cached_property
    def _samples(self) -> "Samples":
        names = {"x": self.x_name, "u": self.u_name, "t": self.t_name}
        return _read(self.path, {what: name for what, name in names.items() if name is not None})

    @cached_property
    def _spline(self) -> BSpline:
        """u₀(ξ) between walls."""
        xi, u = _between_walls(self.path, self._samples, self._interval)
        return make_interp_spline(xi, u, k=5)

    @property
    def terms(self) -> int:
        """Of the series of a period; between walls there is none."""
        return super().terms if self.periodic else 0

    def __call__(self, xi: jax.Array) -> jax.Array:
        """u₀(ξ); between walls it is evaluated on the host."""
        return super().__call__(xi) if self.periodic else jnp.asarray(self._spline(np.clip(np.asarray(xi), -1, 1)))

    @cached_property
    def steepest_slope(self) -> float:
        """max |u₀'(ξ)|; 1 for a constant."""
        if self.periodic:
            return super().steepest_slope
        return float(np.abs(self._spline(np.linspace(-1, 1, RESAMPLED), 1)).max()) or 1.0

    @property
    def even(self) -> bool:
        """The series has no sine; not looked at between walls."""
        return self.periodic and super().even

    @cached_property
    def coefficients(self) -> np.ndarray:
        samples = self._samples
        require(
            self.periodic, "These samples lie between walls and have no Fourier series: ask Problem.circle for it."
        )
        xi, u = _one_period(self.path, samples, self._interval)
        n = len(u)
        away = xi - 2 * np.arange(n) / n
        start = float(np.mean(away))
        if np.ptp(away) > 2 * max(1e-6 / n, 1.01 * _slack(samples, self._interval)):
            spline = CubicSpline(np.append(xi, xi[0] + 2), np.append(u, u[0]), bc_type="periodic")
            n, start = RESAMPLED, -1.0
            u = spline(-1 + 2 * np.arange(n) / n)
        k = np.arange(n // 2 + 1)
        c = np.fft.rfft(u) / n * np.exp(-1j * np.pi * k * start)
        if n % 2 == 0:  # the highest mode stands for both signs of k, as half a cosine each
            c[-1] = 0.5 * c[-1]
        c[np.abs(c) < 1e-16 * np.abs(c).max()] = 0
        return c


class Samples(NamedTuple):
    """x and u, each with the most that rounding has moved its values."""

    x: np.ndarray
    u: np.ndarray
    x_rounding: float
    u_rounding: float


def _read(path: str, names: Mapping[str, str]) -> Samples:
    """What the file has."""
    file = expanded(path)
    require(file.is_file(), f"problem.initial_condition.path: there is no file {path}.")
    try:
        found = read_arrays(file, names)
    except InputError as error:
        named = ", ".join(f"{what}_name" for what in names)
        raise InputError(f"{error} ({named} of problem.initial_condition)" if named else str(error)) from error
    for what in ("x", "u"):
        require(
            what in found,
            f"{path} holds no array {what}: name it by problem.initial_condition.{what}_name, or give a CSV "
            f"file with "
            "columns x, u or an NPZ or .mat file with arrays x and u.",
        )
    x, u, times = found["x"], found["u"], found.get("t")
    known = times is None or bool(np.isfinite(times).all())
    require(known, f"{path} holds times that are NaN or infinite: remove them.")
    if u.ndim == 2:
        u = u[0 if times is None else int(np.argmin(times))]
    elif times is not None and len(times) == len(x) == len(u):
        first = times == times.min()
        x, u = x[first], u[first]
    roundings = [_rounding(values) for values in (x, u)]
    if file.suffix.lower() not in (".npz", ".mat"):
        table = columns(file.read_text(encoding="utf-8-sig"))
        words = [table[names.get(what) or _named(what, table)] for what in ("x", "u")]  # of all times
        roundings = [max(own, _rounding_of_words(list(one))) for own, one in zip(roundings, words, strict=True)]
    return Samples(x.astype(float), u.astype(float), *roundings)


def _named(what: str, table: Mapping[str, object]) -> str:
    """The column that is this."""
    return next(name for usual in NAMES[what] for name in table if name.lower() == usual)


def _rounding(values: np.ndarray) -> float:
    """Of the numbers' own precision, or of single precision where they are all of it."""
    own = float(np.finfo(values.dtype).eps) if np.issubdtype(values.dtype, np.floating) else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        is_single = np.array_equal(values, values.astype(np.float32))
    least = float(np.finfo(np.float32).eps if is_single else np.finfo(np.float64).eps)
    return 0.5 * max(own, least) * float(np.abs(values).max(initial=0.0))


def _rounding_of_words(words: Sequence[str]) -> float:
    """Half a unit of the last decimal, or of the last digit of the largest number, whichever is more."""
    digits, decimals = 0, 0
    for word in words:
        mantissa, _, exponent = word.lower().partition("e")
        whole, _, rest = mantissa.lstrip("+-").partition(".")
        digits = max(digits, len((whole + rest).lstrip("0")))
        decimals = max(decimals, len(rest) - int(exponent or 0))
    largest = max((abs(float(word)) for word in words), default=0.0)
    if not largest or not math.isfinite(largest):
        return 0.0
    return 0.5 * max(10.0**-decimals, 10.0 ** (math.ceil(math.log10(largest)) - digits))


def _slack(samples: Samples, domain: tuple[float, float]) -> float:
    """How far rounding has moved ξ, at most; far less than two samples are apart."""
    return min(samples.x_rounding * 2 / (domain[1] - domain[0]), 0.25 / max(len(samples.x), 1))


def _one_period(path: str, samples: Samples, domain: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """ξ in [−1, 1), ascending, and u there, without a repeated right end."""
    x, u = samples.x, samples.u
    require(len(x) == len(u), f"{path} holds {len(x)} values of x but {len(u)} of u: give one u for each x.")
    require(bool(np.isfinite(x).all() and np.isfinite(u).all()), f"{path} holds NaN or infinite values: remove them.")
    order = np.argsort(x)
    left, right = domain
    xi, u = (2 * x[order] - left - right) / (right - left), u[order]
    slack, same = (
        max(1e-9, 2 * _slack(samples, domain)),
        max(1e-6 * np.abs(u).max(initial=0.0), 4 * samples.u_rounding),
    )
    require(
        len(xi) > 0 and xi[0] >= -1 - slack and xi[-1] <= 1 + slack,
        f"{path} has x outside the domain [{left}, {right}]: give samples of one period of it.",
    )
    if len(xi) > 1 and xi[-1] - xi[0] > 2 - slack:
        require(
            bool(abs(u[-1] - u[0]) <= same),
            f"{path} has different values at both ends of the period, {u[0]:.6g} and {u[-1]:.6g}, so it is not "
            f"periodic: mend the samples, or choose {_fitting(xi, u)}.",
        )
        xi, u = xi[:-1], u[:-1]
    if len(xi) > 1:
        gap, largest = xi[0] + 2 - xi[-1], float(np.diff(xi).max())
        require(
            gap <= MOST_GAP * largest,
            f"{path} covers x from {x.min():.6g} to {x.max():.6g} alone: give samples of the whole period from "
            f"{left} to {right}, or set problem.domain.",
        )
    require(len(xi) >= 8, f"{path} holds {len(xi)} samples of a period: give at least 8.")
    require(bool((np.diff(xi) > 1e-9).all()), f"{path} gives the same x twice: remove one of them.")
    require(bool(np.abs(u).max() > 0), f"{path} is zero everywhere: the solution would be zero too.")
    return xi, u


def _fitting(xi: np.ndarray, u: np.ndarray) -> str:
    """The boundary that fits the ends of samples, for a sentence."""
    held = f"problem.boundary=dirichlet problem.boundary_values={said(u[0], u[-1])}"
    slopes = [abs(u[i] - u[j]) / abs(xi[i] - xi[j]) for i, j in ((0, 1), (-1, -2))]
    steepest = float(np.abs(np.diff(u) / np.diff(xi)).max())
    return "problem.boundary=neumann" if max(slopes) <= FLAT * steepest else held


def _between_walls(path: str, samples: Samples, domain: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """ξ from −1 to 1, ascending, and u there."""
    x, u = samples.x, samples.u
    require(len(x) == len(u), f"{path} holds {len(x)} values of x but {len(u)} of u: give one u for each x.")
    require(bool(np.isfinite(x).all() and np.isfinite(u).all()), f"{path} holds NaN or infinite values: remove them.")
    require(len(x) >= 8, f"{path} holds {len(x)} samples: give at least 8.")
    order, (left, right) = np.argsort(x), domain
    xi, u = (2 * x[order] - left - right) / (right - left), u[order]
    slack = max(1e-9, 2 * _slack(samples, domain))
    require(
        bool(abs(xi[0] + 1) <= slack and abs(xi[-1] - 1) <= slack),
        f"{path} covers x from {x.min():.6g} to {x.max():.6g}, and the walls are at {left:g} and {right:g}: "
        f"give samples "
        "from wall to wall, both ends included, set problem.domain, or choose problem.boundary=periodic.",
    )
    require(bool((np.diff(xi) > 1e-9).all()), f"{path} gives the same x twice: remove one of them.")
    require(bool(np.abs(u).max() > 0), f"{path} is zero everywhere: the solution would be zero too.")
    xi[0], xi[-1] = -1.0, 1.0
    return xi, u
