"""A problem is a pytree: coefficients can be traced, differentiated and trained, through residual, field and loss."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields import AC, KdV, Telegraph, a_field
from pinn_ac.ansatz import Lifted, Soft
from pinn_ac.derivatives import JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.models import MLP, Periodic, Splitting
from pinn_ac.problem import AllenCahn, Burgers, Fourier, Problem, Sine, transfer
from pinn_ac.residual import prepare, residual

SMOOTH = Fourier(0.1, (0.4,), (0.0, 0.3))
PROBLEMS = {
    "allen_cahn": (replace(AC["other"], initial_condition=SMOOTH), {}),
    "allen_cahn, a long time": (AllenCahn(1e-2, 6.0, horizon=3.0, initial_condition=SMOOTH), {}),
    "burgers": (Burgers(0.05, 1.3), {"embedding": Splitting(known=("heat", "slope")), "ansatz": Lifted()}),
    "korteweg_de_vries": (KdV(initial_condition=Sine()), {"embedding": Periodic(), "ansatz": Soft()}),
}


@pytest.fixture(params=PROBLEMS)
def case(request):
    """A problem, and functions of problems alone: u at a point, and the mean square residual of some points."""
    problem, parts = PROBLEMS[request.param]
    field, params = a_field(problem, network=MLP(4, 1, "tanh", 1.0), **parts)
    t = problem.horizon * jnp.asarray([0.1, 0.4, 0.9])
    x = problem.domain[0] + problem.period * jnp.asarray([0.2, 0.55, 0.7])

    def measured(problem):
        here = field._replace(problem=problem)
        prepared = prepare(here, JaxJvp(), jnp.column_stack([t, x]))
        f = jax.vmap(lambda point: residual(here, JaxJvp(), params, point))(prepared)
        return jnp.stack([here(params, t[2], x[2]), jnp.mean(f**2)])

    return problem, measured


@pytest.mark.landing
def test_derivatives_in_the_coefficients_are_central_differences(case):
    """Of the field, through lift and flow, and of the loss; with problems and with coefficients as arguments."""
    problem, measured = case
    names, plain = list(problem.coefficients), problem.coefficients

    def of_coefficients(coefficients):
        return measured(problem.with_coefficients(coefficients))

    jacobian = jax.jit(jax.jacfwd(of_coefficients))(plain)
    as_tree = jax.jit(jax.jacfwd(measured))(problem)
    assert type(as_tree) is type(problem)
    batched = jax.jit(jax.vmap(of_coefficients))
    steps = {name: 1e-5 * plain[name] for name in names}
    shifted = {
        name: jnp.asarray([plain[name] + sign * steps[name] * (name == other) for other in names for sign in (1, -1)])
        for name in names
    }
    values = np.asarray(batched(shifted)).reshape(len(names), 2, 2)
    for index, name in enumerate(names):
        expected = (values[index, 0] - values[index, 1]) / (2 * steps[name])
        # Third derivatives over a step of 1e-5, and the rounding of u and of the loss over it.
        scale = 1 + np.abs(values).max() / plain[name]
        np.testing.assert_allclose(jacobian[name], expected, rtol=1e-6, atol=1e-9 * scale, err_msg=name)
        np.testing.assert_allclose(getattr(as_tree, name), jacobian[name], rtol=1e-9, atol=1e-12 * scale)
    assert all(np.abs(values[index, 0] - values[index, 1]).max() > 1e-12 for index in range(len(names)))
    # Where a coefficient moves neither u nor the loss, no test of its derivative would fail.
    np.testing.assert_allclose(values[:, :, 0].mean(), float(jax.jit(measured)(problem)[0]), rtol=1e-6)


def test_the_residual_is_differentiated_in_the_coefficients():
    u = {"u": 0.3, "t": -1.2, "x": 0.5, "xx": 2.5}
    found = jax.grad(lambda problem: problem.residual(u, {}))(AllenCahn(1e-3, 2.0))
    assert float(found.diffusivity) == -2.5
    assert float(found.reaction_rate) == pytest.approx(0.3**3 - 0.3, rel=1e-15)
    of_burgers = jax.grad(lambda problem: problem.residual(u, {}))(Burgers(0.1, 2.0))
    assert (float(of_burgers.viscosity), float(of_burgers.speed)) == (-2.5, pytest.approx(0.15))


def test_maps_over_a_problem_change_its_coefficients_alone():
    problem = AllenCahn(1e-3, 2, domain=(0, 3), horizon=2.0, initial_condition=Sine())
    assert jax.tree.leaves(problem) == [1e-3, 2.0]
    doubled = jax.tree.map(lambda value: 2 * value, problem)
    assert doubled == AllenCahn(2e-3, 4.0, domain=(0, 3), horizon=2.0, initial_condition=Sine())
    assert doubled.nominal is doubled
    arrays = jax.tree.map(jnp.asarray, problem)
    assert arrays.nominal == problem
    step = jax.tree.map(lambda value, slope: value - 0.5 * slope, arrays, arrays)
    assert jax.tree.map(float, step) == AllenCahn(5e-4, 1.0, domain=(0, 3), horizon=2.0, initial_condition=Sine())
    assert step.nominal == problem


def test_an_initial_condition_of_arrays_is_made_of_leaves():
    condition = transfer(np.cos(np.pi * np.arange(256) / 128), 32, True)
    problem = AllenCahn().with_initial_condition(condition)
    assert len(jax.tree.leaves(problem)) == 2 + len(jax.tree.leaves(condition))
    slope = jax.jit(jax.grad(lambda problem: problem.lift(0.0, 0.25)))(problem)
    k = np.arange(32)
    np.testing.assert_allclose(slope.initial_condition.cosine, np.cos(np.pi * k * 0.25), atol=1e-13)
    np.testing.assert_array_equal(jax.tree.map(lambda a: a, problem).initial_condition.cosine, condition.cosine)


@pytest.mark.parametrize(
    "problem", [AC["other"], Burgers(0.02, 1.5, domain=(1, 4), horizon=3.0), Telegraph(horizon=2.0)]
)
def test_traced_coefficients_go_to_natural_units_as_plain_ones(problem):
    found = jax.jit(lambda problem: problem.natural.coefficients)(problem)
    natural = jax.jit(lambda problem: problem.natural)(problem)
    for name, value in problem.natural.coefficients.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-15)
        assert float(getattr(natural, name)) == pytest.approx(value, rel=1e-15)
    assert (natural.domain, natural.horizon) == (problem.natural.domain, problem.natural.horizon)
    assert natural.nominal == problem.natural


def test_a_derivative_in_other_units_has_other_units():
    """∂u/∂D of one solution in two systems of units: D's own unit is length² over time."""
    problem = AllenCahn(1e-2, 2.0, initial_condition=SMOOTH)
    length, time = 3.0, 0.5
    other = AllenCahn(
        1e-2 * length**2 / time, 2.0 / time, domain=(0, 2 * length), horizon=time, initial_condition=SMOOTH
    )

    def of(problem, t, xi):
        return jax.jit(jax.grad(lambda problem: problem.natural.approximation(t, xi)))(problem)

    ours, theirs = of(problem, 0.4, 0.3), of(other, 0.4, 0.3)
    assert float(theirs.diffusivity) * length**2 / time == pytest.approx(float(ours.diffusivity), rel=1e-12)
    assert float(theirs.reaction_rate) / time == pytest.approx(float(ours.reaction_rate), rel=1e-12)


