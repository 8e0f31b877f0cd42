"""Several weightings together: each sees the weights of those before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

from pinn_ac.errors import require
from pinn_ac.weighting.weighting import Measured, Points, Weighting

State = Mapping[str, Any]


@dataclass(frozen=True)
class Together:
    """The product of the weights of several weightings, in turn.

    Each of them is given what is measured with the weights of those before it: for v¹ of the first, the second sees
    the losses v¹_i w_i φ(r_i), their mean and its gradient, and its own weights multiply v¹. So gradient norms or NTK
    weights after causal ones balance the causally weighted residual, as in the published runs (arXiv:2308.08469,
    arXiv:2402.00326), and causal weights after others have their chunks' losses with those.

    Args:
        parts: name → weighting, in order. On the command line a further one comes last:
            `weighting=causal_ntk +weighting@weighting.parts.rba=rba`.

    Raises:
        InputError: there is none, or one that is no weighting.

    Example:
        >>> from pinn_ac.weighting import NTK, Causal
        >>> Together({"causal": Causal(), "ntk": NTK()}).balances
        True
    """

    parts: Mapping[str, Weighting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.parts
        usable = isinstance(given, Mapping)
        usable = usable and all(hasattr(one, "renew") and not isinstance(one, type) for one in given.values())
        require(
            usable and bool(given),
            f"weighting.parts is {given}: give some by +weighting@weighting.parts.NAME=NAME, such as "
            "+weighting@weighting.parts.causal=causal.",
        )

    @property
    def balances(self) -> bool:
        """Whether one of them weighs terms against each other."""
        return any(getattr(part, "balances", False) for part in self.parts.values())

    def init(self, points: Points, seed: int = 0) -> State:
        """Name → the state of each."""
        return {name: part.init(points, seed) for name, part in self.parts.items()}

    def renew(self, state: State, points: Points) -> State:
        """Each of them renewed."""
        return {name: part.renew(state[name], points) for name, part in self.parts.items()}

    def update(self, state: State, measured: Measured, points: Points) -> tuple[State, Mapping[str, jax.Array]]:
        """The new state of each, and the product of their weights."""
        states: dict[str, Any] = {}
        product: dict[str, jax.Array] = {}
        for name, part in self.parts.items():
            states[name], weights = part.update(state[name], measured, points)
            measured = measured.weighted(weights)
            product |= {term: product[term] * w if term in product else w for term, w in weights.items()}
        return states, product

    def figures(self, state: State) -> Mapping[str, jax.Array]:
        """Those of all; one that another before it has too begins with the name of its part."""
        found: dict[str, jax.Array] = {}
        for name, part in self.parts.items():
            own = part.figures(state[name])
            found |= {f"{name}_{figure}" if figure in found else figure: value for figure, value in own.items()}
        return found
