"""Initial conditions u₀(ξ, η) on the unit square [−1, 1)² through samples in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pinn_ac.errors import InputError, expanded, require
from pinn_ac.problem.arrays import file_name, real_numbers
from pinn_ac.problem.double_series import MOST_MODES, analysis, trimmed
from pinn_ac.problem.initial_conditions_2d import UNIT_SQUARE, Placed


@dataclass(frozen=True)
class Tabulated2D(Placed):
    """u₀ through samples on an even grid of one period: their trigonometric interpolant.

    Args:
        path: an NPZ file with arrays x (n,), y (m,) and u (n, m); samples at the right ends may repeat those at the
            left.
        domain: the ((a, b), (c, d)) that x and y refer to: that of the problem, which gives its own to samples
            without one.

    Raises:
        InputError: the file cannot be read, or holds NaN, too few or too many samples, or no even grid of one period.
    """

    path: str
    domain: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", file_name(self.path, "an NPZ file"))
        _ = _read(self.path)  # what cannot be read is refused here
        self.settle()

    @cached_property
    def matrix(self) -> np.ndarray:
        """A."""
        *axes, u = _read(self.path)
        require(
            u.shape == tuple(len(axis) for axis in axes),
            f"{self.path} has u of shape {u.shape} for {len(axes[0])} x and {len(axes[1])} y: give u[i, j] for each.",
        )
        finite = all(np.isfinite(array).all() for array in (*axes, u))
        require(finite, f"{self.path} holds NaN or infinite values: remove them.")
        require(
            bool(np.abs(u).max(initial=0) > 0), f"{self.path} is zero everywhere: the solution would be zero too."
        )
        starts = []
        for axis, (values, side) in enumerate(zip(axes, self.domain or UNIT_SQUARE, strict=True)):
            start, is_whole_period = _even(self.path, "xy"[axis], values, side)
            starts.append(start)
            if is_whole_period:
                last, first = np.take(u, -1, axis), np.take(u, 0, axis)
                require(
                    bool(np.abs(last - first).max() <= 1e-6 * np.abs(u).max()),
                    f"{self.path} has different values at both ends of the period in {'xy'[axis]}: mend the samples.",
                )
                u = np.delete(u, -1, axis)
        modes = max(u.shape) // 2 + 1
        require(
            modes <= MOST_MODES,
            f"{self.path} has {max(u.shape)} samples along an axis: give {2 * MOST_MODES - 2} at most.",
        )
        A = analysis(analysis(u, u.shape[0] // 2 + 1, 0, starts[0]), u.shape[1] // 2 + 1, 1, starts[1])
        return trimmed(_square(A), 1e-16)


def _square(A: np.ndarray) -> np.ndarray:
    """The coefficients with as many modes along both axes."""
    modes = max(A.shape) // 2
    for axis in (0, 1):
        own = A.shape[axis] // 2
        halves = np.split(A, [own], axis)
        room = [(0, 0), (0, 0)]
        room[axis] = (0, modes - own)
        A = np.concatenate([np.pad(half, room) for half in halves], axis)
    return A


def _read(path: str) -> tuple[np.ndarray, ...]:
    file = expanded(path)
    require(file.is_file(), f"problem.initial_condition.path: there is no file {path}.")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            held = {name: np.asarray(arrays[name]) for name in ("x", "y", "u")}
    except (ValueError, KeyError, OSError, EOFError, BadZipFile, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give an NPZ file with arrays x, y and u, u[i, j] at (x_i, y_j)."
        ) from error
    x, y, u = (np.asarray(real_numbers(path, name, values), float) for name, values in held.items())
    return np.ravel(x), np.ravel(y), u


def _even(path: str, name: str, values: np.ndarray, side: Sequence[float]) -> tuple[float, bool]:
    """Where an even grid of one period begins in unit coordinates, and whether its last point repeats the first."""
    left, right = side
    require(len(values) >= 8, f"{path} holds {len(values)} samples along {name}: give at least 8.")
    xi = (2 * values - left - right) / (right - left)
    steps = np.diff(xi)
    step = float(steps.mean())
    even = bool(np.abs(steps - step).max() <= 1e-4 * abs(step)) and step > 0
    count = round(2 / step) if even else 0
    is_whole_period = count == len(xi) - 1
    # All steps together may miss the period by the thousandth part of one.
    fits = even and count in (len(xi), len(xi) - 1) and abs(count * step - 2) <= 1e-3 * step
    require(
        fits and xi[0] >= -1 - 1e-3 * step and xi[-1] <= 1 + 1e-3 * step,
        f"{path} has {name} that is no even grid of one period from {left} to {right}: resample it, or set "
        "problem.domain.",
    )
    return float(xi[0]), is_whole_period
