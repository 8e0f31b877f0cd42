"""A cache of reference solutions on disk, each in a file named by a hash of everything that it depends on."""

import hashlib
import json
import logging
import zipfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pinn_ac.errors import expanded
from pinn_ac.files import user_cache, write_whole
from pinn_ac.problem import Problem
from pinn_ac.problem.initial_conditions import require_known
from pinn_ac.reference.consistency import require_spectral
from pinn_ac.reference.plane import RELATIVE_L2 as PLANE_RELATIVE_L2
from pinn_ac.reference.plane import PlaneReference, solve_plane
from pinn_ac.reference.resolution import MOST_MODES
from pinn_ac.reference.solver import LARGEST, NEEDED, RELATIVE_L2, TOLERANCE, Reference, check_times, solve

logger = logging.getLogger(__name__)

VERSION = 3
"""Raised whenever the solver's answers change."""

PLANE_VERSION = 2

PROBES = tuple(0.3 * value for value in range(-4, 5))
"""Values of u at which the nonlinear term enters the key."""


def load_or_solve(
    problem: Problem, times: np.ndarray | None = None, points: int = 512, cache_folder: str | Path | None = None
) -> Reference:
    """The reference solution from the cache; where it is not there, it is solved for and put there.

    Args:
        problem, times, points: see :func:`solve`.
        cache_folder: by default the environment variable PINN_AC_CACHE, else `pinn_ac` in the user's cache folder.

    Raises:
        InputError: as :func:`solve`. A cache that cannot be read or written is only logged.
    """
    require_spectral(problem, *NEEDED)
    require_known(problem)
    if len(problem.axes) == 2:
        return _in_plane(problem, times, points, cache_folder)  # type: ignore[return-value]
    times = check_times(problem, times)
    file = expanded(cache_folder or user_cache()) / f"reference_{key(problem, times, points)}.npz"
    found = _load(file, times, points)
    if found is not None:
        return found
    reference = solve(problem, times, points)
    _store(file, reference)
    return reference


def key(problem: Problem, times: np.ndarray, points: int) -> str:
    """A hash of the solver's version, the problem and the output grid.

    The equation enters by its name, its coefficients and its symmetries, and by values of L(k), reaction(u) and
    flux(u), so that an equation that a user redefines under the same name is another one. The initial condition
    enters by its Fourier coefficients, of its reflection where there are walls, so that a changed file of samples is
    another problem.
    """
    condition = problem.circle.initial_condition
    coefficients = {
        one.name: getattr(problem, one.name) for one in fields(problem) if one.name != "initial_condition"
    }
    described = {
        "version": [VERSION, RELATIVE_L2, LARGEST, TOLERANCE],
        "equation": [type(problem).__qualname__, coefficients, sorted(problem.symmetries), problem.degree],
        "condition": [type(condition).__name__, condition.kinks],
        "points": points,
    }
    digest = hashlib.sha256(json.dumps(described, default=lambda value: np.asarray(value).tolist()).encode())
    digest.update(np.asarray(times, float).tobytes())
    digest.update(condition.fourier_coefficients(MOST_MODES).tobytes())
    with jax.enable_x64(True):
        probes = np.array(PROBES)
        terms = problem.symbol(np.pi * np.arange(9)), problem.reaction(probes), problem.flux(probes)
        for values in terms:
            digest.update(b"none" if values is None else np.asarray(values, float).tobytes())
    return digest.hexdigest()[:32]


def _in_plane(problem: Any, times: np.ndarray | None, points: int, cache_folder: str | Path | None) -> PlaneReference:
    """:func:`load_or_solve` in two dimensions."""
    times = np.linspace(0.0, problem.horizon, 51) if times is None else np.asarray(times, float)
    coefficients = [problem.coefficients, problem.domain, problem.horizon, type(problem).__qualname__, problem.degree]
    described = json.dumps([PLANE_VERSION, PLANE_RELATIVE_L2, points, coefficients], default=int)
    digest = hashlib.sha256(described.encode())
    with jax.enable_x64(True):
        reaction = np.asarray(problem.reaction(np.array(PROBES)), float)
    matrix = np.asarray(problem.initial_condition.matrix, float)
    k = np.pi * np.arange(9.0)
    for values in (times, matrix, reaction, np.asarray(problem.symbol(k[:, None], k), float)):
        digest.update(np.ascontiguousarray(values).tobytes())
    name = f"reference_plane_{digest.hexdigest()[:32]}.npz"
    file = expanded(cache_folder or user_cache()) / name
    try:
        with np.load(file, allow_pickle=False) as arrays:
            kept = {one.name: arrays[one.name] for one in fields(PlaneReference)}
            return PlaneReference(
                **{**kept, "estimated_error": float(kept["estimated_error"]), "label": str(kept["label"])}
            )
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("The cached reference %s cannot be read (%s): solving again.", file, error)
    reference = solve_plane(problem, times, points)
    _store(file, reference)
    return reference


def _load(file: Path, times: np.ndarray, points: int) -> Reference | None:
    """The reference in the file; None where there is no file, or none of these times and points."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = Reference(
                arrays["t"], arrays["x"], arrays["u"], float(arrays["estimated_error"]), str(arrays["label"])
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("The cached reference %s cannot be read (%s): solving again.", file, error)
        return None
    whole = found.u.shape == (len(times), points) and np.isfinite(found.u).all() and np.array_equal(found.t, times)
    return found if whole else None


def _store(file: Path, reference: Reference | PlaneReference) -> None:
    """Write the file in one step, so that no reader ever finds half of one."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda draft: np.savez(draft, **asdict(reference)))
    except OSError as error:
        logger.warning("The reference cannot be kept in %s (%s): it will be solved for again next time.", file, error)
