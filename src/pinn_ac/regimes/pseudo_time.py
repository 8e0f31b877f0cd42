"""Pseudo-time stepping: the residual is damped towards the network as it was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.ansatz import Change, Field, Parameters
from pinn_ac.batch import MEMORY
from pinn_ac.errors import is_number, is_whole, require
from pinn_ac.loss import Term
from pinn_ac.regimes.regime import Moment, Points, Regime
from pinn_ac.residual import PreparedPoint, value

NOW, OLD, RATE, FIRST = (f"{MEMORY}{name}" for name in ("params", "old_params", "rate", "first_loss"))
LEAST, MOST = 1e-2, 100.0
"""Bounds of a rate that is adapted."""
MOMENTUM = 0.9
"""The share of the old rate in the new one."""


class Damped(NamedTuple):
    """A prepared point, u_old there, and w; both None where the residual is not damped."""

    point: PreparedPoint
    old: jax.Array | None
    rate: jax.Array | None


@dataclass(frozen=True)
class PseudoTime(Regime):
    """Pseudo-time stepping (Wang, Koohy, Lu and Perdikaris 2026, arXiv:2604.23528).

    The equation f(u) = 0 is the rest state of ∂u/∂s + f(u) = 0 in a pseudo-time s. One implicit step of Euler's, of
    the length Δτ, has in place of f the residual

        (u − u_old)/Δτ + f(u) = f(u) + w (u − u_old),    w = 1/Δτ,

    with u_old the network at an earlier draw of points. No gradient goes through it. By default it is the network at
    the draw before (`lag` 1), which with `resample_every=1` is the network before the last step of the optimizer, as
    in the published code; points must then be new in every step, by the paper's argument. With `lag` 0 u_old is the
    network at the newest draw, so that the `resample_every` steps between draws solve one step of Euler's.

    With `adapt_every` w follows the residual's local Lipschitz constant: every so many steps

        w ← 0.9 w + 0.1 clip(q ‖f(u) − f(u_prev)‖/(‖u − u_prev‖ + 1e-8), 0.01, 100),

    norms over the newest points, u_prev the network at the draw before. q falls with the mean square of f, from 1 to
    `least_share` by half a cosine while log₁₀ of its ratio to that at the first draw falls from −`falls[0]` to
    −`falls[1]`; `least_share` 1 leaves q at 1. The code takes the ratio to an untrained network on the same points.

    What is logged as the loss, and `loss_residual`, have the damping; the held-out loss, adaptive samplers and errors
    have f itself.

    Args:
        rate: w > 0, in units of 1/t in natural units; with `adapt_every` the first one.
        lag: 1 or 0.
        adapt_every: steps; None keeps w. The published code has 1000.
        least_share: in (0, 1].
        falls: decades of the mean square at which q begins and ends to fall, the first the smaller.

    Raises:
        InputError: a value out of range, or a sampler that never draws anew.

    Example:
        >>> PseudoTime(rate=1.0, adapt_every=1000).share(1e-4)  # of the mean square that it had at first
        0.55
    """

    rate: float = 1.0
    lag: int = 1
    adapt_every: int | None = None
    least_share: float = 0.1
    falls: tuple[float, float] = (2.0, 6.0)

    def __post_init__(self) -> None:
        rate, share = self.rate, self.least_share
        require(is_number(rate) and rate > 0, f"regime.rate is {rate}: give a positive number.")
        require(self.lag in (0, 1) and is_whole(self.lag, 0), f"regime.lag is {self.lag}: give 0 or 1.")
        every = self.adapt_every
        require(
            every is None or is_whole(every, 1),
            f"regime.adapt_every is {every}: give a whole number from 1, or null to keep the rate.",
        )
        require(
            is_number(share) and 0 < share <= 1,
            f"regime.least_share is {share}: give a number above 0, at most 1 (the rate does not fall).",
        )
        pair = isinstance(self.falls, list | tuple) and len(self.falls) == 2 and all(map(is_number, self.falls))
        require(
            pair and self.falls[0] < self.falls[1],
            f"regime.falls is {self.falls}: give two numbers, the first the smaller, such as [2,6].",
        )
        object.__setattr__(self, "falls", tuple(float(one) for one in self.falls))

    @property
    def draws(self) -> bool:
        """It acts at draws of points, and needs more than one."""
        return True

    def share(self, ratio: float) -> float:
        """q, where the mean square of f is `ratio` times what it was at first."""
        start, end = self.falls
        progress = np.clip((-np.log10(max(ratio, 1e-300)) - start) / (end - start), 0.0, 1.0)
        return float(self.least_share + (1 - self.least_share) * 0.5 * (1 + np.cos(np.pi * progress)))

    def terms(self, field: Field, terms: Mapping[str, Term]) -> dict[str, Term]:
        """The residual is damped where the change says so."""
        plain = terms["residual"]

        def prepare(points: jax.Array, change: Change | None = None) -> Damped:
            there = plain.prepare(points)
            if change is None:
                return Damped(there, None, None)
            old = jax.vmap(lambda point: value(field, change.earlier, point))(there)
            return Damped(there, old, jnp.full_like(old, change.rate))

        def at_point(params: Parameters, point: Any) -> jax.Array:
            f = plain.at_point(params, point.point)
            return f if point.old is None else f + point.rate * (value(field, params, point.point) - point.old)

        def at_points(params: Parameters, points: Any) -> jax.Array:
            assert plain.at_points is not None
            f = plain.at_points(params, points.point)
            if points.old is None:
                return f
            u = jax.vmap(lambda point: value(field, params, point))(points.point)
            return f + points.rate * (u - points.old)

        quicker = None if plain.at_points is None else at_points
        return {**terms, "residual": Term(prepare, at_point, at_points=quicker)}

    def remember(self, moment: Moment) -> dict[str, np.ndarray]:
        """The parameters now and those of u_old, w, and the mean square of f at the first draw."""
        previous = moment.previous
        before = np.asarray(previous[NOW]) if previous else moment.params
        kept = {NOW: moment.params, OLD: before if self.lag else moment.params}
        if self.adapt_every is None:
            return kept
        if not previous:
            first = np.mean(moment.measure(moment.params, moment.points)[1] ** 2)
            return {**kept, RATE: np.array([self.rate]), FIRST: np.array([first])}
        return {**kept, RATE: self._adapted(moment, before), FIRST: np.asarray(previous[FIRST])}

    def _adapted(self, moment: Moment, before: np.ndarray) -> np.ndarray:
        """w, (1,), after this draw: a new one where `adapt_every` steps are over since the last."""
        rate = np.asarray(moment.previous[RATE], np.float64)
        assert self.adapt_every is not None
        if moment.step // self.adapt_every == moment.last // self.adapt_every:
            return rate
        (u, f), (u_before, f_before) = (moment.measure(flat, moment.points) for flat in (moment.params, before))
        share = self.share(float(np.mean(f**2) / (float(moment.previous[FIRST][0]) or 1.0)))
        wanted = share * np.linalg.norm(f - f_before) / (np.linalg.norm(u - u_before) + 1e-8)
        return MOMENTUM * rate + (1 - MOMENTUM) * np.clip(wanted, LEAST, MOST) if np.isfinite(wanted) else rate

    def recalled(self, change: Change | None, drawn: Points, unravel: Callable[[Any], Parameters]) -> Change | None:
        """u_old's parameters and w."""
        rate = drawn[RATE][0] if RATE in drawn else self.rate
        return Change(earlier=unravel(drawn[OLD]), rate=jnp.asarray(rate, float))
