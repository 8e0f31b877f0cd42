"""A solution in a user's hands: values, traced values, derivatives of any order, errors, saving and loading."""

import copy
import pickle
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pinn_ac
from pinn_ac.ansatz import Soft
from pinn_ac.errors import InputError
from pinn_ac.estimate import Estimate
from pinn_ac.fitting import choose
from pinn_ac.loss import Loss
from pinn_ac.models import MLP, Periodic
from pinn_ac.optimizers import Adam
from pinn_ac.problem import Cosine, Sine, Tabulated
from pinn_ac.reference import usual_grid
from pinn_ac.reporting import style
from pinn_ac.sampling import Sobol
from pinn_ac.setup import assemble
from pinn_ac.solution import Solution
from pinn_ac.tracking import Jsonl


class Sines(nn.Module):
    """A user's network, which says nothing of its precision: Flax's layers make single precision then."""

    @nn.compact
    def __call__(self, z):
        """A hidden layer of sines."""
        return nn.Dense(1)(jnp.sin(nn.Dense(3)(z)))[0]


SMALL = {"network": MLP(width=4, depth=1), "sampler": Sobol(128), "progress": False}
PROBLEM = pinn_ac.AllenCahn(1e-2, 2.0, domain=(0.0, 3.0), horizon=2.0, initial_condition=Cosine())


def fit(problem=PROBLEM, **choices):
    """A short training of a small network."""
    return pinn_ac.fit(problem, **{"steps": 3, **SMALL, **choices})


@pytest.fixture(scope="module")
def whole():
    """Of one time window."""
    return fit(windows=1)


@pytest.fixture(scope="module")
def cut():
    """Of two time windows, with a condition that is not even."""
    problem = pinn_ac.AllenCahn(1e-2, 2.0, horizon=1.5, initial_condition=Sine(0.5))
    return fit(problem, windows=2)


@pytest.fixture(params=["whole", "cut"])
def solution(request):
    return request.getfixturevalue(request.param)


def test_it_is_shown_in_a_notebook_without_a_reference_and_without_an_estimate(whole, monkeypatch):
    monkeypatch.setattr("pinn_ac.solution.solve", lambda *_: pytest.fail("it solves for the reference"))
    monkeypatch.setattr("pinn_ac.solution.estimate_error", lambda *_: pytest.fail("it estimates the error"))
    assert whole._repr_png_().startswith(b"\x89PNG")
    assert "<code>solution.error()</code> measures it" in whole._repr_html_()


def points(solution, count=7):
    """Times all over [0, T], those where windows meet included, and positions beyond the domain."""
    T, (a, b) = solution.problem.horizon, solution.problem.domain
    return np.linspace(0.0, T, count), np.linspace(a - 0.3 * (b - a), b + 0.4 * (b - a), count)


def test_traced_values_are_those_of_arrays(solution):
    """Within roundings: compiled otherwise, the same formulas."""
    t, x = points(solution)
    plain = solution(t, x)
    assert isinstance(plain, np.ndarray)
    assert np.allclose(jax.jit(jax.vmap(solution))(t, x), plain, rtol=0, atol=1e-13)
    traced = jax.jit(solution)(t[:, None], x)
    assert traced.shape == (7, 7)
    assert np.allclose(traced, solution(t[:, None], x), rtol=0, atol=1e-13)


def test_points_that_are_not_traced_are_computed_at_once_inside_of_a_trace(solution):
    """In a loss that is compiled and in a loop; also where a trace is the first to ask what windows begin with."""
    t, x = points(solution)
    expected, X = solution(t, x), jnp.asarray(x)
    fresh = Solution(solution.experiment, solution.params)
    assert np.array_equal(jax.jit(lambda c: c * fresh(t, X))(2.0), 2 * expected)
    assert np.array_equal(jax.jit(lambda c: c * solution.derivatives(t, X, "tx")["tx"])(2.0),
                          2 * solution.derivatives(t, x, "tx")["tx"])  # fmt: skip
    total, _ = jax.lax.scan(lambda c, _: (c + solution(0.5, 0.3), None), 0.0, None, 2)
    assert total == 2 * solution(0.5, 0.3)