def test_what_is_decided_beforehand_is_decided_by_the_plain_numbers():
    """Whether the flow stops: a traced coefficient has no value to ask, and one compiled program serves its kind."""
    flow = jax.jit(lambda problem: problem.flow(0.9 * problem.horizon, 0.3))
    short, long = AllenCahn(horizon=1.0), AllenCahn(1e-3, horizon=6.0)
    assert short.longest_flow is None
    assert long.longest_flow is not None
    for problem in (short, long):
        assert float(flow(problem)) == pytest.approx(float(problem.flow(0.9 * problem.horizon, 0.3)), rel=1e-14)
    other = long.with_coefficients({"reaction_rate": jnp.asarray(2.0)})
    assert other.nominal == long
    assert other.longest_flow == long.longest_flow
    assert float(other.diffusivity) == long.diffusivity


def test_names_of_no_coefficient_are_refused():
    with pytest.raises(InputError, match="AllenCahn has no coefficient viscosity: it has diffusivity, reaction_rate"):
        AllenCahn().with_coefficients({"viscosity": 1.0})


@dataclass(frozen=True)
class InItsOwnUnits(Problem):
    """u_t + c u_x = 0, without dimensions, and with a field that is no coefficient."""

    speed: float = 2.0
    label: str = "advection"
    orders = ("t", "x")

    def residual(self, u, point):
        return u["t"] + self.speed * u["x"]


def test_without_dimensions_the_coefficients_are_the_fields_of_type_float():
    problem = InItsOwnUnits(3, domain=(0, 5))
    assert problem.coefficients == {"speed": 3.0}
    assert problem.natural is problem
    slope = jax.grad(lambda problem: problem.residual({"u": 0.0, "t": 1.0, "x": 4.0}, {}))(problem)
    assert (float(slope.speed), slope.label) == (4.0, "advection")


def refusals():
    @dataclass(frozen=True)
    class Silent(Problem):
        pass

    @dataclass(frozen=True)
    class Misnamed(InItsOwnUnits):
        dimensions = {"velocity": (1, -1)}  # noqa: RUF012

    @dataclass(frozen=True)
    class Mismeasured(InItsOwnUnits):
        dimensions = {"speed": (1, -2)}  # noqa: RUF012

    @dataclass(frozen=True)
    class Diffusive(Problem):
        diffusivity: float = 1e-5
        orders = ("t", "xx")
        dimensions = {"diffusivity": (0, -1)}  # noqa: RUF012

        def residual(self, u, point):
            return u["t"] - self.diffusivity * u["xx"]

    return {
        "other units of a small coefficient": (
            lambda: Diffusive(domain=(0.0, 1.0)).natural,
            "Diffusive has another residual in natural units",
        ),
        "no equation": (Silent, r"Silent does not say what its equation is: define residual\(self, u, point\)"),
        "units of nothing": (Misnamed, "Misnamed.dimensions gives the unit of velocity, which is none of its fields"),
        "other units": (
            lambda: Mismeasured(horizon=2.0).natural,
            "Mismeasured has another residual in natural units, so its dimensions are not those",
        ),
        "a traced value": (
            lambda: jax.jit(lambda D: AllenCahn(D).residual({"u": 1.0, "t": 0.0, "xx": 0.0}, {}))(1.0),
            "give a finite number; arrays and traced values are set by with_coefficients",
        ),
    }


@pytest.mark.parametrize("name", refusals())
def test_a_class_or_a_value_that_cannot_be_used_gets_a_sentence(name):
    make, sentence = refusals()[name]
    with pytest.raises(InputError, match=sentence):
        make()


def test_right_units_are_accepted_whatever_they_are():
    for problem in (AC["other"], Burgers(domain=(0, 7), horizon=0.1), KdV(domain=(-9, 9), horizon=4.0), Telegraph()):
        assert problem.natural.domain == (-1.0, 1.0)
