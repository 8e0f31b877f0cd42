"""Damped least squares: all solvers find the same step, chunks change memory alone, rounding is as derived."""

from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from test_optimizers import batch_of, flat, follow, linear, objective, rosenbrock

from composed import built, options
from fields import a_field
from pinn_ac.ansatz import ReactionFlow
from pinn_ac.chunks import joined, pieces, summed
from pinn_ac.derivatives import JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import MLP, Splitting
from pinn_ac.optimizers import LevenbergMarquardt
from pinn_ac.optimizers.least_squares import LeastSquares, SolverSettings, System, cholesky, memory, normal
from pinn_ac.optimizers.least_squares.gram import double_gram, gram
from pinn_ac.problem import AllenCahn

EPS = np.finfo(float).eps
SOLVERS = {
    "normal": {"solver": "normal"},
    "accumulated": {"solver": "normal", "accumulate": True, "chunk": 4},
    "qr": {"solver": "qr"},
    "kernel": {"solver": "kernel"},
    "cg": {"solver": "cg", "cg_tolerance": 1e-14, "cg_iterations": 500, "chunk": 4},
}

BY_LAPACK_AND_COMPILED = pytest.mark.parametrize(
    "factor", [cholesky.factor, jax.jit(cholesky.factor)], ids=["LAPACK", "compiled"]
)


def fit(n, P, decades, offset=0.0):
    """A linear objective whose J has singular values over `decades`, and residuals in its range but for `offset`."""
    generator = np.random.default_rng(1)
    U, V = (np.linalg.qr(generator.standard_normal((size, min(n, P))))[0] for size in (n, P))
    J = (U * np.logspace(0, -decades, min(n, P))) @ V.T * np.sqrt(n)
    r = J @ generator.standard_normal(P) + offset * generator.standard_normal(n)
    target = objective(lambda params, row: row[:-1] @ params["x"] + row[-1])
    return target, {"x": jnp.zeros(P)}, batch_of(np.column_stack([J, r]))


def exact(J, w, damping, D):
    """(JᵀJ + λ D)⁻¹ Jᵀw with fifty digits."""
    with mpmath.workdps(50):
        J, w = mpmath.matrix(J.tolist()), mpmath.matrix(w.tolist())
        M = J.T * J
        for i, d in enumerate(D):
            M[i, i] += mpmath.mpf(damping) * mpmath.mpf(float(d))
        return np.array(mpmath.lu_solve(M, J.T * w).tolist(), float)[:, 0]


def least_squares_of(target, **settings):
    return LeastSquares(target, SolverSettings(**settings))


def solved(target, params, batch, damping, D=None, **settings):
    """The system, and δ for w = r, once with Jᵀr at hand and once without."""
    solver = least_squares_of(target, **settings).compiled_solver(params, batch)
    system = solver.linearize(params, batch)
    D = system.squares if D is None else D
    system = solver.reduce(system, D)
    factor = solver.factor(system, jnp.asarray(damping), D)
    return system, [solver.solve(factor, system, system.r, b) for b in (system.g, None)]


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(
    ("n", "P", "decades", "damping"), [(30, 6, 0.5, 1e-2), (30, 6, 5, 1e-9), (6, 14, 0.5, 1e-2), (6, 14, 4, 1e-6)]
)
def test_every_solver_finds_the_step(name, n, P, decades, damping):
    target, params, batch = fit(n, P, decades)
    J, r = (
        np.asarray(part) / np.sqrt(n)
        for part in (batch.terms["residual"].prepared[:, :-1], batch.terms["residual"].prepared[:, -1])
    )
    D = np.sum(J**2, axis=0)
    _, found = solved(target, params, batch, damping, jnp.asarray(D), **SOLVERS[name])
    expected = exact(J, r, damping, D)
    scaled = J / np.sqrt(D)
    condition = np.linalg.cond(scaled.T @ scaled + damping * np.eye(P))
    # Equations with that condition lose its digits; QR only half of them, since r is in the range of J.
    bound = 30 * P * EPS * (np.sqrt(condition) if name == "qr" else condition)
    for one in found:
        error = np.linalg.norm((one - expected) * np.sqrt(D)) / np.linalg.norm(expected * np.sqrt(D))
        assert error < bound, (error, bound)


