"""The classical answer: least squares through the spectral solver, with its own sensitivities."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from pinn_ac.errors import require
from pinn_ac.inverse.inferred import Inferred
from pinn_ac.inverse.observations import Observations
from pinn_ac.inverse.search import ENOUGH, MOST
from pinn_ac.inverse.steps import DAMPING, INCREASE, damped_step, foreseen, relaxed
from pinn_ac.problem import Problem
from pinn_ac.reference.galerkin import Galerkin
from pinn_ac.reference.march import Work, march_controlled
from pinn_ac.reference.resolution import modes_needed

TOLERANCE = 1e-8
"""Of the solver's step control; the values that it gives are good to 1e-9 or so."""
STEP = 1e-4
"""Of the differences, in the logarithm of a coefficient."""
WIDE = 1e-3
"""Of the central differences with h and 2h, which are extrapolated."""
AT_ONCE = 256
"""Observations whose waves are summed at once."""


class Classical(NamedTuple):
    """What least squares through the spectral solver finds.

    inferred: the estimates and their uncertainty.
    solves: how many times the problem was solved.
    seconds: wall-clock.
    """

    inferred: Inferred
    solves: int
    seconds: float


def observed(problem: Problem, t: np.ndarray, x: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """u at the points (t_i, x_i), each (m,), by one controlled march of the spectral solver.

    Args:
        problem: any with the capability "spectral", but not between walls where u is held at other values than zero.
        t, x: in its units, 0 ≤ t.
        tolerance: of the step control.

    Raises:
        InputError: it is between such walls.
    """
    problem = problem.circle
    require(not problem.is_mirrored, "The classical answer is for walls that reflect: choose another boundary.")
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


def sensitivities(problem: Problem, names: Sequence[str], t: np.ndarray, x: np.ndarray) -> np.ndarray:
    """S = ∂u/∂(log θ) at the points, (m, p), by central differences with steps h and 2h, extrapolated."""
    S = []
    for name in names:
        value = getattr(problem, name)

        def difference(h: float, name: str = name, value: float = value) -> np.ndarray:
            sides: list[dict[str, Any]] = [{name: value * math.exp(s)} for s in (h, -h)]
            u, v = (observed(replace(problem, **side), t, x, TOLERANCE / 100) for side in sides)
            return (u - v) / (2 * h)

        S.append((4 * difference(WIDE) - difference(2 * WIDE)) / 3)
    return np.stack(S, axis=1)


def fit_classically(problem: Problem, data: Observations, unknown: Mapping[str, float]) -> Classical:
    """Least squares in the logarithms of the unknowns through the spectral solver, with differences for slopes.

    The steps are those of :class:`~pinn_ac.inverse.search.Search`, so that what differs is who solves the equation.

    Args:
        problem: with the known coefficients.
        data: the observations.
        unknown: name → where to begin.
    """
    begun, names = time.perf_counter(), tuple(unknown)
    weights = np.ones(len(data)) if data.sigma is None else 1 / data.sigma
    solves = 0

    def misfit(logs: np.ndarray) -> np.ndarray:
        nonlocal solves
        solves += 1
        values: dict[str, Any] = dict(zip(names, np.exp(logs).tolist(), strict=True))
        return weights * (observed(replace(problem, **values), data.t, data.x) - data.u)

    eta, damping = np.log([unknown[name] for name in names]), DAMPING
    rho = misfit(eta)
    for _ in range(MOST):
        S = np.stack([(misfit(eta + STEP * one) - rho) / STEP for one in np.eye(len(names))], axis=1)
        noise = math.sqrt(rho @ rho / max(len(data) - len(names), 1)) if data.sigma is None else 1.0
        gain, left = foreseen(rho, S, ENOUGH * noise**2)
        if gain <= ENOUGH * noise**2 or left <= 1e-8:
            break
        new, raised = np.full(len(rho), np.inf), INCREASE
        while not float(new @ new) < float(rho @ rho) and damping < 1e6:
            step = damped_step(rho, S, damping)
            new = misfit(eta + step)
            if not float(new @ new) < float(rho @ rho):
                damping, raised = max(damping, 1e-4) * raised, raised * INCREASE
        if damping >= 1e6:  # what is left is the solver's own error
            break
        damping *= relaxed(rho, S, step, new)
        eta, rho = eta + step, new
    inferred = Inferred(names, np.exp(eta), S / weights[:, None], rho / weights, data.sigma)
    return Classical(inferred, solves, time.perf_counter() - begun)
