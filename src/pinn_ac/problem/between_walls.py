"""Initial conditions that are not periodic, for problems between walls (`problem.boundary` neumann or dirichlet)."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import InputError, require
from pinn_ac.problem.initial_conditions import require_finite, require_series


class _BetweenWalls:
    """What such a condition answers to questions that are for periodic ones."""

    periodic: ClassVar[bool] = False
    even: ClassVar[bool] = False
    kinks: ClassVar[tuple[float, ...]] = ()

    def fourier_coefficients(self, modes: int) -> np.ndarray:
        """It has none of its own: those of its reflection are its problem's (`Problem.circle`)."""
        raise InputError(f"{type(self).__name__} is not periodic: choose problem.boundary=neumann or dirichlet.")

    def heat_flow(self, variance: jax.Array, xi: jax.Array, largest: float) -> tuple[jax.Array, ...]:
        """As :meth:`fourier_coefficients`."""
        raise InputError(f"{type(self).__name__} is not periodic: choose problem.boundary=neumann or dirichlet.")


@dataclass(frozen=True)
class Tanh(_BetweenWalls):
    """u₀ = offset + amplitude · tanh((ξ − centre)/width), one front; for problems between walls.

    Args:
        width: > 0, in ξ.
        centre: where the front is, in ξ, which runs from −1 to 1 over the domain.
        amplitude, offset: u₀ goes from offset − amplitude to offset + amplitude.

    Raises:
        InputError: a value is not finite, the width is not positive, or the amplitude is 0.

    >>> import jax.numpy as jnp
    >>> float(Tanh(width=0.1)(jnp.asarray(0.0)))
    0.0
    """

    width: float = 0.1
    centre: float = 0.0
    amplitude: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("width", "centre", "amplitude", "offset"):
            require_finite(name, getattr(self, name))
        require(self.width > 0, f"problem.initial_condition.width is {self.width}: give a positive number.")
        require(self.amplitude != 0, "problem.initial_condition.amplitude is 0: give another number.")

    def __call__(self, xi: jax.Array) -> jax.Array:
        return self.offset + self.amplitude * jnp.tanh((xi - self.centre) / self.width)

    @property
    def steepest_slope(self) -> float:
        """|amplitude|/width."""
        return abs(self.amplitude) / self.width


@dataclass(frozen=True)
class HalfWaves(_BetweenWalls):
    """u₀ = mean + Σ_{k≥1} a_k cos(kπs) + b_k sin(kπs), with s = (ξ + 1)/2 from 0 to 1 over the domain.

    The cosines have no slope at the ends (Neumann), and the sines vanish there (Dirichlet): on [0, 1] the default is
    sin πx.

    Args:
        mean: the mean of the series.
        cosine: (a_1, a_2, …).
        sine: (b_1, b_2, …).

    Raises:
        InputError: a value is not finite, or all are zero.

    >>> import jax.numpy as jnp
    >>> float(HalfWaves(sine=(0.5,))(jnp.asarray(0.0)))
    0.5
    """

    mean: float = 0.0
    cosine: tuple[float, ...] = ()
    sine: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_series(self)

    def __call__(self, xi: jax.Array) -> jax.Array:
        angle = 0.5 * jnp.pi * (xi + 1)
        u = self.mean + 0.0 * angle
        for k, (a, b) in enumerate(zip(*self._padded, strict=True), start=1):
            u = u + a * jnp.cos(k * angle) + b * jnp.sin(k * angle)
        return u

    @property
    def _padded(self) -> tuple[np.ndarray, np.ndarray]:
        most = max(len(self.cosine), len(self.sine))
        a, b = (np.pad(np.asarray(part, float), (0, most - len(part))) for part in (self.cosine, self.sine))
        return a, b

    @property
    def steepest_slope(self) -> float:
        """max |u₀'(ξ)| on 1025 points; 1 for a constant."""
        angle, (a, b) = 0.5 * np.pi * np.linspace(0, 2, 1025), self._padded
        k = np.arange(1, len(a) + 1)[:, None]
        slopes = 0.5 * np.pi * k * (b[:, None] * np.cos(k * angle) - a[:, None] * np.sin(k * angle))
        return float(np.abs(slopes.sum(axis=0)).max(initial=0.0)) or 1.0
