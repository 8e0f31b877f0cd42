"""The cache: its key holds everything, its files are whole, and no failure of it stops a run."""

import dataclasses
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pinn_ac.problem import AllenCahn, AllenCahn2D, Burgers, Cosine, Fourier, Sine, Tabulated, XSquaredCosine
from pinn_ac.reference import cache, load_or_solve, solve, solve_plane

PROBLEM = AllenCahn(0.1, 1.0, horizon=0.1, initial_condition=Sine(0.5))
TIMES = np.array([0.0, 0.05, 0.1])


@pytest.fixture
def solved(monkeypatch):
    """How often the cache had to solve."""
    calls = []

    def count(*arguments):
        calls.append(arguments)
        return solve(*arguments)

    monkeypatch.setattr(cache, "solve", count)
    return calls


def load(folder):
    return load_or_solve(PROBLEM, TIMES, 16, folder)


def test_an_equation_in_the_plane_that_changes_along_y_alone_is_another_one(tmp_path, monkeypatch):
    problem, calls = AllenCahn2D(diffusivity=0.1, horizon=0.01), []
    times = np.array([0.0, 0.01])
    found = solve_plane(problem, times, 16)
    monkeypatch.setattr(cache, "solve_plane", lambda *arguments: calls.append(arguments) or found)
    monkeypatch.setattr(cache, "require_spectral", lambda *arguments: None)
    for number, share in enumerate((1.0, 1.0, 3.0)):
        monkeypatch.setattr(AllenCahn2D, "symbol", lambda self, k, l, share=share: -0.1 * (k**2 + share * l**2))
        load_or_solve(problem, times, 16, tmp_path)
        assert len(calls) == (1, 1, 2)[number]


def test_second_time_is_the_first_time_from_disk(tmp_path, solved):
    first, second = load(tmp_path), load(tmp_path)
    assert len(solved) == 1
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert isinstance(second.estimated_error, float)
    assert isinstance(second.label, str)


def test_key_tells_every_parameter_apart(tmp_path):
    xi = -1 + np.arange(16) / 8
    for name, u in (("a.csv", np.sin(np.pi * xi)), ("b.csv", np.cos(np.pi * xi) ** 2), ("c.csv", np.sin(np.pi * xi))):
        np.savetxt(tmp_path / name, np.column_stack([xi, u]), delimiter=",")
    default = AllenCahn()
    problems = [
        default,
        *(
            dataclasses.replace(default, **{name: value})
            for name, value in (
                ("diffusivity", 1.0000001e-4),
                ("reaction_rate", 4.0),
                ("domain", (-1, 1.5)),
                ("domain", (-2, 0)),
                ("horizon", 2.0),
                ("initial_condition", XSquaredCosine(0.5)),
                ("initial_condition", Sine()),
                ("initial_condition", Sine(0.5)),
                ("initial_condition", Sine(1.0, 2)),
                ("initial_condition", Cosine()),
                ("initial_condition", Fourier(0.1, (1.0,))),
                ("initial_condition", Fourier(0.1, (1.0, 1e-9))),
                ("initial_condition", Tabulated(str(tmp_path / "a.csv"))),
                ("initial_condition", Tabulated(str(tmp_path / "b.csv"))),
            )
        ),
    ]
    keys = [cache.key(problem, TIMES, 16) for problem in problems]
    keys += [cache.key(default, TIMES, 17), cache.key(default, TIMES[:2], 16), cache.key(default, 2 * TIMES, 16)]
    assert len(set(keys)) == len(keys)
    moved = dataclasses.replace(default, initial_condition=Tabulated(str(tmp_path / "c.csv")))
    assert cache.key(moved, TIMES, 16) == keys[13], "the samples count, not where they lie"


def test_key_tells_equations_apart():
    """By name and coefficients, and by what they compute: a class may be defined again under its old name."""

    def redefined(power):
        @dataclasses.dataclass(frozen=True)
        class FisherKPP(AllenCahn):
            def reaction(self, u):
                return self.reaction_rate * u * (1 - u**power)

        return FisherKPP()

    problems = [AllenCahn(), Burgers(), Burgers(speed=2.0), redefined(1), redefined(3)]
    keys = [cache.key(problem, TIMES, 16) for problem in problems]
    assert len(set(keys)) == len(keys)
    assert cache.key(redefined(1), TIMES, 16) == keys[3]


def test_a_changed_file_is_another_problem(tmp_path, solved):
    xi = -1 + np.arange(16) / 8
    for u in (np.sin(np.pi * xi), np.cos(np.pi * xi)):
        np.savetxt(tmp_path / "u.csv", np.column_stack([xi, u]), delimiter=",")
        problem = AllenCahn(0.1, 1.0, horizon=0.1, initial_condition=Tabulated(str(tmp_path / "u.csv")))
        np.testing.assert_allclose(load_or_solve(problem, TIMES, 16, tmp_path).u[0], u, atol=1e-14)
    assert len(solved) == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", None])
def test_a_broken_file_is_solved_anew(tmp_path, solved, content, caplog):
    good = load(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-200] if content is None else content)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(load(tmp_path).u, good.u)
    assert "solving again" in caplog.text
    assert len(solved) == 2
    load(tmp_path)
    assert len(solved) == 2, "the broken file was replaced"


def test_a_file_of_something_else_is_solved_anew(tmp_path, solved):
    load(tmp_path)
    (file,) = tmp_path.iterdir()
    np.savez(file, t=TIMES, x=np.zeros(16), u=np.full((3, 16), np.nan), estimated_error=0.0, label="")
    assert np.isfinite(load(tmp_path).u).all()
    assert len(solved) == 2


def test_an_unwritable_folder_only_warns(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path / "file").u.shape == (3, 16)
    assert "cannot be kept" in caplog.text


def test_nothing_half_written_is_left_or_found(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    load(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "disk full" in caplog.text


def test_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PINN_AC_CACHE", str(tmp_path / "own"))
    load(None)
    assert len(list((tmp_path / "own").iterdir())) == 1
    monkeypatch.delenv("PINN_AC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    load(None)
    assert len(list((tmp_path / "shared" / "pinn_ac").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load(None)
    assert len(list((tmp_path / "home" / ".cache" / "pinn_ac").iterdir())) == 1


def test_threads_may_share_it(tmp_path, solved):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(load, [tmp_path] * 12))
    assert len(list(tmp_path.iterdir())) == 1
    for other in found:
        np.testing.assert_array_equal(other.u, found[0].u)


@pytest.mark.landing
def test_processes_may_share_it(tmp_path):
    code = """
import sys, numpy as np
from pinn_ac.problem import AllenCahn, Sine
from pinn_ac.reference import load_or_solve
for horizon in (0.1, 0.2, 0.3):
    problem = AllenCahn(0.1, 1.0, horizon=horizon, initial_condition=Sine(0.5))
    r = load_or_solve(problem, np.array([0.0, 0.05, 0.1]), 16, sys.argv[1])
    print(r.u.sum().hex(), r.label)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert answers[0] == answers[1]
    assert len(list(tmp_path.iterdir())) == 3
