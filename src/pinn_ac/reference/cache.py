"""Reference solutions on disk, each under a key of everything that it depends on."""

import dataclasses
import hashlib
import json
import logging
import zipfile
from pathlib import Path

import numpy as np

from pinn_ac.files import user_cache, write_whole
from pinn_ac.problem import Problem
from pinn_ac.reference.resolution import MOST_MODES
from pinn_ac.reference.solver import LARGEST, RELATIVE_L2, TOLERANCE, Reference, check_times, solve

logger = logging.getLogger(__name__)

VERSION = 1
"""Raised whenever the solver's answers change."""


def load_or_solve(
    problem: Problem, times: np.ndarray | None = None, points: int = 512, cache_folder: str | Path | None = None
) -> Reference:
    """The reference solution from the cache, or solved and put there.

    Args:
        problem: see :func:`solve`.
        times: see :func:`solve`.
        points: see :func:`solve`.
        cache_folder: by default the environment's PINN_AC_CACHE, else `pinn_ac` in the user's cache folder.

    Raises:
        InputError: as :func:`solve`. A cache that cannot be read or written is only logged.
    """
    times = check_times(problem, times)
    file = Path(cache_folder or user_cache()).expanduser() / f"reference_{key(problem, times, points)}.npz"
    found = _load(file, times, points)
    if found is not None:
        return found
    reference = solve(problem, times, points)
    _store(file, reference)
    return reference


def key(problem: Problem, times: np.ndarray, points: int) -> str:
    """A hash of the solver's version, the equation, the initial condition's coefficients and the output grid.

    The initial condition enters through its coefficients, so that a changed file of samples is another problem.
    """
    condition = problem.initial_condition
    settings = {
        "version": [VERSION, RELATIVE_L2, LARGEST, TOLERANCE],
        "equation": [problem.diffusivity, problem.reaction_rate, problem.domain, problem.horizon],
        "condition": [type(condition).__name__, condition.kinks],
        "points": points,
    }
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(np.asarray(times, float).tobytes())
    digest.update(condition.fourier_coefficients(MOST_MODES).tobytes())
    return digest.hexdigest()[:32]


def _load(file: Path, times: np.ndarray, points: int) -> Reference | None:
    """What the file holds, or None when there is none, or not this."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = Reference(
                arrays["t"], arrays["x"], arrays["u"], float(arrays["estimated_error"]), str(arrays["label"])
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("The cached reference %s cannot be read (%s): solving anew.", file, error)
        return None
    whole = found.u.shape == (len(times), points) and np.isfinite(found.u).all() and np.array_equal(found.t, times)
    return found if whole else None


def _store(file: Path, reference: Reference) -> None:
    """Write it in one go, so that no reader ever meets half a file."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda draft: np.savez(draft, **dataclasses.asdict(reference)))
    except OSError as error:
        logger.warning("The reference cannot be kept in %s (%s): it will be solved again next time.", file, error)
