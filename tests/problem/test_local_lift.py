"""A problem expanded about a point: its lift and slope have the derivatives there that they have themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.derivatives import JaxJvp
from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine, carry, expanded

XI = -1 + 2 * np.arange(512) / 512
SERIES, EVEN = Fourier(0.1, (0.3, -0.2), (0.5, 0.1, -0.2)), Fourier(0.2, (0.5, 0.0, -0.3), ())
CONDITIONS = {
    "x_squared_cosine": XSquaredCosine(0.7),
    "sine": Sine(-0.5, 2),
    "fourier": SERIES,
    "carried": carry(np.asarray(SERIES(XI)), 128, False),
    "carried even": carry(np.asarray(EVEN(XI)), 128, True),
}
POINTS = [(0.0, 0.1), (0.3, 1.7), (1.0, 2.9), (0.2, 3.0)]


@pytest.fixture(params=CONDITIONS)
def problem(request):
    return AllenCahn(0.02, domain=(0.0, 3.0), initial_condition=CONDITIONS[request.param])


@pytest.mark.parametrize("order", [0, 1])
def test_it_has_the_derivatives_of_the_lift_and_of_its_slope(problem, order):
    """The third derivative of a carried mode at 128π is 1e8 of its roundings; the others' are far smaller."""
    ours = jax.jit(lambda t, x: JaxJvp()(lambda s, y: expanded(problem, t, x).lift(s, y, order), t, x))
    direct = jax.jit(lambda t, x: JaxJvp()(lambda s, y: problem.lift(s, y, order), t, x))
    for point in POINTS:
        t, x = map(jnp.asarray, point)
        np.testing.assert_allclose(ours(t, x), direct(t, x), rtol=0, atol=1e-8)


def test_for_the_rest_it_is_the_condition(problem):
    condition = problem.initial_condition
    found = expanded(problem, jnp.asarray(0.1), jnp.asarray(0.2)).initial_condition
    assert found.kinks == condition.kinks
    assert float(found.steepest_slope) == float(condition.steepest_slope)
    assert float(found(jnp.asarray(0.3))) == float(condition(jnp.asarray(0.3)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_at_the_start_every_derivative_is_finite_at_a_kink_too(dtype):
    problem = AllenCahn()
    for x in (-1.0, -0.5, 0.0, 1.0 - 1e-6, 1.0):
        t, x = jnp.zeros((), dtype), jnp.asarray(x, dtype)
        for order in (0, 1):
            found = JaxJvp()(lambda s, y, t=t, x=x, k=order: expanded(problem, t, x).lift(s, y, k), t, x)
            assert all(bool(jnp.isfinite(value)) and value.dtype == dtype for value in found)


def test_the_heat_equation_holds_at_the_kink_where_and_when_it_is_sharpest():
    """There g_xx is the inverse of a rounding error; the residual of a field on it is its own size still."""
    problem, t, x = AllenCahn(), jnp.asarray(0.0), jnp.asarray(1.0)
    g = JaxJvp()(lambda s, y: expanded(problem, t, x).lift(s, y), t, x)
    assert float(g.u_xx) > 1e14
    assert float(g.u_t) == pytest.approx(problem.diffusivity * float(g.u_xx), rel=1e-12)
