"""Arrays from files of three kinds: what is found under which name, how it is turned, what is refused."""

import numpy as np
import pytest
from scipy.io import savemat

from pinn_ac.errors import InputError
from pinn_ac.problem import read_arrays

T, X = np.linspace(0.0, 1.0, 5), np.linspace(-1.0, 1.0, 9)
U = T[:, None] + X[None] ** 2


@pytest.mark.parametrize("kind", ["deepxde", "jaxpi", "npz"])
def test_solutions_come_as_times_by_points(tmp_path, kind):
    """Both public layouts, (t, x, u) and (t, x, usol) with rows for vectors; and a transposed archive."""
    path = tmp_path / ("file.npz" if kind == "npz" else "file.mat")
    if kind == "npz":
        np.savez(path, t=T, x=X, u=U.T)
    else:
        savemat(path, {"t": T[None], "x": X[None], {"deepxde": "u", "jaxpi": "usol"}[kind]: U})
    found = read_arrays(path)
    for name, values in (("t", T), ("x", X), ("u", U)):
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 1\n0.5 2\n", {"x": [0, 0.5], "u": [1, 2]}),
        ("t,x,u,sigma\n0,1,2,0.1\n0.5,2,3,0.1\n", {"t": [0, 0.5], "x": [1, 2], "u": [2, 3], "sigma": [0.1, 0.1]}),
        ("u, X\n1, 0\n2, 0.5\n", {"x": [0, 0.5], "u": [1, 2]}),
    ],
)
def test_columns_are_found_by_their_header_or_number(tmp_path, text, expected):
    (tmp_path / "file.csv").write_text(text)
    found = read_arrays(tmp_path / "file.csv")
    assert {name: values.tolist() for name, values in found.items()} == expected


def test_arrays_of_other_names_and_precisions(tmp_path):
    np.savez(tmp_path / "file.npz", place=X.astype(np.float32), value=U[0])
    found = read_arrays(tmp_path / "file.npz", {"x": "place", "u": "value"})
    assert found["x"].dtype == np.float32
    assert np.array_equal(found["u"], U[0])


def test_an_array_that_is_named_is_taken_for_nothing_else(tmp_path):
    """T is a temperature here, and no time; and "t" is the time rather than "T"."""
    (tmp_path / "file.csv").write_text("time,x,T\n0.5,1,2\n")
    found = read_arrays(tmp_path / "file.csv", {"u": "T"})
    assert {name: values.tolist() for name, values in found.items()} == {"t": [0.5], "x": [1], "u": [2]}
    (tmp_path / "file.csv").write_text("T,t,x,u\n20,0.5,1,2\n")
    assert read_arrays(tmp_path / "file.csv")["t"].tolist() == [0.5]


def test_endings_in_capitals_are_known(tmp_path):
    savemat(tmp_path / "file.mat", {"x": X, "u": U[0]})
    (tmp_path / "file.mat").rename(tmp_path / "FILE.MAT")
    np.savez(tmp_path / "file.npz", x=X, u=U[0])
    (tmp_path / "file.npz").rename(tmp_path / "FILE.NPZ")
    for name in ("FILE.MAT", "FILE.NPZ"):
        np.testing.assert_array_equal(read_arrays(tmp_path / name)["u"], U[0])


@pytest.mark.parametrize(
    ("name", "content", "names", "sentence"),
    [
        ("none.mat", None, {}, "There is no file"),
        ("bad.mat", b"not a matrix", {}, "cannot be read"),
        ("a.csv", b"x,u\n1,2\n1,2,3\n", {}, "is not two numbers"),
        ("a.csv", b"1,2,3,4,5\n", {}, "no header"),
        ("a.csv", b"0,5;1,2\n", {}, "it has semicolons: separate columns by commas or blanks"),
        ("a.csv", b"x,u\n1,2\n", {"u": "usol"}, "holds no array usol: it holds u, x"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, name, content, names, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_arrays(tmp_path / name, names)


def test_a_solution_that_fits_neither_way_is_refused(tmp_path):
    savemat(tmp_path / "file.mat", {"t": T, "x": X, "u": U[:, :4]})
    with pytest.raises(InputError, match="does not fit"):
        read_arrays(tmp_path / "file.mat")
