"""How many Fourier modes a problem needs, and a sentence for those that need too many."""

import math

import numpy as np

from pinn_ac.errors import require
from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import stride

MOST_MODES = 2**17
"""More would take minutes a solve."""

LARGEST_SIZE = 1e8
"""Of u₀; the cube of more would overflow before it falls."""

NEGLIGIBLE = 1e-12
"""Relative size of what the modes left out may do to the solution."""


def modes_needed(problem: Problem, first_time: float) -> int:
    """The modes that resolve u₀, its harmonics and the interfaces, from the first output time > 0 on.

    An estimate; the solver refines it and checks.

    Raises:
        InputError: they are more than `MOST_MODES`, or u₀ is absurdly large.
    """
    size = float(np.abs(problem.initial_condition.fourier_coefficients(2**12)).sum())
    require(size <= LARGEST_SIZE, f"The initial condition reaches {size:.2g}: give one of size 1 or so.")
    k_initial = _initial_modes(problem, first_time)
    k_interface = _interface_modes(problem)
    require(
        k_interface <= MOST_MODES,
        f"The interfaces of this problem need {k_interface:.2g} Fourier modes (at most {MOST_MODES}): "
        "raise problem.diffusivity, lower problem.reaction_rate or problem.horizon, or set reference=false and train "
        "without the true solution.",
    )
    require(
        k_initial <= MOST_MODES,
        f"The initial condition still needs more than {MOST_MODES} Fourier modes at t = {first_time:.2g}: "
        "raise problem.diffusivity, or set reference=false and train without the true solution.",
    )
    return 16 + math.ceil(max(k_initial, k_interface) / stride(problem))


def _initial_modes(problem: Problem, first_time: float) -> int:
    """Beyond these, u₀ has decayed at the first output time, and has not moved the rest before it did."""
    k = np.arange(MOST_MODES + 2)
    c = np.abs(problem.initial_condition.fourier_coefficients(MOST_MODES + 1))
    decay_rate = problem.unit_diffusivity * (np.pi * k) ** 2
    left = c * np.exp(-np.minimum(decay_rate * first_time, 700))
    # The cube turns pairs of them into a source, 3R|c_k|², for as long as they live.
    lifetime = np.minimum(problem.horizon, 0.5 / np.maximum(decay_rate, 1e-300))
    moved = 6 * problem.reaction_rate * c**2 * lifetime
    scale = float(np.sqrt(np.sum(c**2)))
    tail = np.maximum(_tail(left**2) ** 0.5, _tail(moved))
    enough = int(np.argmax(tail <= NEGLIGIBLE * scale)) if tail[-1] <= NEGLIGIBLE * scale else MOST_MODES + 1
    strong = int(np.flatnonzero(c > 1e-5 * c.max())[-1])
    harmonics = 3 * strong if problem.reaction_rate > 0 else strong
    return max(enough, min(harmonics, MOST_MODES))


def _tail(share: np.ndarray) -> np.ndarray:
    """Σ_{k' > k} share_k'."""
    return np.cumsum(share[::-1])[::-1] - share


def _interface_modes(problem: Problem) -> float:
    """30/(πδ) for a solution whose nearest pole is δ off the real axis: its coefficients then fall to e^{−30}.

    An interface tanh(ξ/√(2D/R)) has δ = (π/2)√(2D/R); reaction alone brings the poles of a slope s to e^{−RT}/s.
    """
    rate, diffusivity = problem.reaction_rate, problem.unit_diffusivity
    if rate == 0:
        return 0.0
    k = np.arange(2**12)
    slope = 2 * np.sum(np.pi * k * np.abs(problem.initial_condition.fourier_coefficients(k[-1])))
    formed = math.pi / 2 * math.sqrt(2 * diffusivity / rate)
    reacted = math.exp(-min(rate * problem.horizon, 700)) / max(float(slope), 1e-300)
    return 30 / (math.pi * max(formed, reacted))
