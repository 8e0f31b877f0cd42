"""Points that stay while their residual is large, behind a gate that moves on in time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn_ac.batch import MEMORY
from pinn_ac.errors import is_number, require
from pinn_ac.sampling.retain_release import RetainRelease
from pinn_ac.sampling.sampler import Box, Guides

GATE = f"{MEMORY}gate"


@dataclass(frozen=True)
class CausalRetainRelease(RetainRelease):
    """Causal R3 (Daw, Bu, Wang, Perdikaris and Karpatne 2023, arXiv:2207.02338): R3 behind the causal gate

        g(τ) = (1 − tanh(α (τ − γ))) / 2,

    with τ in [0, 1] the time as a share of the time window, so that g is near 1 before γ and near 0 after it. At
    each draw the points whose |f| g(τ) is above the mean of all stay, the others give way to Sobol points, and the
    gate moves:

        γ ← γ + k η min(exp(−ε L), c),    L = mean (|f| g)² over the points before the draw,

    so the gate waits where the residual in front of it is large. k is the number of steps between draws
    (`resample_every`): η is the gate's largest motion in one step, as in the paper, which draws at every step. Each
    point has the weight g(τ)² until the next draw, with which the mean square of the residual is mean (f g)², the
    paper's loss. (`loss=l1` gives mean |f| g².) The gate starts anew in each time window; γ is the one number that
    this sampler remembers, and checkpoints hold it.

    In the code published with the paper c = 0.1, called gradient clipping, and the gradient of u_xx is taken in t by
    mistake; the paper has no c. What counts as over-fitting is judged without the gate, so over all times.

    Args:
        steepness: α > 0.
        gate: γ before the first step.
        rate: η > 0.
        tolerance: ε > 0.
        clip: c in (0, 1]; 1 changes nothing, as exp(−ε L) ≤ 1.

    Raises:
        InputError: a number out of range, or `resample_every` zero, with which the gate would never move.

    Example:
        >>> sampler = CausalRetainRelease(1000, resample_every=1, clip=0.1)
        >>> sampler.causal_gate(np.array([0.0, 1.0]), 0.5).round(3)
        array([0.993, 0.007])
    """

    steepness: float = 5.0
    gate: float = -0.5
    rate: float = 1e-3
    tolerance: float = 20.0
    clip: float = 1.0

    hides = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_draws()
        for name in ("steepness", "rate", "tolerance"):
            value = getattr(self, name)
            require(is_number(value) and value > 0, f"sampler.{name} is {value}: give a positive number.")
        require(is_number(self.gate), f"sampler.gate is {self.gate}: give a number, such as -0.5.")
        clip = self.clip
        require(
            is_number(clip) and 0 < clip <= 1, f"sampler.clip is {clip}: give a number above 0, at most 1 (no clip)."
        )

    def causal_gate(self, share: np.ndarray, gate: float) -> np.ndarray:
        """g at times (n,), given as shares of the time window, with γ = `gate`."""
        return (1 - np.tanh(self.steepness * (share - gate))) / 2

    def draw(
        self, box: Box, seed: int, index: int, guides: Guides, previous: Mapping[str, np.ndarray], count: int
    ) -> dict[str, np.ndarray]:
        """The points of `previous` above its mean |f| g, then new ones, `count` in all; g² as weights; and γ."""
        start, end = box[0]

        def gated(points: np.ndarray, gate: float) -> np.ndarray:
            return self.causal_gate((points[:, 0] - start) / (end - start), gate)

        gate, points, fitness = self.gate, np.empty((0, len(box))), np.empty(0)
        if previous:
            gate, points = float(previous[GATE][0]), np.asarray(previous["residual"], np.float64)
            fitness = guides.residual(points) * gated(points, gate)
        drawn = self.refilled(box, seed, index, points, fitness, count)
        if count == len(points):  # a draw of more points, for over-fitting, is beside the rhythm of the others
            gate += self._motion(fitness)
        return {**drawn, "residual_weights": gated(drawn["residual"], gate) ** 2, GATE: np.array([gate])}

    def _motion(self, fitness: np.ndarray) -> float:
        """How far the gate moves at a draw; not at all where |f| is not finite."""
        with np.errstate(over="ignore"):
            driven = float(np.exp(-self.tolerance * np.mean(fitness**2)))
        return self.resample_every * self.rate * min(driven, self.clip) if np.isfinite(driven) else 0.0