def test_conjugate_gradients_end_where_they_are_told():
    target, params, batch = fit(40, 12, 1.0)
    ends = {}
    for tolerance in (1e-2, 1e-6):
        system, (step, _) = solved(target, params, batch, 1e-3, solver="cg", cg_tolerance=tolerance)
        J = np.asarray(batch.terms["residual"].prepared)[:, :-1] / np.sqrt(40)
        M = J.T @ J + 1e-3 * np.diag(np.diag(J.T @ J))
        scale = 1 / np.sqrt(np.diag(M))
        left = np.linalg.norm(scale * (M @ np.asarray(step) - np.asarray(system.g)))
        ends[tolerance] = left / np.linalg.norm(scale * np.asarray(system.g))
        assert ends[tolerance] <= tolerance * (1 + 1e-6)
    assert ends[1e-2] > 10 * ends[1e-6]  # and no further
    # In exact arithmetic P iterations are enough; two leave the most of it.
    _, (step, _) = solved(target, params, batch, 1e-3, solver="cg", cg_iterations=2, cg_tolerance=1e-12)
    left = np.linalg.norm(scale * (M @ np.asarray(step) - np.asarray(system.g)))
    assert left > 1e-3 * np.linalg.norm(scale * np.asarray(system.g))


@pytest.mark.parametrize("name", SOLVERS)
def test_a_parameter_without_effect_gets_no_step(name):
    target = objective(lambda params, row: row[0] * params["used"] - row[1] + 0 * params["unused"])
    batch = batch_of(np.array([[1.0, 2.0], [3.0, 6.0]]))
    params = {"unused": jnp.asarray(7.0), "used": jnp.asarray(0.0)}
    _, found = solved(target, params, batch, 1.0, **SOLVERS[name])
    for one in found:
        np.testing.assert_allclose(one, [0.0, -1.0], atol=30 * EPS)  # half of Newton's, λ being one


@pytest.mark.parametrize("name", SOLVERS)
def test_levenberg_marquardt_steps_alike_with_every_solver(name):
    """With geodesic acceleration, whose right-hand side is no residual vector of the objective's."""
    target, params, batch, _ = rosenbrock()
    expected, _ = follow(LevenbergMarquardt(damping=1.0, solver="normal").build(target), params, batch, 6)
    found, _ = follow(LevenbergMarquardt(damping=1.0, **SOLVERS[name]).build(target), params, batch, 6)
    # Six steps, each of which may amplify rounding by the valley's condition, hundreds, or 2/h² = 200.
    np.testing.assert_allclose(found.params["place"], expected.params["place"], rtol=1e-9)
    assert int(found.evaluations) == int(expected.evaluations)


@pytest.mark.parametrize("size", [1, 3, 7, 20, 21, 100])
def test_chunks_join_to_the_whole(size):
    points = {"a": jnp.arange(20.0), "b": jnp.arange(60.0).reshape(20, 3)}

    def rows(p):
        return p["a"], p["a"][:, None] * p["b"]

    for found, expected in zip(joined(rows, points, size), rows(points), strict=True):
        np.testing.assert_array_equal(found, expected)
    total = summed(lambda p: p["a"] @ p["b"], points, size)
    np.testing.assert_array_equal(total, points["a"] @ points["b"])  # whole numbers: no rounding
    assert [len(p["a"]) for p in pieces(points, size)] == [min(size, 20 - k) for k in range(0, 20, size)]


def network(gradient, points=48):
    problem = AllenCahn()
    field, params = a_field(problem, Splitting(), MLP(4, 1), ReactionFlow())
    target = Objective(build_terms(field, JaxJvp()), {}, "mse", gradient)
    drawn = jnp.asarray(np.random.default_rng(0).random((points, 2)), float)
    return target, params, jax.jit(target.prepare)({"residual": drawn})


