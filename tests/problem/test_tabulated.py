"""An initial condition from a file: what is read, what it becomes, and what is refused."""

import numpy as np
import pytest

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Tabulated


def wave(xi):
    return 0.1 + np.sin(np.pi * xi) - 0.4 * np.cos(3 * np.pi * xi)


def periods(count, left=-1.0, right=1.0):
    return left + (right - left) * np.arange(count) / count


def write(path, x, u, header=""):
    np.savetxt(path, np.column_stack([x, u]), delimiter=",", header=header, comments="", fmt="%.17g")
    return str(path)


@pytest.mark.parametrize("count", [8, 9, 64, 101])
@pytest.mark.parametrize("header", ["", "x,u"])
def test_even_grids_are_interpolated_exactly(tmp_path, count, header):
    table = Tabulated(write(tmp_path / "u.csv", periods(count), wave(periods(count)), header))
    xi = np.linspace(-1, 1, 77)
    # Eight samples hold the third harmonic's two phases and nothing aliased: rounding only.
    np.testing.assert_allclose(table(xi), wave(xi), atol=1e-14)
    np.testing.assert_allclose(table.fourier_coefficients(5)[:4], [0.1, -0.5j, 0, -0.2], atol=1e-15)


def test_highest_mode_of_an_even_number_counts_once(tmp_path):
    xi = periods(8)
    table = Tabulated(write(tmp_path / "u.csv", xi, np.cos(4 * np.pi * xi)))
    np.testing.assert_allclose(table(xi), np.cos(4 * np.pi * xi), atol=1e-14)


def test_samples_pass_through_noise(tmp_path):
    u = np.random.default_rng(0).normal(size=50)
    table = Tabulated(write(tmp_path / "u.csv", periods(50), u))
    np.testing.assert_allclose(table(periods(50)), u, atol=1e-13)
    assert not table.even


def test_evenness_survives_rounding(tmp_path):
    xi = periods(100)
    assert Tabulated(write(tmp_path / "u.csv", xi, np.exp(np.cos(np.pi * xi)))).even


def test_archives_spaces_and_order_do_not_matter(tmp_path):
    xi = periods(40)
    np.savez(tmp_path / "u.npz", x=xi[::-1], u=wave(xi)[::-1])
    (tmp_path / "CAPITALS.NPZ").write_bytes((tmp_path / "u.npz").read_bytes())
    (tmp_path / "u.txt").write_text(
        "\n".join(f"{x!r} {u!r}" for x, u in zip(xi.tolist(), wave(xi).tolist(), strict=True))
    )
    expected = Tabulated(write(tmp_path / "u.csv", xi, wave(xi))).coefficients
    for name in ("u.npz", "CAPITALS.NPZ", "u.txt"):
        np.testing.assert_allclose(Tabulated(str(tmp_path / name)).coefficients, expected, atol=1e-16)
    assert Tabulated(tmp_path / "u.npz") == Tabulated(str(tmp_path / "u.npz"))  # a Path is as good as its name


def test_repeated_end_is_dropped(tmp_path):
    xi = np.linspace(-1, 1, 33)
    table = Tabulated(write(tmp_path / "u.csv", xi, wave(xi)))
    np.testing.assert_allclose(table(xi), wave(xi), atol=1e-14)


def test_shifted_grids_keep_their_phase(tmp_path):
    xi = periods(32) + 0.01
    table = Tabulated(write(tmp_path / "u.csv", xi, wave(xi)))
    np.testing.assert_allclose(table(periods(50)), wave(periods(50)), atol=1e-14)


def test_uneven_grids_go_through_a_spline(tmp_path):
    angle = periods(400)
    xi = angle + 0.2 * np.sin(np.pi * angle) / np.pi
    table = Tabulated(write(tmp_path / "u.csv", xi, wave(xi)))
    # A cubic spline errs by at most (5/384) h⁴ |u''''|, with h = 1.2/200 and |u''''| ≤ π⁴ (1 + 0.4·3⁴).
    np.testing.assert_allclose(table(angle), wave(angle), atol=5 / 384 * 0.006**4 * np.pi**4 * 34)


def test_a_refined_grid_covers_the_period_too(tmp_path):
    """Seven eighths of its points in a tenth of the domain: wide gaps are no gap."""
    xi = np.sort(np.concatenate([periods(32), 0.1 * periods(201)[1:]]))
    xi = xi[np.append(True, np.diff(xi) > 1e-6)]
    np.testing.assert_allclose(Tabulated(write(tmp_path / "u.csv", xi, wave(xi)))(xi), wave(xi), atol=1e-3)


