"""Levenberg–Marquardt: where a step's time goes, and an iteration against optimistix's.

The stages of a step are timed one by one, and beside them a whole step with geodesic acceleration, one λ and no
backtracking; a share is the ratio of the two medians. Rates count SYRK's n·P·(P+1) flops for JᵀJ, half of those of
the product that knows no symmetry, and are given as a share of the rate of NumPy's square product in double
precision here.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pinn_ac.ansatz import Field, ReactionFlow
from pinn_ac.app.benchmarks.setting import default_problem
from pinn_ac.derivatives import JaxJvp
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import MLP, Splitting
from pinn_ac.optimizers import LevenbergMarquardt
from pinn_ac.optimizers.least_squares import LeastSquares, SolverSettings
from pinn_ac.sampling import Sobol, draw_points
from pinn_ac.seeds import named_key

SIZES = ((20, 3, 4096), (30, 3, 8192))
"""(width, depth, points)."""
PEAK_SIZE = 2000
LIBRARY_SHARE = 10
"""The iterations, which take seconds, are called a tenth as often as the stages."""


class Setting(NamedTuple):
    """One problem to step on."""

    objective: Any
    params: Any
    batch: Any


def run(
    rounds: int = 30, sizes: Sequence[tuple[int, int, int]] = SIZES, peak_size: int = PEAK_SIZE
) -> list[dict[str, object]]:
    """A row for every size and stage, and for every size and library."""
    rows: list[dict[str, object]] = []
    for width, depth, points in sizes:
        setting = setting_of(width, depth, points)
        count = sum(leaf.size for leaf in jax.tree.leaves(setting.params))
        label = f"{depth}×{width}, {points} × {count}"
        seconds = in_turn(_stages(setting) | {"product": _product(peak_size)}, rounds)
        rows += stage_rows(label, seconds, points, count, peak_size)
        rows += _library_rows(label, setting, max(1, rounds // LIBRARY_SHARE))
    return rows


def in_turn(programs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, the programs called in turn so that a change of the machine's speed meets them alike."""
    for call in programs.values():
        jax.block_until_ready(call())
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, call in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def stage_rows(
    label: str, seconds: Mapping[str, Sequence[float]], n: int, count: int, peak_size: int
) -> list[dict[str, object]]:
    """A row for every stage.

    Args:
        seconds: of "whole step" and "product", and of the stages, of which "Gram" has a rate.
        n, count: rows and columns of J.
        peak_size: rows of the square product.
    """
    medians = {name: statistics.median(every) for name, every in seconds.items()}
    peak = 2 * peak_size**3 / medians["product"]
    rows = []
    for name in seconds:
        flops = {"Gram": n * count * (count + 1), "product": 2 * peak_size**3}.get(name)
        rate = flops / medians[name] if flops else None
        share = None if name == "product" else medians[name] / medians["whole step"]
        rows.append(_row(label, "step", name, seconds[name], share=share, gflops=rate, peak=peak))
    return rows


