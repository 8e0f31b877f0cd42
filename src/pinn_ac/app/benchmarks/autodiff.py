"""Our differentiation against JAX's: (u, u_t, u_x, u_xx) of a field, and the whole gradient of the loss."""

from typing import Any

import jax
import jax.numpy as jnp

from pinn_ac.ansatz import Field, ReactionFlow
from pinn_ac.app.benchmarks.setting import default_problem
from pinn_ac.app.benchmarks.timing import Timing, compare
from pinn_ac.derivatives import Engine, JaxJet, JaxJvp, JaxReverse, OwnForward, OwnReverse, OwnTaylor
from pinn_ac.gradients import Gradient, JaxGradient, OwnGradient
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import MLP, Splitting
from pinn_ac.residual import differentiate
from pinn_ac.sampling import Sobol, draw_points
from pinn_ac.seeds import named_key

ENGINES: dict[str, Engine] = {
    "jax_jvp": JaxJvp(),
    "jax_reverse": JaxReverse(),
    "jax_jet": JaxJet(),
    "own_forward": OwnForward(),
    "own_reverse": OwnReverse(),
    "own_taylor": OwnTaylor(),
}
GRADIENTS: dict[str, Gradient] = {"jax": JaxGradient(), "own": OwnGradient()}
SIZES = ((20, 3, 1024), (20, 3, 4096), (64, 4, 1024), (128, 4, 4096))
"""(width, depth, points)."""


def run(rounds: int = 30) -> list[dict[str, object]]:
    """A row for every size, task and combination, with its ratio to the best combination that is all JAX's."""
    rows: list[dict[str, object]] = []
    for width, depth, points in SIZES:
        network: Any = MLP(width, depth)
        field = Field(default_problem(), Splitting(), network.apply, ReactionFlow())
        sample = draw_points(Sobol(points), ((0.0, 1.0), (0.0, 1.0)), 0, "benchmark", 0)
        batch_points = {name: jnp.asarray(values, float) for name, values in sample.items()}
        params = network.init(named_key(0, "network"), jnp.zeros(field.features))
        label = f"{depth}×{width}, {points} points"
        rows += _rows(label, "derivatives", _derivatives(field, params, batch_points, rounds))
        rows += _rows(label, "gradient", _gradients(field, params, batch_points, rounds))
    return rows


def _derivatives(field: Field, params, points, rounds: int) -> dict[str, Timing]:
    """u, u_t, u_x, u_xx at every point, by each engine."""
    expansion = jax.jit(build_terms(field, JaxJvp())["residual"].prepare)(points["residual"])
    programs = {
        name: lambda params, point, engine=engine: jax.vmap(lambda one: differentiate(field, engine, params, one))(
            point
        )
        for name, engine in ENGINES.items()
    }
    return compare(programs, (params, expansion), rounds)


def _gradients(field: Field, params, points, rounds: int) -> dict[str, Timing]:
    """The loss and its gradient: what a step of Adam costs, by each engine and each reverse mode."""
    batch = None
    programs = {}
    for engine_name, engine in ENGINES.items():
        for gradient_name, gradient in GRADIENTS.items():
            objective = Objective(build_terms(field, engine), {}, "mse", gradient)
            batch = jax.jit(objective.prepare)(points) if batch is None else batch
            programs[f"{engine_name} + {gradient_name}"] = objective.value_and_grad
    return compare(programs, (params, batch), rounds)


def _rows(label: str, task: str, timings: dict[str, Timing]) -> list[dict[str, object]]:
    all_jax = [timing for name, timing in timings.items() if "own" not in name]
    best = min(timing.median for timing in all_jax)
    quickest = min(timing.compile_seconds for timing in all_jax)
    return [
        {
            "network": label,
            "task": task,
            "who": name,
            "ms": round(1e3 * timing.median, 3),
            "least_ms": round(1e3 * timing.least, 3),
            "ratio": round(timing.median / best, 3),
            "compile_s": round(timing.compile_seconds, 2),
            "compile_ratio": round(timing.compile_seconds / quickest, 2),
        }
        for name, timing in sorted(timings.items(), key=lambda item: item[1].median)
    ]