def test_other_domains(tmp_path):
    x = periods(32, 2.0, 6.0)
    table = Tabulated(write(tmp_path / "u.csv", x, wave((x - 4) / 2)), (2, 6))
    problem = AllenCahn(domain=(2, 6), initial_condition=table)
    np.testing.assert_allclose(table(problem.to_unit(x)), wave((x - 4) / 2), atol=1e-14)


def test_samples_are_on_the_domain_of_their_problem(tmp_path):
    """Without a word on it, and never on another one, but for the natural units of their own problem."""
    x = periods(32, 0.0, 2.0)
    file = write(tmp_path / "u.csv", x, wave(x - 1))
    problem = AllenCahn(domain=(0, 2), initial_condition=Tabulated(file))
    assert problem.initial_condition == Tabulated(file, (0, 2))
    np.testing.assert_allclose(problem.initial(x), wave(x - 1), atol=1e-14)
    assert problem.natural.domain == (-1.0, 1.0)
    np.testing.assert_allclose(problem.natural.initial(x - 1), wave(x - 1), atol=1e-14)
    with pytest.raises(InputError, match="leave the former out, or give both the same"):
        AllenCahn(initial_condition=Tabulated(file, (0, 2)))  # on [−1, 1], which the natural domain is too
    with pytest.raises(InputError, match=r"u.csv has x outside the domain \[-1.0, 1.0\]"):
        AllenCahn(initial_condition=Tabulated(file))


@pytest.mark.parametrize("domain", [(1, -1), (0, 1, 2), (0, 0), (0, np.inf)])
def test_a_domain_that_is_none_is_refused_by_the_sentence_of_a_problem(tmp_path, domain):
    file = write(tmp_path / "u.csv", XI, wave(XI))
    with pytest.raises(InputError, match=r"problem\.domain is .*the left end below the right one"):
        Tabulated(file, domain)


def test_no_first_line_is_lost(tmp_path):
    xi = periods(16)
    (tmp_path / "u.csv").write_text("\ufeff" + "\n".join(f"{x},{u}" for x, u in zip(xi, wave(xi), strict=True)))
    np.testing.assert_allclose(Tabulated(str(tmp_path / "u.csv"))(xi), wave(xi), atol=1e-14)


def test_a_spreadsheet_mark_is_no_number(tmp_path):
    xi = periods(16)
    file = write(tmp_path / "u.csv", xi, wave(xi), "x,u")
    text = (tmp_path / "u.csv").read_text()
    (tmp_path / "u.csv").write_text("\ufeff" + text, encoding="utf-8")
    np.testing.assert_allclose(Tabulated(file)(xi), wave(xi), atol=1e-14)


XI = periods(16)
BAD_SAMPLES = {
    "NaN": (XI, np.where(XI == 0, np.nan, wave(XI))),
    "infinite": (XI, np.where(XI == 0, np.inf, wave(XI))),
    "NaN in x": (np.where(XI == 0, np.nan, XI), wave(XI)),
    "too few": (XI[::4], wave(XI[::4])),
    "outside": (2 * XI, wave(XI)),
    "twice": (np.append(XI, XI[3]), np.append(wave(XI), 1.0)),
    "ends differ": (np.linspace(-1, 1, 16), np.linspace(-1, 1, 16)),
    "half a period": (0.5 + 0.5 * XI, wave(XI)),
    "a shifted half": (0.5 * XI, wave(XI)),
    "zero": (XI, 0 * XI),
    "none": (np.empty(0), np.empty(0)),
}


@pytest.mark.parametrize("samples", BAD_SAMPLES.values(), ids=BAD_SAMPLES.keys())
@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_bad_samples_get_a_sentence(tmp_path, samples, suffix):
    file = tmp_path / f"u.{suffix}"
    if suffix == "csv":
        write(file, *samples)
    else:
        np.savez(file, x=samples[0], u=samples[1])
    with pytest.raises(InputError, match=r"u\.\w+ .*: .*\.$"):
        Tabulated(str(file), (-1, 1))
    with pytest.raises(InputError, match=r"u\.\w+ .*: .*\.$"):
        AllenCahn(initial_condition=Tabulated(str(file)))


