"""bc-PINN: segments of time one after the other, by one network that is held to what it has learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Change, Field, Parameters
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.loss import WEIGHTS as WEIGHTS_OF
from pinn_ac.loss import Term
from pinn_ac.problem import Problem
from pinn_ac.regimes.regime import Regime
from pinn_ac.residual import PreparedPoint, value
from pinn_ac.sampling import Box, Sobol, draw_points

TERM = "backward"


@dataclass(frozen=True)
class BackwardCompatible(Regime):
    """Backward-compatible PINN (Mattey and Ghosh 2022, arXiv:2106.07606).

    The horizon is cut into K segments (T_{k−1}, T_k] of one length, T_k = kT/K. One network serves all. In stage k it
    is trained on segment k, and held to what it was at the end of the stage before, u_{k−1}, on all earlier ones:

        L = mean over segment k of f²
            + λ_i mean over x of (u(T_{k−1}, x) − u_{k−1}(T_{k−1}, x))²        with u_0 the initial condition
            + λ_b mean over (0, T_{k−1}) of (u − u_{k−1})²                     nothing in stage 1

    λ_i is `loss.weights.initial`; an ansatz with the initial condition built in has no such term. (With `loss=l1` all
    squares are absolute values.) One compiled step serves all stages: in the first the points of the last term have
    weight zero.

    In the paper and its code λ_i = λ_b = 64, for 4 segments, 20,000 collocation points in each and 6 × 128 tanh, by
    10,000 steps of Adam and as many of L-BFGS a segment. Two of its devices are left out: the first tenth of Adam's
    steps that fit u_{k−1}(T_{k−1}, x) over the whole segment, and the freezing of two layers, which the code asks for
    by a word that has no effect. There the points of the last term are a grid, here new Sobol points at each draw.

    Errors in the history are those on the whole horizon, in every stage: they are large until the last one.

    Args:
        segments: K ≥ 2.
        weight: λ_b > 0.
        num_points: points of the last term, from 1.

    Raises:
        InputError: a number out of range.

    Example:
        >>> BackwardCompatible(segments=4).box(((0.0, 1.0), (-1.0, 1.0)), 1)
        ((0.25, 0.5), (-1.0, 1.0))
    """

    segments: int = 4
    weight: float = 64.0
    num_points: int = 2048

    def __post_init__(self) -> None:
        require(is_whole(self.segments, 2), f"regime.segments is {self.segments}: give a whole number from 2.")
        weight = self.weight
        require(is_number(weight) and weight > 0, f"regime.weight is {weight}: give a positive number.")
        require(is_whole(self.num_points, 1), f"regime.num_points is {self.num_points}: give a whole number from 1.")

    @property
    def vanishing(self) -> bool:
        """A stage begins with u = u_{k−1}."""
        return True

    @property
    def counts(self) -> Mapping[str, int]:
        """The points of the term "backward"."""
        return {TERM: self.num_points}

    @property
    def weights(self) -> Mapping[str, float]:
        """λ_b."""
        return {TERM: self.weight}

    def stages(self, problem: Problem) -> int:
        """One for each segment."""
        return self.segments

    def box(self, box: Box, stage: int) -> Box:
        """The segment of the stage."""
        (start, end), sides = box
        length = (end - start) / self.segments
        return (start + stage * length, start + (stage + 1) * length), sides

    def points(self, box: Box, seed: int, stream: str, index: int, stage: int) -> dict[str, np.ndarray]:
        """Points of all segments before, and their weights: zero in stage 0, which has none before it."""
        (start, _), sides = box
        end = self.box(box, max(0, stage - 1))[0][1]
        sampler = Sobol(self.num_points, 1)
        drawn = draw_points(sampler, ((start, end), sides), seed, f"{stream} {TERM}", index)["residual"]
        return {TERM: drawn, TERM + WEIGHTS_OF: np.full(len(drawn), float(stage > 0))}

    def change(self, problem: Problem, stage: int, finished: tuple[Parameters, ...]) -> Change | None:
        """The parameters of u_{k−1}."""
        return Change(earlier=jax.tree.map(jnp.asarray, finished[-1])) if finished else None

    def terms(self, field: Field, terms: Mapping[str, Term]) -> dict[str, Term]:
        """The term "backward" is added, and the initial one aims at u_{k−1}(T_{k−1}, x)."""
        prepare = terms["residual"].prepare

        def prepared(points: jax.Array, change: Change | None = None) -> tuple[PreparedPoint, jax.Array]:
            there = prepare(points, change)
            if change is None:
                return there, there.background["u"][:, 0]
            return there, jax.vmap(lambda point: value(field, change.earlier, point))(there)

        def missed(params: Parameters, point: Any) -> jax.Array:
            there, wanted = point
            return value(field, params, there) - wanted

        aimed = Term(prepared, missed)
        return {**terms, **({"initial": aimed} if "initial" in terms else {}), TERM: aimed}
