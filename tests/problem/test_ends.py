"""What ends a problem may have, what it is on the circle that they reflect it to, and what is refused."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.io import savemat

from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn, Burgers, Cosine, Fourier, HalfWaves, Sine, Tabulated, Tanh

HELD = AllenCahn(diffusivity=1e-3, boundary="dirichlet", boundary_values=(-1, -1), domain=(2.0, 5.0), horizon=3.0)
NEUMANN = AllenCahn(diffusivity=1e-3, boundary="neumann", domain=(2.0, 5.0), horizon=3.0)
BENT = AllenCahn(0.1, 0.5, boundary="dirichlet", initial_condition=Fourier(0.5, (), (0.3,)))
ZERO = AllenCahn(domain=(0.0, 1.0), boundary="dirichlet", initial_condition=HalfWaves(sine=(1.0,)))
ALL = {"held": HELD, "neumann": NEUMANN, "bent": BENT, "zero": ZERO}


@pytest.fixture(params=["neumann", "bent", "zero", pytest.param("held", marks=pytest.mark.landing)])
def problem(request):
    return ALL[request.param]


def test_the_natural_problem_has_no_walls_but_those_of_a_circle():
    assert [one.natural.boundary for one in ALL.values()] == ["mirrored", "periodic", "mirrored", "periodic"]
    assert HELD.natural.boundary_values == (-1.0, -1.0)
    assert HELD.natural.domain == (-1.0, 1.0)
    # [2, 5] is half of the circle, so 3 long is 1 long: D T/L² with T = 3 R-units of 1, see AllenCahn.time_unit
    assert HELD.natural.diffusivity == pytest.approx(1e-3 * HELD.time_unit / 9)


def test_a_finite_series_between_held_walls_keeps_its_circle():
    """Its equation is not the same at every x, so that no shorter period is one of the solution."""
    condition = HalfWaves(mean=2.0, sine=(0.0, 0.5))
    problem = AllenCahn(0.1, 0.0, domain=(1.0, 3.0), boundary="dirichlet", initial_condition=condition)
    assert problem.own_period.repeats == 1
    x = np.linspace(1, 3, 5)
    np.testing.assert_allclose(problem.to_natural(0 * x, x)[1], [0, 0.25, 0.5, 0.75, 1], atol=1e-15)


def test_there_and_back(problem):
    x = np.linspace(*problem.domain, 7)
    t, xi = problem.to_natural(np.full(7, 0.3), x)
    field = jax.vmap(problem.natural.initial)
    expected = np.asarray(problem.initial_condition(jnp.linspace(-1, 1, 7)))
    np.testing.assert_allclose(field(jnp.asarray(xi)), expected, atol=1e-12)
    np.testing.assert_allclose(problem.initial(jnp.asarray(x)), expected, atol=1e-12)
    traced = problem.to_natural_traced(jnp.full(7, 0.3), jnp.asarray(x))
    np.testing.assert_allclose(traced[1], xi, atol=1e-14)
    back_t, back = problem.from_natural(t, xi)
    np.testing.assert_allclose(back_t, 0.3)
    np.testing.assert_allclose(problem.to_natural(back_t, back)[1], xi, atol=1e-13)  # of equal places the first
    assert (back >= problem.domain[0]).all()
    assert (back <= problem.domain[1]).all()


def test_the_lift_keeps_its_boundary(problem):
    left, right = problem.domain
    for t in (0.0, 0.2):
        g = np.asarray(problem.lift(jnp.full(2, t), jnp.array([left, right])))
        slope = np.asarray(problem.lift(jnp.full(2, t), jnp.array([left, right]), order=1))
        if problem.boundary == "neumann":
            if t:
                np.testing.assert_allclose(slope, 0, atol=1e-12)
        else:
            np.testing.assert_allclose(g, problem.boundary_values, atol=1e-12)


@pytest.mark.landing
def test_a_lift_between_held_walls_solves_the_heat_equation():
    """But for the bend of its base, whose second derivative stands still."""

    def defect(problem, t, x):
        g_t = jax.grad(problem.lift)(t, x)
        return g_t - problem.diffusivity * jax.grad(jax.grad(problem.lift, 1), 1)(t, x)

    x = jnp.linspace(*HELD.domain, 9)[1:-1]
    np.testing.assert_allclose(jax.vmap(lambda x: defect(HELD, 0.4, x))(x), 0, atol=1e-11)
    bend = BENT.circle.base(0.5 * (np.linspace(-1, 1, 9)[1:-1] + 1), 2) * BENT.diffusivity / 4
    x = jnp.linspace(-1, 1, 9)[1:-1]
    np.testing.assert_allclose(jax.vmap(lambda x: defect(BENT, 0.4, x))(x), -bend, atol=1e-8)


def between_held_walls(domain):
    return AllenCahn(0.1, 0.5, domain=domain, boundary="dirichlet", initial_condition=Tanh(0.3, 0.2))


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_slopes_do_not_change_their_sign_at_a_wall(real):
    """Where u is held: the coordinate of a wall may be rounded beyond it, where the field is another one."""
    for domain in ((-1.0, 1.0), (-0.9, 0.9), (-1.0, 0.3), (0.1, 0.7)):
        problem, walls = between_held_walls(domain), jnp.asarray(domain, real)

        def place(x, problem=problem):
            return problem.to_natural_traced(jnp.zeros_like(x), x)[1]

        for function in (place, jax.jit(place)):
            np.testing.assert_array_equal(function(walls), [0, 1])
        np.testing.assert_allclose(jax.vmap(jax.grad(place))(walls), 1 / problem.period, rtol=1e-6)
        beyond = walls + 0.1 * problem.period * jnp.asarray([-1, 1], real)
        np.testing.assert_allclose(place(beyond), [0.1, 0.9], rtol=1e-5)


def test_the_lift_is_that_of_its_wall_where_the_coordinate_is_rounded_beyond_it():
    problem, wall = between_held_walls((-0.9, 0.9)), jnp.asarray(0.9)
    assert problem.circle.to_unit(wall) == pytest.approx(-1, abs=1e-15)
    assert problem.initial(wall) == pytest.approx(problem.boundary_values[1], abs=1e-12)
    assert problem.lift(jnp.asarray(0.1), wall) == pytest.approx(problem.boundary_values[1], abs=1e-12)


def test_traced_coefficients_pass_through():
    def diffusivity(rate):
        return HELD.with_coefficients({"diffusivity": rate}).natural.diffusivity

    assert jax.grad(diffusivity)(1e-3) == pytest.approx(HELD.time_unit / 9)


def test_values_default_to_those_of_the_initial_condition():
    assert AllenCahn(boundary="dirichlet").boundary_values == (-1.0, -1.0)
    assert AllenCahn(boundary="dirichlet", initial_condition=Sine()).boundary_values == (0.0, 0.0)
    assert Burgers(boundary="dirichlet").boundary_values == (0.0, 0.0)
    assert Burgers(boundary="dirichlet").natural.boundary == "periodic"
    assert AllenCahn(boundary="dirichlet", boundary_values=np.array([-1, -1])).boundary_values == (-1.0, -1.0)


def test_values_that_were_not_given_belong_to_their_boundary_and_initial_condition():
    held = AllenCahn(boundary="dirichlet")
    assert replace(held, boundary="neumann").boundary_values is None
    assert replace(held, boundary="periodic").boundary_values is None
    assert replace(held, initial_condition=Sine()).boundary_values == (0.0, 0.0)
    given = AllenCahn(boundary="dirichlet", boundary_values=(-1, -1))
    assert given == held
    for change in ({"boundary": "neumann"}, {"initial_condition": Sine()}):
        with pytest.raises(InputError, match="leave"):
            replace(given, **change)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: AllenCahn(boundary="wall"), "choose periodic, neumann or dirichlet"),
        (lambda: AllenCahn(boundary="mirrored"), "choose periodic, neumann or dirichlet"),
        (lambda: AllenCahn(boundary="mirrored", boundary_values=(-1, -1)), "choose periodic, neumann or dirichlet"),
        (lambda: AllenCahn(boundary_values=(0, 0)), "are for problem.boundary=dirichlet"),
        (lambda: AllenCahn(boundary="dirichlet", boundary_values=(0, 0)), r"boundary_values=\[-1,-1\]"),
        (lambda: AllenCahn(boundary="dirichlet", boundary_values=(-1,)), "give two finite numbers"),
        (
            lambda: AllenCahn(boundary="dirichlet", boundary_values=-1),
            "is -1: give a list of numbers",
        ),
        (lambda: AllenCahn(boundary="dirichlet", boundary_values=(-1, np.nan)), "give two finite numbers"),
        (lambda: Burgers(boundary="dirichlet", boundary_values=()), "give two finite numbers"),
        (lambda: Burgers(boundary="neumann"), "a reflection does not take solutions of Burgers"),
        (lambda: Burgers(boundary="dirichlet", initial_condition=Cosine()), "can be held at zero alone"),
        (lambda: AllenCahn(initial_condition=Tanh()), "is not periodic: choose problem.boundary=neumann"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


def test_the_values_that_a_refusal_names_are_accepted(tmp_path):
    """To the tolerance of 1e-6, also where the values that were given look the same."""
    path, x = str(tmp_path / "held.csv"), np.linspace(-1, 1, 41)
    np.savetxt(path, np.column_stack([x, 1.2345678 + 1e3 * x**2]), delimiter=",")
    for condition in (HalfWaves(mean=1.2345678), Tabulated(path, boundary="dirichlet")):
        ends = AllenCahn(boundary="dirichlet", initial_condition=condition).boundary_values
        near = [float(f"{value:.6g}") for value in ends]
        with pytest.raises(InputError, match="leave it out or set") as refused:
            AllenCahn(boundary="dirichlet", boundary_values=near, initial_condition=condition)
        named = json.loads(str(refused.value).rpartition("boundary_values=")[2].partition("]")[0] + "]")
        assert AllenCahn(boundary="dirichlet", boundary_values=named, initial_condition=condition).circle


def test_samples_whose_ends_do_not_fit_name_the_boundary_that_would(tmp_path):
    x = np.linspace(-1, 1, 41)
    held, flat = str(tmp_path / "held.csv"), str(tmp_path / "flat.csv")
    np.savetxt(held, np.column_stack([x, np.exp(x)]), delimiter=",")
    np.savetxt(flat, np.column_stack([x, np.tanh(5 * x)]), delimiter=",")
    with pytest.raises(InputError, match=r"=dirichlet problem.boundary_values=\[0.367879441,2.71828183\]"):
        Tabulated(held, (-1.0, 1.0))
    with pytest.raises(InputError, match=r"choose problem.boundary=neumann"):
        Tabulated(flat, (-1.0, 1.0))
    with pytest.raises(InputError, match="give both the same"):
        AllenCahn(boundary="neumann", initial_condition=Tabulated(held, boundary="dirichlet"))
    with pytest.raises(InputError, match="the walls are at"):
        Tabulated(held, domain=(-2.0, 2.0), boundary="neumann")


def test_ends_of_samples_are_zero_to_their_rounding(tmp_path):
    """−sin πx in single precision ends at ±8.7e-8; what single precision tells from zero is not zero."""
    x = np.linspace(-1, 1, 65, dtype=np.float32)

    def samples(u):
        np.savez(tmp_path / f"{u[0]}.npz", x=x, u=u)
        return Tabulated(str(tmp_path / f"{u[0]}.npz"), boundary="dirichlet")

    single = samples(-np.sin(np.float32(np.pi) * x))
    for equation in (AllenCahn, Burgers):
        problem = equation(boundary="dirichlet", initial_condition=single)
        assert problem.boundary_values == (0.0, 0.0)
        assert problem.natural.boundary == "periodic"
    assert AllenCahn(boundary="dirichlet", initial_condition=samples(1e-5 - np.sin(np.pi * x))).boundary_values[0] > 0
    almost = samples(3e-7 - np.sin(np.pi * x.astype(float)))  # in double precision, where that is no rounding
    assert AllenCahn(boundary="dirichlet", initial_condition=almost).boundary_values[0] > 0
    with pytest.raises(InputError, match=r"set problem.boundary_values=\[0,0\]"):
        Burgers(boundary="dirichlet", initial_condition=almost)
    held = Burgers(boundary="dirichlet", boundary_values=[0, 0], initial_condition=almost)
    assert float(held.initial(jnp.asarray(-1.0))) == pytest.approx(0, abs=1e-12)


def test_samples_between_walls_and_public_layouts(tmp_path):
    """A spline of fifth degree errs by about h⁶ |u⁽⁶⁾|/1000 with h = 2/200 and |u⁽⁶⁾| ≤ 4e4 for x² cos πx."""
    t, x = np.linspace(0, 1, 11), np.linspace(-1, 1, 201)
    u = x**2 * np.cos(np.pi * x) * (1 - t[:, None])
    savemat(tmp_path / "file.mat", {"t": t[None], "x": x[None], "usol": u})
    table = Tabulated(str(tmp_path / "file.mat"), boundary="dirichlet")
    xi = np.linspace(-1, 1, 333)
    np.testing.assert_allclose(table(xi), xi**2 * np.cos(np.pi * xi), atol=1e-10)
    problem = AllenCahn(boundary="dirichlet", initial_condition=table)
    assert problem.boundary_values == (-1.0, -1.0)
    assert problem.natural.boundary == "mirrored"
    np.testing.assert_allclose(problem.initial(jnp.asarray(xi)), xi**2 * np.cos(np.pi * xi), atol=1e-9)
