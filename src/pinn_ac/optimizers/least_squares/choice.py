"""Which solver, for how many residuals and parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.batch import Batch
from pinn_ac.chunks import length
from pinn_ac.compilation import SOME, compiled, kept
from pinn_ac.errors import is_number, is_truth, is_whole, require
from pinn_ac.optimizers.least_squares.conjugate_gradients import ConjugateGradients
from pinn_ac.optimizers.least_squares.kernel import Kernel
from pinn_ac.optimizers.least_squares.memory import require_memory
from pinn_ac.optimizers.least_squares.normal import DoubleNormal, Normal
from pinn_ac.optimizers.least_squares.orthogonal import Orthogonal
from pinn_ac.optimizers.least_squares.system import Model, System
from pinn_ac.optimizers.optimizer import Trainable

SOLVERS = ("auto", "normal", "qr", "kernel", "cg")
PRECISIONS = ("same", "float64")
MOST_PARAMETERS = 20_000
"""P up to which JᵀJ is held: 3.2 GB in double precision, and as much again for its factor."""
MOST_ENTRIES = 2**27
"""Entries of J up to which a device holds all of its rows: a gigabyte in double precision."""


class CompiledSolver(NamedTuple):
    """The stages of a solver, compiled if they are to be; :class:`System` and `Solver` say what they compute.

    linearize: (params, batch) → the system.
    reduce: (system, D) → the system with what all λ share.
    factor: (system, λ, D) → what all right-hand sides share.
    solve: (factor, system, w, Jᵀw or None) → δ.
    """

    linearize: Callable[[Any, Any], System]
    reduce: Callable[[System, jax.Array], System]
    factor: Callable[[System, jax.Array, jax.Array], Any]
    solve: Callable[..., jax.Array]


@dataclass(frozen=True)
class SolverSettings:
    """How damped linear least squares are solved.

    Args:
        solver: "normal" (JᵀJ and Cholesky), "qr", "kernel" (JJᵀ and Cholesky) or "cg" (conjugate gradients); "auto"
            is the kernel for fewer residuals than parameters, conjugate gradients for more than 20,000 parameters
            (of the kernel: residuals), and otherwise the normal equations.
        chunk: points whose rows of J are computed at a time; None chooses.
        accumulate: sum JᵀJ over chunks and never hold J whole; None does so where J has over 2²⁷ entries.
        cg_iterations, cg_tolerance: see :class:`ConjugateGradients`.
        normal_precision: "float64" assembles and solves the normal equations in double precision whatever the
            residuals have, "same" in the precision of the residuals.

    Raises:
        InputError: a number out of range, an unknown name, or two choices that exclude each other.
    """

    solver: str = "auto"
    chunk: int | None = None
    accumulate: bool | None = None
    cg_iterations: int = 300
    cg_tolerance: float = 1e-4
    normal_precision: str = "same"

    def __post_init__(self) -> None:
        require(self.solver in SOLVERS, f"optimizer.solver is {self.solver!r}: choose one of {', '.join(SOLVERS)}.")
        require(
            self.chunk is None or is_whole(self.chunk, 1),
            f"optimizer.chunk is {self.chunk}: give a whole number from 1, or null.",
        )
        require(
            self.accumulate is None or is_truth(self.accumulate),
            f"optimizer.accumulate is {self.accumulate}: give true, false or null.",
        )
        require(
            is_whole(self.cg_iterations, 1),
            f"optimizer.cg_iterations is {self.cg_iterations}: give a whole number from 1.",
        )
        require(
            is_number(self.cg_tolerance) and 0 < self.cg_tolerance < 1,
            f"optimizer.cg_tolerance is {self.cg_tolerance}: give a number between 0 and 1.",
        )
        require(
            self.normal_precision in PRECISIONS,
            f"optimizer.normal_precision is {self.normal_precision!r}: choose {' or '.join(PRECISIONS)}.",
        )
        for name, value, usual in (
            ("accumulate", self.accumulate, None),
            ("normal_precision", self.normal_precision, "same"),
        ):
            require(
                value == usual or self.solver in ("auto", "normal"),
                f"optimizer.{name} concerns the normal equations: leave it out with solver={self.solver}, or choose "
                "solver=normal.",
            )


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """The damped linear least squares of an objective.

    Args:
        objective: its residuals are linearized.
        settings: how the systems are solved.

    Raises:
        InputError: a choice that cannot be used with several devices.
    """

    objective: Trainable
    settings: SolverSettings = SolverSettings()

    def __post_init__(self) -> None:
        require(
            self.settings.normal_precision == "same" or self.objective.shards.count == 1,
            "optimizer.normal_precision=float64 computes on the host of one device: leave it out, or set devices=1.",
        )

    @cached_property
    def model(self) -> Model:
        """The residuals and their Jacobian."""
        return kept(self.objective, Model, self.settings.chunk)

    def choose(self, n: int, P: int) -> tuple[str, bool]:
        """The solver for n residuals in P parameters, and whether it sums over chunks instead of holding J."""
        solver, accumulate = self.settings.solver, self.settings.accumulate
        if solver == "auto":
            bound_to_normal = accumulate or self.settings.normal_precision != "same"
            solver = "kernel" if n < P and not bound_to_normal else "normal"
            if min(n, P) > MOST_PARAMETERS and not bound_to_normal:
                solver = "cg"
        if solver == "normal":
            entries = n * P // self.objective.shards.count
            return solver, entries > MOST_ENTRIES if accumulate is None else accumulate
        return solver, solver == "cg"

    def compiled_solver(self, params: Any, batch: Batch) -> CompiledSolver:
        """The solver for systems of this size, made once for each size.

        Raises:
            InputError: it needs more memory than there is.
        """
        n = sum(map(length, batch.terms.values()))
        P = sum(leaf.size for leaf in jax.tree.leaves(params))
        if (n, P) not in self._chosen:  # every step asks
            choice = self.choose(n, P)
            require_memory(*choice, n, P, self.objective.shards.count)
            self._chosen[n, P] = choice
        choice = *self._chosen[n, P], batch.context is None, jnp.result_type(float).name
        if choice not in self._made:
            self._made[choice] = self._make(*choice)
        return self._made[choice]

    @cached_property
    def _chosen(self) -> dict[tuple[int, int], tuple[str, bool]]:
        """(n, P) → the choice, for sizes that fit into memory."""
        return {}

    @cached_property
    def _made(self) -> dict[tuple[str, bool, bool, str], CompiledSolver]:
        return {}

    def _make(self, name: str, accumulate: bool, prepared: bool, precision: str) -> CompiledSolver:
        double = self.settings.normal_precision == "float64" and precision != "float64"
        solver: Any = {
            "normal": lambda: (DoubleNormal if double else Normal)(self.model, not accumulate),
            "qr": lambda: Orthogonal(self.model),
            "kernel": lambda: Kernel(self.model),
            "cg": lambda: ConjugateGradients(self.model, self.settings.cg_iterations, self.settings.cg_tolerance),
        }[name]()
        # Points that are not prepared need the lift too, which may be a long series: worth all optimisation.
        linearize = compiled(self.model.whole, SOME if prepared else None) if solver.whole else solver.gather
        if solver.compiled:
            return CompiledSolver(linearize, solver.reduce, jax.jit(solver.factor), jax.jit(solver.solve))
        return CompiledSolver(linearize, solver.reduce, solver.factor, solver.solve)
