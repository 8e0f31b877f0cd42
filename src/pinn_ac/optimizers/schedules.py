"""Learning rates that change from step to step: a linear warm-up, then one of optax's schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import optax

from pinn_ac.errors import is_number, is_whole, require

SCHEDULES = ("constant", "cosine", "exponential")
LEFT = 1e-2
"""Of the learning rate, at the end, where nothing else is said."""


@dataclass(frozen=True)
class Scheduled:
    """The settings of a method with a learning rate.

    With the rate η, W steps of warm-up, the fraction q left at the end, and the length D of the schedule, the rate at
    step k is η k/W for k < W, and from then on with j = k − W

        η                                     ("constant"),
        η (q + (1 − q) (1 + cos πj/D)/2)      ("cosine", and η q for j > D),
        η d^{j/D}                             ("exponential", not in stairs).

    The schedule that most published settings for PINNs have, a factor of 0.9 for every 5000 steps after a warm-up of
    as many, is `schedule="exponential", decay_rate=0.9, decay_steps=5000, warmup_steps=5000`.

    Args:
        learning_rate: η > 0.
        schedule: "constant", "cosine" or "exponential".
        final_lr_fraction: q in (0, 1]: what is left of the learning rate at the end of the schedule, for "cosine"
            and, without a decay rate, "exponential".
        steps: N, how many steps a stage of training takes.
        warmup_steps: W, from 0. The first step of a warm-up has the rate zero. A stage of fewer steps ends in it.
        decay_rate: d in (0, 1], for "exponential"; None for q.
        decay_steps: D, for "cosine" and "exponential"; None for N − W, the rest of the stage.

    Raises:
        InputError: an unknown schedule, a number out of range, or a decay or an end for a schedule that has none.
    """

    learning_rate: float = 2e-3
    schedule: str = "cosine"
    final_lr_fraction: float = LEFT
    steps: int = 10_000
    warmup_steps: int = 0
    decay_rate: float | None = None
    decay_steps: int | None = None

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"final_share": "final_lr_fraction"})

    def __post_init__(self) -> None:
        require(
            self.schedule in SCHEDULES,
            f"optimizer.schedule is {self.schedule!r}: choose one of {', '.join(SCHEDULES)}.",
        )
        require(
            is_number(self.learning_rate) and self.learning_rate > 0,
            f"optimizer.learning_rate is {self.learning_rate}: give a positive number.",
        )
        for name, share in (("final_lr_fraction", self.final_lr_fraction), ("decay_rate", self.decay_rate)):
            left_out = name == "decay_rate" and share is None
            require(
                left_out or (is_number(share) and 0 < float(share or 0) <= 1),
                f"optimizer.{name} is {share}: give a number in (0, 1].",
            )
        counts = {"steps": self.steps, "warmup_steps": self.warmup_steps, "decay_steps": self.decay_steps}
        for name, value in counts.items():
            least, left_out = int(name != "warmup_steps"), name == "decay_steps" and value is None
            require(
                left_out or is_whole(value, least), f"optimizer.{name} is {value}: give a whole number from {least}."
            )
        require(
            self.decay_rate is None or self.schedule == "exponential",
            f"optimizer.decay_rate is for schedule=exponential, and the schedule is {self.schedule}: leave one out.",
        )
        ends_there = self.schedule == "cosine" or (self.schedule == "exponential" and self.decay_rate is None)
        require(
            self.final_lr_fraction == LEFT or ends_there,
            f"optimizer.final_lr_fraction is {self.final_lr_fraction}, where this schedule does not end: leave it "
            "out, or choose schedule=cosine, or schedule=exponential without decay_rate.",
        )
        require(
            self.decay_steps is None or self.schedule != "constant",
            "optimizer.decay_steps is for a schedule that decays, and the schedule is constant: leave one out.",
        )

    def rates(self) -> optax.Schedule:
        """Step → learning rate."""
        eta, q = self.learning_rate, self.final_lr_fraction
        length = max(1, self.steps - self.warmup_steps) if self.decay_steps is None else self.decay_steps
        rate = q if self.decay_rate is None else self.decay_rate
        after = {
            "constant": lambda: optax.constant_schedule(eta),
            "cosine": lambda: optax.cosine_decay_schedule(eta, length, alpha=q),
            "exponential": lambda: optax.exponential_decay(eta, length, rate),
        }[self.schedule]()
        if not self.warmup_steps:
            return after
        warmup = optax.linear_schedule(0.0, eta, self.warmup_steps)
        return optax.join_schedules([warmup, after], [self.warmup_steps])


def require_decay(name: str, value: float) -> None:
    """Refuse a decay rate of a moving average that is not in [0, 1)."""
    require(is_number(value) and 0 <= value < 1, f"optimizer.{name} is {value}: give a number in [0, 1).")
