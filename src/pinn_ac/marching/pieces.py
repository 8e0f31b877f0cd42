"""What is solved for in one window of time: a network of drawn features whose output weights alone are found."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.marching.control import LADDER, MOST_UNITS
from pinn_ac.problem import FourierCondition, PlaneCondition


class Piece(NamedTuple):
    """The field on [start, start + length], in natural units: N(z) = Σ_k c_k tanh(A_k·z + b_k).

    start, length: of the window, scalars.
    pace: of the lift and the flow, see `Problem.at_pace`.
    A, b: (K, d) and (K,), drawn.
    c: (K,), found. A unit that is not used has zeros in all three.
    cosine, sine, slope: the Fourier series that the window begins at, see :class:`~pinn_ac.problem.FourierCondition`;
        zeros in the first window, which begins at the problem's own initial condition. In the plane `cosine` is the
        matrix of a :class:`~pinn_ac.problem.PlaneCondition`, and `sine` is not read.
    """

    start: Any
    length: Any
    pace: Any
    A: Any
    b: Any
    c: Any
    cosine: Any
    sine: Any
    slope: Any

    def beginning_at(self, condition: Any) -> "Piece":
        """The piece with its series replaced by that of this condition."""
        if isinstance(condition, PlaneCondition):
            series = condition.matrix, self.sine, condition.steepest_slope
        else:
            series = condition.cosine, condition.sine, condition.steepest_slope
        cosine, sine, slope = map(np.asarray, series)
        return self._replace(cosine=cosine, sine=sine, slope=slope)

    def condition(self, even: bool) -> Any:
        """Where the window begins; not for the first."""
        if np.ndim(self.cosine) == 2:
            return PlaneCondition(jnp.asarray(self.cosine, float), jnp.asarray(self.slope, float))
        real = jax.dtypes.canonicalize_dtype(float)
        cosine, sine, slope = (jnp.asarray(part, real) for part in (self.cosine, self.sine, self.slope))
        return FourierCondition(cosine, sine, slope, even)


def network(piece: Piece, z: jax.Array) -> jax.Array:
    """N(z), a scalar, for features z of shape (d,)."""
    return jnp.tanh(piece.A @ z + piece.b) @ piece.c


def pace(piece: Piece) -> Any:
    """Of a window's field."""
    return piece.pace


def blank(units: int, features: int, modes: int, dimensions: int = 1) -> Piece:
    """Zeros of the shapes of a piece with so many units, features, modes and dimensions of space."""
    real = jax.dtypes.canonicalize_dtype(float)
    series = ((modes,), (modes,)) if dimensions == 1 else ((2 * modes, 2 * modes), (1,))
    shapes: tuple[tuple[int, ...], ...] = ((), (), (), (units, features), (units,), (units,), *series, ())
    return Piece(*(np.zeros(shape, real) for shape in shapes))


def used(piece: Piece) -> int:
    """K, the units of a piece that are no padding."""
    return int(max(np.flatnonzero(np.asarray(piece.c)), default=0)) + 1


def with_room(piece: Piece, units: int) -> Piece:
    """The piece with so many units: those that are not used are left out or added."""
    room = max(0, units - len(piece.b))

    def fitted(leaf: Any) -> Any:
        return np.pad(np.asarray(leaf), [(0, room)] + [(0, 0)] * (np.ndim(leaf) - 1))[:units]

    return piece._replace(A=fitted(piece.A), b=fitted(piece.b), c=fitted(piece.c))


def on_its_rung(piece: Piece) -> Piece:
    """The piece with the smallest number of units on the ladder that it uses: what there are programs for."""
    return with_room(piece, next((units for units in LADDER if units >= used(piece)), len(piece.b)))


def padded(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces with room for the largest network, as checkpoints hold them."""
    return tuple(with_room(piece, MOST_UNITS) for piece in pieces)


def cut(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces without the units that none of them uses."""
    units = max(map(used, pieces))
    return tuple(with_room(piece, units) for piece in pieces)
