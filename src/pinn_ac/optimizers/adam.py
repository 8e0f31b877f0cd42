"""Adam."""

from dataclasses import dataclass
from typing import ClassVar

import optax

from pinn_ac.optimizers.first_order import FirstOrder
from pinn_ac.optimizers.schedules import require_decay


@dataclass(frozen=True)
class Adam(FirstOrder):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1) by optax, with a learning-rate schedule.

    The first and second moments of the gradient are m ← b1 m + (1 − b1) g and v ← b2 v + (1 − b2) g², and the update
    is −η m̂/(√v̂ + 10⁻⁸) with both moments corrected for their start at zero.

    Args:
        learning_rate, schedule, final_lr_fraction, steps, warmup_steps, decay_rate, decay_steps, combine: see
            :class:`~pinn_ac.optimizers.first_order.FirstOrder`.
        b1: decay rate of the first moment, in [0, 1).
        b2: decay rate of the second moment, in [0, 1).

    Raises:
        InputError: see :class:`~pinn_ac.optimizers.first_order.FirstOrder`; or a number out of range.

    Example:
        >>> optimizer = Adam(learning_rate=1e-3, steps=2000).build(objective)
        >>> state = optimizer.init(params)
        >>> state, info = optimizer.step(state, batch)
    """

    b1: float = 0.9
    b2: float = 0.999

    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_decay("b1", self.b1)
        require_decay("b2", self.b2)

    def transformation(self) -> optax.GradientTransformation:
        """Gradient → update, in optax's terms."""
        return optax.adam(self.rates(), b1=self.b1, b2=self.b2)
