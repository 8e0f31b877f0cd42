"""How good a field is: its errors against a reference, its residual, and whether its energy and its bound hold."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import jax
import numpy as np
from scipy.integrate import simpson, trapezoid
from scipy.interpolate import CubicSpline

from pinn_ac.errors import InputError, require
from pinn_ac.problem import Problem


class ReferenceField(Protocol):
    """A solution u* on a grid, and a sentence that says where it comes from."""

    @property
    def t(self) -> np.ndarray:
        """(n_t,)."""
        ...

    @property
    def x(self) -> np.ndarray:
        """(n_x,)."""
        ...

    @property
    def u(self) -> np.ndarray:
        """(n_t, n_x)."""
        ...

    @property
    def label(self) -> str:
        """How it was computed."""
        ...


@dataclass(frozen=True)
class Sampled:
    """A field on a grid in t and x, float64.

    Args:
        t: (n_t,), ascending, in [0, T].
        x: (n_x,), ascending, evenly over one period [a, b) without its right end, or from wall to wall.
        u: (n_t, n_x), as are all that follow.
        u_x: slope in space.
        residual: f of the equation.

    Raises:
        InputError: a shape differs from (n_t, n_x).
    """

    t: np.ndarray
    x: np.ndarray
    u: np.ndarray
    u_x: np.ndarray
    residual: np.ndarray

    @property
    def slopes(self) -> tuple[np.ndarray, ...]:
        """The slope along each axis."""
        return (self.u_x,)

    def __post_init__(self) -> None:
        for entry in fields(self):
            object.__setattr__(self, entry.name, np.asarray(getattr(self, entry.name), np.float64))
        shape = (self.t.size, self.x.size)
        for name in ("u", "u_x", "residual"):
            given = getattr(self, name).shape
            require(given == shape, f"{name} has shape {given}, but the grid of t and x has shape {shape}.")


def score(problem: Problem, sampled: Sampled, reference: ReferenceField | None) -> dict[str, Any]:
    """Every metric of a field that its problem allows, as plain floats and lists.

    The residual is taken at t > 0: where u₀ has a kink, derivatives are singular at t = 0, and the equation does not
    have to hold there.

    Args:
        problem: the equation.
        sampled: the field u with residual f.
        reference: u* on the same grid, or None.

    Returns:
        relative_l2: ‖u − u*‖₂ / ‖u*‖₂ over the whole grid.
        max_error: max |u − u*|.
        relative_l2_by_time: ‖u − u*‖₂ / ‖u*‖₂ over x, for each t.
        reference: what the errors are measured against.
        residual_rms, residual_l1: √mean f² and mean |f| over t > 0, in the unit of u_t.
        energy_initial, energy_final: E at the first and the last time (see :func:`energy`).
        energy_violation: the largest rise of E between consecutive times, as a share of |E| at the first time (in
            natural units if that is 0), beyond what is uncertain on this grid (see :func:`energy_doubt`).
        maximum_principle_violation: by how much max |u| exceeds the bound of the solutions, `problem.bound`.

        Without a reference the first four are left out, as are the entries of an energy or a bound that the problem
        does not have.

    Raises:
        InputError: a value that enters is not finite, or the reference is on another grid.
    """
    later = sampled.t > 0
    require(bool(later.any()), "The grid has no time after t = 0: there is nothing to score.")
    residual = _finite(sampled, "residual", sampled.residual[later], sampled.t[later])
    for name in ("u", *(f"u_{axis}" for axis in problem.axes)):
        _finite(sampled, name, getattr(sampled, name), sampled.t)
    metrics = errors(sampled, reference) if reference is not None else {}
    metrics["residual_rms"] = float(np.sqrt(np.mean(residual**2)))
    metrics["residual_l1"] = float(np.mean(np.abs(residual)))
    if "energy" in problem.capabilities:
        metrics |= _energy_metrics(problem, sampled)
    bound = problem.bound
    if bound is not None:
        metrics["maximum_principle_violation"] = max(0.0, float(np.abs(sampled.u).max()) - bound)
    return metrics


def _energy_metrics(problem: Problem, sampled: Sampled) -> dict[str, float]:
    """The entries of an energy; its rise is computed in natural units, in which it does not depend on the user's."""
    energies, walls = energy(problem, sampled.u, *sampled.slopes), problem.has_walls
    natural, slopes = problem.natural, [slope * problem.length_unit for slope in sampled.slopes]
    scaled = energy(natural, sampled.u, *slopes, walls=walls)
    return {
        "energy_initial": float(energies[0]),
        "energy_final": float(energies[-1]),
        "energy_violation": largest_rise(scaled, energy_doubt(natural, sampled.u, slopes, scaled, walls)),
    }


def errors(sampled: Sampled, reference: ReferenceField) -> dict[str, Any]:
    """The errors of u against u*: the first four entries of :func:`score`.

    Raises:
        InputError: u* is on another grid, or not finite.
    """
    exact = np.asarray(reference.u, np.float64)
    same_grid = exact.shape == sampled.u.shape and all(
        np.allclose(ours, theirs, rtol=0, atol=1e-9 * np.ptp(ours)) for ours, theirs in _axes_of(sampled, reference)
    )
    require(same_grid, "The reference is on another grid than the field: sample both on the same t and x.")
    _finite(sampled, "the reference", exact, sampled.t)
    difference = sampled.u - exact
    by_time = [np.linalg.norm(values.reshape(len(sampled.t), -1), axis=1) for values in (difference, exact)]
    return {
        "relative_l2": relative_error(sampled.u, exact),
        "max_error": float(np.abs(difference).max()),
        "relative_l2_by_time": _ratio(*by_time).tolist(),
        "reference": str(reference.label),
    }


