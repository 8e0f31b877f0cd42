"""The lift g = exp(tD∂²)u₀: it solves the heat equation, starts at u₀, and is what its Fourier series says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine
from pinn_ac.problem.lifts import WIDE, kinked_coefficients, kinked_heat_flow

CONDITIONS = {
    "x_squared_cosine": XSquaredCosine(),
    "sine": Sine(-0.5, 2),
    "fourier": Fourier(0.2, (0.3, 0.0, -0.1), (0.0, 0.4)),
    "constant": Fourier(0.3),
}
# Close to the kink, at it, and away from it; both sides.
X = np.concatenate([np.linspace(-1, 1, 81), 1 - np.geomspace(1e-8, 1e-1, 15), -1 + np.geomspace(1e-8, 1e-1, 15)])


@pytest.fixture(params=CONDITIONS)
def condition(request):
    return CONDITIONS[request.param]


def compiled(problem, order=0):
    """The lift as one program; step by step it would compile some fifty."""
    return jax.jit(lambda t, x: problem.lift(t, x, order))


def series(coefficients, variance, xi, order):
    """Σ_k (ikπ)^order c_k e^{−(kπ)² variance/2} e^{ikπξ} in numpy, and its rounding, most of it that of kπξ."""
    k = np.arange(len(coefficients))
    c = coefficients * np.where(k == 0, 1, 2) * np.exp(-0.5 * (np.pi * k) ** 2 * variance)
    values = ((1j * np.pi * k) ** order * c * np.exp(1j * np.pi * k * xi[:, None])).sum(-1).real
    return values, np.finfo(float).eps * np.sum((1 + np.pi * k) ** (order + 1) * np.abs(c))


def exact(problem, t, x, order):
    """∂x^order of the lift, and the rounding of that, with modes until e^{−40}."""
    modes = int(np.sqrt(40 / (problem.unit_diffusivity * t)) / np.pi) + 4
    xi = (x - sum(problem.domain) / 2) * 2 / problem.period
    coefficients = problem.initial_condition.fourier_coefficients(modes)
    values, rounding = series(coefficients, 2 * problem.unit_diffusivity * t, xi, order)
    return values * (2 / problem.period) ** order, rounding * (2 / problem.period) ** order


@pytest.mark.parametrize("diffusivity", [1e-5, 1e-4, 1e-2, 1.0])
def test_lift_and_its_derivatives_are_the_fourier_series(condition, diffusivity):
    for horizon in (1.0, 20.0):
        problem = AllenCahn(diffusivity, horizon=horizon, initial_condition=condition)
        lifts = jax.jit(lambda t, x, problem=problem: [problem.lift(t, x, order) for order in range(4)])
        for t in (1e-2, 0.1, 0.7, 1.0, horizon):
            for order, g in enumerate(lifts(jnp.float64(t), X)):
                expected, rounding = exact(problem, t, X, order)
                # The closed form leaves out terms below 1e−17 and cancels moments of size ≤ 4.
                np.testing.assert_allclose(g, expected, rtol=0, atol=1e-13 + rounding)


def test_closed_form_meets_the_series_where_it_gives_way():
    flow = jax.jit(kinked_heat_flow, static_argnums=2)
    for near in (0.5 * WIDE, 0.999 * WIDE, WIDE, 1.001 * WIDE, 2 * WIDE):
        for order, g in enumerate(flow(jnp.float64(near**2), X, 1.0)):
            expected, rounding = series(kinked_coefficients(399), near**2, X, order)
            np.testing.assert_allclose(g, expected, rtol=0, atol=1e-13 + rounding)


@pytest.mark.parametrize("diffusivity", [1e-4, 1e-2, 1.0])
def test_lift_solves_the_heat_equation(condition, diffusivity):
    problem = AllenCahn(diffusivity, initial_condition=condition)
    g_t, g_xx = jax.grad(problem.lift, 0), jax.grad(jax.grad(problem.lift, 1), 1)
    defect = jax.jit(jax.vmap(lambda t, x: g_t(t, x) - diffusivity * g_xx(t, x), (None, 0)))
    for t in (1e-4, 5e-3, 0.3, 1.0):
        # D g_xx is at most 4 √(D/(4πt)) at the kink; differentiating twice there costs 1/σ of rounding, twice.
        width = min(1.0, np.sqrt(2 * diffusivity * t))
        assert jnp.abs(defect(t, X)).max() < 1e-14 * (1 + diffusivity / width**2) * 100


def test_slope_is_the_derivative_of_the_lift(condition):
    problem = AllenCahn(initial_condition=condition)
    slope = jax.jit(jax.vmap(jax.grad(problem.lift, 1), (None, 0)))
    for t in (1e-4, 5e-3, 1.0):
        np.testing.assert_allclose(slope(t, X), compiled(problem, 1)(jnp.float64(t), X), atol=1e-12)


def test_lift_starts_at_the_initial_condition(condition):
    problem = AllenCahn(domain=(0.0, 3.0), initial_condition=condition)
    x = np.linspace(0, 3, 101)
    values = condition(problem.to_unit(x))
    # At t = 0 the kink is rounded over one rounding error, hence by as much.
    np.testing.assert_allclose(compiled(problem)(jnp.zeros(()), x), values, atol=4e-15)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_derivatives_at_the_start_are_finite(condition, dtype):
    problem = AllenCahn(initial_condition=condition)
    t, x = jnp.zeros((), dtype), jnp.asarray([-1.0, -0.5, 0.0, 0.5, 1.0 - 1e-6, 1.0], dtype)
    for order in (0, 1):

        def lift(t, x, order=order):
            return problem.lift(t, x, order)

        first = jax.value_and_grad(lift, (0, 1))
        both = jax.jit(
            jax.vmap(lambda t, x, f=first, g=lift: (f(t, x), jax.grad(jax.grad(g, 1), 1)(t, x)), (None, 0))
        )
        for values in jax.tree.leaves(both(t, x)):
            assert values.dtype == dtype
            assert jnp.isfinite(values).all()


@pytest.mark.parametrize("t", [1e-6, 1.0])
def test_lift_and_slope_are_periodic(condition, t):
    problem = AllenCahn(initial_condition=condition)
    for order in (0, 1):
        left, right = compiled(problem, order)(jnp.float64(t), jnp.array([-1.0, 1.0]))
        assert abs(left - right) < 1e-12
    x, lift = np.array([-0.9, 0.1, 0.77]), compiled(problem)
    np.testing.assert_allclose(lift(jnp.float64(t), x), lift(jnp.float64(t), x + problem.period), atol=1e-13)


def test_slope_at_the_kink_vanishes_for_positive_times():
    problem = AllenCahn()
    assert abs(problem.lift(jnp.float64(1e-5), jnp.float64(1.0), 1)) < 1e-12


def test_lift_follows_the_domain(condition):
    unit = AllenCahn(1e-2, initial_condition=condition)
    wide = AllenCahn(1e-2 * np.pi**2, domain=(0, 2 * np.pi), initial_condition=condition)
    x = np.linspace(0, 2 * np.pi, 50)
    for order in (0, 1):
        expected = compiled(unit, order)(jnp.float64(0.4), x / np.pi - 1) / np.pi**order
        np.testing.assert_allclose(compiled(wide, order)(jnp.float64(0.4), x), expected, atol=1e-13)


def test_lift_in_single_precision(condition):
    problem = AllenCahn(initial_condition=condition)
    x, lift = jnp.linspace(-0.95, 0.95, 39), compiled(problem)
    for t in (0.0, 0.01, 1.0):
        single = lift(jnp.float32(t), x.astype(jnp.float32))
        assert single.dtype == jnp.float32
        np.testing.assert_allclose(single, lift(jnp.float64(t), x), atol=5e-6)
