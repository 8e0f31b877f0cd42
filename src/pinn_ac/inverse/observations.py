"""Observations of a solution: values at points, and how far each can be trusted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.errors import InputError, require
from pinn_ac.problem import Problem
from pinn_ac.problem.arrays import read_arrays


@dataclass(frozen=True, eq=False)
class Observations:
    """u_i = u(t_i, x_i) + ε_i with independent normal ε_i of mean 0 and standard deviation σ_i, i < m.

    Args:
        t, x: where, in the units of the problem's horizon and domain; real numbers of shapes that go together.
        u: what was seen there, one value for each point: of the shape that t and x have together.
        sigma: σ_i, of that shape too, or one positive number for all; None where it is not known: then all are one σ,
            which is estimated from how far the fitted solution stays from the data.

    Raises:
        InputError: the shapes do not go together, a value is not a finite number, a σ is not positive, or there is no
            observation.

    >>> from pinn_ac.inverse import Observations
    >>> data = Observations(t=[0.5, 1.0], x=[0.0, 0.3], u=[0.01, 0.9])
    >>> len(data), data.sigma is None
    (2, True)
    """

    t: Any
    x: Any
    u: Any
    sigma: Any = None

    def __post_init__(self) -> None:
        given = {"t": self.t, "x": self.x, "u": self.u} | ({} if self.sigma is None else {"sigma": self.sigma})
        arrays = {}
        for name, value in given.items():
            try:
                require(not np.iscomplexobj(value), "complex")
                arrays[name] = np.asarray(value, float)
            except (TypeError, ValueError) as error:
                raise InputError(f"The observations' {name} is not made of real numbers: give an array.") from error
        try:
            shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        except ValueError:
            shape = None
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        # A column beside rows would make a square of them, in which every value is seen at every point.
        is_one_each = shape is not None and arrays["u"].size == math.prod(shape)
        require(is_one_each, f"The observations have the shapes {shapes}: give one shape.")
        assert shape is not None
        for name, array in arrays.items():
            flat = np.broadcast_to(array, shape).ravel()
            bad = np.flatnonzero(~np.isfinite(flat))
            where = f"{name} of observation {bad[0] + 1}" if len(bad) else ""
            require(not len(bad), f"The {where} is NaN or infinite: leave that observation out.")
            object.__setattr__(self, name, flat.copy())
        require(len(self.t) > 0, "There are no observations: give one for each unknown at least.")
        if self.sigma is not None:
            require(
                bool((self.sigma > 0).all()),
                "A sigma is not positive: give every observation's own, or leave them out.",
            )

    def __len__(self) -> int:
        return len(self.t)

    @classmethod
    def from_file(cls, path: str | Path, names: Mapping[str, str] | None = None) -> "Observations":
        """The observations in a file: t, x, u and perhaps sigma.

        Args:
            path: CSV with a header, NPZ, or MATLAB's .mat; a solution on a grid of times and points is taken whole.
            names: what → what the file calls it, such as {"u": "temperature"}.

        Raises:
            InputError: the file cannot be read, or lacks t, x or u.
        """
        held = read_arrays(path, names)
        missing = [name for name in ("t", "x", "u") if name not in held]
        require(
            not missing,
            f"{path} holds no {', '.join(missing)}: give columns or arrays t, x and u, or their names by data.names.",
        )
        t, x, u = held["t"], held["x"], held["u"]
        if u.ndim == 2:
            t, x = (axis.ravel() for axis in np.meshgrid(t, x, indexing="ij"))
        return cls(t, x, u.ravel(), held.get("sigma"))

    def check(self, problem: Problem, unknowns: int) -> None:
        """Refuse data that a problem cannot have produced, or that are fewer than the unknowns.

        Raises:
            InputError: they are refused.
        """
        horizon, (left, right) = problem.horizon, problem.domain
        slack = 1e-6  # single precision is enough for a time or a place at the end of its range
        require(
            bool((self.t >= 0).all() and (self.t <= horizon * (1 + slack)).all()),
            f"An observation has t = {self._outside(self.t, 0.0, horizon):.6g}, outside [0, {horizon:g}]: set "
            "problem.horizon to the time of the last one, or leave it out.",
        )
        reach = slack * (right - left)
        require(
            bool((self.x >= left - reach).all() and (self.x <= right + reach).all()),
            f"An observation has x = {self._outside(self.x, left, right):.6g}, outside the domain [{left:g}, "
            f"{right:g}]: set problem.domain, or leave it out.",
        )
        needed = unknowns + (self.sigma is None)
        require(
            len(self) >= needed,
            f"{len(self)} observations cannot determine {unknowns} unknowns"
            f"{' and the noise' if self.sigma is None else ''}: give {needed} or more"
            f"{', or their sigma' if self.sigma is None else ''}.",
        )

    @staticmethod
    def _outside(values: np.ndarray, low: float, high: float) -> float:
        return float(values[np.argmax(np.maximum(low - values, values - high))])
