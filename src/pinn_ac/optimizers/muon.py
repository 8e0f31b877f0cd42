"""Muon."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import optax
from optax.contrib import MuonDimensionNumbers

from pinn_ac.errors import is_whole, require
from pinn_ac.models.fourier_features import FREQUENCIES
from pinn_ac.optimizers.first_order import FirstOrder
from pinn_ac.optimizers.schedules import require_decay


@dataclass(frozen=True)
class Muon(FirstOrder):
    """Muon (Jordan et al. 2024; arXiv:2502.16982) by optax: momentum, with the update of each matrix orthogonalized.

    With the gradient G of a weight matrix at step k (from 1) and the momentum M ← beta M + (1 − beta) G, what is made
    orthogonal is Nesterov's look ahead, with both parts corrected for the start at zero,

        N = beta M/(1 − beta^{k+1}) + (1 − beta) G/(1 − beta^k).

    It is replaced by √max(1, fan_out/fan_in) UVᵀ, nearly, with UVᵀ the orthogonal matrix of its singular value
    decomposition N = USVᵀ, which a few Newton–Schulz iterations compute without a decomposition. Parameters that are
    no matrices, such as biases, are trained by Adam, also with Nesterov's look ahead, with the same learning rate.
    For PINNs: Wang, Bhartari, Li and Perdikaris 2025, arXiv:2502.00604, table 1.

    Args:
        learning_rate, schedule, final_lr_fraction, steps, warmup_steps, decay_rate, decay_steps, combine: see
            :class:`~pinn_ac.optimizers.first_order.FirstOrder`.
        beta: decay rate of the momentum, in [0, 1).
        newton_schulz_steps: iterations of the orthogonalization, at least 1.

    Raises:
        InputError: see :class:`~pinn_ac.optimizers.first_order.FirstOrder`; or a number out of range.

    Example:
        >>> optimizer = Muon(learning_rate=1e-3, steps=2000).build(objective)
    """

    beta: float = 0.95
    newton_schulz_steps: int = 5

    name: ClassVar[str] = "muon"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_decay("beta", self.beta)
        require(
            is_whole(self.newton_schulz_steps, 1),
            f"optimizer.newton_schulz_steps is {self.newton_schulz_steps}: give a whole number from 1.",
        )

    def transformation(self) -> optax.GradientTransformation:
        """Gradient → update, in optax's terms."""
        return optax.contrib.muon(
            self.rates(),
            beta=self.beta,
            ns_steps=self.newton_schulz_steps,
            muon_weight_dimension_numbers=_dimensions,
        )


def _dimensions(params: Any) -> Any:
    """Of each matrix its axes of inputs and outputs; None for what is none. Fourier features have B z, not z B."""

    def of(path: tuple[Any, ...], leaf: jax.Array) -> MuonDimensionNumbers | None:
        if leaf.ndim != 2:
            return None
        is_turned = bool(path) and getattr(path[-1], "key", None) == FREQUENCIES
        return MuonDimensionNumbers(1, 0) if is_turned else MuonDimensionNumbers(0, 1)

    return jax.tree_util.tree_map_with_path(of, params)
