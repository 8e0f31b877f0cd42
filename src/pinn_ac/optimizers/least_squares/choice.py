"""Which solver, for how many residuals and parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.chunks import length
from pinn_ac.compilation import SOME, compiled, kept
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.optimizers.least_squares.conjugate_gradients import ConjugateGradients
from pinn_ac.optimizers.least_squares.kernel import Kernel
from pinn_ac.optimizers.least_squares.memory import require_memory
from pinn_ac.optimizers.least_squares.normal import DoubleNormal, Normal
from pinn_ac.optimizers.least_squares.orthogonal import Orthogonal
from pinn_ac.optimizers.least_squares.system import Model, System
from pinn_ac.optimizers.optimizer import Trainable
from pinn_ac.parallel import CONDITION

SOLVERS = ("auto", "normal", "qr", "kernel", "cg")
PRECISIONS = ("same", "float64")
MOST_PARAMETERS = 20_000
"""P up to which JᵀJ is held: 3.2 GB in double precision, and its factor as much again."""
MOST_ENTRIES = 2**27
"""Entries of J up to which a device holds its rows: a gigabyte in double precision."""


class Method(NamedTuple):
    """A solver with its stages compiled, if they are to be; `Solver` says what they are.

    linearize: (params, batch) → the system.
    """

    linearize: Callable[[Any, Any], System]
    reduce: Callable[[System, jax.Array], System]
    factor: Callable[[System, jax.Array, jax.Array], Any]
    solve: Callable[..., jax.Array]


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """The damped linear least squares of an objective.

    Args:
        objective: its residuals.
        solver: "normal", "qr", "kernel" or "cg"; "auto" is the kernel for fewer residuals than parameters, conjugate
            gradients for more than 20,000 parameters, and otherwise the normal equations.
        chunk: points whose rows of J are computed at a time; None chooses.
        accumulate: JᵀJ is summed over chunks, and J never held whole; None does so where it has over 2²⁷ entries.
        cg_iterations, cg_tolerance: of `ConjugateGradients`.
        normal_precision: "float64" assembles and solves the normal equations in double, whatever the residuals are.

    Raises:
        InputError: a number out of range, a name that is none, or two choices that exclude each other.
    """

    objective: Trainable
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
            self.accumulate is None or isinstance(self.accumulate, bool),
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
        require(
            self.normal_precision == "same" or self.objective.shards.count == 1,
            "optimizer.normal_precision=float64 computes on the host of one device: leave it out, or set devices=1.",
        )

    @cached_property
    def model(self) -> Model:
        """The residuals."""
        return kept(self.objective, Model, self.chunk)

    def choose(self, n: int, P: int) -> tuple[str, bool]:
        """The solver for n residuals in P parameters, and whether it sums over chunks instead of holding J."""
        solver = self.solver
        if solver == "auto":
            bound_to_normal = self.accumulate or self.normal_precision != "same"
            solver = "kernel" if n < P and not bound_to_normal else "normal"
            if min(n, P) > MOST_PARAMETERS and not bound_to_normal:
                solver = "cg"
        if solver == "normal":
            entries = n * P // self.objective.shards.count
            return solver, entries > MOST_ENTRIES if self.accumulate is None else self.accumulate
        return solver, solver == "cg"

    def method(self, params: Any, batch: Any) -> Method:
        """The method for problems of this size, made once for each.

        Raises:
            InputError: it needs more memory than there is.
        """
        n = sum(length(self.objective.points(name, batch)) for name in self.objective.terms)
        P = sum(leaf.size for leaf in jax.tree.leaves(params))
        if (n, P) not in self._chosen:  # every step asks
            choice = self.choose(n, P)
            require_memory(*choice, n, P, self.objective.shards.count)
            self._chosen[n, P] = choice
        choice = *self._chosen[n, P], CONDITION in batch, jnp.result_type(float).name
        if choice not in self._made:
            self._made[choice] = self._make(*choice)
        return self._made[choice]

    @cached_property
    def _chosen(self) -> dict[tuple[int, int], tuple[str, bool]]:
        """Of sizes that fit into memory."""
        return {}

    @cached_property
    def _made(self) -> dict[tuple[str, bool, bool, str], Method]:
        return {}

    def _make(self, name: str, accumulate: bool, bare: bool, precision: str) -> Method:
        double = self.normal_precision == "float64" and precision != "float64"
        solver: Any = {
            "normal": lambda: (DoubleNormal if double else Normal)(self.model, not accumulate),
            "qr": Orthogonal,
            "kernel": lambda: Kernel(self.model),
            "cg": lambda: ConjugateGradients(self.model, self.cg_iterations, self.cg_tolerance),
        }[name]()
        # Of bare points the system needs the lift too, which may be a long series.
        linearize = compiled(self.model.whole, None if bare else SOME) if solver.whole else solver.gather
        if solver.compiled:
            return Method(linearize, solver.reduce, jax.jit(solver.factor), jax.jit(solver.solve))
        return Method(linearize, solver.reduce, solver.factor, solver.solve)
