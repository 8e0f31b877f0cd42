"""Gauss–Newton: each step is the solution of a linear least-squares problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from pinn_ac.compilation import kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.least_squares import LeastSquares, SolverSettings
from pinn_ac.optimizers.least_squares.shortest import SOLVERS, least_squares_step
from pinn_ac.optimizers.optimizer import Optimizer, StepInfo, Trainable

FIRST_CAUTION = 1e-3
"""The least damping, relative to the largest singular value, after a loss that was not finite."""


class GaussNewtonState(NamedTuple):
    """Parameters, the least damping, and evaluations of the residuals so far.

    caution: 0; after a loss that was not finite `FIRST_CAUTION`, and 30 times what it was after each further one.
    """

    params: Any
    caution: jax.Array
    evaluations: jax.Array


@dataclass(frozen=True)
class GaussNewton:
    """Gauss–Newton: δ = argmin ‖J δ + r‖² + λ² ‖S δ‖², with λ just above rounding, and a step δ.

    r is the residual vector, (n,), J its Jacobian, (n, P), and S holds the lengths of its columns. Where the network
    is linear in its parameters, as :class:`~pinn_ac.models.RandomFeatures` is, the residuals are so up to the
    equation's own nonlinearity, and two to five steps are enough. For networks whose hidden weights are trained use
    Levenberg–Marquardt, which damps the step. The linear problem is solved by
    :func:`~pinn_ac.optimizers.least_squares.shortest.least_squares_step`.

    The direction is that of energy natural gradient descent (Müller and Zeinhofer 2023, arXiv:2302.13163), −(JᵀJ)⁺Jᵀr
    with the Gram matrix JᵀJ of the equation's linearized residuals, and of ANaGRAM (Schwencke and Furtlehner 2024,
    arXiv:2412.10782), which cuts off small singular values of J. Both shorten it by a search over the lengths 2⁻ᵏ;
    here it is Levenberg–Marquardt that sees to that.

    Args:
        floor: λ as a share of ‖J S⁻¹‖: directions in which that is smaller are left alone. A twentieth of the
            rounding error of the precision at least; what is less counts as that.
        solver: "qr", or "normal" for the normal equations, whose λ is 1.5e-8 ‖J S⁻¹‖ at least (single precision:
            3.5e-4): somewhat quicker, and enough for errors of about 1e-7.
        steps: how many steps a stage of training takes.

    Raises:
        InputError: a number out of range, or an unknown solver; from `build`: the norm of the objective is not "mse".

    Example:
        >>> optimizer = GaussNewton().build(objective)
        >>> state, info = optimizer.step(optimizer.init(params), batch)
    """

    floor: float = 1e-14
    solver: str = "qr"
    steps: int = 6

    name: ClassVar[str] = "gauss_newton"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        in_range = is_number(self.floor) and 0 < self.floor < 1
        require(in_range, f"optimizer.floor is {self.floor}: give a number between 0 and 1, such as 1e-14.")
        known = self.solver in SOLVERS
        require(known, f"optimizer.solver is {self.solver!r}: choose {' or '.join(SOLVERS)}.")
        require(is_whole(self.steps, 1), f"optimizer.steps is {self.steps}: give a whole number from 1.")

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective."""
        require(
            objective.norm == "mse",
            "optimizer=gauss_newton minimises a sum of squares: set loss.norm=mse, or choose optimizer=adam.",
        )
        return kept(objective, _gauss_newton, self)


def _gauss_newton(objective: Trainable, method: GaussNewton) -> Optimizer:
    model = kept(objective, LeastSquares, SolverSettings()).model

    def init(params):
        return GaussNewtonState(params, jnp.zeros(()), jnp.zeros((), int))

    @jax.jit
    def step(state, batch):
        system = model.whole(state.params, batch)
        flat, unravel = ravel_pytree(state.params)
        floor = jnp.maximum(jnp.maximum(method.floor, jnp.finfo(flat.dtype).eps / 20), state.caution)
        delta = least_squares_step(system.J, system.r, floor, model.shards, method.solver)
        evaluations = state.evaluations + 1
        return state._replace(params=unravel(flat + delta), evaluations=evaluations), StepInfo(
            system.r @ system.r, evaluations
        )

    def on_nonfinite(state):
        return state._replace(caution=jnp.maximum(FIRST_CAUTION, 30 * state.caution))

    return Optimizer(init, step, lambda state: state.params, on_nonfinite)