@pytest.mark.parametrize(
    "gradient", [pytest.param(one, marks=pytest.mark.landing) if one == "jax" else one for one in options("gradient")]
)
def test_chunks_and_products_are_those_of_the_whole_jacobian(gradient):
    target, params, batch = network(built("gradient", gradient))
    vector, unravel = ravel_pytree(params)
    r, J = jax.jit(lambda f, b: target.residuals_and_jacobian(f, unravel, b))(vector, batch)
    r, J = np.asarray(r), np.asarray(J)
    close = {"rtol": 0, "atol": 1e3 * EPS * np.abs(J).max()}
    least_squares = least_squares_of(target, chunk=16)
    system = least_squares.compiled_solver(params, batch).linearize(params, batch)
    np.testing.assert_allclose(system.r, r, **close)
    np.testing.assert_allclose(system.J, J, **close)
    np.testing.assert_allclose(system.g, r @ J, **close)
    np.testing.assert_allclose(system.squares, np.sum(J**2, axis=0), rtol=1e4 * EPS, atol=1e3 * EPS)
    v, w = np.random.default_rng(1).standard_normal(J.shape[1]), np.random.default_rng(2).standard_normal(J.shape[0])

    @jax.jit
    def without_matrix(system, v, w):
        model = least_squares.model
        push, pull = model.products(system._replace(J=None))
        return model.residuals(system.params, system.batch), push(v), pull(w)

    expected = (r, J @ v, w @ J)
    for one, other in zip(without_matrix(system, jnp.asarray(v), jnp.asarray(w)), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e4 * EPS * np.abs(J).max())
    summed_up = least_squares_of(target, solver="normal", chunk=16, accumulate=True).compiled_solver(params, batch)
    found = summed_up.linearize(params, batch)
    np.testing.assert_allclose(found.matrix, J.T @ J, rtol=0, atol=1e3 * EPS * (J**2).sum())
    np.testing.assert_allclose(found.g, r @ J, **close)


def test_a_hundred_thousand_points_never_meet_in_one_array(monkeypatch):
    generator, n = np.random.default_rng(0), 100_000
    target = objective(lambda p, row: p["out"] @ jnp.tanh(p["in"] @ row[:2] + p["bias"]) - row[2])
    params = {"in": generator.standard_normal((16, 2)), "bias": np.zeros(16), "out": generator.standard_normal(16)}
    params = jax.tree.map(jnp.asarray, params)
    points = generator.random((n, 2))
    batch = batch_of(np.column_stack([points, np.sin(3 * points[:, 0]) * points[:, 1]]))
    heights = []
    monkeypatch.setattr(normal, "gram", lambda J: heights.append(J.shape[0]) or gram(J))
    _, infos = follow(LevenbergMarquardt(accumulate=True, chunk=4096).build(target), params, batch, 3)
    assert infos[2].loss < 0.1 * infos[0].loss
    assert max(heights) == 4096
    assert sum(heights) == 3 * n
    # Products with J need the points in chunks, and beyond that a chunk's worth: J alone would be 51 MB.
    model = least_squares_of(target, chunk=4096).model
    system = System(params, batch, jnp.zeros(n), None, None)
    pull = jax.jit(lambda system: model.products(system)[1](system.r))
    needs = pull.lower(system).compile().memory_analysis().temp_size_in_bytes
    assert needs < 2 * batch.terms["residual"].prepared.nbytes + 16 * 4096 * 64 * 8 / 8


def test_how_many_points_are_taken_at_a_time():
    target, params, batch = fit(40, 3, 0.0)
    for chunk, length in ((8, 5), (None, None)):
        text = str(jax.make_jaxpr(least_squares_of(target, chunk=chunk).model.whole)(params, batch))
        assert (f"length={length}" in text) if chunk else ("scan" not in text)


CHOICES = [
    ({}, 4096, 1001, ("normal", False)),
    ({}, 1000, 1001, ("kernel", False)),
    ({}, 100_000, 30_000, ("cg", True)),
    ({}, 400_000, 1001, ("normal", True)),
    ({"accumulate": False}, 400_000, 1001, ("normal", False)),
    ({"accumulate": True}, 100, 1001, ("normal", True)),
    ({"normal_precision": "float64"}, 100, 1001, ("normal", False)),
    ({"solver": "qr"}, 100, 1001, ("qr", False)),
    ({"solver": "kernel"}, 5000, 1001, ("kernel", False)),
]


