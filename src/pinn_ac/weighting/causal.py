"""Causal weights: later times count only as earlier times are solved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.weighting.weighting import Measured, Points

DIVISIONS = ("count", "time")
TERM = "residual"


class CausalState(NamedTuple):
    """Index of the present tolerance, and the least weight at the newest step."""

    stage: jax.Array
    least: jax.Array


@dataclass(frozen=True)
class Causal:
    """Causal training (Wang, Sankaran and Perdikaris 2022, arXiv:2203.07404): chunk k of the time axis has the weight

        w_1 = 1,    w_k = exp(−ε Σ_{j<k} L_j),

    where L_j is the mean of w_i φ(r_i) over the points in chunk j (φ(r) = r² with `loss=mse`), so the w_k never
    increase with t, and no gradient goes through them. The loss of the residual becomes Σ_k (n_k/n) w_k L_k, with
    n_k of the n points in chunk k: the paper's (1/M) Σ_k w_k L_k for chunks of equal counts. As ε → 0 it is the loss
    without weights. A loss of the initial condition keeps its weight, as in the code published with the paper
    (`loss.weights.initial` 100); by the paper's algorithm it may also be a first summand L_0.

    A point belongs to a chunk by its time alone, whatever its place in the list of points; points with equal t share
    a chunk. A chunk without points, as where a grid has fewer times than there are chunks, has the L of the chunk
    before it, so that Σ L is the same on coarse grids. L_j does not contain `loss.weights.residual`, so ε means the
    same whatever that is. Points of weight 0 are not counted: in a set that grows (`sampler=rar_d`,
    `failure_informed`) they repeat the n of N that are there, whose weight is N/n, and L_j is the mean of φ(r_i) over
    those of them in chunk j.

    The paper's own choice is an annealed ε, `tolerance=(1e-2, 1e-1, 1, 10, 100)`: each is replaced by the next once
    min_k w_k > δ = 0.99 (`threshold`). After the last one the paper may stop; here the number of steps decides. The
    code published with it has ε = 100 and chunks that are the 100 times of a grid; later code of the same group, for
    points drawn at random, has the defaults here: ε = 1 and 32 chunks of equal counts.

    Every time window starts with the first tolerance, with chunks of its own. With several devices the chunks are
    those of all points together.

    **Patent notice.** The authors state that causal training is subject to a patent of the University of Pennsylvania
    and free for non-commercial use only. Ask them before you use this weighting commercially.

    Args:
        tolerance: ε > 0, or an increasing list of them.
        chunks: M ≥ 2, how many chunks the time axis is divided into.
        division: "count": chunks of equal numbers of points in the order of t; "time": chunks of equal width between
            the earliest and the latest point.
        threshold: δ in (0, 1): the least weight above which the next tolerance of a list is taken.

    Raises:
        InputError: a number out of range, or an unknown division.

    Example:
        >>> weighting = Causal(tolerance=(1e-2, 1e-1, 1.0), chunks=16)
    """

    tolerance: float | Sequence[float] = 1.0
    chunks: int = 32
    division: str = "count"
    threshold: float = 0.99

    def __post_init__(self) -> None:
        if isinstance(self.tolerance, list):
            object.__setattr__(self, "tolerance", tuple(self.tolerance))
        given = self.tolerances
        positive = bool(given) and all(is_number(value) and value > 0 for value in given)
        require(
            positive and list(given) == sorted(set(given)),
            f"weighting.tolerance is {self.tolerance}: give a positive number, or a list of increasing ones.",
        )
        require(is_whole(self.chunks, 2), f"weighting.chunks is {self.chunks}: give a whole number from 2.")
        require(
            self.division in DIVISIONS,
            f"weighting.division is {self.division!r}: choose one of {', '.join(DIVISIONS)}.",
        )
        require(
            is_number(self.threshold) and 0 < self.threshold < 1,
            f"weighting.threshold is {self.threshold}: give a number between 0 and 1.",
        )

    @property
    def tolerances(self) -> tuple[Any, ...]:
        """Every ε in turn."""
        return self.tolerance if isinstance(self.tolerance, tuple) else (self.tolerance,)

    def init(self, points: Points, seed: int = 0) -> CausalState:
        """The state before the first step of a time window."""
        return CausalState(jnp.zeros((), int), jnp.ones((), float))

    def renew(self, state: CausalState, points: Points) -> CausalState:
        """The state as it is: it holds nothing of single points."""
        return state

    def update(
        self, state: CausalState, measured: Measured, points: Points
    ) -> tuple[CausalState, Mapping[str, jax.Array]]:
        """The state, its tolerance the next one where that is due, and the weight of every point of the residual."""
        losses = measured.losses(TERM)
        chunk = self.chunk_of(points[TERM][:, 0])
        per_chunk = chunk_means(losses, chunk, self.chunks, measured.weights(TERM) > 0)
        tolerance = jnp.asarray(self.tolerances, losses.dtype)[state.stage]
        weights = causal_weights(per_chunk, tolerance)
        least = weights[-1]
        last = len(self.tolerances) - 1
        stage = jnp.minimum(state.stage + (least > self.threshold), last)
        return CausalState(stage, least), {TERM: weights[chunk]}

    def figures(self, state: CausalState) -> Mapping[str, jax.Array]:
        """The present tolerance, and the least weight at the newest step."""
        return {"causal_tolerance": jnp.asarray(self.tolerances)[state.stage], "causal_least_weight": state.least}

    def chunk_of(self, t: jax.Array) -> jax.Array:
        """The chunk of each point, from 0, by its time (n,) alone."""
        if self.division == "count":
            earlier = jnp.searchsorted(jnp.sort(t), t)  # how many are: the same for points with equal t
            firsts = jnp.asarray([-(-k * len(t) // self.chunks) for k in range(1, self.chunks)])
            return jnp.searchsorted(firsts, earlier, side="right")
        start, end = jnp.min(t), jnp.max(t)
        width = jnp.where(end > start, end - start, 1)
        return jnp.clip(jnp.floor((t - start) / width * self.chunks).astype(int), 0, self.chunks - 1)


def chunk_means(values: jax.Array, chunk: jax.Array, chunks: int, counts: jax.Array | None = None) -> jax.Array:
    """The mean of the values (n,) in each chunk, (chunks,); in an empty one that of the last before it which is not.

    Where `counts` (n,) is false at m of the places, a value is one of fewer points, n/(n − m) times as large.
    """
    ones = jnp.ones_like(values) if counts is None else counts.astype(values.dtype)
    total = jax.ops.segment_sum(values, chunk, chunks)
    count = jax.ops.segment_sum(ones, chunk, chunks) * (len(values) / jnp.maximum(jnp.sum(ones), 1))
    means = total / jnp.where(count > 0, count, 1)
    filled = jax.lax.cummax(jnp.where(count > 0, jnp.arange(chunks), -1))
    return jnp.where(filled >= 0, means[filled], 0)


def causal_weights(losses: jax.Array, tolerance: jax.Array | float) -> jax.Array:
    """w_k = exp(−ε Σ_{j<k} L_j) from L (M,) and ε: w_1 = 1, never increasing; constants to any derivative."""
    # A cumulative sum is computed in a tree and may fall by rounding, hence the maximum of all before.
    earlier = jax.lax.cummax(jnp.cumsum(losses[:-1]))
    return jax.lax.stop_gradient(jnp.exp(-tolerance * jnp.concatenate([jnp.zeros_like(losses[:1]), earlier])))
