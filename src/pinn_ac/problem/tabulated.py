"""An initial condition from a user's own samples."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
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
    A sample at the right end of the domain may repeat the one at the left end.

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
        xi, u = _one_period(self.path, *_read(self.path), self.domain)
        n = len(u)
        if not np.allclose(np.diff(xi), 2 / n, rtol=0, atol=1e-6 / n):
            spline = CubicSpline(np.append(xi, xi[0] + 2), np.append(u, u[0]), bc_type="periodic")
            n = RESAMPLED
            xi = -1 + 2 * np.arange(n) / n
            u = spline(xi)
        k = np.arange(n // 2 + 1)
        c = np.fft.rfft(u) / n * np.exp(-1j * np.pi * k * xi[0])
        if n % 2 == 0:  # the highest mode stands for both signs of k, as half a cosine each
            c[-1] = 0.5 * c[-1]
        c[np.abs(c) < 1e-16 * np.abs(c).max()] = 0
        return c


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """x and u as the file has them."""
    file = Path(path).expanduser()
    require(file.is_file(), f"problem.initial_condition.path: there is no file {path}.")
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                x, u = np.asarray(arrays["x"], float), np.asarray(arrays["u"], float)
        else:
            x, u = _columns(file.read_text(encoding="utf-8-sig"))
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give a CSV file with columns x, u or an NPZ file with arrays x and u."
        ) from error
    return np.ravel(x), np.ravel(u)


def _columns(text: str) -> list[np.ndarray]:
    """The two columns of numbers, without a header (a first line that has no number)."""
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if rows and not any(map(_is_number, rows[0])):
        del rows[0]
    for row in rows:
        if len(row) != 2 or not all(map(_is_number, row)):
            raise ValueError(f"the line {' '.join(row)!r} is not two numbers")
    if not rows:
        raise ValueError("it holds no numbers")
    return list(np.array(rows, float).T)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _one_period(
    path: str, x: np.ndarray, u: np.ndarray, domain: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """ξ in [−1, 1), ascending, and u there, without a repeated right end."""
    require(len(x) == len(u), f"{path} holds {len(x)} values of x but {len(u)} of u: give one u for each x.")
    require(bool(np.isfinite(x).all() and np.isfinite(u).all()), f"{path} holds NaN or infinite values: remove them.")
    order = np.argsort(x)
    left, right = domain
    xi, u = (2 * x[order] - left - right) / (right - left), u[order]
    slack = 1e-9
    require(
        len(xi) > 0 and xi[0] >= -1 - slack and xi[-1] <= 1 + slack,
        f"{path} has x outside the domain [{left}, {right}]: give samples of one period of it.",
    )
    if len(xi) > 1 and xi[-1] - xi[0] > 2 - slack:
        require(
            bool(abs(u[-1] - u[0]) <= 1e-6 * np.abs(u).max()),
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
    require(bool((np.diff(xi) > slack).all()), f"{path} gives the same x twice: remove one of them.")
    require(bool(np.abs(u).max() > 0), f"{path} is zero everywhere: the solution would be zero too.")
    return xi, u
