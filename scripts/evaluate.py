"""Recompute a run's metrics and figures: python scripts/evaluate.py run=FOLDER (see --help)."""

from pinn_ac.app.commands import evaluate

if __name__ == "__main__":
    evaluate()
