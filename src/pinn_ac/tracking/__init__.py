"""What a run measures as it goes, kept as JSON lines."""

from pinn_ac.tracking.history import History, read_history, steps_of_stages

__all__ = ["History", "read_history", "steps_of_stages"]
