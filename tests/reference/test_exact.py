"""The reference against solutions known in closed form, and against another solver."""

import exponax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ellipj, ellipk

from pinn_ac.problem import AllenCahn, Cosine, Fourier, Sine, XSquaredCosine
from pinn_ac.reference import solve

# What the solver promises is 1e-10 in relative L2; the largest error of a smooth solution is of the same size.
PROMISED = 1e-10


@pytest.mark.parametrize("condition", [XSquaredCosine(), Sine(0.5, 2), Fourier(0.2, (0.3,), (0.0, 0.4))])
@pytest.mark.parametrize("diffusivity", [1e-4, 1e-2])
def test_without_reaction_it_is_the_heat_flow(condition, diffusivity):
    problem = AllenCahn(diffusivity, 0, domain=(0, 3), horizon=2.0, initial_condition=condition)
    reference = solve(problem, np.linspace(0, 2, 6), 64)
    exact = problem.lift(jnp.asarray(reference.t)[:, None], jnp.asarray(reference.x)[None])
    np.testing.assert_allclose(reference.u, exact, atol=1e-12)


@pytest.mark.parametrize("mean", [0.01, -0.6, 3.0])
@pytest.mark.parametrize("diffusivity", [1e-12, 1.0])
def test_constants_follow_the_reaction(mean, diffusivity):
    problem = AllenCahn(diffusivity, initial_condition=Fourier(mean))
    reference = solve(problem, points=8)
    exact = problem.react(jnp.asarray(reference.t)[:, None], mean) * np.ones(8)
    np.testing.assert_allclose(reference.u, exact, rtol=PROMISED)


def steady(diffusivity, rate, xi):
    """k √(2/(1+k²)) sn(ξ/√(D(1+k²)/R), k): the two interfaces of a period at rest, m = k²."""

    def width(m):
        return np.sqrt(diffusivity * (1 + m) / rate)

    m = brentq(lambda m: 4 * ellipk(m) * width(m) - 2, 1e-9, 1 - 1e-12, xtol=1e-15, rtol=1e-14)
    return np.sqrt(2 * m / (1 + m)) * ellipj(xi / width(m), m)[0]


def test_two_interfaces_at_rest_stay():
    count, diffusivity, rate = 512, 0.02, 5.0
    xi = -1 + 2 * np.arange(count) / count
    u = steady(diffusivity, rate, xi)
    c = np.fft.rfft(u) / count * np.exp(1j * np.pi * np.arange(count // 2 + 1))
    problem = AllenCahn(diffusivity, rate, initial_condition=Fourier(sine=tuple(-2 * c.imag[1:200])))
    reference = solve(problem, np.array([0.0, 0.5, 1.0, 3.0]), count)
    np.testing.assert_allclose(reference.u, np.tile(u, (4, 1)), atol=PROMISED)


@pytest.mark.parametrize(
    ("diffusivity", "rate", "domain", "condition"),
    [
        (4e-3, 5.0, (-1.0, 1.0), Fourier(0.1, (0.3, -0.2), (0.4, 0.0, 0.1))),
        (2e-3, 2.0, (0.0, 3.0), Sine(0.8, 1)),
        (1e-2, 10.0, (-1.0, 1.0), Cosine(1.5, 2)),
    ],
)
def test_an_independent_solver_agrees(diffusivity, rate, domain, condition):
    problem = AllenCahn(diffusivity, rate, domain=domain, initial_condition=condition)
    points, steps = 1024, 2000  # it keeps a quarter of their modes, against aliasing
    stepper = exponax.stepper.reaction.AllenCahn(
        1,
        problem.period,
        points,
        1 / steps,
        diffusivity=diffusivity,
        first_order_coefficient=rate,
        third_order_coefficient=-rate,
        order=4,
    )
    reference = solve(problem, np.array([0.0, 0.25, 1.0]), points)
    quarter = exponax.repeat(stepper, steps // 4)
    u = jnp.asarray(reference.u[:1])
    for row, count in ((1, 1), (2, 3)):
        for _ in range(count):
            u = jax.jit(quarter)(u)
        # Its steps, Rh ≤ 0.005, leave some 1e-11 at the interfaces.
        np.testing.assert_allclose(reference.u[row], u[0], atol=PROMISED)
