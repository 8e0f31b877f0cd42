"""The lift near one point as a polynomial: there it and its slope have the derivatives of the lift and the slope."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.derivatives import JaxJvp
from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine, transfer, with_local_lift

XI = -1 + 2 * np.arange(512) / 512
ORDERS = ("t", "x", "xx")
SERIES, EVEN = Fourier(0.1, (0.3, -0.2), (0.5, 0.1, -0.2)), Fourier(0.2, (0.5, 0.0, -0.3), ())
CONDITIONS = {
    "x_squared_cosine": XSquaredCosine(0.7),
    "sine": Sine(-0.5, 2),
    "fourier": SERIES,
    "transferred": transfer(np.asarray(SERIES(XI)), 128, False),
    "transferred even": transfer(np.asarray(EVEN(XI)), 128, True),
}
POINTS = [(0.0, 0.1), (0.3, 1.7), (1.0, 2.9), (0.2, 3.0)]


@pytest.fixture(params=CONDITIONS)
def problem(request):
    return AllenCahn(0.02, domain=(0.0, 3.0), initial_condition=CONDITIONS[request.param])


@pytest.mark.parametrize("order", [0, 1])
def test_it_has_the_derivatives_of_the_lift_and_of_its_slope(problem, order):
    """The third derivative of a transferred mode at 128π is 1e8 of its roundings; the others' are far smaller."""
    ours = jax.jit(lambda t, x: JaxJvp()(lambda s, y: with_local_lift(problem, t, x).lift(s, y, order), t, x, ORDERS))
    direct = jax.jit(lambda t, x: JaxJvp()(lambda s, y: problem.lift(s, y, order), t, x, ORDERS))
    for point in POINTS:
        t, x = map(jnp.asarray, point)
        found, expected = ours(t, x), direct(t, x)
        for name in ("u", *ORDERS):
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-8, err_msg=name)


def test_for_the_rest_it_is_the_condition(problem):
    condition = problem.initial_condition
    found = with_local_lift(problem, jnp.asarray(0.1), jnp.asarray(0.2)).initial_condition
    assert found.kinks == condition.kinks
    assert float(found.steepest_slope) == float(condition.steepest_slope)
    assert float(found(jnp.asarray(0.3))) == float(condition(jnp.asarray(0.3)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_at_the_start_every_derivative_is_finite_at_a_kink_too(dtype):
    problem = AllenCahn()

    @partial(jax.jit, static_argnums=2)
    def differentiate(t, x, order):
        return JaxJvp()(lambda s, y: with_local_lift(problem, t, x).lift(s, y, order), t, x, ORDERS)

    for x in (-1.0, -0.5, 0.0, 1.0 - 1e-6, 1.0):
        t, x = jnp.zeros((), dtype), jnp.asarray(x, dtype)
        for order in (0, 1):
            found = differentiate(t, x, order)
            assert all(bool(jnp.isfinite(value)) and value.dtype == dtype for value in found.values())


def test_the_heat_equation_holds_at_the_kink_where_and_when_it_is_sharpest():
    """There g_xx is the inverse of a rounding error; the residual of a field on it is its own size still."""
    problem, t, x = AllenCahn(), jnp.asarray(0.0), jnp.asarray(1.0)
    g = JaxJvp()(lambda s, y: with_local_lift(problem, t, x).lift(s, y), t, x, ORDERS)
    assert float(g["xx"]) > 1e14
    assert float(g["t"]) == pytest.approx(problem.diffusivity * float(g["xx"]), rel=1e-12)
