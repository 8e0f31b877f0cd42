"""How many Fourier modes a problem needs, and the sentences that refuse a problem which needs too many."""

import math

import numpy as np

from pinn_ac.errors import require
from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import stride

MOST_MODES = 2**17
"""With more modes a solution would take minutes."""

LARGEST_SIZE = 1e8
"""Of u₀; the powers of larger values overflow in the nonlinear term."""

NEGLIGIBLE = 1e-12
"""Relative size of what the modes left out may contribute to the solution."""

WITHOUT = "set reference=false and train without the true solution"


def modes_needed(problem: Problem, first_time: float) -> int:
    """The number of modes that resolve u₀, its harmonics and the interfaces, from the first output time > 0 on.

    It is an estimate, which the solver checks and raises where it must.

    Raises:
        InputError: they are more than `MOST_MODES`, or u₀ is larger than `LARGEST_SIZE`.
    """
    size = float(np.abs(problem.initial_condition.fourier_coefficients(2**12)).sum())
    require(size <= LARGEST_SIZE, f"The initial condition reaches {size:.2g}: give one of size 1 or so.")
    k_initial = _initial_modes(problem, first_time)
    k_interface = _interface_modes(problem)
    require(
        k_interface <= MOST_MODES,
        f"The interfaces of this problem need {k_interface:.2g} Fourier modes (at most {MOST_MODES}): "
        f"change {settings(problem)} so that its interfaces are wider, or {WITHOUT}.",
    )
    require(
        k_initial <= MOST_MODES,
        f"The initial condition still needs more than {MOST_MODES} Fourier modes at t = {first_time:.2g}: "
        f"change {settings(problem)} so that it is smoothed sooner, or {WITHOUT}.",
    )
    return 16 + math.ceil(max(k_initial, k_interface) / stride(problem))


def settings(problem: Problem) -> str:
    """The problem's own coefficients and its horizon, for a sentence: "problem.viscosity or problem.horizon"."""
    names = [f"problem.{name}" for name in (*problem.coefficients, "horizon")]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def second_derivatives(problem: Problem) -> tuple[float, float]:
    """max |reaction''(u)| and max |flux''(u)| over the values that the solution may take; both 0 if it is linear."""
    return _largest_derivative(problem, "reaction", 2), _largest_derivative(problem, "flux", 2)


def largest_speed(problem: Problem) -> float:
    """max |flux'(u)| over the values that the solution may take: how fast its features move."""
    return _largest_derivative(problem, "flux", 1)


def _largest_derivative(problem: Problem, name: str, order: int) -> float:
    """By central differences, exact up to degree 3, on 65 values of u in [−bound, bound]; without a bound of u₀."""
    reach = problem.bound or 2 * _largest_initial_value(problem) or 1.0
    u, step = np.linspace(-reach, reach, 65), 1e-2 * reach
    values = [getattr(problem, name)(u + shift) for shift in (-step, 0.0, step)]
    if values[0] is None:
        return 0.0
    below, here, above = (np.asarray(one, float) for one in values)
    difference = above - 2 * here + below if order == 2 else 0.5 * (above - below)
    # Rounding makes a linear term's second difference a tiny number; it must count as zero.
    known = np.nan_to_num(np.where(np.abs(difference) > 1e-13 * np.abs(here).max(), difference, 0.0))
    return float(np.abs(known).max()) / step**order


def _largest_initial_value(problem: Problem) -> float:
    """A bound of |u₀|; in the plane its largest value on a grid."""
    if len(problem.axes) == 2:
        return float(problem.initial_condition.largest)  # type: ignore[attr-defined]
    return float(np.abs(problem.initial_condition.fourier_coefficients(2**12)).sum())


def _initial_modes(problem: Problem, first_time: float) -> int:
    """Beyond this mode, u₀ has decayed at the first output time, and has not changed the rest before it did."""
    k = np.arange(MOST_MODES + 2)
    wavenumber = 2 * np.pi / problem.period * k
    c = np.abs(problem.initial_condition.fourier_coefficients(MOST_MODES + 1))
    decay_rate = np.maximum(-np.asarray(problem.symbol(wavenumber), float), 0.0)
    left = c * np.exp(-np.minimum(decay_rate * first_time, 700))
    # In the nonlinear term pairs of modes are a source of N''|c_k|² for the others, for as long as they live.
    reaction, flux = second_derivatives(problem)
    lifetime = np.minimum(problem.horizon, 0.5 / np.maximum(decay_rate, 1e-300))
    moved = (reaction + flux * wavenumber) * c**2 * lifetime
    scale = float(np.sqrt(np.sum(c**2)))
    tail = np.maximum(_tail(left**2) ** 0.5, _tail(moved))
    enough = int(np.argmax(tail <= NEGLIGIBLE * scale)) if tail[-1] <= NEGLIGIBLE * scale else MOST_MODES + 1
    strong = int(max(np.flatnonzero(c > 1e-5 * c.max()), default=0))
    harmonics = problem.degree * strong if reaction or flux else strong
    return max(enough, min(harmonics, MOST_MODES))


def _tail(share: np.ndarray) -> np.ndarray:
    """Σ_{k' > k} share_k'."""
    return np.cumsum(share[::-1])[::-1] - share


def _interface_modes(problem: Problem) -> float:
    """30/(πδ) for a solution whose nearest pole is δ off the real axis of ξ: its coefficients then fall to e^{−30}.

    An interface tanh(ξ/w) has δ = πw/2. A slope s of u₀ has a pole at about 1/s, which the nonlinear term brings
    nearer by the factor `steepening`, but no nearer than that of an interface.
    """
    if not any(second_derivatives(problem)):
        return 0.0
    k = np.arange(2**12)
    slope = 2 * np.sum(np.pi * k * np.abs(problem.initial_condition.fourier_coefficients(k[-1])))
    formed = math.pi / 2 * (problem.interface_width or 0.0)
    steepened = 1 / max(float(slope) * problem.steepening, 1e-300)
    return 30 / (math.pi * max(formed, steepened, 1e-300))


def relative_change(rows: np.ndarray, before: np.ndarray) -> tuple[float, float]:
    """‖u − v‖₂/‖u‖₂ of a solution u and a coarser one v, and max |u − v| over the larger of max |u| and max |v|.

    Also where u is so small that its squares underflow.
    """
    scale = max(np.abs(rows).max(), np.abs(before).max()) or 1.0
    u, difference = rows / scale, (rows - before) / scale
    return float(np.linalg.norm(difference) / (np.linalg.norm(u) or 1.0)), float(np.abs(difference).max())
