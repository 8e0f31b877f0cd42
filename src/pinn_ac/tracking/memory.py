"""The history of a run in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pinn_ac.tracking.tracker import Tracker


@dataclass
class Memory(Tracker):
    """Keeps each logged step as a mapping, as a line of history.jsonl has it.

    Args:
        history: of the steps before, where a run resumes.
    """

    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, history: Iterable[Mapping[str, Any]]) -> "Memory":
        """One that goes on with a history."""
        return cls([dict(entry) for entry in history])

    def start(self, description: Mapping[str, Any]) -> None:
        """Drop the steps that a resumed run will repeat."""
        last = int(description.get("step", 0))
        self.history = [entry for entry in self.history if entry["step"] <= last]

    def log(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """Keep one step."""
        first = {"step": step, "seconds": figures["seconds"], "loss": figures["loss"], "stage": stage}
        self.history.append(first | {name: value for name, value in figures.items() if name not in first})
