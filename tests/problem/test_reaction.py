"""The flow Φ(t, w) of u' = R(u − u³), and the residual and energy of solutions that are known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.problem import AllenCahn

# Φ is a handful of operations of relative error 1.1e-16 each, and its exponent 2Rt ≤ 20 multiplies the exponential's
# relative error by 20: 1e-14 leaves room for both.
ROUNDING = 1e-14

W = jnp.linspace(-1.5, 1.5, 61)
TIMES = (0.0, 1e-6, 0.03, 0.4, 2.0)


@pytest.mark.parametrize("t", TIMES)
def test_flow_solves_its_equation(t):
    problem = AllenCahn()
    u, u_t = jax.jvp(lambda time: problem.react(time, W), (t,), (1.0,))
    np.testing.assert_allclose(u_t, problem.reaction_rate * (u - u**3), atol=20 * ROUNDING)


def test_flow_starts_at_its_argument():
    np.testing.assert_allclose(AllenCahn().react(0.0, W), W, rtol=ROUNDING)


@pytest.mark.parametrize("s", TIMES)
@pytest.mark.parametrize("t", TIMES)
def test_flow_is_a_semigroup(s, t):
    problem = AllenCahn()
    np.testing.assert_allclose(problem.react(s, problem.react(t, W)), problem.react(s + t, W), rtol=ROUNDING)


def test_flow_without_reaction_stands_still():
    np.testing.assert_allclose(AllenCahn(reaction_rate=0).react(3.0, W), W, rtol=ROUNDING)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("t", [0.0, 1.0, 10.0, 100.0, 1e3, 1e6])
def test_no_horizon_overflows(t, dtype):
    problem, w = AllenCahn(), jnp.array([0.0, 1e-30, 1e-10, -0.3, 1.0, 2.0], dtype)
    time = jnp.asarray(t, dtype)

    def flow(time, w):
        return problem.react(time, w)

    derivatives = (flow, jax.grad(flow, 0), jax.grad(flow, 1), jax.grad(jax.grad(flow, 1), 1))
    for derivative in derivatives:
        values = jax.jit(jax.vmap(derivative, (None, 0)))(time, w)
        assert values.dtype == dtype
        assert jnp.isfinite(values).all()
    u = flow(time, w)
    assert u[0] == 0
    assert (jnp.abs(u[:5]) <= 1 + 2 * jnp.finfo(dtype).eps).all()
    if t >= 10:
        np.testing.assert_allclose(u[3:], [-1, 1, 1], rtol=4 * jnp.finfo(dtype).eps)


def test_flow_in_single_precision_is_the_flow_in_double_precision():
    problem = AllenCahn()
    single = problem.react(jnp.float32(1.0), W.astype(jnp.float32))
    # e^{−10} carries 10 times the rounding of float32; Φ no more.
    np.testing.assert_allclose(single, problem.react(1.0, W), atol=2e-6)


def test_weak_times_do_not_widen_the_type():
    assert AllenCahn().react(0.5, jnp.float32(0.3)).dtype == jnp.float32


@pytest.mark.parametrize("problem", [AllenCahn(), AllenCahn(1e-2, 20, domain=(0, 3), horizon=2), AllenCahn(1e-3, 0)])
def test_constant_solutions_have_no_residual(problem):
    for u in (-1.0, 0.0, 1.0):
        assert problem.residual({"u": u, "t": 0.0, "xx": 0.0}, {}) == 0


def test_an_interface_is_a_steady_solution():
    problem, x = AllenCahn(1e-3, 5), jnp.linspace(-0.3, 0.3, 201)
    width = np.sqrt(2 * problem.diffusivity / problem.reaction_rate)

    def interface(x):
        return jnp.tanh(x / width)

    u, u_xx = interface(x), jax.vmap(jax.grad(jax.grad(interface)))(x)
    # D u_xx and R (u³ − u) are of size R and cancel.
    assert jnp.abs(problem.residual({"u": u, "t": 0.0, "xx": u_xx}, {})).max() < 100 * ROUNDING


def test_a_travelling_front_is_a_solution():
    # (1 + tanh((x + ct)/2w))/2 with w = √(2D/R) and c = 3√(DR/2): 1 invades the unstable 0 from the right.
    problem = AllenCahn(1e-3, 5)
    width, speed = np.sqrt(2 * problem.diffusivity / problem.reaction_rate), 3 * np.sqrt(1e-3 * 5 / 2)

    def front(t, x):
        return 0.5 * (1 + jnp.tanh((x + speed * t) / (2 * width)))

    for t, x in ((0.0, 0.0), (0.3, -0.02), (1.0, -0.11), (1.0, 0.1)):
        u, u_t = front(t, x), jax.grad(front, 0)(t, x)
        u_xx = jax.grad(jax.grad(front, 1), 1)(t, x)
        assert abs(problem.residual({"u": u, "t": u_t, "xx": u_xx}, {})) < 100 * ROUNDING


def test_energy_density_of_an_interface():
    # ∫ e dx of tanh(x/√(2D/R)) is (2/3) √(2DR), whichever way the two terms (equal at each x) are weighed.
    problem = AllenCahn(1e-3, 5)
    width = np.sqrt(2 * problem.diffusivity / problem.reaction_rate)
    x = jnp.linspace(-1, 1, 20001)
    u, u_x = jnp.tanh(x / width), 1 / (width * jnp.cosh(x / width) ** 2)
    energy = jnp.trapezoid(problem.energy_density(u, u_x), x)
    np.testing.assert_allclose(energy, 2 / 3 * np.sqrt(2 * 1e-3 * 5), rtol=1e-10)
