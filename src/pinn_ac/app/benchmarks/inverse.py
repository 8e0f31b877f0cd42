"""Unknown coefficients from noisy data: many draws of the noise, the Cramér–Rao bound, and the classical answer."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.app.benchmarks.setting import default_problem
from pinn_ac.files import make_writable
from pinn_ac.fitting import INVERSE_TOLERANCE, best_method, choose
from pinn_ac.inverse import Coefficients, Inferred, Observations
from pinn_ac.inverse.classical import fit_classically, observed, sensitivities
from pinn_ac.inverse.search import Search
from pinn_ac.problem import Problem
from pinn_ac.running import computing
from pinn_ac.setup import assemble

GUESS = {"diffusivity": 1e-3, "reaction_rate": 1.0}
"""Where the first draw begins: a decade off in D."""
POINTS, NOISE = 200, 0.01
"""Observations at random places and times, and their noise relative to the root mean square of u."""


def run(
    draws: int,
    problem: Problem | None = None,
    guess: dict[str, float] | None = None,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """A row for each unknown and each way: bias and spread over the draws of the noise, coverage, seconds.

    The first draw begins at the guess, by both ways, and its seconds are those of the table, compilation included.
    The others begin at its estimate and on windows that the second one chooses, with the programs that are compiled
    by then. A line of inverse.jsonl holds the estimates of each.

    Args:
        draws: of the noise, at the same points.
        problem: by default the lecture's.
        guess: name → where the first draw begins.
        folder: by default outputs/benchmarks/inverse.
    """
    problem, guess = problem or default_problem(), guess or GUESS
    folder = folder or Path("outputs/benchmarks/inverse")
    make_writable(folder)
    names = tuple(guess)
    generator = np.random.default_rng(0)
    t, x = generator.uniform(0, problem.horizon, POINTS), generator.uniform(*problem.domain, POINTS)
    u = observed(problem, t, x)
    sigma = NOISE * float(np.sqrt(np.mean(u**2)))
    truth = np.array([getattr(problem, name) for name in names])
    S = sensitivities(problem, names, t, x)
    bound = sigma * np.sqrt(np.diag(np.linalg.inv(S.T @ S)))
    found: dict[str, list[Inferred]] = {"network": [], "spectral solver": []}
    seconds = dict.fromkeys(found, 0.0)
    windows: Any = None
    kernels: Any = None
    begin = dict(guess)
    with (folder / "inverse.jsonl").open("w") as file:
        for draw in range(draws):
            data = Observations(t, x, u + sigma * generator.normal(size=POINTS))
            unknowns = Coefficients(problem, begin)
            setup = choose(unknowns.first, None, None, 0, best_method(), INVERSE_TOLERANCE)
            begun = time.perf_counter()
            experiment = assemble(setup)
            with computing(experiment):
                search = Search(experiment, unknowns, data, windows=windows)
                search.kernels = kernels or search.kernels
                place = search.begin()
                _, inferred = search.run(place if windows is None else place._replace(level=2))
            found["network"].append(inferred)
            classical = fit_classically(problem, data, begin)
            found["spectral solver"].append(classical.inferred)
            if draw == 0:
                seconds = {"network": time.perf_counter() - begun - classical.seconds}
                seconds["spectral solver"] = classical.seconds
            if draw == 0:  # in the units of its estimate, which those that follow share
                begin = dict(zip(names, inferred.found.tolist(), strict=True))
            else:
                windows, kernels = windows or search.chosen, search.kernels
            line = {way: [one.found.tolist() for one in several[-1:]] for way, several in found.items()}
            file.write(json.dumps(line) + "\n")
            file.flush()
    return [
        summary(
            way,
            name,
            [one.found[j] for one in several],
            [one.standard_errors[j] for one in several],
            truth[j],
            bound[j],
            seconds[way],
        )
        for way, several in found.items()
        for j, name in enumerate(names)
    ]


def summary(
    way: str, name: str, values: list[float], errors: list[float], truth: float, bound: float, seconds: float
) -> dict[str, Any]:
    """Of one unknown by one way: spread of ln θ̂ over the bound, share within one and three standard errors.

    Args:
        way, name: of the row.
        values, errors: estimates and their standard errors, one a draw.
        truth: the value that the data were made with.
        bound: Cramér–Rao's, for the standard deviation of ln θ̂.
        seconds: of the first draw.
    """
    logs, shares = np.log(np.array(values) / truth), np.abs(np.array(values) - truth) / np.array(errors)
    return {
        "way": way,
        "unknown": name,
        "mean error / truth": float(np.mean(logs)),
        "bound": bound,
        "spread / bound": float(np.sqrt(np.mean(logs**2)) / bound),
        "within one error": float(np.mean(shares <= 1)),
        "within three": float(np.mean(shares <= 3)),
        "draws": len(values),
        "seconds": seconds,
    }