def test_many_traced_points_are_taken_a_few_at_a_time(whole):
    t, x = np.full(300, 0.7), np.linspace(0, 3, 300)
    assert np.allclose(jax.jit(whole)(t, x), whole(t, x), rtol=0, atol=1e-13)


def test_its_gradient_is_its_derivative(solution):
    t, x = solution.problem.horizon * np.array([0.3, 0.5, 1.0]), np.array([0.3, 0.77, 0.1])
    found = solution.derivatives(t, x, ("t", "x"))
    slopes = jax.jit(jax.vmap(jax.grad(solution, argnums=(0, 1))))(t, x)
    for slope, name in zip(slopes, ("t", "x"), strict=True):
        assert np.allclose(slope, found[name], rtol=1e-10, atol=1e-12)


def test_derivatives_of_any_order_have_the_names_that_were_asked_for(solution):
    """Each is the central difference of the one below it; truncation h²/6 of the third derivative, below 1e-4."""
    t, x, h = 0.37 * solution.problem.horizon, 0.25, 1e-4
    names = ("t", "x", "xx", "xxx", "tx", "residual", "u")
    found = solution.derivatives(t, x, orders=names)
    assert set(found) == set(names)
    for name, below, axis in (("t", "u", 0), ("x", "u", 1), ("xx", "x", 1), ("xxx", "xx", 1), ("tx", "x", 0)):
        step = np.array([h, 0.0]) if axis == 0 else np.array([0.0, h])
        ahead, behind = (
            solution.derivatives(t + sign * step[0], x + sign * step[1], (below,))[below] for sign in (1, -1)
        )
        scale = 1 + abs(float(found[name]))
        assert float(found[name]) == pytest.approx(float((ahead - behind) / (2 * h)), abs=2e-4 * scale)
    plain = solution.problem
    residual = found["t"] - plain.diffusivity * found["xx"] + plain.reaction_rate * (found["u"] ** 3 - found["u"])
    assert float(found["residual"]) == pytest.approx(float(residual), abs=1e-11)


def test_derivatives_of_traced_points_are_those_of_arrays(solution):
    t, x = points(solution)
    names = ("t", "xx", "residual")
    plain = solution.derivatives(t[1:], x[1:], names)
    traced = jax.jit(lambda t, x: solution.derivatives(t, x, names))(t[1:], x[1:])
    for name in names:
        assert np.allclose(traced[name], plain[name], rtol=1e-9, atol=1e-9)


def test_names_may_be_written_with_a_u(whole):
    found = whole.derivatives(0.5, 0.25)
    assert list(found) == ["u", "u_t", "u_x", "u_xx", "residual"]
    assert found["u_xx"] == whole.derivatives(0.5, 0.25, "xx")["xx"]
    assert whole.derivatives(0.5, 0.25, "u_residual")["u_residual"] == found["residual"]


@pytest.mark.parametrize("name", ["q", "", "u_", "xq", 3])
def test_a_name_of_no_derivative_is_one_sentence(whole, name):
    with pytest.raises(InputError, match="is no derivative: write the axes"):
        whole.derivatives(0.5, 0.25, (name,))


def test_times_outside_and_shapes_that_do_not_fit_are_refused(whole):
    with pytest.raises(InputError, match=r"t must lie in \[0, 2"):
        whole(2.1, 0.0)
    for call in (whole, jax.jit(whole)):
        with pytest.raises(InputError, match="give shapes that go together"):
            call(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="t and x must be real numbers"):
        whole(0.5, "x")


