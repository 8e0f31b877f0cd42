"""An initial condition from a user's own samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from scipy.interpolate import CubicSpline

from pinn_ac.errors import InputError, numbers, require
from pinn_ac.problem.initial_conditions import BandLimited

RESAMPLED = 4096
"""Points at which samples on an uneven grid are laid anew, through a periodic cubic spline."""
MOST_GAP = 4.0
"""How much wider than all others the gap between the last sample and the next period's first one may be."""


@dataclass(frozen=True)
class Tabulated(BandLimited):
    """u₀ through samples (x_j, u_j) of one period: their trigonometric interpolant.

    Samples on an even grid are interpolated exactly; on an uneven one a periodic cubic spline comes first.
    A sample at the right end of the domain may repeat the one at the left end. Both hold up to the rounding of the
    file's own numbers: single precision, or a few decimals.

    Args:
        path: a CSV file with two columns x, u (a header line is allowed), or an NPZ file with arrays x and u.
        domain: the (a, b) that the samples' x refer to; that of the problem.

    Raises:
        InputError: the file cannot be read, holds NaN, too few samples, or samples outside the domain.
    """

    path: str
    domain: tuple[float, float] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        named = isinstance(self.path, str)
        require(named, f"problem.initial_condition.path is {self.path}: give the name of a CSV or NPZ file.")
        object.__setattr__(self, "domain", numbers("problem.initial_condition.domain", self.domain))
        _ = self.coefficients  # a bad file is refused here, before anything is computed

    @cached_property
    def coefficients(self) -> np.ndarray:
        samples = _read(self.path)
        xi, u = _one_period(self.path, samples, self.domain)
        n = len(u)
        away = xi - 2 * np.arange(n) / n
        start = float(np.mean(away))
        if np.ptp(away) > 2 * max(1e-6 / n, 1.01 * _slack(samples, self.domain)):
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


def _read(path: str) -> Samples:
    """What the file has."""
    file = Path(path).expanduser()
    require(file.is_file(), f"problem.initial_condition.path: there is no file {path}.")
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                columns = [np.ravel(np.asarray(arrays[name])) for name in ("x", "u")]
            x, u = (column.astype(float) for column in columns)
            roundings = [_rounding(column) for column in columns]
        else:
            words = _columns(file.read_text(encoding="utf-8-sig"))
            x, u = (np.array(column, float) for column in words)
            roundings = [max(_rounding(np.array(column, float)), _rounding_of_words(column)) for column in words]
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give a CSV file with columns x, u or an NPZ file with arrays x and u."
        ) from error
    return Samples(x, u, *roundings)


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


def _columns(text: str) -> list[list[str]]:
    """The two columns of numbers, without a header (a first line that has no number)."""
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if rows and not any(map(_is_number, rows[0])):
        del rows[0]
    for row in rows:
        if len(row) != 2 or not all(map(_is_number, row)):
            raise ValueError(f"the line {' '.join(row)!r} is not two numbers")
    if not rows:
        raise ValueError("it holds no numbers")
    return [[row[0] for row in rows], [row[1] for row in rows]]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


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
            f"{path} has different values at both ends of the period, so it is not periodic: mend the samples.",
        )
        xi, u = xi[:-1], u[:-1]
    if len(xi) > 1:
        gap, largest = xi[0] + 2 - xi[-1], float(np.diff(xi).max())
        require(
            gap <= MOST_GAP * max(largest, 2 / len(xi)),
            f"{path} covers x from {x.min():.6g} to {x.max():.6g} alone: give samples of the whole period from "
            f"{left} to {right}, or set problem.domain.",
        )
    require(len(xi) >= 8, f"{path} holds {len(xi)} samples of a period: give at least 8.")
    require(bool((np.diff(xi) > 1e-9).all()), f"{path} gives the same x twice: remove one of them.")
    require(bool(np.abs(u).max() > 0), f"{path} is zero everywhere: the solution would be zero too.")
    return xi, u
