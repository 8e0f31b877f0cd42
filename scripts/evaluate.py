"""Recompute a run's metrics and figures: python scripts/evaluate.py run=FOLDER (see --help)."""

import hydra
from omegaconf import DictConfig

from pinn_ac.app import cli, config, run

config.register()


@hydra.main(version_base="1.3", config_path="../configs", config_name="evaluate")
def main(settings: DictConfig) -> None:
    """Evaluate."""
    cli.execute(run.evaluate, settings)


if __name__ == "__main__":
    cli.start(main)
