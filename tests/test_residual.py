"""The residual: zero for exact solutions, the known source for manufactured ones, of any equation and any order."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built, options
from fields import AC, BenjaminBonaMahony, KdV, Telegraph, a_field, zeros_like
from pinn_ac.ansatz import Field, Lifted, ReactionFlow, Soft
from pinn_ac.derivatives import JaxJvp, OwnTaylor
from pinn_ac.errors import InputError
from pinn_ac.models import MLP, Periodic, Splitting
from pinn_ac.problem import AllenCahn, Burgers, Fourier, Problem, Sine, XSquaredCosine
from pinn_ac.residual import (
    approximation_slope,
    closure,
    derivatives_at,
    differentiate,
    prepare,
    residual,
    residual_slope,
    slope_orders,
)

EPS = np.finfo(float).eps
KINKED, SMOOTH = XSquaredCosine(), Fourier(0.1, (0.4,), (0.0, 0.3))


@pytest.fixture(params=AC)
def problem(request):
    return AC[request.param]


def points_in(problem, count=60):
    generator = np.random.default_rng(2)
    t = generator.uniform(0.02, problem.horizon, count)
    return jnp.asarray(np.column_stack([t, generator.uniform(*problem.domain, count)]))


def residual_at(field, params, points, engine=None):
    engine = engine or JaxJvp()

    @jax.jit
    def compute(params, points):
        prepared = prepare(field, engine, points)
        return jax.vmap(lambda point: residual(field, engine, params, point))(prepared)

    return np.asarray(compute(params, points))


@pytest.mark.parametrize(
    ("ansatz", "condition", "name"),
    [
        (Lifted(), KINKED, "lecture"),
        (Lifted(), SMOOTH, "other"),
        (ReactionFlow(), KINKED, "other"),
        (ReactionFlow(), SMOOTH, "lecture"),
    ],
    ids=["lifted-kinked", "lifted-smooth", "reaction_flow-kinked", "reaction_flow-smooth"],
)
def test_heat_flow_solves_the_problem_without_reaction(ansatz, condition, name):
    problem = replace(AC[name], reaction_rate=0.0, initial_condition=condition)
    field, params = a_field(problem, ansatz=ansatz)
    # The two terms cancel; each is as large as D u_xx ≤ 4√(D/(4πt)) < 1, off by eps/σ² D = eps/(2t) ≤ 25 eps.
    assert np.abs(residual_at(field, zeros_like(params), points_in(problem))).max() < 1e3 * EPS


def test_reaction_flow_of_a_constant_solves_the_problem(problem):
    for level in (0.3, -1.2):
        field, params = a_field(replace(problem, initial_condition=Fourier(level)), ansatz=ReactionFlow())
        # u_t and R(u³ − u) cancel; neither exceeds R = 5.
        assert np.abs(residual_at(field, zeros_like(params), points_in(problem))).max() < 5 * 20 * EPS


@pytest.mark.parametrize("option", options("derivatives"))
def test_made_solution_leaves_its_source(option, problem):
    """u = A + t B sin(πξ) + cos(πξ)/2, as a network of the periodic features, against the source by hand."""
    problem = replace(problem, initial_condition=Sine(0.5, 1))
    D, R, T = problem.diffusivity, problem.reaction_rate, problem.horizon

    def network(params, z):
        a, b = params
        t = 0.5 * T * (z[0] + 1)
        return a + t * b * z[2] + 0.5 * z[1]

    field, points = Field(problem, Periodic(1), network, Soft()), points_in(problem)
    found = residual_at(field, (jnp.asarray(0.2), jnp.asarray(0.7)), points, built("derivatives", option))
    t, x = np.asarray(points).T
    k = 2 * np.pi / problem.period
    phase = k * (x - 0.5 * sum(problem.domain))
    waves = 0.7 * t * np.sin(phase) + 0.5 * np.cos(phase)
    u = 0.2 + waves
    source = 0.7 * np.sin(phase) + D * k**2 * waves + R * (u**3 - u)
    np.testing.assert_allclose(found, source, rtol=0, atol=200 * EPS)  # a dozen terms of size ≤ 20


def test_reaction_flow_takes_the_reaction_out_of_the_residual(problem):
    """f = Φ_w [w_t − D w_xx + 3 D w (e^{2Rt} − 1)/q w_x²], q = 1 + w²(e^{2Rt} − 1), w = g + tN."""
    problem = replace(problem, initial_condition=Fourier(0.1, (0.4,), (0.3,)))
    assert problem.longest_flow is None  # the horizon is short enough for the flow to go all the way
    flow, params = a_field(problem, embedding=Splitting(), ansatz=ReactionFlow())
    w_field, points = flow._replace(ansatz=Lifted()), points_in(problem)

    @jax.jit
    @jax.vmap
    def derivatives_of_w(t, x):
        return derivatives_at(w_field, JaxJvp(), params, t, x, ("t", "x", "xx"))

    found = derivatives_of_w(*points.T)
    w, w_t, w_x, w_xx = (np.asarray(found[name]) for name in ("u", "t", "x", "xx"))
    np.testing.assert_allclose(found["residual"], problem.residual(found, {}), rtol=0, atol=1e3 * EPS)
    t, D, R = np.asarray(points)[:, 0], problem.diffusivity, problem.reaction_rate
    growth = np.exp(2 * R * t) - 1
    q = 1 + w**2 * growth
    slope = np.exp(R * t) / q**1.5
    expected = slope * (w_t - D * w_xx + 3 * D * w * growth / q * w_x**2)
    # f cancels from u_t and the reaction, of size R, and is at most e^{RT} = 148 times as sensitive as w.
    scale = 1 + np.abs(slope * w_t).max() + np.abs(expected).max()
    np.testing.assert_allclose(residual_at(flow, params, points), expected, rtol=0, atol=1e3 * EPS * scale)


def test_derivatives_follow_the_domain():
    """u_x and u_xx are in x, not in the unit coordinate."""
    problem = Burgers(1e-2, domain=(0.0, 6.0), initial_condition=Sine(1.0, 1))
    field, params = a_field(problem, Splitting(known=("heat",)), ansatz=Lifted())

    @jax.jit
    def at_start(params, points):
        point = jax.tree.map(lambda leaf: leaf[0], prepare(field, JaxJvp(), points))
        return differentiate(field, JaxJvp(), params, point)

    d = at_start(zeros_like(params), jnp.asarray([[0.0, 2.0]]))
    k, phase = np.pi / 3, np.pi * (2.0 - 3.0) / 3
    # ∂t at t = 0 of N = 0 is the heat flow's.
    expected = {"u": np.sin(phase), "t": -1e-2 * k**2 * np.sin(phase)}
    expected |= {"x": k * np.cos(phase), "xx": -(k**2) * np.sin(phase)}
    assert set(d) == set(expected)
    for name, value in expected.items():
        assert float(d[name]) == pytest.approx(value, rel=1e-13), name


@dataclass(frozen=True)
class Warped:
    """z = (e^t, sinh(x + t/2)): from these a network finds t and x again, but no derivative of z is trivial."""

    needs = ()

    def __call__(self, problem, t, x):
        return jnp.stack([jnp.exp(t), jnp.sinh(x + 0.5 * t)])


def unwarped(function):
    """The network that is this function of (t, x)."""

    def network(params, z):
        t = jnp.log(z[0])
        return function(params, t, jnp.log(z[1] + jnp.sqrt(z[1] * z[1] + 1)) - 0.5 * t)

    return network


def soliton(problem, params, t, x):
    """(c/2) sech²(½ √(c/δ) (x − ct)), the travelling wave of speed c = 0.4; times `params`, as are the others."""
    c = 0.4
    return 0.5 * params * c / jnp.cosh(0.5 * jnp.sqrt(c / problem.dispersion) * (x - c * t)) ** 2


def damped_wave(problem, params, t, x):
    """e^{−bt} (cos ωt + (b/ω) sin ωt) sin 2x, ω² = 4c² − b²."""
    b, frequency = problem.damping, jnp.sqrt(4 * problem.speed**2 - problem.damping**2)
    return (
        params * jnp.exp(-b * t) * (jnp.cos(frequency * t) + b / frequency * jnp.sin(frequency * t)) * jnp.sin(2 * x)
    )


def forced_wave(problem, params, t, x):
    """cos(x − t)/β."""
    return params * jnp.cos(x - t) / problem.beta


EXACT = {
    "third order in x": (KdV(0.02, initial_condition=Sine()), soliton),
    "second order in t": (Telegraph(0.6, 1.3, initial_condition=Sine()), damped_wave),
    "mixed, with a source": (BenjaminBonaMahony(0.3, initial_condition=Sine()), forced_wave),
}


@pytest.mark.parametrize("engine", [JaxJvp(), OwnTaylor()], ids=["jax_jvp", "own_taylor"])
def test_exact_solutions_of_equations_of_other_orders_have_no_residual(engine):
    """On the prepared polynomial and, by JAX, straight through the field too; a scaled solution has one."""
    fields = {}
    for name, (problem, solution) in EXACT.items():
        network = unwarped(partial(solution, problem))
        fields[name] = Field(problem, Warped(), network, Soft())

    @jax.jit
    def compute(scale, points):
        found = {}
        for name, field in fields.items():
            prepared = prepare(field, engine, points)
            at_point = partial(residual, field, engine, scale)
            found[name] = jax.vmap(at_point)(prepared)
            if engine == JaxJvp():
                orders = field.problem.orders
                direct = partial(derivatives_at, field, engine, scale, orders=orders)
                found[f"{name}, directly"] = jax.vmap(direct)(*points.T)["residual"]
        return found

    generator = np.random.default_rng(4)
    points = jnp.asarray(np.column_stack([generator.uniform(0, 1, 40), generator.uniform(-1, 1, 40)]))
    for name, found in compute(1.0, points).items():
        # Derivatives of size 20 that cancel; each is made of a dozen products, and of the logarithm's derivatives.
        np.testing.assert_allclose(found, 0, atol=1e-11, err_msg=name)
    for name, found in compute(1.1, points).items():
        is_linear = "in t" in name  # so that its solutions may be scaled
        assert (np.abs(found).max() > 1e-2) != is_linear, name


@pytest.mark.parametrize(
    ("orders", "needed"),
    [
        (("t", "xx"), ("t", "x", "xx")),
        (("xxx",), ("x", "xx", "xxx")),
        (("txx",), ("t", "x", "tx", "xx", "txx")),
        (("tt", "x"), ("t", "x", "tt")),
        ((), ()),
    ],
)
def test_a_polynomial_has_every_derivative_of_the_chain_rule(orders, needed):
    assert closure(orders) == needed


def test_a_derivative_that_the_class_does_not_ask_for_is_named():
    @dataclass(frozen=True)
    class Forgetful(Problem):
        orders = ("t",)

        def residual(self, u, point):
            return u["t"] - u["xx"]

    field, params = a_field(Forgetful(initial_condition=Sine()), Periodic(), ansatz=Soft())
    sentence = r"Forgetful uses the derivative 'xx', which is none of its orders \('t',\): add it to them"
    with pytest.raises(InputError, match=sentence):
        residual_at(field, params, jnp.ones((1, 2)))


def test_a_name_of_no_derivative_is_refused_before_anything_is_computed():
    @dataclass(frozen=True)
    class Misspelt(AllenCahn):
        orders = ("t", "yy")

    field, params = a_field(Misspelt(initial_condition=Sine()), Periodic(), ansatz=Soft())
    with pytest.raises(InputError, match="'yy' is no derivative: write the axes"):
        residual_at(field, params, jnp.ones((1, 2)))


def test_the_slope_of_the_approximation_is_in_the_unit_coordinate(problem):
    """|∂ξ Φ(t, g)|, by central differences of the approximation itself."""
    problem, points = replace(problem, initial_condition=SMOOTH), points_in(problem, 20)
    found = jax.jit(lambda points: approximation_slope(problem, JaxJvp(), points))(points)
    h = 1e-5 * problem.period
    above, below = (jax.jit(problem.approximation)(points[:, 0], points[:, 1] + side * h) for side in (1, -1))
    np.testing.assert_allclose(found, np.abs(above - below) / (2 * h) * problem.period / 2, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "engine", [OwnTaylor(), pytest.param(JaxJvp(), marks=pytest.mark.landing)], ids=["own_taylor", "jax_jvp"]
)
def test_slopes_of_the_residual_are_its_differences(engine):
    """Of a nonlinear equation with a lift, and of one with a mixed derivative and a source, in t and in x."""
    fields = [
        a_field(replace(AC["lecture"], initial_condition=SMOOTH), Splitting(), MLP(4, 1, "tanh", 1.0)),
        a_field(BenjaminBonaMahony(0.3, initial_condition=Sine()), Periodic(1), MLP(4, 1, "tanh", 1.0), Soft()),
    ]

    @jax.jit
    def slopes(points):
        found = {}
        for k, (field, params) in enumerate(fields):
            for axis in "tx":
                prepared = prepare(field, engine, points, slope_orders(field.problem, axis))
                at_point = partial(residual_slope, field, engine, params, axis=axis)
                found[k, axis] = jax.vmap(at_point)(prepared)
        return found

    h, points = 1e-4, np.random.default_rng(3).uniform((0.2, -0.9), (0.8, 0.9), (8, 2))
    shifted = np.concatenate([points + sign * h * step for step in np.eye(2) for sign in (1, -1)])
    values = [residual_at(field, params, jnp.asarray(shifted), engine).reshape(2, 2, 8) for field, params in fields]
    for (k, axis), found in slopes(jnp.asarray(points)).items():
        forward, backward = values[k]["tx".index(axis)]
        difference = (forward - backward) / (2 * h)
        # Off by h²/6 times a third derivative, which the features' frequencies make up to some thousands.
        np.testing.assert_allclose(found, difference, rtol=0, atol=1e-5 * np.abs(difference).max(), err_msg=axis)
        assert np.abs(difference).max() > 0.1


def test_a_slope_takes_each_derivative_once_more_along_its_axis():
    assert slope_orders(AllenCahn(), "t") == ("t", "xx", "tt", "txx")
    assert slope_orders(AllenCahn(), "x") == ("t", "xx", "x", "tx", "xxx")
    assert slope_orders(BenjaminBonaMahony(), "x") == ("t", "x", "txx", "tx", "xx", "txxx")
