"""A curriculum: an easy coefficient first, then harder ones, then the problem's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import jax.numpy as jnp

from pinn_ac.ansatz import Change, Parameters
from pinn_ac.errors import is_number, require
from pinn_ac.problem import Problem
from pinn_ac.regimes.regime import Regime


@dataclass(frozen=True)
class Curriculum(Regime):
    """Curriculum regularisation (Krishnapriyan, Gholami, Zhe, Kirby and Mahoney 2021, arXiv:2109.01050, section 4).

    Stage k trains the network on the same equation with c = c_k in place of a coefficient c, from the parameters that
    the stage before has ended with:

        c_1, c_2, …, c_K = the problem's own c.

    The problem's own value comes last whether `values` has it or not. The lift, the features and the flow in the
    ansatz have c_k too. One compiled program serves all values, and a stage at which every value is the problem's own
    is trained as without a curriculum, bit for bit.

    In the paper the coefficients are an advection's speed and a reaction's rate, and each stage is trained by L-BFGS.
    Urbán, Stefanou and Pons (2024, arXiv:2405.04230) train with a reaction rate of 1 and then 5, which only their
    script says.

    Errors in the history are those of the whole problem, in every stage.

    Args:
        coefficient: its name in the problem.
        values: c_1, …, in the problem's units.

    Raises:
        InputError: no values or no numbers; or, once the problem is known, a coefficient that it does not have or a
            value that it refuses.

    Example:
        >>> from pinn_ac import Burgers
        >>> Curriculum("viscosity", (1.0, 0.3)).all_values(Burgers(viscosity=0.1))
        (1.0, 0.3, 0.1)
    """

    coefficient: str
    values: Sequence[float]

    def __post_init__(self) -> None:
        name, given = self.coefficient, self.values
        require(
            isinstance(name, str),
            f"regime.coefficient is {name}: give the name of one of the problem's coefficients.",
        )
        listed = isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0
        require(
            listed and all(is_number(value) for value in given),
            f"regime.values is {given}: give a list of numbers, such as [1,2,3].",
        )
        object.__setattr__(self, "values", tuple(float(value) for value in given))

    def all_values(self, problem: Problem) -> tuple[float, ...]:
        """c_1, …, c_K, of which the last is the problem's own.

        Raises:
            InputError: the problem does not have the coefficient, or refuses a value.
        """
        name, own = self.coefficient, problem.nominal.coefficients
        require(
            name in own,
            f"regime.coefficient is {name}: {type(problem).__name__} has {', '.join(own) or 'no coefficient'}.",
        )
        for value in self.values:
            replace(problem.nominal, **cast(Any, {name: value}))  # which refuses what is out of range
        last = own[name]
        return (*self.values, *(() if self.values[-1] == last else (last,)))

    def stages(self, problem: Problem) -> int:
        """One for each value."""
        return len(self.all_values(problem))

    def change(self, problem: Problem, stage: int, finished: tuple[Parameters, ...]) -> Change | None:
        """The coefficient of the stage, in natural units."""
        values = self.all_values(problem)
        if len(set(values)) == 1:
            return None
        # An array keeps the problem's own units, which would follow from a plain number.
        natural = problem.with_coefficients({self.coefficient: jnp.asarray(values[stage], float)}).natural
        return Change(coefficients={self.coefficient: natural.coefficients[self.coefficient]})