def test_what_is_not_traced_is_refused_beside_what_is(whole):
    with pytest.raises(InputError, match=r"t must lie in \[0, 2"):
        jax.grad(lambda x: whole(5.0, x))(0.3)
    with pytest.raises(InputError, match="x holds NaN"):
        jax.grad(lambda t: whole(t, np.array([0.1, np.nan])).sum())(0.3)


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_small_times_in_low_precision_are_what_they_are(whole, kind):
    """An end is met by what its rounding is there: none at t = 0, but for times that have been rounded below it."""
    early, late = kind(1e-3), kind(1.75)
    assert whole(early, 0.3) == whole(float(early), 0.3)
    assert whole(late, 0.3) == whole(float(late), 0.3)
    assert whole(kind(-1e-8), 0.3) == whole(0.0, 0.3)


@pytest.mark.parametrize("inside", [True, False], ids=["double", "single"])
def test_it_keeps_its_precision_in_any_process(whole, inside):
    """Eager, under jit and in a gradient, and the process computes as before."""
    expected = float(whole(0.5, 0.3))
    with jax.enable_x64(inside):
        assert whole(0.5, 0.3).dtype == np.float64
        value = jax.jit(whole)(0.5, 0.3)
        # A number that jit takes in single precision has its rounding, 3e-8 of 0.3, times a slope of order one.
        assert float(value) == pytest.approx(expected, abs=1e-13 if inside else 1e-6)
        assert jnp.zeros(1).dtype == (jnp.float64 if inside else jnp.float32)


@pytest.mark.parametrize("diffusivity", [1e-3, 1e-4, 3e-5, 1e-5, 1e-6])
def test_an_error_in_a_layer_counts_by_its_width_wherever_it_lies(diffusivity):
    """e = sech²(ξ/w), w the width of an interface: ∫e² dξ is 4w/3, to the trapezoidal rule's 1e-3 at 0.8 w a step."""
    problem = pinn_ac.AllenCahn(diffusivity)
    w, (_, points) = problem.interface_width, usual_grid(problem)
    for shift in (0.0, 0.3, 0.5):
        xi = -1 + 2 * (np.arange(points) + shift) / points
        assert 2 * np.mean(np.cosh(np.minimum(np.abs(xi) / w, 100.0)) ** -4.0) == pytest.approx(4 * w / 3, rel=5e-3)


def test_a_field_is_sampled_on_the_usual_grid():
    thin = pinn_ac.AllenCahn(1e-4, 10.0, horizon=0.1, initial_condition=Cosine())
    solution = untrained(thin, network=MLP(width=2, depth=1))
    assert usual_grid(thin) == (201, 1024)
    assert solution.sample().u.shape == solution.reference().u.shape == (201, 1024)
    assert solution.error() == solution.error(201, 1024)
    assert set(solution._references) == {(201, 1024)}


def test_the_error_is_what_the_grid_says_and_the_estimate_knows_it(whole):
    sampled, exact = whole.sample(), whole.reference()
    expected = np.linalg.norm(sampled.u - exact.u) / np.linalg.norm(exact.u)
    assert whole.error() == pytest.approx(expected, rel=1e-12)
    estimate = whole.estimate()
    assert isinstance(estimate, float)
    assert estimate.reliable
    assert estimate == pytest.approx(whole.error(), rel=0.1)
    assert whole.scores()["relative_l2"] == pytest.approx(whole.error(), rel=1e-12)


def test_an_estimate_is_copied_and_pickled_with_what_it_knows():
    estimate = Estimate(3e-9, reliable=False)
    for other in (copy.deepcopy(estimate), pickle.loads(pickle.dumps(estimate))):
        assert (other, other.reliable) == (3e-9, False)


def test_a_plot_is_a_picture_in_a_file(whole, tmp_path):
    figure = whole.plot(tmp_path / "u.png")
    assert (tmp_path / "u.png").read_bytes().startswith(b"\x89PNG")
    assert figure.axes


def test_a_saved_solution_is_loaded_with_the_same_bits(solution, tmp_path):
    solution.save(tmp_path / "here")
    loaded = pinn_ac.load_run(tmp_path / "here")
    t, x = points(solution)
    assert np.array_equal(loaded(t, x), solution(t, x))
    assert loaded.problem == solution.problem
    assert loaded.history == solution.history
    loaded.save(tmp_path / "again")
    assert np.array_equal(pinn_ac.load_run(tmp_path / "again", allow=None)(t, x), solution(t, x))


