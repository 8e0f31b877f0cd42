"""SPRING: damped Gauss–Newton in the space of the residuals, with a momentum that the residuals correct."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, require
from pinn_ac.optimizers.least_squares import LeastSquares, Model, SolverSettings
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable
from pinn_ac.optimizers.schedules import Scheduled, require_decay


class SpringState(NamedTuple):
    """Parameters, φ (P,), and what has been counted.

    taken: steps so far, which the schedule of the learning rate counts.
    lr_scale: 1, and a quarter of what it was after each loss that was not finite.
    evaluations: of the residuals.
    """

    params: Any
    momentum: jax.Array
    taken: jax.Array
    lr_scale: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class Spring(Scheduled):
    """SPRING (Goldshlager, Abrahamsen, Lin 2024, arXiv:2401.10190), subsampled projected-increment natural gradient.

    With the residual vector r, (n,), the square of whose length is the loss, and its Jacobian J, (n, P),

        ζ = −r − μ J φ,   φ ← μ φ + Jᵀ (J Jᵀ + λ I)⁻¹ ζ,   θ ← θ + min(η, √C/‖φ‖) φ.

    φ minimises ‖J φ + r‖² + λ ‖φ − μ φ_before‖²: what few points leave open is taken from the steps before. μ = 0 is
    damped Gauss–Newton, −(JᵀJ + λ I)⁻¹Jᵀr by the Woodbury identity, for which n × n numbers are enough: a method for
    wide networks with a few thousand points. For PINNs: Guzmán-Cordero, Dangel, Goldshlager and Zeinhofer 2025,
    arXiv:2505.12149, with the same constants and a learning rate that they tune to each problem.

    Args:
        learning_rate, schedule, final_lr_fraction, steps, warmup_steps, decay_rate, decay_steps: η of each step, see
            :class:`~pinn_ac.optimizers.schedules.Scheduled`.
        damping: λ > 0.
        momentum: μ in [0, 1).
        norm_constraint: C > 0: no step is longer than √C. None does without.
        solver: "kernel" (J Jᵀ and Cholesky), or another of :class:`~pinn_ac.optimizers.least_squares.SolverSettings`,
            which finds the same φ by other means; "auto" chooses by n and P.
        chunk: points whose rows of J are computed at a time; None chooses.
        accumulate: of solver "normal": sum JᵀJ over chunks and never hold J whole; None does so where J is large.

    Raises:
        InputError: an unknown name, a number out of range, or a decay for a schedule that has none; from `build`: the
            norm of the objective is not "mse".

    Example:
        >>> optimizer = Spring(learning_rate=0.1, steps=500).build(objective)
        >>> state, info = optimizer.step(optimizer.init(params), batch)
    """

    learning_rate: float = 0.1
    schedule: str = "constant"
    steps: int = 1000
    damping: float = 1e-3
    momentum: float = 0.99
    norm_constraint: float | None = 1e-3
    solver: str = "auto"
    chunk: int | None = None
    accumulate: bool | None = None

    name: ClassVar[str] = "spring"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_decay("momentum", self.momentum)
        require(
            is_number(self.damping) and self.damping > 0,
            f"optimizer.damping is {self.damping}: give a positive number.",
        )
        bound = self.norm_constraint
        require(
            bound is None or (is_number(bound) and bound > 0),
            f"optimizer.norm_constraint is {bound}: give a positive number, or null to do without.",
        )
        _ = self.solver_settings  # for its checks

    @property
    def solver_settings(self) -> SolverSettings:
        """How the damped systems are solved."""
        return SolverSettings(self.solver, self.chunk, self.accumulate)

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        require(
            objective.norm == "mse",
            "optimizer=spring minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
        )
        return kept(objective, _spring, self)


def _spring(objective: Trainable, method: Spring) -> Optimizer:
    least_squares, rates = kept(objective, LeastSquares, method.solver_settings), method.rates()
    model: Model = least_squares.model

    def init(params):
        momentum, none = jnp.zeros_like(ravel_pytree(params)[0]), jnp.zeros((), int)
        return SpringState(params, momentum, none, jnp.ones((), momentum.dtype), none)

    @jax.jit
    def target(system, momentum):
        push, _ = model.products(system)
        return -system.r - method.momentum * push(momentum), system.r @ system.r

    @jax.jit
    def moved(state, increment):
        flat, unravel = ravel_pytree(state.params)
        momentum = method.momentum * state.momentum + increment
        length = state.lr_scale * rates(state.taken)
        if method.norm_constraint is not None:
            most = method.norm_constraint**0.5 / jnp.maximum(jnp.linalg.norm(momentum), jnp.finfo(flat.dtype).tiny)
            length = jnp.minimum(length, state.lr_scale * most)
        params = unravel(flat + length.astype(flat.dtype) * momentum)
        return SpringState(params, momentum, state.taken + 1, state.lr_scale, state.evaluations + 1)

    def step(state, batch):
        solver = least_squares.compiled_solver(state.params, batch)
        system = solver.linearize(state.params, batch)
        ones = jnp.ones_like(state.momentum)
        system = solver.reduce(system, ones)
        zeta, loss = target(system.for_products, state.momentum)
        factor = solver.factor(system, jnp.asarray(method.damping, zeta.dtype), ones)
        state = moved(state, solver.solve(factor, system, zeta))
        return state, StepInfo(loss, state.evaluations)

    def on_nonfinite(state):
        return state._replace(momentum=jnp.zeros_like(state.momentum), lr_scale=state.lr_scale / 4)

    return Optimizer(init, step, lambda state: state.params, on_nonfinite, is_one_program=False)
