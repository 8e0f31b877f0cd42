"""The interface of every optimizer, and what it asks of an objective."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import jax

from pinn_ac.batch import Points
from pinn_ac.parallel import Shards

Parameters = Any
State = Any
Batch = Any


class Trainable(Protocol):
    """An objective: the scalar for gradient methods, the residual vector for Gauss–Newton methods."""

    norm: str

    @property
    def shards(self) -> Shards:
        """The devices that share the points."""
        ...

    @property
    def terms(self) -> Mapping[str, Any]:
        """The terms of the loss, by name."""
        ...

    def loss(self, params: Parameters, batch: Batch) -> jax.Array:
        """The scalar."""
        ...

    def value_and_grad(self, params: Parameters, batch: Batch) -> tuple[jax.Array, Parameters]:
        """The scalar and its gradient."""
        ...

    def terms_and_grads(self, params: Parameters, batch: Batch) -> dict[str, tuple[jax.Array, Parameters]]:
        """Name → what a term adds to the scalar and to its gradient."""
        ...

    def residuals(self, params: Parameters, batch: Batch) -> jax.Array:
        """The vector whose sum of squares is the scalar."""
        ...

    def in_order(self, points: Mapping[str, Points]) -> list[tuple[str, Points]]:
        """(name, points) of each term, in the order in which the vector has them."""
        ...

    def part(self, name: str, unravel: Callable, count: int, context: Any = None) -> Any:
        """One term's rows of the vector, as :class:`~pinn_ac.loss.Part`: residuals, rows of J, products with J."""
        ...


class StepInfo(NamedTuple):
    """What a step reports.

    loss: the loss at the parameters where the step began.
    evaluations: how often the objective was evaluated so far, in all steps together.
    """

    loss: jax.Array
    evaluations: jax.Array


class Optimizer(NamedTuple):
    """A method applied to an objective, as pure functions on pytrees.

    init: params → state.
    step: (state, batch) → (state, info), compiled once for all steps on batches of one shape.
    params: state → the parameters that it has reached.
    on_nonfinite: state → a more cautious state at the same parameters, for another try after a loss that was not
        finite.
    is_one_program: `step` is one compiled program, which `vmap` can map over states and batches; it is not where
        Python code decides within the step.
    """

    init: Callable[[Parameters], State]
    step: Callable[[State, Batch], tuple[State, StepInfo]]
    params: Callable[[State], Parameters]
    on_nonfinite: Callable[[State], State]
    is_one_program: bool = True


class Method(Protocol):
    """The settings of an optimizer, checked when it is created; a frozen dataclass.

    name: what a stage of training with this method is called.
    RENAMED: former names of settings → the names that they have now.
    steps: how many steps a stage takes; the length of a learning-rate schedule where there is one.
    """

    name: ClassVar[str]
    RENAMED: ClassVar[Mapping[str, str]]

    @property
    def steps(self) -> int:
        """How many steps a stage of this method takes."""
        ...

    def build(self, objective: Trainable) -> Optimizer:
        """The method applied to an objective; what it compiles is shared by equal methods on one objective."""
        ...