def _axes_of(sampled: Any, reference: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """The grids of both along t, x and, in the plane, y."""
    names = [name for name in ("t", "x", "y") if hasattr(sampled, name)]
    return [(getattr(sampled, name), getattr(reference, name)) for name in names]


def energy(problem: Problem, u: np.ndarray, *slopes: np.ndarray, walls: bool | None = None) -> np.ndarray:
    """E(t) = ∫ e(u, u_x) dx over the domain, with e the problem's `energy_density`.

    Args:
        problem: one with the capability "energy".
        u: (n_t, n_x), in the plane (n_t, n, n), on an even grid of one period without its right end, on which the
            trapezoidal rule is spectrally accurate; or from wall to wall, where it is Simpson's.
        slopes: u_x, and in the plane u_y, of u's shape.
        walls: whether the grid is from wall to wall; None: as the problem has them.

    Returns:
        E, (n_t,), which never grows along a solution.
    """
    values = _density(problem, u, *slopes)
    if problem.has_walls if walls is None else walls:
        return problem.period * simpson(values, dx=1 / (values.shape[-1] - 1), axis=-1)
    whole = problem.period if u.ndim == 2 else float(np.prod(problem.sides))  # type: ignore[attr-defined]
    return whole * np.mean(values, axis=tuple(range(1 - u.ndim, 0)))


def _density(problem: Problem, u: np.ndarray, *slopes: np.ndarray) -> np.ndarray:
    """e(u, u_x) in double precision, also where the user's e is made of JAX's functions."""
    density: Any = problem.energy_density
    with jax.enable_x64(True):
        return np.asarray(density(u, *slopes), np.float64)


def energies(problem: Problem, sampled: Sampled, reference: ReferenceField | None) -> tuple[Any, Any]:
    """E(t) of a field and of u* on the same grid, each (n_t,), to be compared; without u* the field's own and None.

    The slopes of both are those that the grid's values have, between walls by a spline: what the grid does not
    resolve, which may be many times the field's error, is then in both.
    """
    if reference is None:
        return energy(problem, sampled.u, sampled.u_x), None
    with np.errstate(invalid="ignore"):  # values that are not finite have no energy
        ours, exact = (
            energy(problem, u, spectral_slope(problem, u)) for u in (sampled.u, np.asarray(reference.u, float))
        )
    return ours, exact


def energy_doubt(
    problem: Problem, u: np.ndarray, slopes: Sequence[np.ndarray], energies: np.ndarray, walls: bool = False
) -> np.ndarray:
    """By how much E(t) changes if only every second point in x is used: what is thinner than the grid shows in it.

    Args:
        problem, u, slopes, walls: see :func:`energy`.
        energies: E(t) with every point, (n_t,).

    Returns:
        The differences; 0 on a grid of a period with an odd number of points, which cannot be halved. From wall to
        wall those of Simpson's rule from the trapezoidal one.
    """
    if walls:
        values = _density(problem, u, *slopes)
        return np.abs(energies - problem.period * trapezoid(values, dx=1 / (u.shape[-1] - 1), axis=-1))
    step = 2 if u.shape[-1] % 2 == 0 else 1
    kept = (slice(None), *[slice(None, None, step)] * (u.ndim - 1))
    return np.abs(energies - energy(problem, u[kept], *(slope[kept] for slope in slopes)))


def spectral_slope(problem: Problem, u: np.ndarray) -> np.ndarray:
    """u_x, (n_t, n_x), of a field that is known on an even grid.

    Of a periodic one it is the derivative of its Fourier series, between walls that of a cubic spline.
    """
    n_x = u.shape[-1]
    if problem.has_walls:
        return CubicSpline(problem.grid(n_x), u, axis=-1)(problem.grid(n_x), 1)
    wavenumber = 2 * np.pi / problem.period * np.arange(n_x // 2 + 1)
    coefficients = 1j * wavenumber * np.fft.rfft(u, axis=-1)
    if n_x % 2 == 0:  # the highest mode is a cosine that the grid meets at its crests alone, where its slope is 0
        coefficients[..., -1] = 0
    return np.fft.irfft(coefficients, n_x, axis=-1)


def largest_rise(energies: np.ndarray, doubts: np.ndarray | float = 0.0) -> float:
    """max_i (E_{i+1} − E_i) / |E_0|, or 0 where E only falls; not divided if E_0 is 0.

    Args:
        energies: E_i, (n_t,).
        doubts: by how much each may be wrong, (n_t,); a rise counts beyond the doubts of its two ends.
    """
    rises = (energies - doubts)[1:] - (energies + doubts)[:-1]
    return float(_ratio(float(rises.max(initial=0.0)), abs(energies[0])))


def relative_error(u: np.ndarray, exact: np.ndarray) -> float:
    """‖u − u*‖₂/‖u*‖₂, and ‖u‖₂ where u* is zero, or its square too small a number."""
    return float(_ratio(np.linalg.norm(u - exact), np.linalg.norm(exact)))


def _ratio(part: Any, whole: Any) -> np.ndarray:
    """part / whole, and part itself where whole is 0."""
    return np.asarray(part) / np.where(np.asarray(whole) > 0, whole, 1.0)


def _finite(sampled: Sampled, name: str, values: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The values, if all are finite; otherwise an InputError says where the first is not."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        i, *places = bad[0]
        where = ", ".join(f"{axis} = {getattr(sampled, axis)[j]:g}" for axis, j in zip("xy", places, strict=False))
        raise InputError(f"{name} is {values[tuple(bad[0])]} at t = {t[i]:g}, {where}.")
    return values
