"""The interface of every optimizer, and what it asks of an objective."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax

from pinn_ac.parallel import Shards

Parameters = Any
State = Any
Batch = Any


class Trainable(Protocol):
    """An objective: the scalar for gradient methods, the vector for Gauss–Newton ones."""

    norm: str

    @property
    def shards(self) -> Shards:
        """The devices that share the points."""
        ...

    @property
    def terms(self) -> Mapping[str, Any]:
        """By name, in the order of the vector."""
        ...

    def loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """The scalar."""
        ...

    def value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """The scalar and its gradient."""
        ...

    def residuals(self, params: Parameters, batch: Batch) -> jax.Array:
        """The vector whose sum of squares is the scalar."""
        ...

    def points(self, name: str, batch: Batch) -> Any:
        """What a batch holds of a term."""
        ...

    def part(self, name: str, unravel: Callable, count: int, condition: Any = None) -> Any:
        """One term of the vector at any of its `count` `points`: residuals, rows of J, and products with it."""
        ...


class Outcome(NamedTuple):
    """What a step tells: the loss it started from, and its evaluations of the objective so far."""

    loss: jax.Array
    evaluations: jax.Array


StepInfo = Outcome
"""Its name from now on."""


class Optimizer(NamedTuple):
    """A method, as pure functions on pytrees.

    init: params → state.
    step: (state, batch) → (state, outcome), compiled once for all steps with batches of one shape.
    params: state → the parameters it stands at.
    retreat: state → a more cautious state at the same parameters, for another try after a failure.
    is_one_program: `step` is one compiled program, which `vmap` can map over states and batches; not where the host
        decides within it.
    """

    init: Callable[[Parameters], State]
    step: Callable[[State, Batch], tuple[State, Outcome]]
    params: Callable[[State], Parameters]
    retreat: Callable[[State], State]
    is_one_program: bool = True

    @property
    def on_nonfinite(self) -> Callable[[State], State]:
        """The name of `retreat` from now on."""
        return self.retreat
