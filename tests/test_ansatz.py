"""Ansätze: the initial condition is met exactly, u and u_x are periodic, the start is no singular point."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built, options
from fields import a_field
from pinn_ac.derivatives import JaxJvp
from pinn_ac.models import MLP
from pinn_ac.problem import AllenCahn, Cosine, Fourier, Sine, Tabulated, XSquaredCosine

COEFFICIENTS = {"lecture": AllenCahn(), "other": AllenCahn(2e-3, 1.5, domain=(0.5, 3.5), horizon=2.0)}
PROBLEMS = [
    ("x_squared_cosine", "lecture"),
    ("x_squared_cosine", "other"),
    ("cosine", "other"),
    ("sine", "lecture"),
    ("fourier", "other"),
    ("tabulated", "other"),
]
SMALL = MLP(4, 1, "tanh", 1.0)
# The closed form and the finite series, which all others are; compiling derivatives of each is what takes the time.
FORMULAS = [PROBLEMS[0], PROBLEMS[1], PROBLEMS[4]]
# Either precision for a kinked and a smooth condition; one of them for the others.
BOTH = [PROBLEMS[0], PROBLEMS[4]]
WITH_PRECISION = [(problem, "float32") for problem in BOTH] + [(problem, "float64") for problem in PROBLEMS]
ANSAETZE = {name: built("ansatz", name) for name in options("ansatz")}


def samples(folder, domain):
    """A lopsided periodic curve on 32 points."""
    xi = -1 + 2 * np.arange(32) / 32
    x = domain[0] + (xi + 1) / 2 * (domain[1] - domain[0])
    file = folder / "samples.csv"
    np.savetxt(file, np.column_stack([x, 0.3 * np.exp(np.sin(np.pi * xi + 0.5)) - 0.2]), delimiter=",", fmt="%.17g")
    return Tabulated(str(file), domain)


@pytest.fixture(params=PROBLEMS, ids="-".join)
def problem(request, tmp_path):
    name, plain = request.param[0], COEFFICIENTS[request.param[1]]
    condition = {
        "x_squared_cosine": XSquaredCosine,
        "cosine": lambda: Cosine(0.7, 3),
        "sine": lambda: Sine(0.5, 2),
        "fourier": lambda: Fourier(0.2, (0.3,), (0.0, 0.4)),
        "tabulated": lambda: samples(tmp_path, plain.domain),
    }[name]()
    return replace(plain, initial_condition=condition)


def grid_points(problem):
    left, right = problem.domain
    return jnp.linspace(left, right, 41)


def evaluate(problem, at_points, *points):
    """ansatz → `at_points(u, t, x)` over points, for the field u of each ansatz; all in one program."""
    fields = {name: a_field(problem, ansatz=ansatz, network=SMALL) for name, ansatz in ANSAETZE.items()}

    @jax.jit
    @jax.vmap
    def program(t, x):
        return {
            name: at_points(lambda t, x: field(params, t, x), t, x)  # noqa: B023
            for name, (field, params) in fields.items()
        }

    return jax.tree.map(np.asarray, program(*jnp.broadcast_arrays(*points)))


@pytest.mark.parametrize(("problem", "precision"), WITH_PRECISION, indirect=True)
def test_initial_condition_is_exact_whatever_the_network(problem, precision):
    x = grid_points(problem)
    expected = problem.initial_condition(problem.to_unit(x))
    for name, u in evaluate(problem, lambda u, t, x: u(t, x), jnp.zeros(()), x).items():
        assert u.dtype == precision
        if ANSAETZE[name].exact_at_start:
            # u₀ is summed from at most 17 waves of size one, and the kink is rounded over one eps.
            np.testing.assert_allclose(u, expected, rtol=0, atol=50 * np.finfo(precision).eps, err_msg=name)
        else:  # so it is right that the loss has a term for it
            assert np.abs(u - expected).max() > 1e-3, name


@pytest.mark.landing
@pytest.mark.parametrize("problem", FORMULAS, indirect=True)
def test_field_and_slope_are_periodic_after_the_start(problem):
    t = jnp.repeat(jnp.asarray([1e-3, 0.1, problem.horizon]), 2)

    def derivatives(u, t, x):
        return JaxJvp()(u, t, x, ("t", "x", "xx"))

    found = evaluate(problem, derivatives, t, jnp.tile(jnp.asarray(problem.domain), 3))
    kinked = isinstance(problem.initial_condition, XSquaredCosine)
    for name, d in found.items():
        if name == "decaying" and kinked:  # the slope keeps the jump 4 of u₀' between the ends, less by e^{−t}
            jump = 2 / problem.period * 4 * np.exp(-np.asarray(t[::2]))
            np.testing.assert_allclose(d["x"][::2] - d["x"][1::2], jump, rtol=1e-9)
            continue
        left, right = (np.stack([values[side::2] for values in d.values()]) for side in (0, 1))
        # The ends differ by the rounding of ξ and of phases kπ, which interfaces of width 1/148 and the kink's
        # layer of width 5e-4 magnify.
        scale = 1 + np.abs(left).max(axis=1, keepdims=True) + np.abs(left).max() / 148
        assert (np.abs(left - right) < 1e4 * np.finfo(float).eps * scale).all(), name


@pytest.mark.landing
@pytest.mark.parametrize("precision", ["float32", "float64"], indirect=True)
@pytest.mark.parametrize("problem", FORMULAS[1:], indirect=True)
def test_gradient_at_the_start_is_finite(problem, precision):
    """In the point and in the parameters, on the kink, beside it and away from it."""
    left, right = problem.domain
    x = jnp.asarray([left, right, right - 1e-6, right - 0.01, 0.5 * (left + right)])
    fields = [a_field(problem, ansatz=ansatz, network=SMALL) for ansatz in ANSAETZE.values()]

    @jax.jit
    def program(all_params):
        def gradient(field, params):
            return jax.vmap(jax.grad(field, argnums=(0, 1, 2)), (None, None, 0))(params, jnp.zeros(()), x)

        return [gradient(field, params) for (field, _), params in zip(fields, all_params, strict=True)]

    for in_params, in_t, in_x in program([params for _, params in fields]):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((in_params, in_t, in_x)))
        # u_t at the start is N or R(u − u³) + N, and not zero as a guard against division would have it.
        assert np.abs(np.asarray(in_t)).max() > 1e-3


def test_field_is_even_only_where_the_condition_is(problem):
    """Nothing but an even condition keeps a network from telling left from right."""
    middle = 0.5 * sum(problem.domain)
    offset = jnp.linspace(0.1, 0.4, 7) * problem.period
    x, t = jnp.concatenate([middle - offset, middle + offset]), jnp.asarray(0.5 * problem.horizon)
    for name, u in evaluate(problem, lambda u, t, x: u(t, x), t, x).items():
        left, right = u[:7], u[7:]
        if problem.initial_condition.even:
            np.testing.assert_allclose(left, right, rtol=0, atol=1e4 * np.finfo(float).eps, err_msg=name)
        else:  # also where the condition is odd: N itself is neither
            assert np.abs(left - right).max() > 1e-2, name
            assert np.abs(left + right).max() > 1e-2, name


@pytest.mark.parametrize("name", options("embedding"))
def test_field_of_an_even_condition_is_free_without_symmetry(name):
    field, params = a_field(embedding=built("embedding", name, "embedding.symmetry=false"))
    left, right = jax.jit(jax.vmap(field, (None, None, 0)))(params, jnp.asarray(0.5), jnp.asarray([-0.4, 0.4]))
    assert abs(left - right) > 1e-3  # of a field of size one


@pytest.mark.parametrize("plain", COEFFICIENTS.values(), ids=COEFFICIENTS)
def test_formulas_of_the_ansaetze(plain):
    """Soft, lifted and reaction flow, written out in NumPy from g and N."""
    problem = replace(plain, initial_condition=Sine(0.6, 1))
    R, t, x = problem.reaction_rate, 0.3, 1.3
    g = 0.6 * np.exp(-problem.unit_diffusivity * np.pi**2 * t) * np.sin(np.pi * float(problem.to_unit(x)))
    grown = np.exp(R * t)
    for name in options("ansatz"):
        field, params = a_field(problem, ansatz=built("ansatz", name))
        n = float(field.network(params, field.embedding(problem, jnp.asarray(t), jnp.asarray(x))))
        w = g + t * n
        start = 0.6 * np.sin(np.pi * float(problem.to_unit(x)))
        expected = {
            "soft": n,
            "lifted": w,
            "reaction_flow": w * grown / np.sqrt(1 + w**2 * (grown**2 - 1)),
            "decaying": np.exp(-t) * start + t * n,
        }
        assert name in expected, f"give ansatz={name} a formula in this table"
        np.testing.assert_allclose(field(params, jnp.asarray(t), jnp.asarray(x)), expected[name], rtol=1e-13)
