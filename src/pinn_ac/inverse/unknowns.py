"""What is unknown of a problem, as a vector of numbers, and how the problem follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from pinn_ac.errors import is_number, require
from pinn_ac.inverse.tangents import Directions
from pinn_ac.marching import Kernel
from pinn_ac.problem import Problem


class Unknowns(Protocol):
    """Numbers η, (p,), that a problem follows from."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the unknowns, (p,)."""
        ...

    @property
    def start(self) -> np.ndarray:
        """η to begin at."""
        ...

    @property
    def first(self) -> Problem:
        """The problem, in the user's units, whose natural units and symmetry are those of all η."""
        ...

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a normal prior of η, each (p,); infinite deviations where there is none."""
        ...

    def values(self, eta: np.ndarray) -> np.ndarray:
        """The unknowns themselves, (p,), in the user's units."""
        ...

    def scales(self, eta: np.ndarray) -> np.ndarray:
        """∂values/∂η, (p,)."""
        ...

    def natural(self, eta: np.ndarray) -> Problem:
        """The problem with plain numbers, in units that are the same for all η."""
        ...

    def directions(self, eta: np.ndarray) -> Directions:
        """How the problem in these units changes with η."""
        ...

    def problem(self, eta: np.ndarray) -> Problem:
        """The problem in the user's units."""
        ...

    def control(self, eta: np.ndarray) -> Problem:
        """The problem that windows and numbers of features are chosen for, in the units of :meth:`natural`."""
        return self.natural(eta)

    def kernel(self, kernel: Kernel) -> Kernel:
        """The kernel of the equation with all that is unknown, from that of :attr:`first`."""
        return kernel


@dataclass(frozen=True)
class Coefficients(Unknowns):
    """Positive coefficients θ_j of an equation, by their logarithms: η_j = ln θ_j.

    Args:
        known: the problem; what it has for the unknowns does not count.
        guess: name → where to begin; a decade off will do.

    Raises:
        InputError: there is none, one that the problem does not have, or a guess that is not positive.
    """

    known: Problem
    guess: Mapping[str, float]

    def __post_init__(self) -> None:
        kind, have = type(self.known).__name__, list(self.known.coefficients)
        require(bool(have), f"{kind} has no coefficient that could be unknown: choose another problem.")
        require(bool(self.guess), f"Nothing is unknown: name one of {', '.join(have)}, as in unknown.{have[0]}=1.")
        for name, value in self.guess.items():
            require(name in have, f"{kind} has no coefficient {name}: it has {', '.join(have)}.")
            require(
                is_number(value) and value > 0,
                f"unknown.{name} is {value}: give a positive number, from which the search begins.",
            )
        circle = self.first.circle
        require(
            not (circle.is_mirrored and any(circle.base.bends)),
            "Between walls, coefficients are found where u is held at states of rest of the reaction, such as −1, 0 "
            f"and 1, and problem.boundary_values is {list(self.known.boundary_values or ())}: give such data, or "
            "choose problem.boundary=neumann.",
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.guess)

    @property
    def start(self) -> np.ndarray:
        return np.log([float(value) for value in self.guess.values()])

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        return self.start, np.full(len(self.guess), np.inf)

    @cached_property
    def first(self) -> Problem:
        """The problem at the guess, in the user's units."""
        values: dict[str, Any] = {name: float(value) for name, value in self.guess.items()}
        return replace(self.known, **values)

    def values(self, eta: np.ndarray) -> np.ndarray:
        return np.exp(eta)

    def scales(self, eta: np.ndarray) -> np.ndarray:
        return np.exp(eta)

    def natural(self, eta: np.ndarray) -> Problem:
        """In the natural units of the guess."""
        first = self.first
        values: dict[str, Any] = dict(zip(self.names, np.exp(eta).tolist(), strict=True))
        if first.dimensions is None:
            return replace(first, **values)
        for name in values:
            p, q = first.dimensions[name]
            values[name] *= (1 / first.length_unit) ** p * first.time_unit**-q
        return replace(first.natural, **values)

    def directions(self, eta: np.ndarray) -> Directions:
        here, count = self.natural(eta).coefficients, len(self.names)
        return Directions({name: np.eye(count)[j] * here[name] for j, name in enumerate(self.names)})

    def problem(self, eta: np.ndarray) -> Problem:
        values: dict[str, Any] = dict(zip(self.names, np.exp(eta).tolist(), strict=True))
        return replace(self.known, **values)