def test_lengths_that_differ_get_a_sentence(tmp_path):
    np.savez(tmp_path / "u.npz", x=XI, u=wave(XI)[:-1])
    with pytest.raises(InputError, match="16 values of x but 15 of u"):
        Tabulated(str(tmp_path / "u.npz"), (-1, 1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x,u\n",
        b"1\n2\n3\n",
        b"1,2,3,4,5\n4,5,6,7,8\n",
        b"a,b\nc,d\n",
        b"\xff\xfe\x00garbage",
        b"PK\x03\x04",
        b"-1,0.5x\n0,1\n",
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_bad_files_get_a_sentence(tmp_path, content, suffix):
    file = tmp_path / f"u.{suffix}"
    file.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        Tabulated(str(file))


def test_archives_without_the_arrays_or_with_objects_get_a_sentence(tmp_path):
    np.savez(tmp_path / "a.npz", position=XI)
    np.savez(tmp_path / "b.npz", x=np.array([{}], dtype=object), u=np.array([{}], dtype=object))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(InputError, match=r"holds no array x|cannot be read"):
            Tabulated(str(tmp_path / name))


def test_of_a_table_of_several_times_the_first_is_taken(tmp_path):
    xi = periods(16)
    rows = [(t, x, u + 3 * t) for t in (0.5, 0.0) for x, u in zip(xi, wave(xi), strict=True)]
    np.savetxt(tmp_path / "u.csv", rows, delimiter=",", header="t,x,u", comments="")
    np.testing.assert_allclose(Tabulated(str(tmp_path / "u.csv"))(xi), wave(xi), atol=1e-14)


def test_samples_of_half_a_period_are_refused_however_few_they_are(tmp_path):
    x = np.linspace(-1, 0.1, 8)
    np.savez(tmp_path / "half.npz", x=x, u=np.cos(np.pi * x))
    with pytest.raises(InputError, match="give samples of the whole period"):
        AllenCahn(initial_condition=Tabulated(str(tmp_path / "half.npz")))


@pytest.mark.parametrize("shape", [(3, 16), (16,)])
def test_times_that_are_no_numbers_get_a_sentence(tmp_path, shape):
    x = -1 + 2 * np.arange(16) / 16
    t = np.array([0.0, 0.5, np.nan]) if len(shape) == 2 else np.r_[np.zeros(15), np.nan]
    np.savez(tmp_path / "u.npz", t=t, x=x, u=np.broadcast_to(np.cos(np.pi * x), shape))
    with pytest.raises(InputError, match="holds times that are NaN"):
        AllenCahn(initial_condition=Tabulated(str(tmp_path / "u.npz")))


def test_missing_files_and_folders_get_a_sentence(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            Tabulated(str(path))


@pytest.mark.parametrize("domain", [(-1.0, 1.0), (-0.3, 0.3), (0.0, 0.7), (100.0, 100.7)])
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("form", ["npz", "%.17g", "%.9g", "%.7g", "%.5f"])
def test_a_grid_in_the_precision_of_its_file_is_the_even_grid_that_was_meant(tmp_path, domain, closed, form):
    """Also with the period's end repeated, which single precision may put a little outside of the domain."""
    left, right = domain
    count = 64
    xi = np.append(periods(count), 1.0)[: count + closed]
    x = (left + (right - left) * (xi + 1) / 2).astype(np.float32 if form in ("npz", "%.17g") else float)
    if form == "npz":
        path = str(tmp_path / "u.npz")
        np.savez(path, x=x, u=wave(xi).astype(np.float32))
    else:
        path = str(tmp_path / "u.csv")
        np.savetxt(path, np.column_stack([x, wave(xi)]), delimiter=",", fmt=form)
    table = Tabulated(path, domain)
    assert len(table.coefficients) == count // 2 + 1  # a spline would have had many more
    # What is left is the rounding of x, half a unit in the last place, at slopes up to 7, and that of u.
    rounding = {"npz": 2.0**-24, "%.17g": 2.0**-24, "%.9g": 0.5e-8, "%.7g": 0.5e-6, "%.5f": 0.5e-5}[form]
    largest = max(map(abs, domain)) * (1 if form != "%.5f" else 1 / max(map(abs, domain)))
    allowed = 7 * 2 * rounding * max(1.0, largest) * 2 / (right - left) + 1e-6
    np.testing.assert_allclose(table(periods(40)), wave(periods(40)), atol=allowed + (1e-5 if form == "%.5f" else 0))


def test_a_grid_that_is_uneven_beyond_its_rounding_stays_uneven(tmp_path):
    x = periods(40)
    x[7] += 0.021  # two decimals know of that
    np.savetxt(tmp_path / "u.csv", np.column_stack([x, wave(x)]), delimiter=",", fmt=["%.2f", "%.17g"])
    assert len(Tabulated(str(tmp_path / "u.csv")).coefficients) > 100


def test_samples_in_double_precision_outside_the_domain_are_refused(tmp_path):
    x = periods(16) + 1 / 3
    x[-1] = 1.0001
    with pytest.raises(InputError, match="outside the domain"):
        Tabulated(write(tmp_path / "u.csv", x, wave(x)), (-1, 1))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_values_in_any_precision_may_repeat_the_period(tmp_path, kind):
    xi = np.linspace(-1, 1, 33)
    u = wave(xi).astype(kind)
    u[-1] = np.nextafter(u[0], kind(9))
    np.savez(tmp_path / "u.npz", x=xi.astype(kind), u=u)
    assert len(Tabulated(str(tmp_path / "u.npz")).coefficients) == 17