@pytest.mark.parametrize("optimizer", [None, Adam()], ids=["levenberg_marquardt", "adam"])
def test_a_users_network_has_the_precision_of_its_run(optimizer, tmp_path):
    solution = fit(network=Sines(), optimizer=optimizer, windows=1, steps=2)
    assert {leaf.dtype for leaf in jax.tree.leaves(solution.params)} == {np.dtype(float)}
    solution.save(tmp_path / "here")
    t, x = points(solution)
    assert np.array_equal(pinn_ac.load_run(tmp_path / "here", allow=["test_solution"])(t, x), solution(t, x))


def test_a_folder_that_holds_a_run_is_not_written_over(whole, tmp_path):
    whole.save(tmp_path / "here")
    with pytest.raises(InputError, match="already holds a run"):
        whole.save(tmp_path / "here")


def test_what_cannot_be_written_is_said_before_anything_is(tmp_path):
    class Mine(MLP):
        shape: tuple = (np.zeros(3),)

    solution = untrained(network=Mine(width=4, depth=1))
    with pytest.raises(InputError, match=r"network\.shape"):
        solution.save(tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_class_that_nothing_finds_again_is_refused_before_anything_is_written(tmp_path):
    class Mine(MLP):
        pass

    solution = untrained(network=Mine(width=4, depth=1))
    with pytest.raises(InputError, match=r"Mine, which nothing finds again.*: define the class at the top"):
        solution.save(tmp_path / "here")
    assert not (tmp_path / "here").exists()


def untrained(problem=PROBLEM, **choices):
    """A solution with the parameters that its training would begin with: saving it is the same."""
    choices = {name: value for name, value in SMALL.items() if name != "progress"} | choices
    experiment = assemble(choose(problem, 3, None, 0, choices))
    return pinn_ac.Solution(experiment, experiment.initial_params())


def test_numbers_of_numpy_are_saved_and_loaded(tmp_path):
    """Those that a user computed a setting to be, and those that a run's metrics may hold."""
    start = Sine(np.float64(0.5), np.int64(1))
    problem = pinn_ac.AllenCahn(np.float32(0.125), np.float64(2.0), horizon=np.float64(2.0), initial_condition=start)
    loss, adam = Loss("mse", {"initial": np.float64(8.0)}), Adam(learning_rate=np.float64(0.125))
    solution = untrained(problem, optimizer=adam, loss=loss, windows=np.int64(2))
    solution.metrics = {"steps": np.int64(3), "tolerance_met": np.True_, "tolerance": np.float64(0.5)}
    loaded = pinn_ac.load_run(solution.save(tmp_path / "here"))
    assert loaded.problem == solution.problem
    assert loaded.metrics == {"steps": 3, "tolerance_met": True, "tolerance": 0.5}
    assert loaded.experiment.setup.optimizers == solution.experiment.setup.optimizers
    for one, other in zip(jax.tree.leaves(loaded.params), jax.tree.leaves(solution.params), strict=True):
        assert np.array_equal(one, other)


def test_the_history_is_written_once_where_a_tracker_has_written_it_already(tmp_path):
    solution, tracker = untrained(), Jsonl(str(tmp_path / "history.jsonl"))
    tracker.start({})
    for step in (1, 2, 3):
        tracker.log(step, "adam", {"seconds": 0.5 * step, "loss": 2.0**-step})
        solution.history.append({"step": step, "seconds": 0.5 * step, "loss": 2.0**-step, "stage": "adam"})
    assert pinn_ac.load_run(solution.save(tmp_path)).history == solution.history


@pytest.mark.parametrize("part", ["config.yaml", "ensemble.yaml", "inferred.npz", "checkpoints/0/params"])
def test_a_folder_that_holds_a_part_of_another_run_is_refused(tmp_path, part):
    """An ensemble's, that of a search, or what a save that broke off has left."""
    (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / part).touch()
    with pytest.raises(InputError, match=r"already holds a run, or a part of one \(.*\): choose another folder"):
        untrained().save(tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_samples_are_copied_unless_they_lie_in_the_folder(tmp_path):
    here, away = tmp_path / "here" / "u0.csv", tmp_path / "away"
    here.parent.mkdir()
    xi = -1 + 2 * np.arange(16) / 16
    np.savetxt(here, np.stack([xi, np.cos(np.pi * xi)], axis=1), delimiter=",", header="x,u", comments="")
    solution = untrained(pinn_ac.AllenCahn(1e-2, 2.0, initial_condition=Tabulated(str(here))))
    assert pinn_ac.load_run(solution.save(here.parent)).problem == solution.problem
    assert (solution.save(away) / "u0.csv").read_bytes() == here.read_bytes()
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "u0.csv").write_text("x,u\n")
    with pytest.raises(InputError, match=r"has another file u0\.csv: choose another folder"):
        solution.save(taken)
    here.rename(tmp_path / "moved.csv")
    with pytest.raises(InputError, match=r"u0\.csv is no longer there, and a copy of it is needed: put it back"):
        solution.save(tmp_path / "later")
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize(("name", "begins"), [("u.png", b"\x89PNG"), ("u.PDF", b"%PDF"), ("new/u.svg", b"<?xml")])
def test_a_picture_is_what_the_name_of_its_file_says(name, begins, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    style.shown(style.new_figure(2, 2), style.place_of_picture(f"~/{name}"))
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_picture_of_another_kind_is_refused(whole, tmp_path):
    with pytest.raises(InputError, match=r"give a name that ends with \.png, \.pdf or \.svg"):
        whole.plot(tmp_path / "u.jpg")


EXPORTED = """
import sys
import numpy as np
from jax import export
for path in sys.argv[1:]:
    exported = export.deserialize(open(path, "rb").read())
    print(repr(float(exported.call(np.float32(0.5), np.float32(0.3)))))
assert "pinn_ac" not in sys.modules
"""


def test_an_exported_solution_needs_no_pinn_ac(whole, cut, tmp_path):
    """StableHLO bytes, called in a process that does not import the package."""
    number, command = jax.ShapeDtypeStruct((), jnp.float32), [sys.executable, "-c", EXPORTED]
    for name, solution in (("whole", whole), ("cut", cut)):
        exported = jax.export.export(jax.jit(solution))(number, number)
        (tmp_path / name).write_bytes(exported.serialize())
        command.append(str(tmp_path / name))
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split()
    for one, solution in zip(told, (whole, cut), strict=True):
        assert float(one) == pytest.approx(float(solution(np.float32(0.5), np.float32(0.3))), abs=1e-6)


def test_an_exported_solution_may_take_any_number_of_points(cut):
    (n,) = jax.export.symbolic_shape("n")
    points = jax.ShapeDtypeStruct((n,), jnp.float64)
    exported = jax.export.export(jax.jit(cut))(points, points)
    for count in (3, 5):
        t, x = np.linspace(0.1, 1.5, count), np.linspace(-1, 1, count)
        assert np.allclose(exported.call(t, x), cut(t, x), rtol=0, atol=1e-13)


def test_a_soft_solution_of_first_order_training(tmp_path):
    """Other choices: the whole road is there for them too."""
    solution = fit(ansatz=Soft(), embedding=Periodic(), optimizer=Adam(learning_rate=1e-2), steps=30)
    assert solution.metrics["steps"] == 4 * 30  # in each of four time windows
    assert solution.history[-1]["loss"] < solution.history[0]["loss"]
    solution.save(tmp_path / "soft")
    assert np.array_equal(pinn_ac.load_run(tmp_path / "soft")(0.3, 0.1), solution(0.3, 0.1))
