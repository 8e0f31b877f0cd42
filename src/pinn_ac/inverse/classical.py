"""The classical answer to the same question: least squares through the spectral solver, with its own sensitivities."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.optimize import least_squares

from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.march import Work, march_controlled
from pinn_ac.reference.resolution import modes_needed

TOLERANCE = 1e-8
"""Of the solver's step control; the values that it gives are good to 1e-9 or so."""
STEP = 1e-3
"""Of the central differences, in the logarithm of a coefficient: their error is STEP² relative, less by extrapolation."""
AT_ONCE = 256
"""Observations whose waves are summed at once."""


class Classical(NamedTuple):
    """What least squares through the spectral solver finds.

    values: name → the coefficient.
    covariance: of their logarithms, σ² (SᵀS)⁻¹, (p, p).
    noise: σ.
    solves: how many times the problem was solved.
    seconds: wall-clock.
    """

    values: dict[str, float]
    covariance: np.ndarray
    noise: float
    solves: int
    seconds: float


def observed(problem: Problem, t: np.ndarray, x: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """u at the points (t_i, x_i), each (m,), by one controlled march of the spectral solver.

    Args:
        problem: any with the capability "spectral".
        t, x: in its units, 0 ≤ t.
        tolerance: of the step control.
    """
    times, index = np.unique(t, return_inverse=True)
    later = times[times > 0]
    xi = 2 * (x - 0.5 * sum(problem.domain)) / problem.period
    u = np.empty(len(t))
    with jax.enable_x64(True):
        at_start = times[index] == 0
        if at_start.any():
            u[at_start] = np.asarray(problem.initial_condition(jax.numpy.asarray(xi[at_start])), float)
        if len(later):
            system = Galerkin(problem, modes_needed(problem, float(later[0])))
            rows: list[np.ndarray] = []
            march_controlled(system, later, tolerance, rows.append, Work(math.inf))
            for number, c in enumerate(rows, start=len(times) - len(later)):
                here = np.flatnonzero(index == number)
                k = np.pi * system.stride * np.arange(len(c))
                weights = c * np.where(k, 2, 1)
                for part in np.array_split(here, -(-len(here) // AT_ONCE)):
                    u[part] = (np.exp(1j * np.outer(xi[part], k)) @ weights).real
    return u


def sensitivities(problem: Problem, names: list[str], t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """S = ∂u/∂(log θ) at the points, (m, p), by central differences with steps h and 2h, extrapolated."""
    S = []
    for name in names:
        value = getattr(problem, name)

        def difference(h: float, name: str = name, value: float = value) -> np.ndarray:
            ends = [
                observed(replace(problem, **{name: value * math.exp(s)}), t, x, TOLERANCE / 100) for s in (h, -h)
            ]
            return (ends[0] - ends[1]) / (2 * h)

        S.append((4 * difference(STEP) - difference(2 * STEP)) / 3)
    return np.stack(S, axis=1)


def fit_classically(problem: Problem, data: Any, unknown: Mapping[str, float]) -> Classical:
    """Least squares in the logarithms of the unknowns, by SciPy's Levenberg–Marquardt with differences for slopes.

    Args:
        problem: with the known coefficients.
        data: :class:`~pinn_ac.inverse.Observations`.
        unknown: name → where to start.
    """
    begun, solves, names = time.perf_counter(), 0, list(unknown)
    weights = 1.0 if data.sigma is None else 1 / data.sigma

    def misfit(logs: np.ndarray) -> np.ndarray:
        nonlocal solves
        solves += 1
        values = dict(zip(names, np.exp(logs).tolist(), strict=True))
        return weights * (observed(replace(problem, **values), data.t, data.x) - data.u)

    start = np.log([unknown[name] for name in names])
    found = least_squares(misfit, start, method="lm", diff_step=1e-5, xtol=1e-10, ftol=1e-12)
    dof = len(data.u) - len(names)
    noise = math.sqrt(2 * found.cost / dof) if data.sigma is None else 1.0
    covariance = noise**2 * np.linalg.inv(found.jac.T @ found.jac)
    values = dict(zip(names, np.exp(found.x).tolist(), strict=True))
    return Classical(values, covariance, noise, solves, time.perf_counter() - begun)
