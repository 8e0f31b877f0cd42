"""Train a PINN: python scripts/train.py model=mlp (see --help)."""

import hydra
from omegaconf import DictConfig

from pinn_ac.app import cli, config, run

config.register()


@hydra.main(version_base="1.3", config_path="../configs", config_name="config")
def main(settings: DictConfig) -> float:
    """Train, and return what a sweep minimises."""
    return cli.execute(run.train, settings)


if __name__ == "__main__":
    cli.start(main)
