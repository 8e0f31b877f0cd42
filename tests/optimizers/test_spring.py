"""SPRING by its definition, against explicit Jacobians in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from test_optimizers import batch_of, flat, objective

from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective
from pinn_ac.optimizers import Spring


def bent(params, row):
    """Residuals that are not linear in the parameters."""
    return jnp.tanh(row[:-1] @ params["x"]) - row[-1]


TARGET = objective(bent)


def case(n, P):
    generator = np.random.default_rng(4)
    rows = generator.standard_normal((n, P + 1))
    return {"x": jnp.asarray(0.3 * generator.standard_normal(P))}, batch_of(rows)


def linearized(params, batch):
    """r and J."""
    found, unravel = ravel_pytree(params)
    r = jax.jit(lambda p: TARGET.residuals(unravel(p), batch))
    return np.asarray(r(found)), np.asarray(jax.jacobian(r)(found))


@pytest.mark.parametrize(("n", "P"), [(5, 12), (12, 5)])
@pytest.mark.parametrize(("solver", "accumulate"), [("auto", None), ("kernel", None), ("normal", True)])
def test_without_momentum_it_is_damped_gauss_newton(n, P, solver, accumulate):
    """−Jᵀ(JJᵀ + λI)⁻¹r, which is −(JᵀJ + λI)⁻¹Jᵀr."""
    params, batch = case(n, P)
    r, J = linearized(params, batch)
    settings = {"solver": solver, "accumulate": accumulate, "chunk": 2}
    spring = Spring(1.0, damping=0.1, momentum=0.0, norm_constraint=None, **settings).build(TARGET)
    state, info = spring.step(spring.init(params), batch)
    step = flat(spring, state) - np.asarray(params["x"])
    np.testing.assert_allclose(step, -J.T @ np.linalg.solve(J @ J.T + 0.1 * np.eye(n), r), rtol=1e-11)
    np.testing.assert_allclose(step, -np.linalg.solve(J.T @ J + 0.1 * np.eye(P), J.T @ r), rtol=1e-11)
    np.testing.assert_allclose(info.loss, r @ r, rtol=1e-13)


def test_steps_are_those_of_the_definition():
    params, _ = case(5, 12)
    spring = Spring(0.3, "exponential", 0.01, steps=4, damping=0.1, momentum=0.9, norm_constraint=0.02).build(TARGET)
    state, phi, bounded = spring.init(params), np.zeros(12), []
    for k in range(5):
        batch = batch_of(np.random.default_rng(k).standard_normal((5, 13)) * (0.1 if k == 3 else 1.0))  # new points
        r, J = linearized(spring.params(state), batch)
        zeta = -r - 0.9 * J @ phi
        phi = 0.9 * phi + J.T @ np.linalg.solve(J @ J.T + 0.1 * np.eye(5), zeta)
        rate, most = 0.3 * 0.01 ** (k / 4), np.sqrt(0.02) / np.linalg.norm(phi)
        bounded.append(most < rate)
        expected = flat(spring, state) + min(rate, most) * phi
        state, _ = spring.step(state, batch)
        np.testing.assert_allclose(flat(spring, state), expected, rtol=1e-6)  # optax's rates are in single precision
        np.testing.assert_allclose(state.momentum, phi, rtol=1e-5, atol=1e-7)
    assert any(bounded)
    assert not all(bounded)


def test_momentum_is_the_nearest_to_the_step_before():
    """φ minimises ‖Jφ + r‖² + λ ‖φ − μφ_before‖²: what the points leave open stays."""
    params, batch = case(5, 12)
    spring = Spring(1e-3, damping=1e-9, momentum=0.5, norm_constraint=None).build(TARGET)
    before = jnp.asarray(np.random.default_rng(0).standard_normal(12))
    state, _ = spring.step(spring.init(params)._replace(momentum=before), batch)
    _, J = linearized(params, batch)
    open_ = np.eye(12) - np.linalg.pinv(J) @ J
    np.testing.assert_allclose(open_ @ state.momentum, 0.5 * open_ @ before, rtol=0, atol=1e-7)
    assert np.linalg.norm(open_ @ before) > 1


def test_it_needs_a_sum_of_squares():
    with pytest.raises(InputError, match=r"optimizer=spring minimises a sum of squares: set loss.norm=mse"):
        Spring().build(Objective(TARGET.terms, {}, "l1", JaxGradient()))