@pytest.mark.parametrize(("settings", "n", "parameters", "expected"), CHOICES)
def test_the_choice_follows_the_sizes(settings, n, parameters, expected):
    assert least_squares_of(rosenbrock()[0], **settings).choose(n, parameters) == expected


SENTENCES = [
    ({"solver": "lu"}, r"optimizer\.solver is 'lu': choose one of auto, normal, qr, kernel, cg"),
    ({"chunk": 0}, r"optimizer\.chunk is 0: give a whole number from 1, or null"),
    ({"accumulate": 1}, r"optimizer\.accumulate is 1: give true, false or null"),
    ({"accumulate": True, "solver": "qr"}, "leave it out with solver=qr, or choose solver=normal"),
    ({"normal_precision": "float64", "solver": "cg"}, "leave it out with solver=cg, or choose solver=normal"),
    ({"normal_precision": "half"}, r"optimizer\.normal_precision is 'half': choose same or float64"),
    ({"cg_tolerance": 1.0}, r"optimizer\.cg_tolerance is 1\.0: give a number between 0 and 1"),
]


@pytest.mark.parametrize(("settings", "sentence"), SENTENCES)
def test_what_cannot_be_used_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        LevenbergMarquardt(**settings)


@pytest.mark.parametrize("accumulate", [False, True])
def test_double_normal_equations_keep_what_single_ones_lose(single_precision, accumulate):
    """J is given exactly in single precision; only what comes after it is rounded."""
    target, params, batch = fit(64, 5, 3.0, offset=0.1)
    J, r = (
        np.asarray(part, float)
        for part in (batch.terms["residual"].prepared[:, :-1], batch.terms["residual"].prepared[:, -1])
    )
    expected, errors = exact(J, r, 1e-9, np.sum(J**2, axis=0)), {}
    for precision in ("same", "float64"):
        settings = {"solver": "normal", "normal_precision": precision, "accumulate": accumulate, "chunk": 16}
        _, (step, _) = solved(target, params, batch, 1e-9, **settings)
        assert step.dtype == jnp.float32
        errors[precision] = np.linalg.norm(np.asarray(step) - expected) / np.linalg.norm(expected)
    single = np.finfo(np.float32).eps
    # 1/√64 is a power of two, so that rows are exact. The squared condition, 1e6, times eps of single precision
    # leaves one digit at most; of double precision all that the result can hold, λD being rounded to single.
    assert errors["float64"] < 4 * single
    assert not errors["same"] < 100 * single


def test_double_normal_equations_train_in_single_precision(single_precision):
    target, params, batch, exact_place = rosenbrock()
    for settings in ({}, {"accumulate": True}):
        optimizer = LevenbergMarquardt(normal_precision="float64", **settings).build(target)
        state, _ = follow(optimizer, params, batch, 30)
        np.testing.assert_allclose(flat(optimizer, state), exact_place, atol=2e-3)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(state)} <= {"float32", "int32"}


@BY_LAPACK_AND_COMPILED
def test_an_indefinite_matrix_has_no_factor(factor):
    assert np.isnan(cholesky.solve(factor(-jnp.eye(3), 1e-3, jnp.ones(3)), np.ones(3))).all()


@BY_LAPACK_AND_COMPILED
def test_a_matrix_that_is_not_finite_has_no_solution(factor):
    A = jnp.eye(3).at[1, 1].set(jnp.nan)
    assert not np.isfinite(cholesky.solve(factor(A, 1e-3, jnp.ones(3)), np.ones(3))).all()


@BY_LAPACK_AND_COMPILED
def test_a_zero_row_and_column_get_a_unit_pivot(factor):
    A = jnp.diag(jnp.asarray([2.0, 0.0, 4.0]))
    step = cholesky.solve(factor(A, 1.0, jnp.asarray([2.0, 0.0, 4.0])), jnp.asarray([4.0, 0.0, 8.0]))
    np.testing.assert_allclose(step, [1.0, 0.0, 1.0], rtol=4 * EPS)