def _row(label, task, who, seconds, share=None, gflops=None, peak=1.0, ratio=None, evaluations=None, loss=None):
    return {
        "network": label,
        "task": task,
        "who": who,
        "ms": round(1e3 * statistics.median(seconds), 3),
        "least_ms": round(1e3 * min(seconds), 3),
        "share": None if share is None else round(share, 3),
        "gflop/s": None if gflops is None else round(1e-9 * gflops, 1),
        "of_peak": None if gflops is None else round(gflops / peak, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "evaluations": evaluations,
        "loss_after": loss,
    }


def setting_of(width: int, depth: int, points: int) -> Setting:
    """The record's network and loss on so many evenly spread points, from its untrained parameters."""
    network: Any = MLP(width, depth)
    field = Field(default_problem(), Splitting(), network.apply, ReactionFlow())
    objective = Objective(build_terms(field, JaxJvp()), {}, "mse", JaxGradient())
    sample = draw_points(Sobol(points), ((0.0, 1.0), (0.0, 1.0)), 0, "benchmark", 0)
    batch = jax.jit(objective.prepare)({"residual": jnp.asarray(sample.pop("residual"), float)})
    params = network.init(named_key(0, "network"), jnp.zeros(field.features))
    return Setting(objective, params, batch)


def one_trial(accumulate: bool | None = None) -> LevenbergMarquardt:
    """The method of which a step is timed: one λ, whole steps only, the normal equations."""
    return LevenbergMarquardt(max_damping_trials=1, max_backtracks=0, solver="normal", accumulate=accumulate)


def _product(size: int) -> Callable[[], Any]:
    """NumPy's product of two matrices that are not each other's transpose."""
    A, B = np.random.default_rng(0).standard_normal((2, size, size))
    return lambda: A @ B


def _stages(setting: Setting) -> dict[str, Callable[[], Any]]:
    """The stages of a step with one λ, each computed from the results of those before it."""
    objective, params, batch = setting
    least_squares = LeastSquares(objective, SolverSettings("normal", accumulate=False))
    solver, model = least_squares.compiled_solver(params, batch), least_squares.model
    damping = jnp.asarray(1e-2, float)
    linearized = solver.linearize(params, batch)
    D = linearized.squares
    system = solver.reduce(linearized, D)

    def solve():
        factor = solver.factor(system, damping, D)
        return solver.solve(factor, system, system.r, system.g), solver.solve(factor, system, system.r)

    @jax.jit
    def trial(system, step):
        flat, unravel = ravel_pytree(system.params)
        push, _ = model.products(system)
        ahead = model.residuals(unravel(flat - 0.1 * step), batch)
        return ahead + push(step), jnp.sum(model.residuals(unravel(flat - step), batch) ** 2)

    step, _ = solve()
    optimizer = one_trial(accumulate=False).build(objective)
    state = optimizer.init(params)
    return {
        "Jacobian": lambda: solver.linearize(params, batch),
        "Gram": lambda: solver.reduce(linearized, D).matrix,
        "solve, twice": solve,
        "trial": lambda: trial(system.for_products, step),
        "whole step": lambda: optimizer.step(state, batch),
    }


def _library_rows(label: str, setting: Setting, rounds: int) -> list[dict[str, object]]:
    """The first iteration of each library's from the same parameters, and the loss that it reaches."""
    objective, params, batch = setting
    optimizer = LevenbergMarquardt().build(objective)
    state = optimizer.init(params)
    after, info = optimizer.step(state, batch)
    theirs, theirs_after = _optimistix(setting)
    seconds = in_turn({"ours": lambda: optimizer.step(state, batch), "optimistix": theirs}, rounds)
    loss = jax.jit(objective.loss)
    losses = {"ours": loss(optimizer.params(after), batch), "optimistix": loss(theirs_after, batch)}
    evaluations = {"ours": int(info.evaluations), "optimistix": 1}
    first = statistics.median(seconds["ours"])
    return [
        _row(
            label,
            "iteration",
            name,
            every,
            ratio=statistics.median(every) / first,
            evaluations=evaluations[name],
            loss=float(losses[name]),
        )
        for name, every in seconds.items()
    ]


def _optimistix(setting: Setting) -> tuple[Callable[[], Any], Any]:
    """One iteration of optimistix's as a program, and the parameters after it.

    Its residuals come with our Jacobian: its own way, a forward pass over all points for each parameter at once,
    takes gigabytes and minutes, not knowing that a residual depends on one point. Its solver is its default, QR.

    Its first step evaluates the start, takes J there and solves; its second judges that and does the same where it
    arrives. So the second is what an iteration costs and where the first one leads.

    Raises:
        InputError: it is not installed.
    """
    try:
        import equinox
        import optimistix
    except ImportError as error:
        raise InputError("The benchmark compares with optimistix: pip install 'pinn_ac[dev]' adds it.") from error
    objective, params, batch = setting
    solver: Any = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-8)

    flat, unravel = ravel_pytree(params)

    @jax.custom_jvp
    def residuals(flat):
        return objective.residuals(unravel(flat), batch)

    @residuals.defjvp
    def _(flat, tangent):
        r, J = objective.residuals_and_jacobian(flat[0], unravel, batch)
        return r, J @ tangent[0]

    def function(flat, _):
        return residuals(flat), None

    shape, none = jax.eval_shape(function, flat, None)
    tags: frozenset = frozenset()
    state = solver.init(function, flat, None, {}, shape, none, tags)
    step = equinox.filter_jit(lambda y, state: solver.step(function, y, None, {}, state, tags)[:2])
    first, state = step(flat, state)
    second, _ = step(first, state)
    return lambda: equinox.filter(step(first, state), equinox.is_array), unravel(second)
