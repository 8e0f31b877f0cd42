"""Arrays t, x, u (and sigma) from a user's file: CSV, NPZ or MATLAB's .mat."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from zipfile import BadZipFile

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pinn_ac.errors import InputError, expanded, require

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "t": ("t", "tt", "time"),
        "x": ("x", "xx"),
        "u": ("u", "usol", "uu"),
        "sigma": ("sigma",),
    }
)
"""What an array is → the names that it is looked for under, in any case of letters, unless a name is given."""
KINDS = "give a CSV file with a header such as t,x,u, an NPZ file, or a .mat file of version 7 or older"


def read_arrays(path: str | Path, names: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file that :data:`NAMES` knows, as float arrays in the precision of the file.

    Solutions on a grid come as (n_t, n_x): where the file has vectors t and x and u as (n_x, n_t), u is transposed.
    A square u, which fits both, is taken as (n_t, n_x).
    Both public files of this problem, DeepXDE's (t, x, u) and JAX-PI's (t, x, usol), are read as they are.

    Args:
        path: a .mat file, an .npz file, or a text file with one row a line, its columns separated by commas or
            blanks. A header line names the columns; without one, two columns are x and u and three are t, x and u.
        names: what → the name of that array in the file, for files that call it otherwise.

    Returns:
        Name → array, for those that the file has: "t", "x" and "sigma" as vectors, "u" as a vector or as (n_t, n_x).

    Raises:
        InputError: there is no such file, it cannot be read, it lacks an array that is named, or u does not fit x.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "samples.csv"
    >>> _ = file.write_text("x, u\\n0.0, 1.0\\n0.5, 2.0\\n")
    >>> read_arrays(file)["u"].tolist()
    [1.0, 2.0]
    """
    file = expanded(path)
    require(file.is_file(), f"There is no file {path}.")
    held = _held(file)
    wanted = dict(names or {})
    for what, name in wanted.items():
        require(what in NAMES, f"{what!r} is none of the arrays {', '.join(NAMES)}.")
        require(
            name in held,
            f"{path} holds no array {name}: it holds {', '.join(sorted(held)) or 'none'}; name one of them.",
        )
    found: dict[str, np.ndarray] = {}
    free = [name for name in reversed(list(held)) if name not in wanted.values()]
    by_letters = {name.lower(): name for name in sorted(free, key=str.islower)}  # "t" rather than "T"
    for what, usual in NAMES.items():
        name = wanted.get(what) or next((by_letters[one] for one in usual if one in by_letters), None)
        if name is not None:
            found[what] = real_numbers(path, name, held[name])
    for what in ("t", "x"):
        if what in found:
            found[what] = found[what].ravel()
    found = _oriented(path, found)
    return {**found, "sigma": found["sigma"].ravel()} if "sigma" in found else found


def file_name(path: object, kinds: str) -> str:
    """The name of an initial condition's file, given as a string or as a `pathlib.Path`.

    Raises:
        InputError: it is neither; the sentence names the `kinds` of files that there may be.
    """
    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise InputError(f"problem.initial_condition.path is {path}: give the name of {kinds}.")
    return name


def _held(file: Path) -> dict[str, np.ndarray]:
    """Name → array, of all that the file has."""
    try:
        if file.suffix.lower() == ".mat":
            return {name: value for name, value in loadmat(file).items() if not name.startswith("__")}
        if file.suffix.lower() == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: np.asarray(arrays[name]) for name in arrays.files}
        return {name: np.array(words, float) for name, words in columns(file.read_text(encoding="utf-8-sig")).items()}
    except (
        ValueError,
        KeyError,
        OSError,
        EOFError,
        TypeError,
        BadZipFile,
        NotImplementedError,
        MatReadError,
    ) as error:
        raise InputError(f"{file} cannot be read ({error}): {KINDS}.") from error


def columns(text: str) -> dict[str, list[str]]:
    """Name → words of each column of a table of numbers.

    Raises:
        ValueError: a line is none of numbers, or has another number of them than the first.
    """
    if ";" in text:
        raise ValueError("it has semicolons: separate columns by commas or blanks, and write decimals with a point")
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    header: list[str] | None = None
    if rows and not any(map(_is_number, rows[0])):
        header = [word.strip("\"'#").strip() for word in rows.pop(0)]
        header = [word for word in header if word]
    if not rows:
        raise ValueError("it holds no numbers")
    width = len(rows[0])
    for row in rows:
        if len(row) != width or not all(map(_is_number, row)):
            count = {2: "two numbers"}.get(width, f"{width} numbers")
            raise ValueError(f"the line {' '.join(row)!r} is not {count}")
    usual = {2: ["x", "u"], 3: ["t", "x", "u"], 4: ["t", "x", "u", "sigma"]}.get(width)
    if header is None and usual is None:
        raise ValueError(f"it has {width} columns and no header that names them")
    named = header if header is not None else usual
    if named is None or len(named) != width:
        raise ValueError(f"its header names {len(named or [])} columns and its lines have {width}")
    return {name: [row[j] for row in rows] for j, name in enumerate(named)}


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def real_numbers(path: str | Path, name: str, values: np.ndarray) -> np.ndarray:
    """The values as floats, without axes of length 1."""
    is_real = np.issubdtype(values.dtype, np.number) and not np.iscomplexobj(values)
    require(is_real, f"{path} holds {name} as {values.dtype}, not as real numbers: {KINDS}.")
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(float)
    values = np.asarray(values, kind)
    return values.reshape([n for n in values.shape if n != 1] or [1])


def _oriented(path: str | Path, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a u on a grid as (n_t, n_x)."""
    u, x = found.get("u"), found.get("x")
    if u is None or x is None or u.ndim == 1:
        return found
    require(u.ndim == 2, f"{path} holds u with {u.ndim} axes: give u as a vector or as (times, points).")
    n_t = len(found["t"]) if "t" in found else None
    if u.shape[1] == len(x) and n_t in (None, u.shape[0]):
        return found
    fits = u.shape[0] == len(x) and n_t in (None, u.shape[1])
    require(
        fits,
        f"{path} holds u of shape {u.shape}, which does not fit {n_t if n_t is not None else 'its'} times and "
        f"{len(x)} "
        "points: give u as (times, points).",
    )
    return found | {what: found[what].T for what in ("u", "sigma") if what in found}
