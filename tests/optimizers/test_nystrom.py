"""Nyström–Newton-CG by its definition: the approximation, conjugate gradients, and the steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_optimizers import batch_of, flat, follow, objective

from composed import EASY, composed
from pinn_ac.app.assembly import assemble
from pinn_ac.optimizers import NystromNewtonCG
from pinn_ac.optimizers.nystrom import conjugate_gradients, nystrom, precondition


@pytest.fixture
def generator():
    return np.random.default_rng(8)


def symmetric(values, generator):
    """A matrix with these eigenvalues, and its eigenvectors."""
    U = np.linalg.qr(generator.standard_normal((len(values), len(values))))[0]
    return (U * values) @ U.T, U


def approximated(A, sketch):
    low = jax.jit(lambda S: nystrom(lambda v: jnp.asarray(A) @ v, S))(jnp.asarray(sketch))
    np.testing.assert_allclose(low.vectors.T @ low.vectors, np.eye(sketch.shape[1]), atol=1e-13)
    assert (np.diff(low.values) <= 0).all()
    return low, np.asarray((low.vectors * low.values) @ low.vectors.T)


def test_nystrom_is_the_explicit_formula(generator):
    A, _ = symmetric(np.logspace(2, -1, 12), generator)
    S = generator.standard_normal((12, 5))
    _, found = approximated(A, S)
    expected = A @ S @ np.linalg.pinv(S.T @ A @ S) @ S.T @ A
    # The shift, √12 eps ‖AQ‖ = 1e-13, moves it by at most its ratio to the least eigenvalue of QᵀAQ, times ‖A‖.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.linalg.cholesky(A - found + 1e-9 * np.eye(12))  # it is below A


def test_nystrom_of_a_matrix_of_low_rank_is_the_matrix(generator):
    A, U = symmetric(np.array([50.0, 3.0, 0.2, 0, 0, 0, 0, 0]), generator)
    low, found = approximated(A, generator.standard_normal((8, 4)))
    np.testing.assert_allclose(found, A, rtol=0, atol=1e-11)
    np.testing.assert_allclose(low.values, [50.0, 3.0, 0.2, 0.0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.abs(np.diag(np.asarray(low.vectors).T @ U)[:3]), 1, rtol=1e-10)


def test_nystrom_of_an_indefinite_matrix_is_positive_and_finite(generator):
    A, _ = symmetric(np.array([5.0, 2.0, 0.1, -0.5, -4.0]), generator)
    low, found = approximated(A, generator.standard_normal((5, 5)))
    assert (low.values >= 0).all()
    assert np.isfinite(found).all()
    A, sketch = np.array([[-1.0, 1, 0], [1, 0, 0], [0, 0, 1]]), np.eye(3)[:, [0, 2]]  # part of AQ is not in Q's range
    assert np.max(approximated(A, sketch)[0].values) <= 2 * np.linalg.norm(A, 2)


def test_the_preconditioner_is_its_formula_and_makes_the_known_eigenvalues_one(generator):
    A, _ = symmetric(np.array([100.0, 20.0, 4.0, 0.0, 0.0, 0.0]), generator)
    low, approximation = approximated(A, generator.standard_normal((6, 3)))
    mu, least = 0.5, float(low.values[-1])
    inverse = np.asarray(jax.vmap(lambda v: precondition(low, jnp.asarray(mu), v))(jnp.eye(6)))
    outside = np.eye(6) - low.vectors @ low.vectors.T
    P = (approximation + mu * (np.eye(6) - outside)) / (least + mu) + outside
    np.testing.assert_allclose(inverse, np.linalg.inv(P), rtol=0, atol=1e-12)
    values = np.sort(np.linalg.eigvals(inverse @ (A + mu * np.eye(6))).real)
    np.testing.assert_allclose(values, [mu, mu, mu, *[least + mu] * 3], rtol=1e-10)


def solved(A, b, start, inverse, iterations=50, tolerance=1e-13):
    found = jax.jit(lambda: conjugate_gradients(lambda v: A @ v, b, start, inverse, iterations, tolerance))()
    return np.asarray(found.x), int(found.products)


def test_conjugate_gradients_solve_and_end(generator):
    A, b, start = (
        symmetric(np.linspace(1, 5, 7), generator)[0],
        generator.standard_normal(7),
        generator.standard_normal(7),
    )
    A, b, start = map(jnp.asarray, (A, b, start))
    x, products = solved(A, b, start, lambda v: v)
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-11)
    assert products <= 9  # seven eigenvalues, rounding, and the first residual
    x, products = solved(A, b, start, lambda v: jnp.linalg.solve(A, v))
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-11)
    assert products == 2
    assert solved(A, b, start, lambda v: v, iterations=3)[1] == 4
    loose, _ = solved(A, b, start, lambda v: v, tolerance=0.1)
    assert 1e-6 < np.linalg.norm(b - A @ loose) / np.linalg.norm(b) <= 0.1


def test_conjugate_gradients_do_not_follow_negative_curvature(generator):
    A, b = jnp.diag(jnp.asarray([1.0, -1.0])), jnp.asarray([1.0, 2.0])
    x, products = solved(A, b, jnp.zeros(2), lambda v: v)
    np.testing.assert_array_equal(x, 0)
    assert products == 2


def quadratic(eigenvalues, generator):
    """Residuals Bx − c, so that the Hessian is 2BᵀB/n, with these eigenvalues."""
    n = len(eigenvalues)
    U, V = (np.linalg.qr(generator.standard_normal((n, n)))[0] for _ in range(2))
    B, c = np.sqrt(n / 2) * (U * np.sqrt(eigenvalues)) @ V.T, generator.standard_normal(n)
    target = objective(lambda params, row: row[:-1] @ params["x"] - row[-1])
    return target, {"x": jnp.zeros(n)}, batch_of(np.column_stack([B, c])), np.linalg.solve(B, c)


def test_a_quadratic_is_minimised_in_few_steps_and_few_products(generator):
    """Each step leaves the share μ/(λ + μ) of the error along an eigenvector: (10⁻⁶)ᵏ here, for condition 10⁶."""
    values = np.concatenate([np.logspace(6, 2, 15), np.full(25, 1e-2)])
    target, params, batch, exact = quadratic(values, generator)
    counts = {}
    for rank in (15, 1):
        optimizer = NystromNewtonCG(rank=rank, damping=1e-8, cg_tolerance=1e-12).build(target)
        state, infos = follow(optimizer, params, batch, 3)
        counts[rank] = int(infos[0].evaluations) - rank
        # Products lose eps ‖H‖ = 1e-10 of an error, which the least eigenvalue makes 1e-8.
        np.testing.assert_allclose(flat(optimizer, state), exact, rtol=0, atol=1e-7 * np.abs(exact).max())
    # Fifteen eigenvalues are dealt with by the preconditioner, and all others have one value.
    assert counts[15] < 15
    assert counts[1] > 2 * counts[15]


def test_the_step_is_the_damped_newton_step(generator):
    """Where no shorter one is needed: −(H + μI)⁻¹g, with the Hessian of bent residuals by JAX."""
    target = objective(lambda params, row: jnp.tanh(row[:-1] @ params["x"]) - row[-1])
    minimum, rows = 0.3 * generator.standard_normal(4), generator.standard_normal((9, 5))
    rows[:, -1] = np.tanh(rows[:, :-1] @ minimum)  # near the minimum H is positive
    params = {"x": jnp.asarray(minimum + 0.02 * generator.standard_normal(4))}
    batch = batch_of(rows)
    g = jax.grad(lambda p: target.loss({"x": p}, batch))(params["x"])
    H = jax.hessian(lambda p: target.loss({"x": p}, batch))(params["x"])
    assert (np.linalg.eigvalsh(H) > 0).all()
    optimizer = NystromNewtonCG(rank=2, damping=0.01, cg_tolerance=1e-13).build(target)
    state, _ = optimizer.step(optimizer.init(params), batch)
    np.testing.assert_allclose(state.direction, np.linalg.solve(H + 0.01 * np.eye(4), g), rtol=1e-9)
    np.testing.assert_allclose(flat(optimizer, state), params["x"] - state.direction, rtol=1e-13)


def test_a_step_that_overshoots_is_shortened_until_it_descends():
    """From x = 0.9 the curvature of L = log(1 + x²), which is bent the other way from 1 on, sends it far beyond 0."""
    target = objective(lambda params, row: jnp.sqrt(jnp.log1p(params["x"] ** 2)))
    optimizer = NystromNewtonCG(damping=1e-3, armijo=0.4, backtrack=0.25).build(target)
    params, batch = {"x": jnp.asarray(0.9)}, batch_of(np.ones((1, 1)))
    state, info = optimizer.step(optimizer.init(params), batch)
    moved = (0.9 - float(state.params["x"])) / float(state.direction[0])
    power = np.log(moved) / np.log(0.25)
    assert round(power) >= 1
    np.testing.assert_allclose(power, round(power), atol=1e-9)
    g = float(jax.grad(lambda x: target.loss({"x": x}, batch))(params["x"]))

    def enough(length):
        there = target.loss({"x": 0.9 - length * state.direction[0]}, batch)
        return float(there) <= float(info.loss) - 0.4 * length * g * float(state.direction[0])

    assert enough(moved)
    assert not enough(moved / 0.25)


def test_it_descends_where_the_hessian_is_not_positive():
    """From near the maximum of a double well, where Newton's own step would climb."""
    params, batch = {"x": jnp.asarray([0.1, -0.2])}, batch_of(np.ones((1, 1)))
    target = objective(lambda params, row: jnp.sum(params["x"] ** 2) - 1)
    optimizer = NystromNewtonCG(damping=1e-3).build(target)
    _, infos = follow(optimizer, params, batch, 12)
    losses = [float(info.loss) for info in infos]
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] < 1e-12


SMALL = (
    *EASY, "model.width=4", "model.depth=1", "sampler.num_points=16", "sampler.num_initial=8", "ansatz=soft",
    "optimizer=nystrom_newton_cg", "optimizer.rank=4",
)  # fmt: skip


@pytest.mark.landing
def test_own_derivatives_give_the_same_steps():
    """JAX's forward mode goes through a gradient that our own reverse mode has computed."""
    ends = []
    for words in ((), ("gradient=own", "derivatives=own_taylor")):
        built = assemble(composed(*SMALL, *words))
        optimizer, params = built.stages[0].optimizer, built.initial_params()
        batch = built.prepare(built.draw(0, params, {}))
        state, infos = follow(optimizer, params, batch, 3)
        losses = [float(info.loss) for info in infos]
        ends.append(np.concatenate([losses, flat(optimizer, state)]))
    # Sums in another order, which a system of condition 1e5 and three steps amplify.
    np.testing.assert_allclose(*ends, rtol=1e-6)
