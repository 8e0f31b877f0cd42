"""Whether a problem's residual is the equation that its linear part and nonlinear term describe."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import require
from pinn_ac.problem import Problem

POINTS = 64
IN_PLANE = 16
"""Along each axis of the plane."""
MODES = 4
"""Of the test function: few, so that the powers of it in the nonlinear term are resolved by `POINTS`."""
TIMES = (0.3, 0.9)
"""Shares of the horizon at which the residual is evaluated: a residual that depends on t differs between them."""
TOLERANCE = 1e-8
"""Of the mismatch; rounding leaves 1e-12, a wrong sign or a forgotten factor more than 1e-2."""


def require_spectral(problem: Problem, who: str, instead: str) -> None:
    """Refuse a problem that does not say what its linear part and its nonlinear term are, or says it wrongly.

    Args:
        problem: any.
        who: needs them, as the beginning of a sentence: "The reference solution".
        instead: what to do where the problem lacks them, as the end of the sentence.

    Raises:
        InputError: they are missing, or the residual does not vanish for u_t = L u + N(u).
    """
    problem.require("spectral", who, instead)
    # Not `<=` alone, which NaN fails: a term that is undefined at the test function decides nothing.
    require(
        not mismatch(problem) > TOLERANCE,
        f"The residual of {type(problem).__name__} is not u_t − L u − N(u) with the L and N(u) that it declares: "
        "make its residual agree with its symbol (or diffusion), reaction and flux.",
    )


def mismatch(problem: Problem, seed: int = 0) -> float:
    """max |f − g| / max |L u + N(u)| for a trigonometric u with u_t = L u + N(u) + g.

    Here f is the residual, L the linear part, N(u) = reaction(u) − ∂x flux(u) the nonlinear term, and g a disturbance
    of the size of the rest: f must be exactly what the equation is not satisfied by. u has random coefficients and
    stays within the range of the initial condition, outside of which a nonlinear term may be undefined.

    Args:
        problem: one with the capability "spectral".
        seed: of the random coefficients.

    Returns:
        About 1e-14 for a consistent problem; 0 where the residual needs more than one derivative in t, for which this
        gives no value.
    """
    if any(name.count("t") > 1 for name in problem.orders):
        return 0.0
    if len(problem.axes) == 2:
        return _mismatch_in_plane(problem, seed)
    with jax.enable_x64(True), np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        u, g = _test_functions(problem, seed)
        k = 2 * np.pi / problem.period * np.arange(POINTS // 2 + 1)

        def along(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
            return np.fft.irfft(factor * np.fft.rfft(values), POINTS)

        rate = along(u, np.asarray(problem.symbol(k))) + np.asarray(problem.reaction(u))
        flux = problem.flux(u)
        if flux is not None:
            rate = rate - along(np.asarray(flux), 1j * k)
        size = float(np.abs(rate).max()) or 1.0
        u_t = rate + size * g
        values = {"u": u} | {
            name: along(u_t if "t" in name else u, (1j * k) ** name.count("x")) for name in problem.orders
        }
        x = problem.domain[0] + problem.period * np.arange(POINTS) / POINTS
        # Point by point, as a residual is defined: it may choose between formulas there.
        found = [
            [
                float(problem.residual({name: value[i] for name, value in values.items()}, {"t": t, "x": x[i]}))
                for i in range(POINTS)
            ]
            for t in np.multiply(TIMES, problem.horizon)
        ]
    return float(np.abs(np.array(found) - size * g).max() / size)


def _mismatch_in_plane(problem: Any, seed: int) -> float:
    """The same on a grid of `IN_PLANE` × `IN_PLANE` points, where there is no flux."""
    generator, k = np.random.default_rng(seed), np.fft.fftfreq(IN_PLANE, 1 / IN_PLANE)
    waves = {axis: 2 * np.pi / side * k for axis, side in zip(problem.axes, problem.sides, strict=True)}
    grids = dict(zip(problem.axes, np.meshgrid(*waves.values(), indexing="ij"), strict=True))
    low = (np.abs(k)[:, None] <= 2) & (np.abs(k) <= 2)

    def along(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
        return np.fft.ifft2(factor * np.fft.fft2(values)).real

    with jax.enable_x64(True), np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        draws = generator.normal(size=(2, IN_PLANE, IN_PLANE))
        u, g = (one / np.abs(one).max() for one in (along(draw, low) for draw in draws))
        u = problem.initial_condition.largest * u
        rate = along(u, np.asarray(problem.symbol(*grids.values()), float)) + np.asarray(problem.reaction(u), float)
        size = float(np.abs(rate).max()) or 1.0
        values = {"u": u}
        for name in problem.orders:
            factor = np.prod([(1j * grids[axis]) ** name.count(axis) for axis in problem.axes], axis=0)
            values[name] = along(rate + size * g if "t" in name else u, factor)
        found = np.asarray(problem.residual(values, problem.at(0.3 * problem.horizon, _places(problem))), float)
    return float(np.abs(found - size * g).max() / size)


def _places(problem: Any) -> np.ndarray:
    return np.stack(np.meshgrid(*problem.grids(IN_PLANE), indexing="ij"), axis=-1)


def _test_functions(problem: Problem, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """u within the range of u₀ and g within [−1, 1], each of `MODES` modes, shape (POINTS,)."""
    generator = np.random.default_rng(seed)
    j = np.arange(POINTS // 2 + 1)
    kept = (j > 0) & (j <= MODES)
    waves = []
    for _ in range(2):
        c = np.where(kept, generator.normal(size=(2, len(j))), 0.0)
        wave = np.fft.irfft((c[0] + 1j * c[1]) / np.maximum(j, 1) ** 2, POINTS)
        waves.append(wave / np.abs(wave).max())
    start = np.asarray(problem.initial_condition(jnp.asarray(-1 + 2 * np.arange(256) / 256)), float)
    middle, half = 0.5 * (start.max() + start.min()), 0.5 * float(np.ptp(start))
    return middle + (half or 0.1 * abs(middle) or 1.0) * waves[0], waves[1]
