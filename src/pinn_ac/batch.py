"""What the loss is evaluated on: the points of every term, their weights, and what all of them share."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

MEMORY = "memory_"
"""What is drawn under a name that begins so is no points: it is remembered from one draw to the next, and saved."""


def without_memory(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The points and weights of a draw alone.

    >>> without_memory({"residual": 1, "memory_gate": 2})
    {'residual': 1}
    """
    return {name: values for name, values in drawn.items() if not name.startswith(MEMORY)}


def coordinates(points: Any) -> tuple[Any, Any]:
    """t, (n,), and x, (n,), of points (n, 2); in the plane, of points (n, 3), x is (n, 2) with columns x and y."""
    return points[:, 0], points[:, 1] if points.shape[1] == 2 else points[:, 1:]


class Points(NamedTuple):
    """The n points of one term of the loss; every array has a leading axis of n, so a chunk is a slice.

    prepared: what the term needs of its points, a pytree: as a rule what depends on them alone, computed once; of
        very many points the coordinates (n, 2) themselves (see :class:`~pinn_ac.loss.Unprepared`).
    weight: w_i ≥ 0, (n,), the factor of each point's share of the term's mean; None for 1 everywhere.
    """

    prepared: Any
    weight: jax.Array | None = None


class Batch(NamedTuple):
    """What one step of an optimizer sees. A pytree: optimizers hand it to the objective and need not look inside.

    terms: name of a term → its points. Several devices share these.
    context: what all points share and every device holds whole; None where there is nothing.
    """

    terms: Mapping[str, Points]
    context: Any = None

    def weighted(self, weights: Mapping[str, jax.Array]) -> "Batch":
        """The batch whose points of term k have their weights multiplied by `weights[k]`, (n_k,).

        A term that `weights` does not name keeps the weights that it has.
        """

        def with_weight(points: Points, weight: jax.Array) -> Points:
            return points._replace(weight=weight if points.weight is None else weight * points.weight)

        changed = {name: with_weight(self.terms[name], weight) for name, weight in weights.items()}
        return self._replace(terms={**self.terms, **changed})