@pytest.mark.parametrize("shape", [(50, 7), (3, 7), (7, 1)])
def test_gram_is_the_product_traced_and_concrete(shape, precision):
    J = np.random.default_rng(0).standard_normal(shape) * np.logspace(-3, 3, shape[1])
    J = jnp.asarray(J, float)
    exact = np.asarray(J, np.longdouble).T @ np.asarray(J, np.longdouble)
    # A sum of n products, however it is ordered: n eps Σ |J||J|.
    sizes = np.abs(np.asarray(J, float)).T @ np.abs(np.asarray(J, float))
    for found in (gram(J), jax.jit(gram)(J)):
        assert isinstance(found, jax.Array)
        assert found.dtype == precision
        bound = shape[0] * np.finfo(precision).eps * sizes
        assert (np.abs(np.asarray(found, np.longdouble) - exact) <= bound + 1e-30).all()
    np.testing.assert_array_equal(gram(J), gram(J).T)
    double, g = double_gram(J[:, 0], J)
    assert (np.abs(double - exact) <= shape[0] * EPS * sizes).all()
    np.testing.assert_allclose(g, double[0], rtol=1e-10)


@BY_LAPACK_AND_COMPILED
@pytest.mark.parametrize("damping", [0.0, 1e-6, 10.0])
def test_factors_do_not_mind_columns_of_very_different_size(damping, factor):
    """As networks have: what counts is the condition that a unit diagonal would give."""
    generator = np.random.default_rng(0)
    J = generator.standard_normal((40, 6))
    g, sizes, D = generator.standard_normal(6), np.logspace(-6, 6, 6), generator.uniform(0.5, 2, 6)
    A = J.T @ J
    expected = np.linalg.solve(A + damping * np.diag(D), g) / sizes
    A, g, D = A * np.outer(sizes, sizes), g * sizes, D * sizes**2
    found = cholesky.solve(factor(jnp.asarray(A), jnp.asarray(damping), jnp.asarray(D)), jnp.asarray(g))
    np.testing.assert_allclose(found, expected, rtol=1e3 * EPS)


@pytest.mark.parametrize(
    ("settings", "n", "P", "advice"),
    [
        ({"solver": "normal", "accumulate": False}, 10**6, 10**4, "optimizer.accumulate=true"),
        ({"solver": "normal", "accumulate": True}, 10, 10**5, "optimizer.solver=cg"),
        ({"solver": "qr"}, 10**6, 10**4, "optimizer.solver=normal"),
        ({"solver": "kernel"}, 10**5, 10**3, "optimizer.solver=cg"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch, settings, n, P, advice):
    monkeypatch.setattr(memory, "bytes_available", lambda: 24 * 10**9)
    target, _, _, _ = linear()
    choice = least_squares_of(target, **settings).choose(n, P)
    with pytest.raises(InputError, match=rf"needs [\d.]+ GB for .* and there are 24.0 GB: choose {advice}"):
        memory.require_memory(*choice, n, P)


@pytest.mark.parametrize(("n", "P"), [(4096, 981), (10**6, 981), (4096, 10**4), (10**6, 10**4), (10**7, 10**6)])
def test_what_auto_chooses_fits_into_a_laptop(monkeypatch, n, P):
    monkeypatch.setattr(memory, "bytes_available", lambda: 16 * 10**9)
    target, _, _, _ = linear()
    memory.require_memory(*LeastSquares(target).choose(n, P), n, P)


def test_this_machine_tells_its_memory():
    assert 10**9 < memory.bytes_available() < 10**14


def test_what_a_job_was_granted_counts(monkeypatch, tmp_path):
    """In the control group that the process is in, or one around it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, _ = line.split(":", 2)
        if controllers in ("", "memory"):
            place = tmp_path / controllers
            place.mkdir(exist_ok=True)
            (place / "memory.max").write_text("4000000000\n")
            (place / "memory.limit_in_bytes").write_text("4000000000\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    assert memory.bytes_available() == 4 * 10**9
