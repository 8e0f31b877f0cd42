"""The residual: zero for exact solutions, the known source for made ones, and the reaction flow's identity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built, options
from fields import a_field, zeros_like
from pinn_ac.ansatz import Field, Lifted, ReactionFlow, Soft
from pinn_ac.derivatives import JaxJvp
from pinn_ac.models import Periodic, Splitting
from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine
from pinn_ac.residual import differentiate, expand, residual

pytestmark = pytest.mark.usefixtures("quick_compilation")

EPS = np.finfo(float).eps
PROBLEMS = {"lecture": (1e-3, 5.0, (-1.0, 1.0), 1.0), "other": (2e-2, 1.5, (0.5, 3.5), 2.0)}
KINKED, SMOOTH = XSquaredCosine(), Fourier(0.1, (0.4,), (0.0, 0.3))


@pytest.fixture(params=PROBLEMS)
def coefficients(request):
    return PROBLEMS[request.param]


def points_in(problem, count=60):
    generator = np.random.default_rng(2)
    t = generator.uniform(0.02, problem.horizon, count)
    return jnp.asarray(np.column_stack([t, generator.uniform(*problem.domain, count)]))


def residual_at(field, params, points, engine=None):
    engine = engine or JaxJvp()

    @jax.jit
    def compute(params, points):
        expanded = expand(field, engine, points)
        return jax.vmap(lambda point: residual(field, engine, params, point))(expanded)

    return np.asarray(compute(params, points))


@pytest.mark.parametrize(
    ("ansatz", "condition", "coefficients"),
    [
        (Lifted(), KINKED, PROBLEMS["lecture"]),
        (Lifted(), SMOOTH, PROBLEMS["other"]),
        (ReactionFlow(), KINKED, PROBLEMS["other"]),
        (ReactionFlow(), SMOOTH, PROBLEMS["lecture"]),
    ],
    ids=["lifted-kinked", "lifted-smooth", "reaction_flow-kinked", "reaction_flow-smooth"],
)
def test_heat_flow_solves_the_problem_without_reaction(ansatz, condition, coefficients):
    diffusivity, _, *rest = coefficients
    problem = AllenCahn(diffusivity, 0.0, *rest, condition)
    field, params = a_field(problem, ansatz=ansatz)
    # The two terms cancel; each is as large as D u_xx ≤ 4√(D/(4πt)) < 1, off by eps/σ² D = eps/(2t) ≤ 25 eps.
    assert np.abs(residual_at(field, zeros_like(params), points_in(problem))).max() < 1e3 * EPS


@pytest.mark.parametrize("level", [0.3, -1.2])
def test_reaction_flow_of_a_constant_solves_the_problem(level, coefficients):
    problem = AllenCahn(*coefficients, Fourier(level))
    field, params = a_field(problem, ansatz=ReactionFlow())
    # u_t and R(u³ − u) cancel; neither exceeds R = 5.
    assert np.abs(residual_at(field, zeros_like(params), points_in(problem))).max() < 5 * 20 * EPS


@pytest.mark.parametrize("option", options("derivatives"))
def test_made_solution_leaves_its_source(option, coefficients):
    """u = A + t B sin(πξ) + cos(πξ)/2, as a network of the periodic features, against the source by hand."""
    problem = AllenCahn(*coefficients, Sine(0.5, 1))
    D, R, _, T = coefficients

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


def test_reaction_flow_takes_the_reaction_out_of_the_residual(coefficients):
    """f = Φ_w [w_t − D w_xx + 3 D w (e^{2Rt} − 1)/q w_x²], q = 1 + w²(e^{2Rt} − 1), w = g + tN."""
    problem = AllenCahn(*coefficients, Fourier(0.1, (0.4,), (0.3,)))
    assert problem.longest_flow is None  # the horizon is short enough for the flow to go all the way
    flow, params = a_field(problem, embedding=Splitting(), ansatz=ReactionFlow())
    w_field = flow._replace(ansatz=Lifted())
    points = points_in(problem)

    @jax.jit
    def derivatives_of_w(points):
        return jax.vmap(lambda point: differentiate(w_field, JaxJvp(), params, point))(
            expand(w_field, JaxJvp(), points)
        )

    w, w_t, w_x, w_xx = (np.asarray(values) for values in derivatives_of_w(points))
    t, (D, R, _, _) = np.asarray(points)[:, 0], coefficients
    growth = np.exp(2 * R * t) - 1
    q = 1 + w**2 * growth
    slope = np.exp(R * t) / q**1.5
    expected = slope * (w_t - D * w_xx + 3 * D * w * growth / q * w_x**2)
    # f cancels from u_t and the reaction, of size R, and is at most e^{RT} = 148 times as sensitive as w.
    scale = 1 + np.abs(slope * w_t).max() + np.abs(expected).max()
    np.testing.assert_allclose(residual_at(flow, params, points), expected, rtol=0, atol=1e3 * EPS * scale)


def test_derivatives_follow_the_domain():
    """u_x and u_xx are in x, not in the unit coordinate."""
    problem = AllenCahn(1e-2, 0.0, (0.0, 6.0), 1.0, Sine(1.0, 1))
    field, params = a_field(problem, ansatz=Lifted())
    point = jax.tree.map(lambda leaf: leaf[0], expand(field, JaxJvp(), jnp.asarray([[0.0, 2.0]])))
    d = differentiate(field, JaxJvp(), zeros_like(params), point)
    k, phase = np.pi / 3, np.pi * (2.0 - 3.0) / 3
    expected = [np.sin(phase), -1e-2 * k**2 * np.sin(phase), k * np.cos(phase), -(k**2) * np.sin(phase)]
    # ∂t at t = 0 of N = 0 is the heat flow's.
    np.testing.assert_allclose([float(value) for value in d], expected, rtol=1e-13)
