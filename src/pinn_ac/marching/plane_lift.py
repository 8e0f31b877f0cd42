"""The lift in the plane on even grids, and what a field is there: by the fast Fourier transform."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft

from pinn_ac.ansatz import Field
from pinn_ac.compilation import SOME, compiled
from pinn_ac.marching.lift import CHUNK, in_chunks
from pinn_ac.problem import LocalPlane, PlaneCondition
from pinn_ac.problem.double_series import ORDERS, trimmed

ROUNDING, MODES_STEP = 1e-13, 32
"""Relative size of the modes that are left out, and the step in which their number changes; programs depend on it."""
VALUE = 3
"""The first `ORDERS`, which the value of a field needs."""
BLOCK = 256
"""Points of the plane at which a network is evaluated at once; a divisor of `CHUNK`."""


def strong_modes(condition: Any) -> np.ndarray:
    """A of a condition without the modes that are rounding errors, a multiple of `MODES_STEP` along each axis."""
    return trimmed(np.asarray(condition.matrix, float), ROUNDING, MODES_STEP)


def points_for(modes: int) -> int:
    """Points along each axis from which so many modes are found, an eighth of them more than that takes."""
    return 2 * (modes + modes // 8)


def with_modes(condition: PlaneCondition, modes: int) -> PlaneCondition:
    """The same series with room for more modes."""
    m = condition.matrix.shape[0] // 2
    blocks = jnp.pad(condition.matrix.reshape(2, m, 2, m), ((0, 0), (0, modes - m)) * 2)
    return replace(condition, matrix=blocks.reshape(2 * modes, 2 * modes))


def lift_on_grid(
    problem: Any, condition: Any, pace: float, t: np.ndarray, points: int, orders: Sequence[tuple[int, int]] = ORDERS
) -> np.ndarray:
    """Derivatives of the heat flow of a window's condition at times t, (m,), on an even grid of the unit square.

    They are those of `orders`, by the fast Fourier transform: (10, m, n, n) of all `ORDERS`.
    """
    c, finer = _complex_coefficients(strong_modes(condition), points)
    k, l = (1j * np.pi * np.fft.fftfreq(len(c), 1 / len(c))[:, None], 1j * np.pi * np.arange(c.shape[1]))
    rates = 2 * float(problem.diffusion) * pace * (2 / problem.sides) ** 2
    found = np.empty((len(orders), len(t), points, points))
    for row, time in enumerate(t):
        decayed = c * np.exp(0.5 * rates[0] * time * (k * k).real) * np.exp(0.5 * rates[1] * time * (l * l).real)
        for place, (i, j) in enumerate(orders):
            whole = fft.irfft2(decayed * k**i * l**j, (len(c), len(c)), overwrite_x=True)
            found[place, row] = whole[::finer, ::finer]
    return found


def _complex_coefficients(A: np.ndarray, points: int) -> tuple[np.ndarray, int]:
    """What `irfft2` makes values at ξ, η = −1 + 2j/n of, and n/`points`; n is even and not below the size of A."""
    m = len(A) // 2
    finer = -(-len(A) // points)
    finer += finer * points % 2
    n = finer * points
    sign = np.where(np.arange(m) % 2, -1.0, 1.0)
    share = np.where(np.arange(m), 0.5, 1.0) * sign * n
    along_y = (A[:, :m] - 1j * A[:, m:]) * share
    c = np.zeros((n, n // 2 + 1), complex)
    cosine, sine = along_y[:m] * share[:, None], along_y[m:] * share[:, None]
    c[:m, :m] = cosine - 1j * sine
    c[n - m + 1 :, :m] = (cosine + 1j * sine)[:0:-1]
    return c, finer


def values_from_lift(field: Field) -> Any:
    """(params, t, s, x, lift) → u(t, x), (n,), at places x, (2, n), with the lift and its gradient there, (3, n).

    It is compiled, for n that is a multiple of `BLOCK`; s is the steepest slope of the condition. The ansatz of the
    field has the heat flow of the condition and not the condition itself.
    """

    def values(params, t, steepest, x, lift):
        paced = field.paced(params)
        start = PlaneCondition(jnp.zeros((2, 2)), steepest)

        def at_place(x, lift):
            derivatives = jnp.concatenate([lift, jnp.zeros(len(ORDERS) - VALUE)])  # the others have no part in u
            local = LocalPlane(start, *paced.problem.heat_coordinates(t, x), derivatives)
            return paced._replace(problem=paced.problem.with_initial_condition(local))(params, t, x)

        blocks = tuple(leaf.T.reshape(-1, BLOCK, len(leaf)) for leaf in (x, lift))
        return jax.lax.map(lambda block: jax.vmap(at_place)(*block), blocks).ravel()

    return compiled(values, SOME)


def end_on_grid(
    program: Any, problem: Any, params: Any, condition: Any, t: Any, points: int, pace: float = 1.0
) -> np.ndarray:
    """u(t, ·) on an even grid of a window's domain, (n, n), by a program of :func:`values_from_lift`."""
    lift = lift_on_grid(problem, condition, pace, np.array([float(t)]), points, ORDERS[:VALUE])
    time, steepest = jnp.asarray(t, float), jnp.asarray(condition.steepest_slope, float)
    on_device = jax.tree.map(jnp.asarray, params)
    u = in_chunks(
        lambda x, lift: program(on_device, time, steepest, x, lift),
        CHUNK,
        problem.places(points**2).T,
        lift.reshape(VALUE, -1),
    )
    return np.asarray(u, np.float64).reshape(points, points)
